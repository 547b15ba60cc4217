"""Every recorded exchange with Cohere decodes to what the vendor's own SDK made of it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from reading import Exchange, cases, exchanges

from orchestrator.errors import (
    AuthenticationFailed,
    ContentFiltered,
    ContextTooLong,
    InvalidRequest,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from orchestrator.spec.provider import Codecs, Failure, Frame, Target
from orchestrator.transport.sse import SseParser
from orchestrator.types.chat import ChatResult
from orchestrator.types.collect import collect
from orchestrator_providers.cohere import WIRE

CHAT = ("cohere-v2-chat", "cohere-v1-chat")
EMBED = ("cohere-v2-embed", "cohere-v1-embed")
RERANK = ("cohere-v2-rerank", "cohere-v1-rerank")
_ERRORS = {
    400: (InvalidRequest, "request"),
    401: (AuthenticationFailed, "credential"),
    402: (QuotaExhausted, "credential"),
    403: (AuthenticationFailed, "credential"),
    404: (InvalidRequest, "deployment"),
    422: (InvalidRequest, "request"),
    429: (RateLimited, "deployment"),
    498: (ContentFiltered, "request"),
    500: (ServerError, "deployment"),
}


def _codecs() -> Codecs:
    return WIRE.bind(Target(profile=WIRE.profile, provider="p", deployment="d", model="m", base_url="http://127.0.0.1"))


def _frames(exchange: Exchange) -> list[Frame]:
    """SSE for v2; v1 streams one JSON text per line."""
    if exchange.dialect == "cohere-v1-chat":
        return [("", line) for line in exchange.body.splitlines() if line]
    parser = SseParser()
    return [*parser.feed(exchange.body), *parser.end()]


def _decode_stream(found: list[Frame]) -> ChatResult:
    decoder = _codecs().chat.decoder()
    events = [*decoder.feed(found), *decoder.end()]
    assert not [event for event in events if isinstance(event, Failure)], events
    assert decoder.done
    return collect(events)


def _plan(result: ChatResult) -> str:
    marks = [(part.provider_metadata or {}).get("cohere", {}) for part in result.message.parts]
    return "".join(mark.get("tool_plan", "") for mark in marks)


def _assert_truth(result: ChatResult, truth: dict[str, Any]) -> None:
    assert result.message.text == truth["text"]
    assert result.message.reasoning == truth["reasoning_text"]
    assert result.finish_reason.raw == truth["finish_reason_raw"]
    assert result.response_id == truth["response_id"]
    assert result.model == truth["model"]
    calls = [{"id": c.id, "name": c.name, "arguments": dict(c.arguments)} for c in result.message.tool_calls]
    assert calls == [call | {"arguments": call["arguments"] or {}} for call in truth["tool_calls"]]
    assert [c.invalid_arguments for c in result.message.tool_calls] == [None] * len(calls)
    assert _plan(result) == truth.get("tool_plan", "")
    citations = (result.provider_metadata or {}).get("cohere", {}).get("citations", [])
    assert len(citations) == truth.get("n_citations", 0)
    usage, expected = result.usage, truth["usage"]
    assert usage is not None
    assert usage.input_tokens - (usage.input_image_tokens or 0) == expected["input_tokens"]
    assert usage.output_tokens == expected["output_tokens"]
    assert usage.cache_read_tokens == expected["cached_input_tokens"]
    assert usage.reasoning_tokens == (truth["usage_raw"].get("tokens") or {}).get("reasoning_tokens")


@pytest.mark.parametrize("exchange", cases(*CHAT, outcome="json"))
def test_whole_answer(exchange: Exchange) -> None:
    """A whole chat answer decodes to the vendor SDK's text, reasoning, plan, calls, reason, usage and id."""
    _assert_truth(_codecs().chat.decode(exchange.reply), exchange.truth)


@pytest.mark.parametrize("exchange", cases(*CHAT, outcome="stream"))
def test_stream(exchange: Exchange) -> None:
    """A collected stream holds what the vendor SDK collected from it."""
    _assert_truth(_decode_stream(_frames(exchange)), exchange.truth)


@pytest.mark.parametrize("exchange", cases("cohere-v2-chat", outcome="json"))
def test_stream_gives_the_same_as_the_whole_answer(exchange: Exchange) -> None:
    """An answer cut into the vendor's stream events collects to exactly what it decodes to in one piece."""
    assert _decode_stream(_as_stream(orjson.loads(exchange.body))) == _codecs().chat.decode(exchange.reply)


@pytest.mark.parametrize("exchange", cases(*CHAT, *EMBED, *RERANK, outcome="error"))
def test_error(exchange: Exchange) -> None:
    """An error answer becomes the class and scope of its status, with the vendor's id of the request."""
    error = _codecs().chat.error(exchange.reply)
    cls, scope = _ERRORS[exchange.status]
    if "too many tokens" in exchange.body.decode():
        cls, scope = ContextTooLong, "deployment"
    assert type(error) is cls
    assert (error.scope, error.status) == (scope, exchange.status)
    assert error.request_id == orjson.loads(exchange.body)["id"]


@pytest.mark.parametrize("exchange", cases(*EMBED, outcome="json"))
def test_embeddings(exchange: Exchange) -> None:
    """Embeddings decode to the vendor SDK's vectors, usage and id, as a plain list or by type."""
    result, truth = _codecs().embed.decode(exchange.reply), exchange.truth
    assert len(result.vectors) == truth["n_vectors"]
    assert {len(vector) for vector in result.vectors} == {truth["dim"]}
    assert list(result.vectors[0][:4]) == truth["first_values"]
    assert list(result.vectors[-1][:4]) == truth["last_vector_first_values"]
    assert result.usage is not None
    assert result.usage.input_tokens == truth["usage"]["input_tokens"]
    assert result.response_id == truth["response_id"]
    assert result.model == truth["model"]


@pytest.mark.parametrize("exchange", cases(*RERANK, outcome="json"))
def test_ranking(exchange: Exchange) -> None:
    """A ranking decodes to the vendor SDK's order, scores, search units and id."""
    result, truth = _codecs().rerank.decode(exchange.reply), exchange.truth
    assert [{"index": item.index, "score": item.score} for item in result.results] == truth["results"]
    assert result.usage is not None
    assert result.usage.search_units == truth["search_units"]
    assert result.response_id == truth["response_id"]


def test_the_corpus_is_there() -> None:
    """The tests above ran over recordings, unless there are none."""
    found = list(exchanges(*CHAT, *EMBED, *RERANK))
    if not found:
        pytest.skip("WIRE_CORPUS is unset")
    assert len(found) > 80


def _as_stream(body: dict[str, Any]) -> list[Frame]:
    """The events that the vendor would stream for this answer."""
    message = body["message"]
    events: list[dict[str, Any]] = [
        {"type": "message-start", "id": body["id"], "delta": {"message": {"role": "assistant"}}}
    ]
    events += [_event("tool-plan-delta", None, tool_plan=piece) for piece in _halves(message.get("tool_plan", ""))]
    for index, block in enumerate(message.get("content") or ()):
        kind = block["type"]
        events.append(_event("content-start", index, content={"type": kind, kind: ""}))
        events += [_event("content-delta", index, content={kind: piece}) for piece in _halves(block[kind])]
        events.append({"type": "content-end", "index": index})
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        events.append(_event("tool-call-start", index, tool_calls=call | {"function": function | {"arguments": ""}}))
        for piece in _halves(function["arguments"]):
            events.append(_event("tool-call-delta", index, tool_calls={"function": {"arguments": piece}}))
        events.append({"type": "tool-call-end", "index": index})
    for index, citation in enumerate(message.get("citations") or ()):
        events += [_event("citation-start", index, citations=citation), {"type": "citation-end", "index": index}]
    events.append({"type": "message-end", "delta": {"finish_reason": body["finish_reason"], "usage": body["usage"]}})
    return [(made["type"], orjson.dumps(made)) for made in events]


def _event(kind: str, index: int | None, **message: Any) -> dict[str, Any]:
    return {"type": kind, "index": index, "delta": {"message": message}}


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]
