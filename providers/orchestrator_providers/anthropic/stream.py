"""Decodes streams of the Messages API.

A message comes in numbered blocks, each as `content_block_start`, deltas and `content_block_stop`. `message_delta`
holds the stop reason and the usage so far (the last one counts); `message_stop` is the terminal signal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import orjson

from orchestrator.errors import MalformedReply
from orchestrator.spec.provider import Decoded
from orchestrator.types.chat import Reasoning, Text, ToolCall
from orchestrator.types.stream import (
    Finish,
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
from orchestrator_providers.anthropic.blocks import extra_fields, finish_reason, marks, read_block
from orchestrator_providers.anthropic.errors import stream_failure
from orchestrator_providers.anthropic.usage import read_usage
from orchestrator_providers.shared.frames import FrameDecoder
from orchestrator_providers.shared.reading import label, parse_arguments, required
from orchestrator_providers.shared.schemas import OUTPUT_TOOL

__all__ = ["AnthropicDecoder"]

_Delta: TypeAlias = type[TextDelta] | type[ReasoningDelta] | type[ToolCallDelta]

_MESSAGE_READ = ("id", "type", "role", "model", "content", "stop_reason", "usage")
_DELTAS: dict[str, _Delta] = {"text": TextDelta, "thinking": ReasoningDelta, "tool_use": ToolCallDelta}


class _Block:
    """An open content block: the fields that came, but for text already handed on, and the pieces of its input."""

    __slots__ = ("delta", "fields", "id", "pieces")

    def __init__(self, id_: str, fields: dict[str, Any]) -> None:
        self.id = id_
        self.fields = fields
        self.pieces: list[str] = []
        stands_in = fields["type"] == "tool_use" and fields["name"] == OUTPUT_TOOL
        self.delta: _Delta | None = TextDelta if stands_in else _DELTAS.get(fields["type"])

    def close(self) -> dict[str, Any]:
        """The whole block, as an answer without streaming would hold it."""
        if self.pieces:
            text = "".join(self.pieces)
            if self.fields["type"] == "tool_use":
                self.fields["input"] = text
            else:
                value, invalid = parse_arguments(text)
                self.fields["input"] = value if invalid is None else invalid
        return self.fields


class AnthropicDecoder(FrameDecoder):
    """See `StreamDecoder`. Block ids count the blocks: a gateway may give one number to several in turn."""

    __slots__ = (
        "_begun",
        "_blocks",
        "_called_tools",
        "_extra",
        "_raw_usage",
        "_stop_reason",
    )

    def __init__(self) -> None:
        super().__init__()
        self._begun = 0
        self._blocks: dict[int, _Block] = {}
        self._called_tools = False
        self._extra: dict[str, Any] = {}
        self._raw_usage: dict[str, Any] = {}
        self._stop_reason: str | None = None

    def _frame(self, event: str, data: bytes, events: Decoded) -> None:
        if data.startswith(b"["):
            self._end_marker(data, events)
            return
        value = orjson.loads(data)
        kind = value.get("type") or event
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, value, events)
        elif kind == "error" or "error" in value:
            self._fail(stream_failure(data), events)

    def _end_marker(self, data: bytes, events: Decoded) -> None:
        # Gateways of this shape may end as other vendors do; it proves nothing without a stop reason.
        if data.strip() != b"[DONE]":
            raise MalformedReply("the stream holds an event that is not one of this API")
        self._finish({}, events)

    def _start_message(self, value: dict[str, Any], events: Decoded) -> None:
        message = value["message"]
        self._count(message.get("usage"))
        self._extra |= extra_fields(message, *_MESSAGE_READ)
        events.append(ResponseMetadata(response_id=label(message.get("id")), model=label(message.get("model"))))

    def _start_block(self, value: dict[str, Any], events: Decoded) -> None:
        index = value["index"]
        if index in self._blocks:
            raise MalformedReply("a content block begins while another has its number")
        block = self._blocks[index] = _Block(str(self._begun), dict(value["content_block"]))
        self._begun += 1
        fields = block.fields
        if block.delta is ToolCallDelta:
            self._called_tools = True
            events.append(ToolCallStart(block.id, required(fields["name"], "the name of a tool call")))
        elif block.delta is TextDelta:
            events.append(TextStart(block.id))
            _hand_on(block, fields.get("text"), events)
        else:
            events.append(ReasoningStart(block.id))
            _hand_on(block, fields.get("thinking"), events)

    def _delta(self, value: dict[str, Any], events: Decoded) -> None:
        block = self._blocks[value["index"]]
        delta = value["delta"]
        kind = delta["type"]
        if kind == "text_delta":
            _hand_on(block, delta["text"], events)
        elif kind == "input_json_delta":
            _hand_on(block, delta["partial_json"], events)
            if delta["partial_json"]:
                block.pieces.append(delta["partial_json"])
        elif kind == "thinking_delta":
            _hand_on(block, delta["thinking"], events)
        elif kind == "citations_delta":
            block.fields["citations"] = [*(block.fields.get("citations") or ()), delta["citation"]]
        else:
            _merge(block.fields, delta)

    def _stop_block(self, value: dict[str, Any], events: Decoded) -> None:
        self._close(self._blocks.pop(value["index"]), events)

    def _close(self, block: _Block, events: Decoded) -> None:
        part = read_block(block.close())
        if isinstance(part, Text):
            if block.fields["type"] == "tool_use" and not block.pieces:
                _hand_on(block, part.text, events)
            events.append(TextEnd(block.id, part.provider_metadata))
        elif isinstance(part, Reasoning):
            events.append(ReasoningEnd(block.id, part.provider_metadata))
        elif isinstance(part, ToolCall):
            events.append(ToolCallEnd(block.id, part))

    def _delta_message(self, value: dict[str, Any], events: Decoded) -> None:
        self._count(value.get("usage"))
        delta = dict(value["delta"])
        reason = delta.pop("stop_reason", None)
        self._stop_reason = required(reason, "the stop reason") if reason else self._stop_reason
        self.closing = self._stop_reason is not None
        self._extra |= extra_fields(delta) | extra_fields(value, "type", "delta", "usage")

    def _count(self, raw: Any) -> None:
        if isinstance(raw, dict):
            self._raw_usage.update({key: count for key, count in raw.items() if count is not None})
            self.usage = read_usage(dict(self._raw_usage))

    def _finish(self, value: dict[str, Any], events: Decoded) -> None:
        if self._stop_reason is None:
            raise MalformedReply("the stream ended without a stop reason")
        for block in self._blocks.values():
            self._close(block, events)
        reason = finish_reason(self._stop_reason, called_tools=self._called_tools)
        events.append(Finish(reason=reason, usage=self.usage, provider_metadata=marks(self._extra)))
        self.done = True


def _hand_on(block: _Block, text: str | None, events: Decoded) -> None:
    # Some blocks, such as a server tool's, show nothing of what comes: they are handed on whole at their end.
    if text and block.delta is not None:
        if not isinstance(text, str):
            raise TypeError("text expected")
        events.append(block.delta(block.id, text))


def _merge(fields: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Take a delta of any other type: signatures, compactions, and what the vendor adds later."""
    for key, value in delta.items():
        if key == "type":
            continue
        before = fields.get(key)
        together = isinstance(before, str | list) and type(before) is type(value)
        fields[key] = before + value if together else value


_HANDLERS: dict[str, Callable[[AnthropicDecoder, dict[str, Any], Decoded], None]] = {
    "content_block_delta": AnthropicDecoder._delta,
    "content_block_start": AnthropicDecoder._start_block,
    "content_block_stop": AnthropicDecoder._stop_block,
    "message_delta": AnthropicDecoder._delta_message,
    "message_start": AnthropicDecoder._start_message,
    "message_stop": AnthropicDecoder._finish,
}
