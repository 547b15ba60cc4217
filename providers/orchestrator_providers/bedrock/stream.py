"""Decodes streams of Converse, and of Nova's own format, which is the same in other wrappings.

A message comes in numbered blocks of deltas, each closed by `contentBlockStop`; only tool calls and images have a
`contentBlockStart`. `messageStop` holds the stop reason; `metadata`, with the usage, is the last event.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from orchestrator.errors import MalformedReply
from orchestrator.spec.provider import Decoded
from orchestrator.types.chat import Media, Reasoning, Text, ToolCall
from orchestrator.types.stream import (
    Finish,
    MediaBlock,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    TextDelta,
    TextEnd,
    TextStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from orchestrator_providers.bedrock.blocks import extra_fields, finish_reason, marks, read_block
from orchestrator_providers.bedrock.errors import stream_failure
from orchestrator_providers.bedrock.eventstream import EXCEPTION
from orchestrator_providers.bedrock.usage import read_usage, searches
from orchestrator_providers.shared.frames import FrameDecoder
from orchestrator_providers.shared.reading import required, text_of
from orchestrator_providers.shared.schemas import OUTPUT_TOOL

__all__ = ["ConverseDecoder", "NovaDecoder"]

_PADDING = "p"


class _Block:
    """An open content block: what of it came so far. `kind` is the key that its content stands under."""

    __slots__ = ("citations", "fields", "id", "kind", "pieces", "redacted")

    def __init__(self, id_: str, kind: str, fields: dict[str, Any]) -> None:
        self.id = id_
        self.kind = kind
        self.fields = fields
        self.pieces: list[str] = []
        self.citations: list[Any] = []
        self.redacted: list[bytes] = []

    @property
    def stands_in(self) -> bool:
        """It is the call of the tool that stands in for an output schema."""
        return self.kind == "toolUse" and self.fields.get("name") == OUTPUT_TOOL

    @property
    def shown(self) -> bool:
        """Its pieces are handed on as they come."""
        return self.kind != "toolUse" or self.fields.get("type") in (None, "tool_use")

    def whole(self) -> dict[str, Any]:
        """The block as an answer without streaming would hold it."""
        text = "".join(self.pieces)
        if self.kind == "text":
            return self._cited(text) if self.citations else {"text": text}
        if self.kind == "reasoningContent":
            return {"reasoningContent": self._thought(text)}
        if self.kind == "toolUse":
            return {"toolUse": {**self.fields, "input": _input(text, parse=not self.shown)}}
        return {self.kind: self.fields}

    def _cited(self, text: str) -> dict[str, Any]:
        return {"citationsContent": {"content": [{"text": text}], "citations": self.citations}}

    def _thought(self, text: str) -> dict[str, Any]:
        if self.redacted:
            return {"redactedContent": base64.b64encode(b"".join(self.redacted)).decode()}
        return {"reasoningText": {"text": text, **self.fields}}


def _input(text: str, *, parse: bool) -> Any:
    return (orjson.loads(text) if text.strip() else {}) if parse else text


class ConverseDecoder(FrameDecoder):
    """See `StreamDecoder`. Block ids are the vendor's block numbers."""

    __slots__ = ("_blocks", "_called_tools", "_extra", "_searched", "_seen", "_stop_reason")

    def __init__(self) -> None:
        super().__init__()
        self._blocks: dict[int, _Block] = {}
        self._seen: set[str] = set()
        self._called_tools = False
        self._searched = 0
        self._extra: dict[str, Any] = {}
        self._stop_reason: str | None = None

    def _frame(self, event: str, data: bytes, events: Decoded) -> None:
        if event.startswith(EXCEPTION):
            raise stream_failure(event.removeprefix(EXCEPTION), data)
        self._event(event, orjson.loads(data), events)

    def _event(self, name: str, value: dict[str, Any], events: Decoded) -> None:
        handler = _HANDLERS.get(name)
        if handler is not None:
            handler(self, value, events)

    def _finish_at_end(self, events: Decoded) -> None:
        # The stop reason is the terminal signal; a lost trailer costs only the usage.
        if self._stop_reason is None:
            super()._finish_at_end(events)
        self._finish(events)

    def _start_block(self, value: dict[str, Any], events: Decoded) -> None:
        for kind, fields in value["start"].items():  # none for text: its first delta opens the block
            block = self._open(value["contentBlockIndex"], kind, dict(fields), events)
            self._called_tools |= kind == "toolUse" and block.shown and not block.stands_in
            self._searched += kind == "toolUse" and searches(fields)

    def _open(self, index: int, kind: str, fields: dict[str, Any], events: Decoded) -> _Block:
        block = _Block(str(index), kind, fields)
        if block.id in self._seen:
            raise MalformedReply("a content block of the stream opens twice")
        self._seen.add(block.id)
        self._blocks[index] = block
        if kind == "text" or block.stands_in:
            events.append(TextStart(block.id))
        elif kind == "toolUse" and block.shown:
            events.append(ToolCallStart(block.id, required(fields["name"], "the name of a tool call")))
        elif kind != "image":
            events.append(ReasoningStart(block.id))
        return block

    def _delta(self, value: dict[str, Any], events: Decoded) -> None:
        index = value["contentBlockIndex"]
        for kind, content in value["delta"].items():
            block = self._blocks.get(index)
            place = "text" if kind == "citation" else kind
            if block is None:
                block = self._open(index, place, {}, events)
            elif kind in _DELTAS and place != block.kind:
                raise MalformedReply("a content block of the stream changes its kind")
            _DELTAS.get(kind, _merge)(block, content, events)

    def _stop_block(self, value: dict[str, Any], events: Decoded) -> None:
        block = self._blocks.pop(value["contentBlockIndex"], None)
        if block is not None:
            _close(block, events)

    def _stop_message(self, value: dict[str, Any], events: Decoded) -> None:
        self._stop_reason = required(value["stopReason"], "the stop reason")
        self.closing = True
        self._extra |= extra_fields(value, "stopReason", _PADDING)

    def _metadata(self, value: dict[str, Any], events: Decoded) -> None:
        self.usage = read_usage(value.get("usage"), value, searched=self._searched)
        self._extra |= extra_fields(value, "usage", _PADDING)
        if self._stop_reason is not None:
            self._finish(events)

    def _finish(self, events: Decoded) -> None:
        assert self._stop_reason is not None
        for block in self._blocks.values():
            _close(block, events)
        reason = finish_reason(self._stop_reason, called_tools=self._called_tools)
        events.append(Finish(reason=reason, usage=self.usage, provider_metadata=marks(self._extra)))
        self.done = True


class NovaDecoder(ConverseDecoder):
    """For Nova by InvokeModel: each chunk is an object with the event under its name."""

    __slots__ = ()

    def _event(self, name: str, value: dict[str, Any], events: Decoded) -> None:
        for inner, content in value.items():
            super()._event(inner, content, events)


def _text_delta(block: _Block, text: Any, events: Decoded) -> None:
    if text_of(text, "a piece of text"):
        block.pieces.append(text)
        events.append(TextDelta(block.id, text))


def _tool_delta(block: _Block, content: Mapping[str, Any], events: Decoded) -> None:
    text = content["input"]
    if not isinstance(text, str):
        text = orjson.dumps(text).decode()
    if not text:
        return
    block.pieces.append(text)
    if block.shown:
        events.append(TextDelta(block.id, text) if block.stands_in else ToolCallDelta(block.id, text))


def _reasoning_delta(block: _Block, content: Mapping[str, Any], events: Decoded) -> None:
    for key, value in content.items():
        if key == "text" and text_of(value, "a piece of reasoning"):
            block.pieces.append(value)
            events.append(ReasoningDelta(block.id, value))
        elif key == "redactedContent":
            block.redacted.append(base64.b64decode(value, validate=True))
        elif key == "signature":
            block.fields[key] = block.fields.get(key, "") + text_of(value, "a signature")


def _citation_delta(block: _Block, content: Any, events: Decoded) -> None:
    block.citations.append(content)


def _merge(block: _Block, content: Any, events: Decoded) -> None:
    """Take a delta of any other type: images, results of the vendor's tools, and what comes later."""
    if isinstance(content, Mapping):
        block.fields.update(content)
    else:
        block.fields["content"] = [*block.fields.get("content", ()), *content]


_DELTAS: Mapping[str, Callable[[_Block, Any, Decoded], None]] = {
    "citation": _citation_delta,
    "reasoningContent": _reasoning_delta,
    "text": _text_delta,
    "toolUse": _tool_delta,
}


def _close(block: _Block, events: Decoded) -> None:
    part = read_block(block.whole())
    if isinstance(part, Text):
        if block.stands_in and not block.pieces:
            events.append(TextDelta(block.id, part.text))
        events.append(TextEnd(block.id, part.provider_metadata))
    elif isinstance(part, ToolCall):
        events.append(ToolCallEnd(block.id, part))
    elif isinstance(part, Media):
        events.append(MediaBlock(block.id, part))
    elif isinstance(part, Reasoning):
        if block.kind == "image":
            events.append(ReasoningStart(block.id))
        events.append(ReasoningEnd(block.id, part.provider_metadata))


_HANDLERS: Mapping[str, Callable[[ConverseDecoder, dict[str, Any], Decoded], None]] = {
    "contentBlockDelta": ConverseDecoder._delta,
    "contentBlockStart": ConverseDecoder._start_block,
    "contentBlockStop": ConverseDecoder._stop_block,
    "messageStop": ConverseDecoder._stop_message,
    "metadata": ConverseDecoder._metadata,
}
