"""Embeddings and reranking over the OpenAI wire and its cousins."""

from __future__ import annotations

import base64
from array import array
from typing import Any

import pytest
from openai.types import EmbeddingCreateParams
from openai_support import bind, body, reply
from pydantic import TypeAdapter

from orchestrator.errors import MalformedReply, RateLimited
from orchestrator.spec.provider import Codec
from orchestrator.types.retrieval import (
    EmbedOptions,
    EmbedRequest,
    EmbedResult,
    RerankItem,
    RerankOptions,
    RerankRequest,
    RerankResult,
)

FLOATS = base64.b64encode(array("f", [1.0, -0.5]).tobytes()).decode()


def _embed(kind: str = "openai") -> Codec[EmbedRequest, EmbedResult]:
    codec = bind(kind, "te3").embed
    assert codec is not None
    return codec


def _rerank(kind: str = "together") -> Codec[RerankRequest, RerankResult]:
    codec = bind(kind, "ranker").rerank
    assert codec is not None
    return codec


def _data(*vectors: Any) -> dict[str, Any]:
    return {"data": [{"index": n, "embedding": v} for n, v in enumerate(vectors)], "model": "te3"}


def test_openai_is_asked_for_base64() -> None:
    """Base64 is a quarter of the bytes; the vendor that has it is asked for it."""
    options = EmbedOptions(dimensions=2, provider_options={"openai": {"user": "u"}})
    encoded = _embed().encode(EmbedRequest(texts=("a", "b"), options=options))
    assert encoded.request.url == "https://api.openai.com/v1/embeddings"
    sent = body(encoded)
    assert sent == {"model": "te3", "input": ["a", "b"], "encoding_format": "base64", "dimensions": 2, "user": "u"}
    TypeAdapter(EmbeddingCreateParams).validate_python(sent)


def test_vendors_name_the_options_of_embeddings_themselves() -> None:
    """Mistral has another name for dimensions and no base64; NVIDIA needs to know what the texts are for."""
    asked = EmbedRequest(texts=("a",), options=EmbedOptions(dimensions=2))
    assert body(_embed("mistral").encode(asked)) == {"model": "te3", "input": ["a"], "output_dimension": 2}
    asked = EmbedRequest(texts=("a",), options=EmbedOptions(input_type="document"))
    encoded = _embed("nvidia_nim").encode(asked)
    assert (body(encoded)["input_type"], encoded.warnings) == ("passage", ())


def test_an_input_type_nobody_knows_is_left_out_with_a_warning() -> None:
    """OpenAI embeds queries and documents alike, and the caller is told so."""
    encoded = _embed().encode(EmbedRequest(texts=("a",), options=EmbedOptions(input_type="query")))
    assert "input_type" not in body(encoded)
    assert [(w.kind, w.setting) for w in encoded.warnings] == [("unsupported", "input_type")]


def test_vectors_come_as_base64_or_numbers_in_the_texts_order() -> None:
    """Both forms are read, and the vendor's numbers put them in order."""
    value = _data([0.25, 0.5], FLOATS)
    value["data"].reverse()
    result = _embed().decode(reply(value | {"usage": {"prompt_tokens": 4, "total_tokens": 4}}))
    assert result.vectors == [[0.25, 0.5], array("f", [1.0, -0.5])]
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens, result.model) == (4, None, "te3")


def test_a_total_alone_is_the_input() -> None:
    """A vendor that counts only a total embeds nothing else than the input."""
    usage = _embed().decode(reply(_data([1.0]) | {"usage": {"total_tokens": 4}})).usage
    assert usage is not None
    assert usage.input_tokens == 4


def test_perplexitys_vectors_are_signed_bytes() -> None:
    """Its base64 holds int8 numbers."""
    value = _data(base64.b64encode(bytes([1, 255])).decode())
    assert _embed("perplexity").decode(reply(value)).vectors == [array("f", [1.0, -1.0])]


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"data": None},
        {"data": [7]},
        _data("!"),
        _data("AAAA"),
        _data(None),
        {"data": [{"index": 1, "embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}]},
        {"data": [{"index": [], "embedding": [1.0]}]},
        b"[]",
    ],
)
def test_embeddings_that_are_none_are_malformed(value: Any) -> None:
    """A vector that cannot be read or placed is an error: in an index it would be silent data loss."""
    with pytest.raises(MalformedReply):
        _embed().decode(reply(value))


def test_a_rerank_request_has_the_shape_of_coheres() -> None:
    """Query, documents and top_n, at the vendor's address."""
    options = RerankOptions(top_n=1, provider_options={"together": {"return_documents": False}})
    encoded = _rerank().encode(RerankRequest(query="q", documents=("a", "b"), options=options))
    assert encoded.request.url == "https://api.together.xyz/v1/rerank"
    assert body(encoded) == {
        "model": "ranker",
        "query": "q",
        "documents": ["a", "b"],
        "top_n": 1,
        "return_documents": False,
    }


def test_vendors_name_the_options_of_reranking_themselves() -> None:
    """Voyage calls the cut `top_k`; without one nothing is sent."""
    asked = RerankRequest(query="q", documents=("a",), options=RerankOptions(top_n=1))
    assert body(_rerank("voyage").encode(asked))["top_k"] == 1
    bare = body(_rerank("voyage").encode(RerankRequest(query="q", documents=("a",))))
    assert bare == {"model": "ranker", "query": "q", "documents": ["a"]}


@pytest.mark.parametrize(("rows", "score"), [("results", "relevance_score"), ("data", "score")])
def test_rankings_come_best_first_under_several_names(rows: str, score: str) -> None:
    """Rows and scores have two names each; the order is ours."""
    value = {"id": "r", rows: [{"index": 0, score: -2.5}, {"index": 1, score: 3}]}
    result = _rerank().decode(reply(value))
    assert result.results == (RerankItem(1, 3.0), RerankItem(0, -2.5))
    assert result.response_id == "r"


@pytest.mark.parametrize(
    "value",
    [{}, {"results": 7}, {"results": [7]}, {"results": [{"index": 0}]}, {"results": [{"index": -1, "score": 1}]}],
)
def test_rankings_that_are_none_are_malformed(value: Any) -> None:
    """A result without a place or a score is no result."""
    with pytest.raises(MalformedReply):
        _rerank().decode(reply(value))


def test_an_error_inside_a_200_is_that_error() -> None:
    """Retrieval reads errors in bodies as chat does."""
    value = {"error": {"message": "m", "code": "rate_limit_exceeded"}}
    for codec in (_embed(), _rerank()):
        with pytest.raises(RateLimited):
            codec.decode(reply(value))
