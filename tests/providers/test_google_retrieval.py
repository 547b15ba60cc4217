"""Embeddings of the Gemini and Vertex wires."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from google_support import embed

from orchestrator.errors import MalformedReply
from orchestrator.spec.transport import HttpReply
from orchestrator.types.retrieval import EmbedOptions, EmbedRequest

VERTEX = "https://europe-west4-aiplatform.googleapis.com/v1beta1/projects/a-project/locations/europe-west4"


def _ask(*texts: str, **options: Any) -> EmbedRequest:
    return EmbedRequest(texts=texts or ("one", "two"), options=EmbedOptions(**options))


def _body(encoded: Any) -> Any:
    return orjson.loads(encoded.request.body)


def test_the_gemini_api_embeds_in_batches() -> None:
    """One request per text in one batch, with task type and length."""
    encoded = embed("gemini-embedding-001").encode(_ask(dimensions=3072, input_type="query"))
    host = "https://generativelanguage.googleapis.com"
    assert encoded.request.url == f"{host}/v1beta/models/gemini-embedding-001:batchEmbedContents"
    assert _body(encoded) == {
        "requests": [
            {
                "model": "models/gemini-embedding-001",
                "content": {"parts": [{"text": text}]},
                "taskType": "RETRIEVAL_QUERY",
                "outputDimensionality": 3072,
            }
            for text in ("one", "two")
        ]
    }
    assert encoded.warnings == ()


def test_short_vectors_of_the_first_model_have_no_unit_length() -> None:
    """A warning says so for gemini-embedding-001, and for no other model."""
    short = _ask(dimensions=768)
    assert [w.setting for w in embed("gemini-embedding-001").encode(short).warnings] == ["dimensions"]
    assert embed("gemini-embedding-2").encode(short).warnings == ()


@pytest.mark.parametrize(
    ("input_type", "text"),
    [
        (None, "one"),
        ("query", "task: search result | query: one"),
        ("document", "title: none | text: one"),
        ("classification", "task: classification | query: one"),
        ("clustering", "task: clustering | query: one"),
    ],
)
def test_later_models_are_told_the_task_in_words(input_type: Any, text: str) -> None:
    """A model without task types gets the documented words before the text."""
    (request,) = _body(embed("gemini-embedding-2").encode(_ask("one", input_type=input_type)))["requests"]
    assert request == {"model": "models/gemini-embedding-2", "content": {"parts": [{"text": text}]}}


def test_vertex_predicts_for_older_models() -> None:
    """Models before Gemini are asked by `predict`, with a task per text."""
    encoded = embed("text-embedding-005", "vertex").encode(
        _ask(
            dimensions=256, input_type="document", provider_options={"vertex": {"parameters": {"autoTruncate": False}}}
        )
    )
    assert encoded.request.url == f"{VERTEX}/publishers/google/models/text-embedding-005:predict"
    assert _body(encoded) == {
        "instances": [{"content": text, "task_type": "RETRIEVAL_DOCUMENT"} for text in ("one", "two")],
        "parameters": {"outputDimensionality": 256, "autoTruncate": False},
    }


def test_vertex_embeds_content_for_gemini_models() -> None:
    """One text goes to `embedContent`, several go to `batchEmbedContents`: parts of one content would be one vector."""
    codec = embed("gemini-embedding-001", "vertex")
    one = codec.encode(_ask("one", dimensions=3072, input_type="query"))
    config = {"taskType": "RETRIEVAL_QUERY", "outputDimensionality": 3072}
    assert one.request.url == f"{VERTEX}/publishers/google/models/gemini-embedding-001:embedContent"
    assert _body(one) == {"content": {"parts": [{"text": "one"}]}, "embedContentConfig": config}
    two = codec.encode(_ask(dimensions=3072, input_type="query"))
    assert two.request.url.endswith(":batchEmbedContents")
    assert [request["content"] for request in _body(two)["requests"]] == [
        {"parts": [{"text": "one"}]},
        {"parts": [{"text": "two"}]},
    ]
    assert {str(request["embedContentConfig"]) for request in _body(two)["requests"]} == {str(config)}


@pytest.mark.parametrize(
    ("body", "tokens"),
    [
        ({"embeddings": [{"values": [1.0]}, {"values": [2.0]}]}, None),
        ({"embeddings": [{"values": [1.0]}, {"values": [2.0]}], "usageMetadata": {"promptTokenCount": 5}}, 5),
        (
            {
                "predictions": [
                    {"embeddings": {"values": [1.0], "statistics": {"token_count": 2, "truncated": False}}},
                    {"embeddings": {"values": [2.0], "statistics": {"token_count": 3.0, "truncated": False}}},
                ],
                "metadata": {"billableCharacterCount": 9},
            },
            5,
        ),
    ],
)
def test_vectors_and_counts(body: dict[str, Any], tokens: int | None) -> None:
    """All forms of an answer give vectors in the texts' order, and tokens where the vendor counts them."""
    result = embed("text-embedding-005", "vertex").decode(HttpReply(200, {}, orjson.dumps(body)))
    assert result.vectors == [[1.0], [2.0]]
    assert (result.usage.input_tokens if result.usage else None) == tokens
    assert result.warnings == ()


def test_a_single_embedding_and_a_text_that_was_cut() -> None:
    """The answer of `embedContent` is one vector; a text that the vendor cut is a warning."""
    body = {"embedding": {"values": [1.0]}, "truncated": True, "usageMetadata": {"promptTokenCount": 5}}
    result = embed("gemini-embedding-2", "vertex").decode(HttpReply(200, {}, orjson.dumps(body)))
    assert result.vectors == [[1.0]]
    assert [(w.kind, w.setting) for w in result.warnings] == [("other", "texts")]


@pytest.mark.parametrize("body", [{}, {"embeddings": [{}]}, {"predictions": [{"embeddings": {"values": ["x"]}}]}])
def test_what_holds_no_vectors_is_malformed(body: dict[str, Any]) -> None:
    """An answer without numbers is no answer."""
    with pytest.raises(MalformedReply):
        embed("text-embedding-005", "vertex").decode(HttpReply(200, {}, orjson.dumps(body)))
