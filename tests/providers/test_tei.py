"""Hugging Face text-embeddings-inference: what is sent, what is read, and a whole call over a socket."""

from __future__ import annotations

import os
from array import array
from typing import Any

import fastjsonschema
import orjson
import pytest
from litellm_loopback import Answer, vendor

from orchestrator import Orchestrator, Overloaded, RateLimited
from orchestrator.errors import (
    AuthenticationFailed,
    ContextTooLong,
    InvalidRequest,
    MalformedReply,
    ServerError,
)
from orchestrator.registry import find, kinds
from orchestrator.spec.provider import Codec, Target, Wire
from orchestrator.spec.transport import HttpReply
from orchestrator.types.retrieval import (
    EmbedOptions,
    EmbedRequest,
    EmbedResult,
    RerankItem,
    RerankOptions,
    RerankRequest,
    RerankResult,
)
from orchestrator_providers.tei import WIRE

# The server's published shapes, as far as a request of ours can go.
EMBED = fastjsonschema.compile(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["inputs"],
        "properties": {
            "inputs": {"type": "array", "minItems": 1, "items": {"type": "string"}},
            "dimensions": {"type": "integer", "minimum": 1},
            "normalize": {"type": "boolean"},
            "prompt_name": {"type": "string"},
            "truncate": {"type": "boolean"},
            "truncation_direction": {"enum": ["Left", "Right"]},
        },
    }
)
RERANK = fastjsonschema.compile(
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["query", "texts"],
        "properties": {
            "query": {"type": "string"},
            "texts": {"type": "array", "minItems": 1, "items": {"type": "string"}},
            "raw_scores": {"type": "boolean"},
            "return_text": {"type": "boolean"},
            "truncate": {"type": "boolean"},
            "truncation_direction": {"enum": ["Left", "Right"]},
        },
    }
)
COUNTED = {"x-compute-tokens": "11", "x-compute-characters": "40", "x-compute-type": "cpu"}


def target(**settings: Any) -> Target:
    return Target(
        profile=WIRE.profile,
        provider="p",
        deployment="d",
        model="BAAI/bge-m3",
        base_url="http://127.0.0.1:8080",
        settings=settings,
    )


def embed(**settings: Any) -> Codec[EmbedRequest, EmbedResult]:
    codec = WIRE.bind(target(**settings)).embed
    assert codec is not None
    return codec


def rerank() -> Codec[RerankRequest, RerankResult]:
    codec = WIRE.bind(target()).rerank
    assert codec is not None
    return codec


def answer(value: Any, status: int = 200, **headers: str) -> HttpReply:
    data = value if isinstance(value, bytes) else orjson.dumps(value)
    return HttpReply(status, {name.replace("_", "-"): text for name, text in headers.items()}, data)


def test_the_kind_is_bundled() -> None:
    """`kind: tei` is found, embeds and reranks, and needs neither key nor price."""
    assert find("tei") is WIRE
    assert "tei" in kinds()
    assert isinstance(WIRE, Wire)
    assert WIRE.profile.tasks == {"embed", "rerank"}
    assert (WIRE.profile.key_required, WIRE.profile.prices, WIRE.profile.base_url) == (False, None, None)


def test_texts_are_embedded_at_the_servers_own_address() -> None:
    """Texts, normalised vectors, and no model: the server has but one."""
    encoded = embed().encode(EmbedRequest(texts=("a", "b")))
    assert encoded.request.url == "http://127.0.0.1:8080/embed"
    sent = orjson.loads(encoded.request.body)
    EMBED(sent)
    assert sent == {"inputs": ["a", "b"], "normalize": True}


def test_options_of_embeddings() -> None:
    """Dimensions are asked for; the server's own options are sent as the caller writes them, ours give way."""
    own = {"normalize": False, "truncate": True, "truncation_direction": "Left"}
    options = EmbedOptions(dimensions=256, provider_options={"tei": own})
    sent = orjson.loads(embed().encode(EmbedRequest(texts=("a",), options=options)).request.body)
    EMBED(sent)
    assert sent == {"inputs": ["a"], "dimensions": 256, **own}


def test_an_input_type_is_the_models_prompt_where_the_file_names_it() -> None:
    """Models name their prompts as they like, so the file says which; without it the caller is told."""
    asked = EmbedRequest(texts=("a",), options=EmbedOptions(input_type="document"))
    encoded = embed(document_prompt="passage").encode(asked)
    assert orjson.loads(encoded.request.body)["prompt_name"] == "passage"
    assert encoded.warnings == ()
    encoded = embed(query_prompt="query").encode(asked)
    assert "prompt_name" not in orjson.loads(encoded.request.body)
    assert [(w.kind, w.setting) for w in encoded.warnings] == [("unsupported", "input_type")]
    assert "document_prompt" in encoded.warnings[0].message


def test_vectors_come_in_the_texts_order_with_the_headers_tokens() -> None:
    """A list of vectors, and the server's own count of tokens from the headers."""
    result = embed().decode(HttpReply(200, COUNTED, b"[[0.5,-0.25],[1,0]]"))
    assert result.vectors == [array("f", [0.5, -0.25]), array("f", [1.0, 0.0])]
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens, result.usage.source) == (11, None, "vendor")
    assert result.usage.raw == {"x-compute-tokens": 11, "x-compute-characters": 40}


@pytest.mark.parametrize("text", ["", "-1", "1.5", "many", "9" * 40, "\u0661"])
def test_a_count_that_is_none_is_unknown(text: str) -> None:
    """Nonsense in the header, or no header, is no usage: never zero."""
    assert embed().decode(answer([[1.0]], x_compute_tokens=text)).usage is None


@pytest.mark.parametrize(
    "value",
    [b"", b"[", b"<html>", {}, [], None, 7, [[]], [7], [["a"]], [[None]], [[1.0], None], [[[1.0]]], "text"],
)
def test_vectors_that_are_none_are_malformed(value: Any) -> None:
    """What is no list of lists of numbers is an error: in an index it would be silent data loss."""
    with pytest.raises(MalformedReply):
        embed().decode(answer(value))


def test_documents_are_ranked_without_being_sent_back() -> None:
    """Query and texts; no `top_n`, which the server does not have."""
    encoded = rerank().encode(RerankRequest(query="q", documents=("a", "b"), options=RerankOptions(top_n=1)))
    assert encoded.request.url == "http://127.0.0.1:8080/rerank"
    sent = orjson.loads(encoded.request.body)
    RERANK(sent)
    assert sent == {"query": "q", "texts": ["a", "b"], "raw_scores": False, "return_text": False}
    own = RerankOptions(provider_options={"tei": {"raw_scores": True, "truncate": True}})
    sent = orjson.loads(rerank().encode(RerankRequest(query="q", documents=("a",), options=own)).request.body)
    RERANK(sent)
    assert (sent["raw_scores"], sent["truncate"]) == (True, True)


def test_ranks_come_best_first() -> None:
    """Whatever the server's order."""
    result = rerank().decode(HttpReply(200, COUNTED, b'[{"index":0,"score":0.1},{"index":1,"score":0.9}]'))
    assert result.results == (RerankItem(1, 0.9), RerankItem(0, 0.1))
    assert result.usage is not None
    assert result.usage.input_tokens == 11


@pytest.mark.parametrize(
    "value",
    [b"", {}, None, [7], [{"index": 0}], [{"score": 1}], [{"index": -1, "score": 1}], [{"index": 0, "score": True}]],
)
def test_ranks_that_are_none_are_malformed(value: Any) -> None:
    """A rank without a place or a score is no rank."""
    with pytest.raises(MalformedReply):
        rerank().decode(answer(value))


@pytest.mark.parametrize(
    ("status", "value", "expected", "scope"),
    [
        (
            413,
            {
                "error": "Input validation error: `inputs` must have less than 512 tokens. Given: 534",
                "error_type": "Validation",
            },
            ContextTooLong,
            "deployment",
        ),
        (
            413,
            {"error": "`inputs` must have less than 32000 characters. Given: 67337", "error_type": "Validation"},
            ContextTooLong,
            "deployment",
        ),
        (
            413,
            {"error": "batch size 64 > maximum allowed batch size 32", "error_type": "Validation"},
            InvalidRequest,
            "deployment",
        ),
        (413, b"Failed to buffer the request body: length limit exceeded", InvalidRequest, "deployment"),
        (422, {"error": "Tokenization error", "error_type": "tokenizer"}, InvalidRequest, "request"),
        (422, b"Failed to deserialize the JSON body into the target type", InvalidRequest, "request"),
        (400, {"error": "`inputs` cannot be empty", "error_type": "Empty"}, InvalidRequest, "request"),
        (424, {"error": "Inference failed", "error_type": "Backend"}, ServerError, "deployment"),
        (424, {"error": "model is not a re-ranker model", "error_type": "Backend"}, InvalidRequest, "deployment"),
        (424, {"error": "Model is not an embedding model", "error_type": "Backend"}, InvalidRequest, "deployment"),
        (429, {"error": "Model is overloaded", "error_type": "Overloaded"}, Overloaded, "deployment"),
        (429, b"", Overloaded, "deployment"),
        (503, {"error": "unhealthy", "error_type": "Unhealthy"}, Overloaded, "deployment"),
        (401, b"", AuthenticationFailed, "credential"),
        (502, b"<html>bad gateway</html>", ServerError, "deployment"),
    ],
)
def test_errors_are_classified(status: int, value: Any, expected: type[Exception], scope: str) -> None:
    """Status and type decide; the text tells apart what they leave open. A server's own limits are no fault of the
    request: another deployment may take it.
    """
    for error in (embed().error(answer(value, status)), rerank().error(answer(value, status))):
        assert (type(error), error.scope, error.status) == (expected, scope, status)
        assert error.retryable == issubclass(expected, Overloaded | ServerError | RateLimited)


def config(url: str, **provider: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "providers": {"own": {"kind": "tei", "base_url": url, **provider}},
        "deployments": {
            "vectors": {"provider": "own", "model": "acme/embedder", "price": {"input": 0}},
            "ranker": {"provider": "own", "model": "BAAI/bge-reranker-v2-m3", "price": {"input": 0}},
        },
        "routes": {
            "search": {"task": "embed", "pick": "vectors"},
            "rank": {"task": "rerank", "pick": "ranker", "retry": {"attempts": 2}},
        },
        "log": {"to": "none"},
    }


def test_whole_calls_over_a_socket() -> None:
    """A client embeds and ranks at a server on loopback, with key, prompt and cut, and rides out an overload."""
    counts = {"x-compute-tokens": "7"}
    with vendor() as far:
        far.will(
            Answer(body=[[0.6, 0.8], [1.0, 0.0]], headers=counts),
            Answer(status=429, body={"error": "Model is overloaded", "error_type": "Overloaded"}),
            Answer(body=[{"index": 1, "score": 0.9}, {"index": 0, "score": 0.2}], headers=counts),
        )
        settings = config(far.url, api_key={"env": "TEST_KEY"}, query_prompt="query")
        with Orchestrator(settings) as llm:
            vectors = llm.embed("search", ["a", "b"], input_type="query", dimensions=2)
            ranking = llm.rerank("rank", query="q", documents=["x", "y"], top_n=1)
    assert vectors.vectors == [pytest.approx([0.6, 0.8]), [1.0, 0.0]]
    assert (vectors.usage.input_tokens, vectors.cost.total, vectors.warnings) == (7, 0, ())
    assert ranking.results == (RerankItem(1, 0.9),)
    assert [attempt.error is None for attempt in ranking.attempts] == [False, True]
    assert [sent.path for sent in far.received] == ["/embed", "/rerank", "/rerank"]
    assert {sent.headers["authorization"] for sent in far.received} == {f"Bearer {os.environ['TEST_KEY']}"}
    EMBED(far.received[0].body)
    assert far.received[0].body["prompt_name"] == "query"
    RERANK(far.received[2].body)
