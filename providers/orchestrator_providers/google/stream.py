"""Decodes answers of `generateContent`: a stream of them, or a single one, which is a stream of one chunk.

Every chunk is a whole response that holds some more parts. `finishReason` is the terminal signal; chunks with counts,
grounding or a signature may follow it, so an answer is finished where the body ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from orchestrator.errors import MalformedReply
from orchestrator.spec.provider import Decoded
from orchestrator.types.chat import Media, Part, Reasoning, Text, ToolCall
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
    ToolCallEnd,
    ToolCallStart,
)
from orchestrator_providers.google.errors import blocked, stream_failure
from orchestrator_providers.google.parts import finish_reason, is_plain, made_up_id, marks, read_part
from orchestrator_providers.google.usage import read_usage, with_searches
from orchestrator_providers.shared.frames import FrameDecoder
from orchestrator_providers.shared.reading import label, mapping, text_of

__all__ = ["GoogleDecoder"]

_CHUNK_READ = frozenset({"candidates", "modelVersion", "responseId", "usageMetadata"})
_CANDIDATE_READ = frozenset({"content", "finishReason", "index"})
_CUMULATIVE = frozenset({"citationMetadata", "logprobsResult"})
"""What every chunk states for its own piece of the answer."""


class GoogleDecoder(FrameDecoder):
    """See `StreamDecoder`. Block ids count the parts."""

    __slots__ = (
        "_awaits",
        "_called_tools",
        "_count",
        "_early",
        "_extra",
        "_kind",
        "_model",
        "_open",
        "_raw_usage",
        "_reason",
        "_response_id",
    )

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind
        self._count = 0
        self._open: tuple[str, bool] | None = None
        self._called_tools = False
        self._extra: dict[str, Any] = {}
        self._raw_usage: dict[str, Any] = {}
        self._reason = ""
        self._early = ""
        self._awaits = False
        self._response_id: str | None = None
        self._model: str | None = None

    def _frame(self, event: str, data: bytes, events: Decoded) -> None:
        if data.strip() in (b"", b"[DONE]"):
            return  # gateways add an end marker; it proves nothing here
        value = orjson.loads(data)
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if "error" in value:
            raise stream_failure(data)
        self.take(value, events)

    def _finish_at_end(self, events: Decoded) -> None:
        if not self.closing:
            super()._finish_at_end(events)
        self._finish(events)

    def take(self, chunk: Mapping[str, Any], events: Decoded) -> None:
        """Read one response object.

        Raises:
            ContentFiltered: the prompt was blocked.
        """
        self._identify(chunk, events)
        counts = chunk.get("usageMetadata")
        if isinstance(counts, dict):
            # Counts are of all so far, zeros left out; a chunk without any states other facts of the same exchange.
            self._raw_usage = counts if "promptTokenCount" in counts else self._raw_usage | counts
            self.usage = read_usage(self._raw_usage)
        self._keep({key: value for key, value in chunk.items() if key not in _CHUNK_READ})
        feedback = mapping(chunk.get("promptFeedback"))
        candidates = chunk.get("candidates") or []
        if feedback.get("blockReason") and not candidates:
            raise blocked(feedback)
        for candidate in candidates:
            if not candidate.get("index"):  # of several answers the first counts
                self._candidate(candidate, events)

    def _identify(self, chunk: Mapping[str, Any], events: Decoded) -> None:
        response_id, model = label(chunk.get("responseId")), label(chunk.get("modelVersion"))
        new_id = response_id if self._response_id is None else None
        new_model = model if model != self._model else None
        if new_id or new_model:
            self._response_id = self._response_id or response_id
            self._model = model or self._model
            events.append(ResponseMetadata(response_id=self._response_id, model=self._model))

    def _candidate(self, candidate: Mapping[str, Any], events: Decoded) -> None:
        content = candidate.get("content") or {}
        for part in content.get("parts") or ():
            self._part(part, events)
        self._keep({key: value for key, value in candidate.items() if key not in _CANDIDATE_READ})
        reason = candidate.get("finishReason")
        if reason:
            self._end_with(text_of(reason, "the finish reason"))

    def _end_with(self, reason: str) -> None:
        # While a tool of the vendor's own runs, a stream says STOP, and goes on with what the tool found.
        if reason == "STOP" and self._awaits:
            self._early = reason
        else:
            self._reason = reason
            self.closing = True

    def _keep(self, fields: Mapping[str, Any]) -> None:
        for key, value in fields.items():
            if value in (None, {}, []):
                continue
            before = self._extra.get(key)
            both = isinstance(before, dict) and isinstance(value, dict)
            self._extra[key] = _together(key, before, value) if both else value

    def _part(self, part: Mapping[str, Any], events: Decoded) -> None:
        self._awaits = "executableCode" in part or "toolCall" in part
        if is_plain(part):
            self._plain(part, events)
            return
        self._close(events)
        found = read_part(part, self._kind, made_up_id(self._response_id, self._count, part))
        self._whole(found, self._next_id(), events)

    def _plain(self, part: Mapping[str, Any], events: Decoded) -> None:
        text, thought = text_of(part["text"], "the text of a part"), bool(part.get("thought"))
        if not text:
            return
        if self._open is None or self._open[1] is not thought:
            self._close(events)
            self._open = (self._next_id(), thought)
            events.append(ReasoningStart(self._open[0]) if thought else TextStart(self._open[0]))
        events.append(ReasoningDelta(self._open[0], text) if thought else TextDelta(self._open[0], text))

    def _close(self, events: Decoded) -> None:
        if self._open is not None:
            id_, thought = self._open
            events.append(ReasoningEnd(id_, {self._kind: {"thought": True}}) if thought else TextEnd(id_))
            self._open = None

    def _next_id(self) -> str:
        self._count += 1
        return str(self._count - 1)

    def _whole(self, part: Part, id_: str, events: Decoded) -> None:
        if isinstance(part, Text):
            events.append(TextStart(id_))
            events += [TextDelta(id_, part.text)] if part.text else []
            events.append(TextEnd(id_, part.provider_metadata))
        elif isinstance(part, Reasoning):
            events.append(ReasoningStart(id_))
            events += [ReasoningDelta(id_, part.text)] if part.text else []
            events.append(ReasoningEnd(id_, part.provider_metadata))
        elif isinstance(part, ToolCall):
            self._called_tools = True
            events += [ToolCallStart(id_, part.name), ToolCallEnd(id_, part)]
        elif isinstance(part, Media):
            events.append(MediaBlock(id_, part))

    def finish(self, events: Decoded) -> None:
        """Give out `Finish` for a whole answer.

        Raises:
            MalformedReply: no finish reason was seen.
        """
        self._reason = self._reason or self._early
        if not self._reason:
            raise MalformedReply("the reply has no finish reason", maybe_billed=True)
        self._finish(events)

    def _finish(self, events: Decoded) -> None:
        self._close(events)
        self.usage = with_searches(self.usage, self._extra.get("groundingMetadata"), self._model)
        reason = finish_reason(self._reason, called_tools=self._called_tools)
        events.append(Finish(reason=reason, usage=self.usage, provider_metadata=marks(self._kind, self._extra)))
        self.done = True


def _together(name: str, before: Any, value: Mapping[str, Any]) -> dict[str, Any]:
    """What two chunks said of one thing: later fields replace earlier ones, or are added to them."""
    both = dict(before)
    for key, new in value.items():
        old = both.get(key)
        if name in _CUMULATIVE and isinstance(old, list) and isinstance(new, list):
            both[key] = old + new
        elif new not in (None, {}, []):
            both[key] = new
    return both
