"""Every recorded exchange with the Messages API decodes to what the vendor's own SDK made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from reading import Exchange, cases, exchanges

from orchestrator.errors import (
    AuthenticationFailed,
    ContextTooLong,
    InvalidRequest,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from orchestrator.spec.provider import ChatCodec, Failure, Frame, Target
from orchestrator.transport.sse import SseParser
from orchestrator.types.chat import ChatRequest, ChatResult, ToolCall
from orchestrator.types.collect import collect
from orchestrator_providers.anthropic import WIRE

DIALECT = "anthropic-messages"
_ERRORS = {
    400: (InvalidRequest, "request"),
    401: (AuthenticationFailed, "credential"),
    402: (QuotaExhausted, "credential"),
    403: (AuthenticationFailed, "credential"),
    404: (InvalidRequest, "deployment"),
    409: (ServerError, "deployment"),
    413: (ContextTooLong, "deployment"),
    429: (RateLimited, "deployment"),
    500: (ServerError, "deployment"),
    529: (Overloaded, "deployment"),
}


def _codec() -> ChatCodec:
    target = Target(profile=WIRE.profile, provider="p", deployment="d", model="m", base_url="http://127.0.0.1")
    chat = WIRE.bind(target).chat
    assert chat is not None
    return chat


def _frames(body: bytes) -> list[Frame]:
    parser = SseParser()
    return [*parser.feed(body), *parser.end()]


def _decode_stream(found: list[Frame]) -> ChatResult:
    decoder = _codec().decoder()
    events = [*decoder.feed(found), *decoder.end()]
    assert not [event for event in events if isinstance(event, Failure)], events
    assert decoder.done
    assert decoder.closing
    return collect(events)


def _assert_truth(result: ChatResult, truth: Mapping[str, Any]) -> None:
    assert result.message.text == truth["text"]
    assert result.message.reasoning == truth["reasoning_text"]
    assert result.finish_reason.raw == truth["finish_reason_raw"]
    assert result.response_id == truth["response_id"]
    assert result.model == truth["model"]
    calls = [{"id": c.id, "name": c.name, "arguments": _arguments(c)} for c in result.message.tool_calls]
    assert calls == truth["tool_calls"]
    _assert_usage(result, truth["usage"])
    blocks = [
        mark["block"]
        for p in result.message.parts
        if "block" in (mark := (p.provider_metadata or {}).get("anthropic", {}))
    ]
    assert len(blocks) == sum(kind not in ("text", "thinking", "tool_use") for kind in truth["block_types"])
    served = [b for b in blocks if b["type"] in ("server_tool_use", "mcp_tool_use")]
    assert [{"id": b["id"], "name": b["name"], "arguments": b["input"]} for b in served] == truth.get(
        "server_tool_calls", []
    )


def _arguments(call: ToolCall) -> dict[str, Any]:
    return dict(call.arguments) if call.invalid_arguments is None else {"__raw__": call.invalid_arguments}


def _assert_usage(result: ChatResult, truth: Mapping[str, Any]) -> None:
    usage = result.usage
    assert usage is not None
    assert usage.cache_read_tokens == truth["cached_input_tokens"]
    assert usage.cache_write_tokens == truth["cache_write_tokens"]
    assert usage.input_tokens is not None
    cached = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
    assert usage.input_tokens - cached == truth["input_tokens"]
    assert usage.output_tokens == truth["output_tokens"]
    assert usage.reasoning_tokens == truth["reasoning_tokens"]


@pytest.mark.parametrize("exchange", cases(DIALECT, outcome="json"))
def test_whole_answer(exchange: Exchange) -> None:
    """A whole answer decodes to the vendor SDK's text, reasoning, calls, reason, usage, model and id."""
    _assert_truth(_codec().decode(exchange.reply), exchange.truth)


@pytest.mark.parametrize("exchange", cases(DIALECT, outcome="stream"))
def test_stream(exchange: Exchange) -> None:
    """A collected stream holds what the vendor SDK collected from it."""
    _assert_truth(_decode_stream(_frames(exchange.body)), exchange.truth)


@pytest.mark.parametrize("exchange", cases(DIALECT, outcome="error"))
def test_error(exchange: Exchange) -> None:
    """An error answer becomes the class and scope of its status, with the vendor's type and request id."""
    error = _codec().error(exchange.reply)
    body = orjson.loads(exchange.body)
    cls, scope = _ERRORS[exchange.status]
    if "prompt is too long" in body["error"]["message"]:
        cls, scope = ContextTooLong, "deployment"
    assert type(error) is cls
    assert (error.scope, error.status) == (scope, exchange.status)
    assert error.retryable == (
        exchange.status in (409, 429, 500, 529) and exchange.headers.get("x-should-retry") != "false"
    )
    assert error.vendor_code == body["error"]["type"]
    assert error.request_id == (exchange.headers.get("request-id") or body.get("request_id"))


@pytest.mark.parametrize("exchange", cases(DIALECT, outcome="json"))
def test_stream_gives_the_same_as_the_whole_answer(exchange: Exchange) -> None:
    """An answer cut into the vendor's stream events collects to exactly what it decodes to in one piece."""
    body = orjson.loads(exchange.body)
    assert _decode_stream(_as_stream(body)) == _codec().decode(exchange.reply)


@pytest.mark.parametrize("exchange", cases(DIALECT, outcome="json"))
def test_an_answer_travels_back_unchanged(exchange: Exchange) -> None:
    """Sent back as history, an answer's blocks are those the vendor sent, none lost, moved or altered."""
    body = orjson.loads(exchange.body)
    encoded = _codec().encode(ChatRequest(messages=(_codec().decode(exchange.reply).message,)))
    sent = orjson.loads(encoded.request.body)["messages"]
    written = [_plain(block) for block in body["content"] if block.get("text") != ""]
    assert encoded.warnings == ()
    assert sent == ([{"role": "assistant", "content": written}] if written else [])


def _plain(block: dict[str, Any]) -> dict[str, Any]:
    # Server blocks travel as they came; of the others, null fields and the default caller say nothing.
    if block["type"] not in ("text", "thinking", "tool_use"):
        return block
    return {k: v for k, v in block.items() if v not in (None, [], {"type": "direct"})}


def test_the_corpus_is_there() -> None:
    """The tests above ran over recordings, unless there are none."""
    if not list(exchanges(DIALECT)):
        pytest.skip("WIRE_CORPUS is unset")
    assert len(list(exchanges(DIALECT))) > 200


def _as_stream(body: dict[str, Any]) -> list[Frame]:
    """The events that the vendor would stream for this answer."""
    content, reason, usage = body["content"], body["stop_reason"], body["usage"]
    rest = {k: v for k, v in body.items() if k not in ("content", "stop_reason", "stop_sequence", "usage")}
    started = dict.fromkeys(usage) | {"input_tokens": usage["input_tokens"], "output_tokens": 1}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": rest | {"content": [], "usage": started}}]
    for index, block in enumerate(content):
        start, deltas = _cut(block)
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    stop = {"stop_reason": reason, "stop_sequence": body.get("stop_sequence")}
    events += [{"type": "message_delta", "delta": stop, "usage": usage}, {"type": "message_stop"}]
    return [(event["type"], orjson.dumps(event)) for event in events]


def _cut(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    kind = block["type"]
    if kind == "text":
        cited = [{"type": "citations_delta", "citation": c} for c in block.get("citations") or ()]
        return block | {"text": "", "citations": None}, [*_halves("text_delta", "text", block["text"]), *cited]
    if kind == "thinking":
        signed = [{"type": "signature_delta", "signature": block["signature"]}]
        return block | {"thinking": "", "signature": ""}, [
            *_halves("thinking_delta", "thinking", block["thinking"]),
            *signed,
        ]
    if kind.endswith("tool_use"):
        return block | {"input": {}}, _halves("input_json_delta", "partial_json", orjson.dumps(block["input"]).decode())
    return block, []


def _halves(kind: str, key: str, text: str) -> list[dict[str, Any]]:
    middle = len(text) // 2
    return [{"type": kind, key: piece} for piece in (text[:middle], text[middle:])]
