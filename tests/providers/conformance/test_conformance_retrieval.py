"""What every wire reads of embeddings and rankings."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from entries import bind, kinds_with, representatives, sample_of
from hostile import GARBAGE, mutated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streams import check_usage

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.transport import HttpReply
from orchestrator.types.retrieval import EmbedRequest, EmbedResult, RerankRequest, RerankResult

EMBED = kinds_with("embed")
RERANK = kinds_with("rerank")
VECTORS = [[0.5, -0.25, 1.0], [0.0, 0.125, -2.0], [1.5, 2.5, 3.5], [4.0, 5.0, 6.0]]
RANKING = [(2, 0.875), (0, 0.5), (1, 0.125)]
many = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def _embed(kind: str, body: Any) -> EmbedResult:
    codec = bind(kind, "embed").embed
    assert codec is not None
    codec.encode(EmbedRequest(texts=tuple("abcd")))
    return codec.decode(HttpReply(200, {}, body if isinstance(body, bytes) else orjson.dumps(body)))


def _rerank(kind: str, body: Any) -> RerankResult:
    codec = bind(kind, "rerank").rerank
    assert codec is not None
    codec.encode(RerankRequest(query="q", documents=("a", "b", "c")))
    return codec.decode(HttpReply(200, {}, body if isinstance(body, bytes) else orjson.dumps(body)))


@pytest.mark.parametrize("kind", EMBED)
def test_vectors_come_in_the_order_of_the_texts(kind: str) -> None:
    """One vector per text, in the texts' order, whatever order or form the vendor chose."""
    sample = sample_of(kind).embed
    assert sample is not None
    for whole in (sample.whole, *sample.same):
        result = _embed(kind, whole(VECTORS))
        assert [list(vector) for vector in result.vectors] == VECTORS
        assert result.usage == sample.counts
        check_usage(result.usage)


@pytest.mark.parametrize("kind", RERANK)
def test_rankings_come_best_first(kind: str) -> None:
    """Results hold the caller's own index and a score, best first, whatever the vendor's order."""
    sample = sample_of(kind).rerank
    assert sample is not None
    for whole in (sample.whole, *sample.same):
        result = _rerank(kind, whole(RANKING))
        assert [(item.index, item.score) for item in result.results] == RANKING
        assert result.usage == sample.counts


@pytest.mark.parametrize("body", GARBAGE, ids=repr)
@pytest.mark.parametrize(("kind", "task"), [*[(k, "embed") for k in EMBED], *[(k, "rerank") for k in RERANK]])
def test_what_is_no_answer_is_malformed(kind: str, task: str, body: bytes) -> None:
    """Nothing, HTML, cut or binary bytes and JSON of another shape are malformed replies, and nothing else."""
    bare_list = isinstance(_sample_json(kind, task), list) and body == b"[]"
    if bare_list:
        pytest.skip("an answer of this wire is a list, and may be empty")
    with pytest.raises(MalformedReply):
        (_embed if task == "embed" else _rerank)(kind, body)


def _sample_json(kind: str, task: str) -> Any:
    sample: Any = getattr(sample_of(kind), task)
    return sample.whole(VECTORS if task == "embed" else RANKING)


@pytest.mark.parametrize("kind", representatives("embed"))
@many
@given(data=st.data())
def test_embeddings_of_wrong_shapes_raise_our_errors(kind: str, data: st.DataObject) -> None:
    """With any value changed or gone, embeddings are lists of numbers, or one of our errors is raised."""
    try:
        result = _embed(kind, data.draw(mutated(_sample_json(kind, "embed"))))
    except OrchestratorError:
        return
    for vector in result.vectors:
        assert all(isinstance(number, int | float) for number in vector)
    check_usage(result.usage)


@pytest.mark.parametrize("kind", representatives("rerank"))
@many
@given(data=st.data())
def test_rankings_of_wrong_shapes_raise_our_errors(kind: str, data: st.DataObject) -> None:
    """With any value changed or gone, results are whole indices and numbers, or one of our errors is raised."""
    try:
        result = _rerank(kind, data.draw(mutated(_sample_json(kind, "rerank"))))
    except OrchestratorError:
        return
    for item in result.results:
        assert isinstance(item.index, int)
        assert not isinstance(item.index, bool)
        assert item.index >= 0
        assert isinstance(item.score, float)
    check_usage(result.usage)
