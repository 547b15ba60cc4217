"""litellm's answers as ours. A whole chat is decoded as a stream of one chunk, so that both give the same reply."""

from __future__ import annotations

import base64
import binascii
import re
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from orchestrator.errors import MalformedReply
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import ChatResult, FinishReason, Media, ToolCall, UnifiedFinish
from orchestrator.types.collect import collect
from orchestrator.types.retrieval import EmbedResult, RerankItem, RerankResult, Vector
from orchestrator.types.stream import (
    Finish,
    MediaBlock,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    ResponseMetadata,
    StreamEvent,
    StreamStart,
    TextDelta,
    TextEnd,
    TextStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from orchestrator.types.usage import Usage, UsageSource
from orchestrator_providers.litellm.profile import KIND
from orchestrator_providers.litellm.usage import read_usage, rerank_usage
from orchestrator_providers.shared.reading import integer, mapping, tool_call

__all__ = ["ChatDecoder", "decode_chat", "decode_embed", "decode_rerank"]

_FINISH: dict[str, UnifiedFinish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_MADE_UP_ID = re.compile(r"chatcmpl-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,")


class _OpenCall:
    __slots__ = ("call_id", "marks", "name", "pieces")

    def __init__(self, call_id: str, name: str) -> None:
        self.call_id = call_id
        self.name = name
        self.pieces: list[str] = []
        self.marks: Mapping[str, Any] | None = None

    def build(self) -> ToolCall:
        metadata = {KIND: self.marks} if self.marks else None
        return tool_call(self.call_id, self.name, "".join(self.pieces), provider_metadata=metadata)


class ChatDecoder:
    """Turns chunks into events; keeps what is open. One per answer.

    Attributes:
        usage: the last counts seen, None before.
        empty: no text, reasoning, tool call or media has come.
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.empty = True
        self._reason: str | None = None
        self._identified = False
        self._open: tuple[str, str] | None = None  # kind and id of the open text or reasoning block
        self._calls: dict[int, tuple[str, _OpenCall]] = {}
        self._count = 0

    def feed(self, chunk: Any) -> list[StreamEvent]:
        """Events of one chunk, or of a whole answer."""
        events: list[StreamEvent] = []
        if not self._identified:
            self._identified = True
            events.append(_identity(chunk))
        self.usage = read_usage(getattr(chunk, "usage", None), "estimate") or self.usage
        for choice in (getattr(chunk, "choices", None) or [])[:1]:
            self._reason = getattr(choice, "finish_reason", None) or self._reason
            self._content(getattr(choice, "delta", None) or getattr(choice, "message", None), events)
        self.empty = self.empty and self._count == 0
        return events

    def finish(self, *, proven: bool, source: UsageSource) -> list[StreamEvent]:
        """Close what is open and finish. Not `proven`: litellm's reason is its own invention, and is not repeated."""
        if self.usage is not None:
            self.usage = replace(self.usage, source=source)
        events: list[StreamEvent] = []
        self._close(events)
        for block_id, call in self._calls.values():
            events.append(ToolCallEnd(block_id, call.build()))
        raw = self._reason if proven else None
        events.append(Finish(reason=FinishReason(_FINISH.get(raw or "", "other"), raw), usage=self.usage))
        return events

    def _content(self, delta: Any, events: list[StreamEvent]) -> None:
        blocks = getattr(delta, "thinking_blocks", None)
        for block in blocks or ():
            self._thinking(mapping(block), events)
        if not blocks:
            self._text("reasoning", getattr(delta, "reasoning_content", None), events)
        self._text("text", getattr(delta, "content", None), events)
        for image in getattr(delta, "images", None) or ():
            self._image(mapping(image), events)
        for position, call in enumerate(getattr(delta, "tool_calls", None) or ()):
            self._tool_call(position, call, events)

    def _text(self, kind: str, text: Any, events: list[StreamEvent]) -> None:
        if not isinstance(text, str) or not text:
            return
        if self._open is None or self._open[0] != kind:
            self._close(events)
            self._open = (kind, self._next_id(kind))
            events.append(TextStart(self._open[1]) if kind == "text" else ReasoningStart(self._open[1]))
        block_id = self._open[1]
        events.append(TextDelta(block_id, text) if kind == "text" else ReasoningDelta(block_id, text))

    def _thinking(self, block: Mapping[str, Any], events: list[StreamEvent]) -> None:
        self._text("reasoning", block.get("thinking"), events)
        redacted = block.get("type") == "redacted_thinking"
        if not redacted and not block.get("signature"):
            return
        if redacted or self._open is None or self._open[0] != "reasoning":
            self._close(events)
            self._open = ("reasoning", self._next_id("reasoning"))
            events.append(ReasoningStart(self._open[1]))
        # The signature ends a block: the next thinking text belongs to another one.
        mark = dict(block) if redacted else {"signature": block["signature"]}
        events.append(ReasoningEnd(self._open[1], {KIND: mark}))
        self._open = None

    def _image(self, image: Mapping[str, Any], events: list[StreamEvent]) -> None:
        url = mapping(image.get("image_url")).get("url")
        if isinstance(url, str) and url:
            self._close(events)
            events.append(MediaBlock(self._next_id("media"), _media(url)))

    def _tool_call(self, position: int, delta: Any, events: list[StreamEvent]) -> None:
        found = integer(getattr(delta, "index", None))
        index = position if found is None else found
        function = getattr(delta, "function", None)
        call_id, name = getattr(delta, "id", None), getattr(function, "name", None)
        known = self._calls.get(index)
        if known is not None and call_id and name and call_id != known[1].call_id:
            # Some vendors give every call the index 0.
            index = max(self._calls) + 1
            known = None
        if known is None:
            self._close(events)
            known = (self._next_id("tool"), _OpenCall(call_id or "", name or ""))
            self._calls[index] = known
            events.append(ToolCallStart(known[0], known[1].name))
        self._arguments(known, delta, getattr(function, "arguments", None), events)

    def _arguments(self, known: tuple[str, _OpenCall], delta: Any, text: Any, events: list[StreamEvent]) -> None:
        marks = getattr(delta, "provider_specific_fields", None)
        if isinstance(marks, dict) and marks:
            known[1].marks = marks
        if isinstance(text, str) and text:
            known[1].pieces.append(text)
            events.append(ToolCallDelta(known[0], text))

    def _close(self, events: list[StreamEvent]) -> None:
        if self._open is not None:
            kind, block_id = self._open
            events.append(TextEnd(block_id) if kind == "text" else ReasoningEnd(block_id))
            self._open = None

    def _next_id(self, kind: str) -> str:
        self._count += 1
        return f"{kind}-{self._count}"


def decode_chat(response: Any, source: UsageSource, warnings: tuple[CallWarning, ...] = ()) -> ChatResult:
    """A whole chat.

    Raises:
        MalformedReply: no choices.
    """
    if not getattr(response, "choices", None):
        raise MalformedReply("the reply has no choices", maybe_billed=True)
    decoder = ChatDecoder()
    events = [StreamStart(warnings), *decoder.feed(response), *decoder.finish(proven=True, source=source)]
    return collect(events)


def decode_embed(response: Any, count: int, source: UsageSource, warnings: tuple[CallWarning, ...] = ()) -> EmbedResult:
    """One vector per text, in the texts' order.

    Raises:
        MalformedReply: another number of vectors than of texts, or something that is no vector.
    """
    rows = sorted(
        [mapping(row) or vars(row) for row in getattr(response, "data", None) or ()],
        key=lambda row: integer(row.get("index")) or 0,
    )
    if len(rows) != count:
        raise MalformedReply(f"the reply has {len(rows)} vectors for {count} texts", maybe_billed=True)
    return EmbedResult(
        vectors=[_vector(row.get("embedding")) for row in rows],
        usage=read_usage(getattr(response, "usage", None), source, output=False),
        model=getattr(response, "model", None) or None,
        warnings=warnings,
    )


def decode_rerank(response: Any, count: int, source: UsageSource) -> RerankResult:
    """The order found, best first.

    Raises:
        MalformedReply: a result without index or score, or for a document that was not sent.
    """
    rows = getattr(response, "results", None)
    if rows is None:
        raise MalformedReply("the reply has no results", maybe_billed=True)
    items = [_item(mapping(row), count) for row in rows]
    return RerankResult(
        results=tuple(sorted(items, key=lambda item: -item.score)),
        usage=rerank_usage(mapping(getattr(response, "meta", None)), source),
        response_id=_vendor_id(getattr(response, "id", None)),
    )


def _identity(chunk: Any) -> ResponseMetadata:
    # In a stream litellm shows the model that was asked for; what the vendor said is in the hidden part.
    hidden = mapping(getattr(chunk, "_hidden_params", None))
    model = hidden.get("provider_response_model") or getattr(chunk, "model", None)
    response_id = hidden.get("received_model_id") or getattr(chunk, "id", None)
    return ResponseMetadata(response_id=_vendor_id(response_id), model=model or None)


def _vendor_id(value: Any) -> str | None:
    if not isinstance(value, str) or not value or _MADE_UP_ID.fullmatch(value):
        return None
    return value


def _media(url: str) -> Media:
    found = _DATA_URL.match(url)
    if found is None:
        return Media(media_type="image/*", url=url)
    return Media(media_type=found[1], data=_decode_base64(url[found.end() :]))


def _vector(value: Any) -> Vector:
    if isinstance(value, str):
        try:
            vector = array("f", _decode_base64(value))
        except ValueError as error:
            raise MalformedReply("a vector is not whole float32 numbers", maybe_billed=True) from error
        if sys.byteorder == "big":
            vector.byteswap()
        return vector
    if not isinstance(value, Sequence) or not value:
        raise MalformedReply("a vector is missing", maybe_billed=True)
    return list(value)


def _decode_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedReply("not base64 where it should be", maybe_billed=True) from error


def _item(row: Mapping[str, Any], count: int) -> RerankItem:
    index, score = integer(row.get("index")), row.get("relevance_score")
    if index is None or not 0 <= index < count or not isinstance(score, int | float):
        raise MalformedReply("a rerank result without a valid index and score", maybe_billed=True)
    return RerankItem(index, float(score))
