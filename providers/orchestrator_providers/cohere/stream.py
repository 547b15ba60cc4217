"""Decodes streams of Cohere's v2 chat, and of v1 where its lines come as frames.

In v2 a plan, content blocks and tool calls come one after the other; `message-end` holds reason and usage and is the
terminal signal. In v1 text comes in pieces, and `stream-end` holds the whole answer once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from orchestrator.errors import MalformedReply
from orchestrator.spec.provider import Decoded
from orchestrator.spec.transport import HttpReply
from orchestrator.types.chat import ToolCall
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
from orchestrator_providers.cohere.errors import read_failure
from orchestrator_providers.cohere.replies import finish_reason, read_block, read_call, reply_metadata, tool_plan
from orchestrator_providers.cohere.usage import read_chat_usage
from orchestrator_providers.shared.frames import FrameDecoder
from orchestrator_providers.shared.reading import label, required, text_of
from orchestrator_providers.shared.schemas import OUTPUT_TOOL

__all__ = ["CohereDecoder"]

_PLAN = "plan"
_V1_TEXT = "text"


class _Call:
    """A tool call whose arguments are still coming."""

    __slots__ = ("fields", "id", "pieces")

    def __init__(self, id_: str, fields: dict[str, Any]) -> None:
        self.id = id_
        self.fields = fields
        self.pieces: list[str] = []

    @property
    def is_answer(self) -> bool:
        """It stands in for an output schema."""
        return bool(self.fields["function"]["name"] == OUTPUT_TOOL)

    def close(self) -> dict[str, Any]:
        return self.fields | {"function": self.fields["function"] | {"arguments": "".join(self.pieces)}}


class CohereDecoder(FrameDecoder):
    """See `StreamDecoder`."""

    __slots__ = (
        "_called",
        "_calls",
        "_citations",
        "_ended_calls",
        "_open",
        "_other",
        "_plan",
        "_response_id",
        "_seen",
    )

    def __init__(self) -> None:
        super().__init__()
        self._response_id: str | None = None
        self._plan: list[str] = []
        self._seen: set[str] = set()
        self._open: dict[str, type[TextEnd | ReasoningEnd]] = {}
        self._other: dict[str, dict[str, Any]] = {}
        self._calls: dict[int, _Call] = {}
        self._called = False
        self._ended_calls = 0
        self._citations: list[Any] = []

    def _frame(self, event: str, data: bytes, events: Decoded) -> None:
        value = orjson.loads(data)
        kind = value.get("type") or value.get("event_type") or event
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(self, value, events)
        elif kind in ("", "error"):
            raise read_failure(HttpReply(500, {}, data))

    def _identify(self, value: dict[str, Any], events: Decoded) -> None:
        self._response_id = label(value.get("id")) or label(value.get("response_id"))
        if self._response_id:
            events.append(ResponseMetadata(response_id=self._response_id))

    def _new(self, id_: str) -> str:
        if id_ in self._seen:
            raise MalformedReply("a block of the stream opens twice")
        self._seen.add(id_)
        return id_

    def _add_plan(self, value: dict[str, Any], events: Decoded) -> None:
        if not self._plan:
            events.append(ReasoningStart(self._new(_PLAN)))
        self._plan.append(value["delta"]["message"]["tool_plan"])

    def _close_plan(self, events: Decoded) -> None:
        if self._plan:
            events.append(ReasoningEnd(_PLAN, tool_plan("".join(self._plan)).provider_metadata))
            self._plan.clear()

    def _start_content(self, value: dict[str, Any], events: Decoded) -> None:
        self._close_plan(events)
        id_ = self._new(str(value["index"]))
        content = value["delta"]["message"]["content"]
        if content["type"] == "text":
            self._open[id_] = TextEnd
            events.append(TextStart(id_))
        else:
            self._open[id_] = ReasoningEnd
            events.append(ReasoningStart(id_))
        if content["type"] in ("text", "thinking"):
            self._hand_on(id_, content, events)
        else:
            self._other[id_] = content

    def _add_content(self, value: dict[str, Any], events: Decoded) -> None:
        self._hand_on(str(value["index"]), value["delta"]["message"]["content"], events)

    def _hand_on(self, id_: str, content: dict[str, Any], events: Decoded) -> None:
        if id_ in self._other:
            self._other[id_] |= {key: self._other[id_].get(key, "") + piece for key, piece in content.items()}
            return
        delta = TextDelta if self._open[id_] is TextEnd else ReasoningDelta
        text = content.get("text") or content.get("thinking")
        if text:
            if not isinstance(text, str):
                raise TypeError("text expected")
            events.append(delta(id_, text))

    def _end_content(self, value: dict[str, Any], events: Decoded) -> None:
        self._close_content(str(value["index"]), events)

    def _close_content(self, id_: str, events: Decoded) -> None:
        other = self._other.pop(id_, None)
        metadata = None if other is None else read_block(other).provider_metadata
        events.append(self._open.pop(id_)(id_, metadata))

    def _start_call(self, value: dict[str, Any], events: Decoded) -> None:
        self._close_plan(events)
        index, fields = value["index"], value["delta"]["message"]["tool_calls"]
        call = self._calls[index] = _Call(self._new(f"call_{index}"), fields)
        name = required(fields["function"]["name"], "the name of a tool call")
        events.append(TextStart(call.id) if call.is_answer else ToolCallStart(call.id, name))
        self._hand_on_arguments(call, fields["function"].get("arguments"), events)

    def _add_arguments(self, value: dict[str, Any], events: Decoded) -> None:
        piece = value["delta"]["message"]["tool_calls"]["function"]["arguments"]
        self._hand_on_arguments(self._calls[value["index"]], piece, events)

    def _hand_on_arguments(self, call: _Call, raw: Any, events: Decoded) -> None:
        if piece := text_of(raw or "", "a tool call's arguments"):
            call.pieces.append(piece)
            events.append(TextDelta(call.id, piece) if call.is_answer else ToolCallDelta(call.id, piece))

    def _end_call(self, value: dict[str, Any], events: Decoded) -> None:
        self._close_call(self._calls.pop(value["index"]), events)

    def _close_call(self, call: _Call, events: Decoded) -> None:
        said = read_call(call.close(), self._ended_calls)
        self._ended_calls += 1
        if isinstance(said, ToolCall):
            self._called = True
            events.append(ToolCallEnd(call.id, said))
        else:
            events.append(TextEnd(call.id))

    def _cite(self, value: dict[str, Any], _: Decoded) -> None:
        found = value["delta"]["message"]["citations"]
        self._citations += found if isinstance(found, list) else [found]

    def _end_message(self, value: dict[str, Any], events: Decoded) -> None:
        delta = value["delta"]
        self.usage = read_chat_usage(delta.get("usage"))
        self._finish(delta.get("finish_reason"), events)

    def _finish(self, raw: Any, events: Decoded) -> None:
        self.closing = True
        reason = finish_reason(raw, self._response_id, called_tools=not self._answered_only())
        self._close_plan(events)
        for id_ in tuple(self._open):
            self._close_content(id_, events)
        for call in self._calls.values():
            self._close_call(call, events)
        events.append(Finish(reason=reason, usage=self.usage, provider_metadata=reply_metadata(self._citations)))
        self.done = True

    def _answered_only(self) -> bool:
        """All that was called stands in for an output schema."""
        if self._called or not (self._ended_calls or self._calls):
            return False
        return all(call.is_answer for call in self._calls.values())

    def _add_v1_text(self, value: dict[str, Any], events: Decoded) -> None:
        if _V1_TEXT not in self._open:
            self._open[_V1_TEXT] = TextEnd
            events.append(TextStart(_V1_TEXT))
        self._hand_on(_V1_TEXT, value, events)

    def _end_v1(self, value: dict[str, Any], events: Decoded) -> None:
        answer = value["response"]
        self._identify(answer, events)
        self.usage = read_chat_usage(answer.get("meta"))
        self._citations = answer.get("citations") or []
        for number, raw in enumerate(answer.get("tool_calls") or ()):
            call = read_call(raw, number)
            if isinstance(call, ToolCall):
                events += [ToolCallStart(call.id, call.name), ToolCallEnd(call.id, call)]
        self._finish(value.get("finish_reason"), events)


_HANDLERS: dict[str, Callable[[CohereDecoder, dict[str, Any], Decoded], None]] = {
    "citation-start": CohereDecoder._cite,
    "content-delta": CohereDecoder._add_content,
    "content-end": CohereDecoder._end_content,
    "content-start": CohereDecoder._start_content,
    "message-end": CohereDecoder._end_message,
    "message-start": CohereDecoder._identify,
    "stream-end": CohereDecoder._end_v1,
    "text-generation": CohereDecoder._add_v1_text,
    "tool-call-delta": CohereDecoder._add_arguments,
    "tool-call-end": CohereDecoder._end_call,
    "tool-call-start": CohereDecoder._start_call,
    "tool-plan-delta": CohereDecoder._add_plan,
}
