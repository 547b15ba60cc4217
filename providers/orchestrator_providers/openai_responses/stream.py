"""Decodes streams of the Responses API.

A response comes in numbered output items, each opened by `response.output_item.added`, lengthened by deltas, and told
whole by `response.output_item.done`. `response.completed`, `.incomplete` or `.failed` is the terminal signal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from orchestrator.errors import MalformedReply
from orchestrator.spec.provider import Decoded
from orchestrator.types.chat import Reasoning
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
from orchestrator_providers.openai.profile import Quirks
from orchestrator_providers.openai_responses import items
from orchestrator_providers.openai_responses.errors import response_error
from orchestrator_providers.openai_responses.usage import read_usage
from orchestrator_providers.shared.frames import FrameDecoder
from orchestrator_providers.shared.reading import label, parse_arguments, required, text_of
from orchestrator_providers.shared.schemas import OUTPUT_TOOL

__all__ = ["ResponsesStream"]

_UNKNOWN = ResponseMetadata()
_TEXT_PARTS = frozenset({"output_text", "refusal"})


class _Item:
    """An output item that is still coming: what its opening said, and the text that was handed on, by block."""

    __slots__ = ("answers", "fields", "id", "pieces")

    def __init__(self, id_: str, fields: Mapping[str, Any]) -> None:
        self.id = id_
        self.fields = fields
        self.answers = fields.get("name") == OUTPUT_TOOL
        self.pieces: dict[str, list[str]] = {}

    def rest(self, block: str, text: str) -> str:
        """What of a block's whole text has not been handed on: nothing, unless the vendor streamed less than it."""
        known = "".join(self.pieces.get(block, ()))
        return text[len(known) :] if text.startswith(known) else ""

    def opened(self) -> dict[str, Any]:
        """The item as far as it came, for a vendor that does not tell it whole."""
        item = dict(self.fields)
        if item["type"] == "function_call":
            item["arguments"] = "".join(self.pieces.get(self.id, ())) or item.get("arguments")
        elif item["type"] == "message":
            texts = ["".join(pieces) for pieces in self.pieces.values()]
            item["content"] = [{"type": "output_text", "text": text} for text in texts]
        return item


class ResponsesStream(FrameDecoder):
    """See `StreamDecoder`. Block ids are the vendor's item numbers, with that of the content part for text."""

    __slots__ = ("_calls", "_identity", "_items", "_kind", "_numbers", "_quirks", "_refused", "_told")

    def __init__(self, kind: str, quirks: Quirks) -> None:
        super().__init__()
        self._kind = kind
        self._quirks = quirks
        self._identity = _UNKNOWN
        self._items: dict[Any, _Item] = {}
        self._told: list[Mapping[str, Any]] = []
        self._numbers = 0
        self._calls = self._refused = False

    def _frame(self, event: str, data: bytes, out: Decoded) -> None:
        if not data.strip() or data.strip() == b"[DONE]":
            return  # gateways write it after the terminal signal, which alone counts
        value = orjson.loads(data)
        kind = value.get("type") or event
        if not isinstance(kind, str):
            raise TypeError("an event's type is its name")
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, value, out)
        elif kind == "error" or value.get("error"):
            raise response_error(value, {}, self._quirks)

    def _begin(self, value: dict[str, Any], out: Decoded) -> None:
        response = value["response"]
        found = ResponseMetadata(response_id=label(response.get("id")), model=label(response.get("model")))
        if found not in (self._identity, _UNKNOWN):
            self._identity = found  # gateways may change their mind about it; the last word counts
            out.append(found)

    def _item(self, value: Mapping[str, Any], type_: str) -> _Item:
        """The open item that an event belongs to."""
        item = self._items[value.get("output_index", value.get("item_id"))]
        if item.fields["type"] != type_:
            raise MalformedReply("an event of the stream is not one of its output item's")
        return item

    def _open_item(self, value: dict[str, Any], out: Decoded) -> _Item:
        fields = value["item"]
        key = value.get("output_index", fields.get("id"))
        if key in self._items:
            raise MalformedReply("an output item of the stream begins twice")
        item = self._items[key] = _Item(str(self._numbers), fields)
        self._numbers += 1
        if fields["type"] == "function_call":
            self._calls |= not item.answers
            name = items.call_name(fields)
            out.append(TextStart(item.id) if item.answers else ToolCallStart(item.id, name))
        elif required(fields["type"], "the output item's type") not in {"message", "image_generation_call"}:
            out.append(ReasoningStart(item.id))
        return item

    def _open_part(self, value: dict[str, Any], out: Decoded) -> None:
        part = value["part"]
        if part["type"] in _TEXT_PARTS:
            self._hand_on_text(self._item(value, "message"), value, part.get("text") or part.get("refusal") or "", out)

    def _text(self, value: dict[str, Any], out: Decoded) -> None:
        self._hand_on_text(self._item(value, "message"), value, value["delta"], out)

    def _hand_on_text(self, item: _Item, value: Mapping[str, Any], text: str, out: Decoded) -> None:
        block = f"{item.id}.{value.get('content_index') or 0}"
        if block not in item.pieces:
            out.append(TextStart(block))
        self._hand_on(item, block, TextDelta, text, out)

    def _hand_on(self, item: _Item, block: str, delta: Callable[[str, str], Any], text: str, out: Decoded) -> None:
        pieces = item.pieces.setdefault(block, [])
        if text_of(text, "a delta"):
            pieces.append(text)
            out.append(delta(block, text))

    def _reasoning(self, value: dict[str, Any], out: Decoded) -> None:
        item = self._item(value, "reasoning")
        self._hand_on(item, item.id, ReasoningDelta, value["delta"], out)

    def _arguments(self, value: dict[str, Any], out: Decoded) -> None:
        item = self._item(value, "function_call")
        self._hand_on(item, item.id, TextDelta if item.answers else ToolCallDelta, value["delta"], out)

    def _close_item(self, value: dict[str, Any], out: Decoded) -> None:
        fields = value["item"]
        item = self._items.pop(value.get("output_index", fields.get("id")), None)
        if item is None:
            item = self._open_item(value, out)  # a vendor that does not stream this kind of item
            self._items.popitem()
        self._close(item, fields, out)

    def _close(self, item: _Item, fields: Mapping[str, Any], out: Decoded) -> None:
        type_ = fields["type"]
        self._told.append(fields)
        if type_ != item.fields["type"]:
            raise MalformedReply("an output item ends as another type than it began")
        if type_ == "message":
            self._close_message(item, fields, out)
        elif type_ == "function_call":
            self._close_call(item, fields, out)
        elif type_ == "image_generation_call" and fields.get("result"):
            out.append(MediaBlock(item.id, items.read_image(fields, self._kind)))
        else:
            self._close_reasoning(item, fields, out)

    def _close_call(self, item: _Item, fields: Mapping[str, Any], out: Decoded) -> None:
        if item.answers:
            self._hand_on(item, item.id, TextDelta, item.rest(item.id, fields.get("arguments") or ""), out)
            out.append(TextEnd(item.id))
            return
        streamed = "".join(item.pieces.get(item.id, ()))
        whole = {**fields, "arguments": fields.get("arguments") or streamed}
        if streamed and parse_arguments(streamed) != parse_arguments(whole["arguments"]):
            raise MalformedReply("the pieces of a tool call's arguments are not those of the whole")
        out.append(ToolCallEnd(item.id, items.read_call(whole, self._kind, int(item.id))))

    def _close_message(self, item: _Item, fields: Mapping[str, Any], out: Decoded) -> None:
        streamed = iter(list(item.pieces))
        for number, part in enumerate(items.read_message(fields, self._kind)):
            if isinstance(part, Reasoning):
                block = f"{item.id}.part{number}"
                out += [ReasoningStart(block), ReasoningEnd(block, part.provider_metadata)]
                continue
            self._refused |= items.refuses(part, self._kind)
            # In their order: streams may count the parts otherwise than the item that they end in.
            block = next(streamed, None) or f"{item.id}.{number}"
            if block not in item.pieces:
                out.append(TextStart(block))
            self._hand_on(item, block, TextDelta, item.rest(block, part.text), out)
            out.append(TextEnd(block, part.provider_metadata))
        out += [TextEnd(block) for block in streamed]

    def _close_reasoning(self, item: _Item, fields: Mapping[str, Any], out: Decoded) -> None:
        part = next(iter(items.read_item(fields, self._kind, 0)))
        assert isinstance(part, Reasoning)
        if fields["type"] == "image_generation_call":
            out.append(ReasoningStart(item.id))  # held back in the hope of an image
        self._hand_on(item, item.id, ReasoningDelta, item.rest(item.id, part.text), out)
        out.append(ReasoningEnd(item.id, part.provider_metadata))

    def _finish(self, value: dict[str, Any], out: Decoded) -> None:
        response = value["response"]
        self._begin(value, out)
        self.usage = read_usage(response)
        if response.get("error") or response["status"] == "failed":
            raise response_error(response, {}, self._quirks)
        self._close_open(response, out)
        self.usage = read_usage(response, self._told)
        reason = items.finish_reason(response, calls=self._calls, refused=self._refused)
        out.append(Finish(reason=reason, usage=self.usage, provider_metadata=items.extras(response, self._kind)))
        self.closing = self.done = True

    def _close_open(self, response: Mapping[str, Any], out: Decoded) -> None:
        """Close what the vendor did not, by the whole response; it may also be all there is."""
        whole = response.get("output") or ()
        if not self._numbers:
            for number, item in enumerate(whole):
                self._close_item({"item": item, "output_index": number}, out)
        told = {item["id"]: item for item in whole if item.get("id")}
        for item in self._items.values():
            self._close(item, told.get(item.fields.get("id")) or item.opened(), out)


_HANDLERS: dict[str, Callable[[ResponsesStream, dict[str, Any], Decoded], Any]] = {
    "response.completed": ResponsesStream._finish,
    "response.content_part.added": ResponsesStream._open_part,
    "response.created": ResponsesStream._begin,
    "response.done": ResponsesStream._finish,
    "response.failed": ResponsesStream._finish,
    "response.function_call_arguments.delta": ResponsesStream._arguments,
    "response.in_progress": ResponsesStream._begin,
    "response.incomplete": ResponsesStream._finish,
    "response.output_item.added": ResponsesStream._open_item,
    "response.output_item.done": ResponsesStream._close_item,
    "response.output_text.delta": ResponsesStream._text,
    "response.queued": ResponsesStream._begin,
    "response.reasoning_summary_text.delta": ResponsesStream._reasoning,
    "response.reasoning_text.delta": ResponsesStream._reasoning,
    "response.refusal.delta": ResponsesStream._text,
}
