"""Embeddings and rankings by InvokeModel."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from bedrock_support import BASE, body, settings_of, target

from orchestrator.errors import InvalidRequest, MalformedReply, RateLimited, UnsupportedFeature
from orchestrator.spec.provider import Codec
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
from orchestrator_providers.bedrock import WIRE

TITAN = "amazon.titan-embed-text-v2:0"
NOVA = "amazon.nova-2-multimodal-embeddings-v1:0"
COHERE = "us.cohere.embed-v4:0"
COUNTED = {"x-amzn-bedrock-input-token-count": "7"}


def _embed(model: str) -> Codec[EmbedRequest, EmbedResult]:
    codec = WIRE.bind(target(model)).embed
    assert codec is not None
    return codec


def _rerank(model: str) -> Codec[RerankRequest, RerankResult]:
    codec = WIRE.bind(target(model)).rerank
    assert codec is not None
    return codec


def _text(*texts: str, **options: Any) -> EmbedRequest:
    return EmbedRequest(texts=texts, options=EmbedOptions(**options))


@pytest.mark.parametrize(
    ("model", "options", "sent"),
    [
        (TITAN, {}, {"inputText": "A"}),
        (TITAN, {"dimensions": 256}, {"inputText": "A", "dimensions": 256}),
        ("amazon.titan-embed-text-v1", {}, {"inputText": "A"}),
        (
            "amazon.titan-embed-image-v1",
            {"dimensions": 256},
            {"inputText": "A", "embeddingConfig": {"outputEmbeddingLength": 256}},
        ),
        (
            NOVA,
            {"dimensions": 256, "input_type": "query"},
            {
                "taskType": "SINGLE_EMBEDDING",
                "singleEmbeddingParams": {
                    "embeddingPurpose": "TEXT_RETRIEVAL",
                    "embeddingDimension": 256,
                    "text": {"truncationMode": "NONE", "value": "A"},
                },
            },
        ),
        (
            COHERE,
            {"dimensions": 256, "input_type": "query", "provider_options": {"bedrock": {"truncate": "END"}}},
            {
                "texts": ["A"],
                "input_type": "search_query",
                "embedding_types": ["float"],
                "output_dimension": 256,
                "truncate": "END",
            },
        ),
    ],
)
def test_each_model_has_its_own_body(model: str, options: dict[str, Any], sent: Any) -> None:
    """Titan, Nova and Cohere are asked in their own formats, at the model's path."""
    encoded = _embed(model).encode(_text("A", **options))
    assert body(encoded) == sent
    assert encoded.warnings == ()
    assert encoded.request.url == f"{BASE}/model/{model.replace(':', '%3A')}/invoke"


@pytest.mark.parametrize("model", ["amazon.titan-embed-text-v1", "cohere.embed-english-v3"])
def test_vectors_of_one_length_only(model: str) -> None:
    """Where a model cannot shorten its vectors, the wish is left out with a warning."""
    encoded = _embed(model).encode(_text("A", dimensions=256))
    assert settings_of(encoded) == [("unsupported", "dimensions")]
    assert not {"dimensions", "output_dimension"} & body(encoded).keys()


@pytest.mark.parametrize("model", [TITAN, NOVA])
def test_one_text_per_request(model: str) -> None:
    """Titan and Nova take one text in a request; several are refused before anything is sent, with the reason."""
    with pytest.raises(UnsupportedFeature, match="one text per request, this one has 2"):
        _embed(model).encode(_text("A", "B"))


@pytest.mark.parametrize("model", ["amazon.nova-lite-v1:0", "arn:aws:bedrock:us-east-1:1:provisioned-model/abc"])
def test_a_model_whose_format_is_unknown(model: str) -> None:
    """A model that does not embed, or whose id does not say what it is, is refused with that reason."""
    with pytest.raises(UnsupportedFeature, match="cannot be told"):
        _embed(model).encode(_text("A"))


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (TITAN, {"embedding": [0.5, 1.0], "inputTextTokenCount": 7}),
        (TITAN, {"embeddingsByType": {"float": [0.5, 1.0]}, "inputTextTokenCount": 7}),
        (NOVA, {"embeddings": [{"embeddingType": "TEXT", "embedding": [0.5, 1.0]}]}),
        (COHERE, {"id": "e", "embeddings": {"float": [[0.5, 1.0]]}}),
        ("cohere.embed-english-v3", {"id": "e", "embeddings": [[0.5, 1.0]]}),
    ],
)
def test_vectors_and_tokens(model: str, answer: Any) -> None:
    """The vector comes from the body, the tokens from AWS's header."""
    found = _embed(model).decode(HttpReply(200, COUNTED, orjson.dumps(answer)))
    assert [list(vector) for vector in found.vectors] == [[0.5, 1.0]]
    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.output_tokens) == (7, None)
    for other in ({}, {"embedding": "x"}, {"embeddings": [5]}, {"embedding": ["a"]}):
        with pytest.raises(MalformedReply):
            _embed(model).decode(HttpReply(200, {}, orjson.dumps(other)))


def test_tokens_without_the_header() -> None:
    """Titan's own count stands in for a header that was lost; where neither is, the usage is unknown."""
    titan = _embed(TITAN).decode(HttpReply(200, {}, b'{"embedding": [1.0], "inputTextTokenCount": 3}')).usage
    assert titan is not None
    assert titan.input_tokens == 3
    assert (
        _embed(TITAN).decode(HttpReply(200, {"x-amzn-bedrock-input-token-count": "x"}, b'{"embedding":[1.0]}')).usage
        is None
    )


@pytest.mark.parametrize(("model", "more"), [("cohere.rerank-v3-5:0", {"api_version": 2}), ("amazon.rerank-v1:0", {})])
def test_ranking(model: str, more: dict[str, Any]) -> None:
    """Both rerankers take Cohere's body, Cohere's own with its version, and answer in its shape."""
    own = {"bedrock": {"max_tokens_per_doc": 9}}
    request = RerankRequest(query="q", documents=("a", "b"), options=RerankOptions(top_n=1, provider_options=own))
    codec = _rerank(model)
    sent = {"query": "q", "documents": ["a", "b"], "top_n": 1, "max_tokens_per_doc": 9, **more}
    assert body(codec.encode(request)) == sent
    answer = {"results": [{"index": 1, "relevance_score": 0.9}]}
    assert codec.decode(HttpReply(200, {}, orjson.dumps(answer))).results == (RerankItem(1, 0.9),)


def test_errors_are_awss() -> None:
    """Embeddings and rankings fail as chats do, by the type in AWS's header."""
    slow = HttpReply(429, {"x-amzn-errortype": "ThrottlingException"}, b'{"message":"slow"}')
    for codec in (_embed(TITAN), _embed(COHERE), _embed("x.y"), _rerank("amazon.rerank-v1:0")):
        assert type(codec.error(slow)) is RateLimited  # type: ignore[attr-defined]
        assert type(codec.error(HttpReply(400, {}, b"{}"))) is InvalidRequest  # type: ignore[attr-defined]
