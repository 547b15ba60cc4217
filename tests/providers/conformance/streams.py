"""Reads a stream as the pipeline does, and checks what every stream of events must obey."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import orjson

from orchestrator.backends import frame_parser
from orchestrator.errors import OrchestratorError
from orchestrator.spec.provider import ChatCodec, Decoded, Failure
from orchestrator.types.chat import ChatResult, FinishReason, Media, Reasoning, Text, ToolCall
from orchestrator.types.stream import (
    Finish,
    MediaBlock,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    ResponseMetadata,
    TextDelta,
    TextEnd,
    TextStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from orchestrator.types.usage import Usage

__all__ = ["check_events", "check_parents", "check_result", "check_usage", "cut", "failure", "read"]

_STARTS: Mapping[type, str] = {TextStart: "text", ReasoningStart: "reasoning", ToolCallStart: "call"}
_DELTAS: Mapping[type, str] = {TextDelta: "text", ReasoningDelta: "reasoning", ToolCallDelta: "call"}
_ENDS: Mapping[type, str] = {TextEnd: "text", ReasoningEnd: "reasoning", ToolCallEnd: "call"}
_PARENTS: Mapping[str, tuple[str, ...]] = {
    "input_tokens": ("cache_read_tokens", "cache_write_tokens", "input_audio_tokens", "input_image_tokens"),
    "output_tokens": ("reasoning_tokens", "output_audio_tokens"),
    "cache_write_tokens": ("cache_write_1h_tokens",),
}


def cut(body: bytes, places: Iterable[int]) -> list[bytes]:
    """The body in chunks that end at these places."""
    edges = [0, *sorted({place % (len(body) + 1) for place in places}), len(body)]
    return [body[start:end] for start, end in pairwise(edges) if start < end]


def read(codec: ChatCodec, chunks: Sequence[bytes]) -> Decoded:
    """All events of a body that comes in these chunks; a parser's error is the failure that ends them."""
    parser, decoder = frame_parser(codec.framing), codec.decoder()
    found: Decoded = []
    try:
        for chunk in chunks:
            if decoder.done:
                return found
            found += decoder.feed(parser.feed(chunk))
        if not decoder.done:
            found += decoder.feed(parser.end())
            found += decoder.end()
    except OrchestratorError as error:
        found.append(Failure(error))
    return found


def failure(found: Decoded) -> OrchestratorError:
    """The error that ends these events. They hold no Finish."""
    assert found, "the stream gave nothing at all"
    assert isinstance(found[-1], Failure), f"ended with {found[-1]!r}"
    assert not any(isinstance(event, Finish) for event in found)
    return found[-1].error


def check_events(found: Decoded) -> None:
    """The algebra: known events, each block opened once, fed while open, closed once; one Finish or Failure, last."""
    assert found, "the stream gave nothing at all"
    opened: dict[str, str] = {}
    seen: set[str] = set()
    pieces: dict[str, list[str]] = {}
    names: dict[str, str] = {}
    for event in found[:-1]:
        assert not isinstance(event, Finish | Failure), f"{event!r} is not the last event"
        kind = type(event)
        if kind in _STARTS:
            assert event.id not in seen, f"block {event.id!r} opens twice"
            seen.add(event.id)
            opened[event.id] = _STARTS[kind]
            if isinstance(event, ToolCallStart):
                assert event.name
                assert isinstance(event.name, str)
                names[event.id] = event.name
        elif kind in _DELTAS:
            assert opened.get(event.id) == _DELTAS[kind], f"{event!r} outside its block"
            text = event.arguments if isinstance(event, ToolCallDelta) else event.text
            assert isinstance(text, str)
            assert text, "an empty delta says nothing"
            pieces.setdefault(event.id, []).append(text)
        elif kind in _ENDS:
            assert opened.pop(event.id, None) == _ENDS[kind], f"{event!r} outside its block"
            if isinstance(event, ToolCallEnd):
                _check_call(event.tool_call)
                assert event.tool_call.name == names[event.id]
                _check_whole("".join(pieces.get(event.id, ())), event.tool_call)
        elif kind is MediaBlock:
            assert event.id not in seen
            seen.add(event.id)
        else:
            assert kind is ResponseMetadata, f"a decoder gave {event!r}"
    last = found[-1]
    assert isinstance(last, Finish | Failure), f"ended with {last!r}"
    if isinstance(last, Finish):
        assert not opened, f"still open at Finish: {opened}"
        _check_finish(last.reason)
        assert last.cost is None
        check_usage(last.usage)


def _check_whole(text: str, call: ToolCall) -> None:
    if text.strip() and call.invalid_arguments is None and text.strip() != "null":
        assert orjson.loads(text) == call.arguments, "the pieces are not the arguments"


def _check_call(call: ToolCall) -> None:
    assert isinstance(call.id, str)
    assert call.id
    assert isinstance(call.name, str)
    assert call.name
    assert isinstance(call.arguments, Mapping)
    assert call.invalid_arguments is None or isinstance(call.invalid_arguments, str)


def _check_finish(reason: FinishReason) -> None:
    assert reason.unified in ("stop", "length", "tool_calls", "content_filter", "error", "other")
    assert reason.raw is None or isinstance(reason.raw, str)


def check_result(result: ChatResult) -> None:
    """A reply whose every field has its type, so that no caller trips over it."""
    assert result.message.role == "assistant"
    for part in result.message.parts:
        assert isinstance(part, Text | Reasoning | Media | ToolCall), f"an answer holds {type(part).__name__}"
        if isinstance(part, ToolCall):
            _check_call(part)
        elif isinstance(part, Text | Reasoning):
            assert isinstance(part.text, str), f"the text is a {type(part.text).__name__}"
    for name in ("response_id", "model"):
        value = getattr(result, name)
        assert value is None or isinstance(value, str), f"{name} is a {type(value).__name__}"
    _check_finish(result.finish_reason)
    check_usage(result.usage)


def check_usage(usage: Usage | None) -> None:
    """Counts are whole numbers or unknown."""
    if usage is None:
        return
    assert usage.source == "vendor"
    assert isinstance(usage.raw, Mapping)
    for name in {*_PARENTS, *[part for parts in _PARENTS.values() for part in parts]}:
        value: Any = getattr(usage, name)
        assert value is None or (isinstance(value, int) and not isinstance(value, bool)), f"{name} is {value!r}"


def check_parents(usage: Usage) -> None:
    """Parents include their parts."""
    for parent, parts in _PARENTS.items():
        whole = getattr(usage, parent)
        for part in parts:
            value = getattr(usage, part)
            assert value is None or whole is None or value <= whole, f"{part} is more than {parent}"
