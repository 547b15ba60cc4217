"""Embedding requests larger than the vendor takes."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vendor import World, error

from orchestrator.batches import batches, joined
from orchestrator.errors import ServerError
from orchestrator.testing import json_reply
from orchestrator.types.retrieval import EmbedRequest, EmbedResult
from orchestrator.types.usage import Usage


def embedded(request):
    """Each text's vector is its length, so that the order shows."""
    texts = orjson.loads(request.body)["texts"]
    return json_reply(
        {
            "id": f"e{len(texts)}",
            "embeddings": {"float": [[float(len(text)), 1.0] for text in texts]},
            "meta": {"billed_units": {"input_tokens": len(texts)}},
        },
        headers={"x-debug-trace-id": "r"},
    )


def world(script):
    vendor = {"kind": "cohere", "base_url": "https://a.example.com", "priced_as": "cohere"}
    return World(
        {"a": script},
        providers={"a": vendor | {"api_key": {"env": "TEST_KEY"}}},
        deployments={"a": {"model": "embed-v4.0"}},
        routes={"answer": {"task": "embed", "pick": ["a"]}},
    )


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("TEST_KEY", "k")


def test_a_large_request_is_cut_and_put_together():
    """200 texts go to a vendor that takes 96 in three requests; vectors keep their order, counts and cost are sums."""
    texts = ["x" * n for n in range(1, 201)]
    here = world(embedded)
    reply = here.run(lambda llm: llm.embed("answer", texts))
    sizes = [len(orjson.loads(request.body)["texts"]) for request in here.transport.requests]
    assert sorted(sizes) == [8, 96, 96]
    assert [vector[0] for vector in reply.vectors] == [float(n) for n in range(1, 201)]
    assert reply.usage.input_tokens == 200
    one = here.run(lambda llm: llm.embed("answer", "x"))
    assert reply.cost.total == 200 * one.cost.total
    assert len(reply.attempts) == 1


def test_a_piece_that_fails_fails_the_attempt():
    """When one request of several fails, the attempt failed, is marked as maybe billed, and is made again whole."""
    asked = []

    def script(request):
        asked.append(request)
        return error(500) if len(asked) == 2 else embedded(request)

    here = world(script)
    reply = here.run(lambda llm: llm.embed("answer", ["x"] * 100))
    assert len(reply.vectors) == 100
    assert [attempt.error for attempt in reply.attempts] == [ServerError.__name__, None]
    assert reply.attempts[0].maybe_billed


@given(st.lists(st.text(min_size=1), min_size=1, max_size=30), st.integers(1, 12))
def test_pieces_hold_every_text_once(texts, size):
    """Whatever the number of texts and the size, the pieces are in order, whole and none is too large."""
    pieces = batches(EmbedRequest(texts=tuple(texts)), size)
    assert [text for piece in pieces for text in piece.texts] == texts
    assert all(0 < len(piece.texts) <= size for piece in pieces)


def test_an_unknown_count_makes_the_sum_unknown():
    """A count that one answer lacks is unknown in the sum, never a partial one."""
    known = EmbedResult(vectors=[[1.0]], usage=Usage(input_tokens=3, raw={"total": 3, "unit": "t"}))
    unknown = EmbedResult(vectors=[[2.0]], usage=Usage(input_tokens=None))
    counted = EmbedResult(vectors=[[3.0]], usage=Usage(input_tokens=1, extras={"input_video": 5}))
    assert joined([counted, known, counted]).usage.extras == {"input_video": 10}
    assert joined([known, known]).usage == Usage(input_tokens=6, raw={"total": 6, "unit": "t"})
    assert joined([known, unknown]).usage.input_tokens is None
    assert joined([known, EmbedResult(vectors=[[1.0]])]).usage is None
