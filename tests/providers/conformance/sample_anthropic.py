"""A vendor of the Messages API's shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wire_sample import ChatSample, Said, Stream, WireSample, pieces, sse

from orchestrator.types.usage import Usage

__all__ = ["FINISH", "blocks", "message_events", "sample", "whole_message"]

_USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 60,
    "cache_creation_input_tokens": 20,
    "cache_creation": {"ephemeral_5m_input_tokens": 12, "ephemeral_1h_input_tokens": 8},
    "output_tokens": 40,
    "output_tokens_details": {"thinking_tokens": 24},
}
_COUNTS = Usage(
    input_tokens=90,
    output_tokens=40,
    cache_read_tokens=60,
    cache_write_tokens=20,
    cache_write_1h_tokens=8,
    reasoning_tokens=24,
    raw=_USAGE,
)
_PLAIN_USAGE = {"input_tokens": 9, "output_tokens": 4}
FINISH: dict[str, Any] = {"max_tokens": "length", "refusal": "content_filter", "stop_sequence": "stop"}
_Events = list[dict[str, Any]]


def _finish(said: Said) -> str:
    return said.finish or ("tool_use" if said.calls else "end_turn")


def blocks(said: Said) -> list[dict[str, Any]]:
    """The content of an answer."""
    found: list[dict[str, Any]] = []
    if said.reasoning:
        found.append({"type": "thinking", "thinking": said.reasoning, "signature": "c2lnbmF0dXJl"})
    if said.text:
        found.append({"type": "text", "text": said.text})
    found += [{"type": "tool_use", "id": c.id, "name": c.name, "input": dict(c.arguments)} for c in said.calls]
    return found


def whole_message(said: Said) -> dict[str, Any]:
    """An answer."""
    return {
        "id": "msg_9",
        "type": "message",
        "role": "assistant",
        "model": "claude-9",
        "content": blocks(said),
        "stop_reason": _finish(said),
        "stop_sequence": None,
        "usage": said.usage or _PLAIN_USAGE,
    }


def _delta(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _block_events(index: int, block: dict[str, Any], arguments: str) -> _Events:
    kind = block["type"]
    if kind == "text":
        start: dict[str, Any] = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
    elif kind == "thinking":
        start = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    else:
        start = block | {"input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *pieces(arguments))]
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *[_delta(index, delta) for delta in deltas],
        {"type": "content_block_stop", "index": index},
    ]


def message_events(said: Said) -> _Events:
    """The same answer as events; the last is the terminal signal."""
    whole = whole_message(said)
    usage = whole["usage"]
    start = whole | {"content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}}
    events: _Events = [{"type": "message_start", "message": start}]
    arguments = iter([call.text for call in said.calls])
    for index, block in enumerate(whole["content"]):
        events += _block_events(index, block, next(arguments) if block["type"] == "tool_use" else "")
    end = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    return [*events, {"type": "message_delta", "delta": end, "usage": usage}, {"type": "message_stop"}]


def _stream(said: Said) -> Stream:
    frames = [sse(event, event["type"]) for event in message_events(said)]
    return Stream(tuple(frames), len(frames) - 1)


def _error(message: str) -> Any:
    return {"type": "error", "error": {"type": "some_error", "message": message}}


def chat_sample(whole: Callable[[Said], Any], stream: Callable[[Said], Stream], stream_error: bytes) -> ChatSample:
    """The chats of an endpoint of this shape, however its frames are cut."""
    return ChatSample(
        whole=whole,
        stream=stream,
        stream_error=stream_error,
        unfinished=whole_message(Said(text="Half an ans")) | {"stop_reason": None},
        finish=FINISH,
        usage=_USAGE,
        counts=_COUNTS,
    )


def sample(_: Any) -> WireSample:
    """Anthropic."""
    busy = sse({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, "error")
    return WireSample(
        model="claude-sonnet-4-5",
        error=_error,
        chat=chat_sample(whole_message, _stream, busy),
    )
