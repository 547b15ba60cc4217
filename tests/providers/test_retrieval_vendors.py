"""Voyage, Jina, Together and Infinity: what is sent is what their documents ask for."""

from __future__ import annotations

import base64
from array import array
from typing import Any, get_args

import fastjsonschema
import pytest
from litellm_loopback import Answer, vendor
from openai_support import bind, body, reply

from orchestrator.errors import (
    AuthenticationFailed,
    ContextTooLong,
    InvalidRequest,
    OrchestratorError,
    QuotaExhausted,
    RateLimited,
)
from orchestrator.spec.models import ModelProfile
from orchestrator.spec.provider import Target
from orchestrator.spec.transport import HttpReply
from orchestrator.types.retrieval import (
    EmbedOptions,
    EmbedRequest,
    InputType,
    RerankItem,
    RerankOptions,
    RerankRequest,
)
from orchestrator_providers.vendors import WIRES

# The vendors' published shapes, as far as a request or reply of ours can go.
JINA_EMBED = fastjsonschema.compile(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["model", "input"],
        "properties": {
            "model": {"type": "string"},
            "input": {"type": "array", "minItems": 1, "items": {"type": "string"}},
            "task": {
                "enum": [
                    "retrieval.query",
                    "retrieval.passage",
                    "text-matching",
                    "classification",
                    "separation",
                    "clustering",
                ]
            },
            "dimensions": {"type": "integer", "minimum": 1},
            "normalized": {"type": "boolean"},
            "embedding_type": {"enum": ["float", "base64", "binary", "ubinary"]},
            "late_chunking": {"type": "boolean"},
            "truncate": {"type": "boolean"},
        },
    }
)
JINA_RERANK = fastjsonschema.compile(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["model", "query", "documents"],
        "properties": {
            "model": {"type": "string"},
            "query": {"type": "string"},
            "documents": {"type": "array", "minItems": 1, "items": {"type": "string"}},
            "top_n": {"type": "integer", "minimum": 1},
            "return_documents": {"type": "boolean"},
        },
    }
)
INFINITY_RERANK = fastjsonschema.compile(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["query", "documents"],
        "properties": {
            "query": {"type": "string"},
            "documents": {"type": "array", "minItems": 1, "maxItems": 2048, "items": {"type": "string"}},
            "model": {"type": "string"},
            "top_n": {"type": "integer", "minimum": 1},
            "raw_scores": {"type": "boolean"},
            "return_documents": {"type": "boolean"},
        },
    }
)
FLOATS = base64.b64encode(array("f", [1.0, -0.5]).tobytes()).decode()


def embed(kind: str, **options: Any) -> dict[str, Any]:
    """What is sent for one text."""
    codec = bind(kind, "m").embed
    assert codec is not None
    encoded = codec.encode(EmbedRequest(texts=("a",), options=EmbedOptions(**options)))
    assert encoded.warnings == ()
    return body(encoded)


def rerank(kind: str, **options: Any) -> dict[str, Any]:
    """What is sent for two documents."""
    codec = bind(kind, "m").rerank
    assert codec is not None
    return body(codec.encode(RerankRequest(query="q", documents=("a", "b"), options=RerankOptions(**options))))


def error(kind: str, status: int, value: Any, **headers: str) -> OrchestratorError:
    codec = bind(kind, "m").embed
    assert codec is not None
    answer = reply(value)
    return codec.error(HttpReply(status, headers, answer.body))


@pytest.mark.parametrize("input_type", [None, *get_args(InputType)])
@pytest.mark.parametrize("dimensions", [None, 256])
def test_jina_takes_what_is_sent_to_embed(input_type: InputType | None, dimensions: int | None) -> None:
    """Every combination of options fits Jina's schema, whichever of our input types is asked for."""
    sent = embed("jina", input_type=input_type, dimensions=dimensions)
    JINA_EMBED(sent)
    assert sent["normalized"] is True
    assert sent["embedding_type"] == "base64"
    assert sent.get("dimensions") == dimensions
    tasks = {
        None: None,
        "query": "retrieval.query",
        "document": "retrieval.passage",
        "classification": "classification",
        "clustering": "separation",
    }
    assert sent.get("task") == tasks[input_type]


def test_jinas_own_options_come_last() -> None:
    """What Jina has and we do not name is sent as the caller writes it, over our own fields too."""
    own = {"task": "text-matching", "truncate": True, "normalized": False, "late_chunking": True}
    sent = embed("jina", input_type="query", provider_options={"jina": own})
    JINA_EMBED(sent)
    assert sent.items() >= own.items()


def test_a_model_without_tasks_is_sent_none() -> None:
    """A model that is known to take no input type gets none, and the caller is told."""
    wire = WIRES["jina"]
    target = Target(
        profile=wire.profile,
        provider="p",
        deployment="d",
        model="jina-embeddings-v2-base-en",
        base_url="https://api.jina.ai/v1",
        model_profile=ModelProfile(refuses=frozenset({"input_type"})),
    )
    codec = wire.bind(target).embed
    assert codec is not None
    encoded = codec.encode(EmbedRequest(texts=("a",), options=EmbedOptions(input_type="query")))
    assert "task" not in body(encoded)
    assert [warning.setting for warning in encoded.warnings] == ["input_type"]


def test_jina_takes_what_is_sent_to_rerank() -> None:
    """Documents are not sent back: nobody reads them, and they are most of the bytes."""
    sent = rerank("jina", top_n=1)
    JINA_RERANK(sent)
    assert (sent["top_n"], sent["return_documents"]) == (1, False)


def test_jinas_replies_are_read() -> None:
    """Vectors from base64, rankings best first, and the total as the input."""
    codecs = bind("jina", "jina-embeddings-v3")
    assert codecs.embed is not None
    assert codecs.rerank is not None
    vectors = codecs.embed.decode(
        reply(
            {
                "model": "jina-embeddings-v3",
                "object": "list",
                "usage": {"total_tokens": 6, "prompt_tokens": 6},
                "data": [{"object": "embedding", "index": 0, "embedding": FLOATS}],
            }
        )
    )
    assert vectors.vectors == [array("f", [1.0, -0.5])]
    assert vectors.usage is not None
    assert vectors.usage.input_tokens == 6
    ranking = codecs.rerank.decode(
        reply(
            {
                "model": "jina-reranker-v3",
                "usage": {"total_tokens": 38},
                "results": [{"index": 1, "relevance_score": 0.2}, {"index": 0, "relevance_score": 0.9}],
            }
        )
    )
    assert ranking.results == (RerankItem(0, 0.9), RerankItem(1, 0.2))
    assert ranking.usage is not None
    assert ranking.usage.input_tokens == 38


@pytest.mark.parametrize(
    ("status", "value", "expected", "scope"),
    [
        (403, {"detail": "Insufficient account balance", "code": "AUTHZ_INSUFFICIENT_BALANCE"}, QuotaExhausted, ""),
        (402, {"detail": "Payment required"}, QuotaExhausted, "credential"),
        (401, {"detail": "Invalid API key", "code": "AUTH_INVALID_API_KEY"}, AuthenticationFailed, "credential"),
        (400, {"detail": "Model 'x' not found", "code": "INPUT_MODEL_NOT_FOUND"}, InvalidRequest, "deployment"),
        (400, {"detail": "Single text cannot exceed 8194 tokens. 9000 tokens given."}, ContextTooLong, "deployment"),
        (422, {"detail": [{"loc": ["body", "input"], "msg": "field required"}]}, InvalidRequest, "request"),
        (429, {"detail": "Token rate limit", "code": "RATE_TOKEN_LIMIT_EXCEEDED"}, RateLimited, "deployment"),
    ],
)
def test_jinas_errors_are_classified(status: int, value: Any, expected: type[Exception], scope: str) -> None:
    """An empty account is no wrong key, and a text that is too long may fit another model."""
    found = error("jina", status, value)
    assert type(found) is expected
    assert scope in ("", found.scope)
    assert found.status == status


def test_jina_says_how_long_to_wait() -> None:
    """Retry-After of a 429 is taken over."""
    assert error("jina", 429, {"detail": "slow"}, **{"retry-after": "7"}).retry_after == 7.0


@pytest.mark.parametrize("input_type", [None, "query", "document"])
def test_voyage_is_sent_what_its_own_client_sends(input_type: InputType | None) -> None:
    """Asked the same over a socket, Voyage's client and our wire write the same bodies to the same addresses.

    But for nulls and `truncation`, which is left to the vendor.
    """
    voyageai = pytest.importorskip("voyageai")
    usage = {"total_tokens": 1}
    rows = {"object": "list", "data": [], "model": "m", "usage": usage}
    with vendor() as far:
        far.will(Answer(body=rows))
        client = voyageai.Client(api_key="k", base_url=far.url + "/v1")
        client.embed(["a"], model="m", input_type=input_type, output_dimension=256)
        client.rerank("q", ["a", "b"], model="m", top_k=1)
    theirs = [
        {name: value for name, value in sent.body.items() if value is not None and name != "truncation"}
        for sent in far.received
    ]
    assert [sent.path for sent in far.received] == ["/v1/embeddings", "/v1/rerank"]
    assert theirs == [embed("voyage", input_type=input_type, dimensions=256), rerank("voyage", top_n=1)]


@pytest.mark.parametrize(
    ("status", "value", "expected"),
    [
        (401, {"detail": "Provided API key is invalid."}, AuthenticationFailed),
        (429, {"detail": "You have exceeded your rate limit."}, RateLimited),
        (
            400,
            {"detail": "Request failed. The max allowed tokens per submitted batch is 120000. Your batch has 124302."},
            ContextTooLong,
        ),
        (
            400,
            {"detail": "The example at index 0 in your batch has too many tokens and does not fit into the window."},
            ContextTooLong,
        ),
        (400, {"detail": "The batch size limit is 1000. Your batch size is 1001."}, InvalidRequest),
    ],
)
def test_voyages_errors_are_classified(status: int, value: Any, expected: type[Exception]) -> None:
    """Token limits differ between models, so another may take what this one refused; the number of texts does not."""
    assert type(error("voyage", status, value)) is expected


def test_voyages_own_options_are_sent() -> None:
    """Truncation is the vendor's own option, off as the caller writes it."""
    sent = embed("voyage", provider_options={"voyage": {"truncation": False}})
    assert sent["truncation"] is False


def test_infinity_is_reached_at_its_own_addresses() -> None:
    """Embeddings below `/v1`, rankings at the root; no key, no price."""
    codecs = bind("infinity", "BAAI/bge-m3")
    assert codecs.embed is not None
    assert codecs.rerank is not None
    texts = codecs.embed.encode(EmbedRequest(texts=("a",)))
    assert texts.request.url == "http://127.0.0.1:7997/v1/embeddings"
    ranked = codecs.rerank.encode(RerankRequest(query="q", documents=("a",), options=RerankOptions(top_n=1)))
    assert ranked.request.url == "http://127.0.0.1:7997/rerank"
    INFINITY_RERANK(body(ranked))
    profile = WIRES["infinity"].profile
    assert (profile.key_required, profile.prices, profile.tested) == (False, None, False)


@pytest.mark.parametrize("rows", ["results", "data"])
def test_infinitys_rankings_are_read_from_either_version(rows: str) -> None:
    """Rows are called `results` now and were `data` once."""
    codec = bind("infinity", "m").rerank
    assert codec is not None
    value = {
        "object": "rerank",
        rows: [{"relevance_score": 0.1, "index": 0}, {"relevance_score": 0.8, "index": 1}],
        "model": "m",
        "usage": {"prompt_tokens": 9, "total_tokens": 9},
        "id": "infinity-1",
    }
    result = codec.decode(reply(value))
    assert result.results == (RerankItem(1, 0.8), RerankItem(0, 0.1))
    assert result.usage is not None
    assert result.usage.input_tokens == 9
