"""Puts a stream's events together into the reply that the same call without streaming gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from orchestrator.types.call import CallWarning
from orchestrator.types.chat import (
    ChatResult,
    FinishReason,
    Message,
    Metadata,
    Part,
    Reasoning,
    Text,
)
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
    ToolCallEnd,
    ToolCallStart,
)
from orchestrator.types.usage import Usage

__all__ = ["Collector", "collect"]


class _Block:
    """An open text or reasoning block, or a closed one of any kind (`part`)."""

    __slots__ = ("metadata", "part", "pieces", "reasoning")

    def __init__(self, *, reasoning: bool = False, part: Part | None = None) -> None:
        self.pieces: list[str] = []
        self.reasoning = reasoning
        self.metadata: Metadata | None = None
        self.part = part

    def build(self) -> Part:
        if self.part is not None:
            return self.part
        text = "".join(self.pieces)
        if self.reasoning:
            return Reasoning(text, provider_metadata=self.metadata)
        return Text(text, provider_metadata=self.metadata)


class Collector:
    """Takes events as they come; `result()` may be asked at any time and holds complete tool calls only."""

    __slots__ = ("_blocks", "_model", "_response_id", "_warnings", "finish")

    def __init__(self) -> None:
        self._blocks: dict[str, _Block | None] = {}
        self._response_id: str | None = None
        self._model: str | None = None
        self._warnings: tuple[CallWarning, ...] = ()
        self.finish: Finish | None = None

    def add(self, events: Iterable[StreamEvent]) -> None:
        """Take the next events."""
        blocks = self._blocks
        for event in events:
            kind = type(event)
            if kind is TextDelta or kind is ReasoningDelta:
                block = blocks[event.id]  # type: ignore[union-attr]
                assert block is not None
                block.pieces.append(event.text)  # type: ignore[union-attr]
            else:
                handler = _HANDLERS.get(kind)
                if handler is not None:
                    handler(self, event)

    def _open_text(self, event: TextStart) -> None:
        self._blocks[event.id] = _Block()

    def _open_reasoning(self, event: ReasoningStart) -> None:
        self._blocks[event.id] = _Block(reasoning=True)

    def _open_tool_call(self, event: ToolCallStart) -> None:
        self._blocks[event.id] = None  # keeps its place in the order; half a tool call is never in a result

    def _close(self, event: TextEnd | ReasoningEnd) -> None:
        block = self._blocks[event.id]
        assert block is not None
        block.metadata = event.provider_metadata

    def _close_tool_call(self, event: ToolCallEnd) -> None:
        self._blocks[event.id] = _Block(part=event.tool_call)

    def _media(self, event: MediaBlock) -> None:
        self._blocks[event.id] = _Block(part=event.media)

    def _identify(self, event: ResponseMetadata) -> None:
        self._response_id = event.response_id or self._response_id
        self._model = event.model or self._model

    def _begin(self, event: StreamStart) -> None:
        self._warnings = event.warnings

    def _finish(self, event: Finish) -> None:
        self.finish = event

    @property
    def model(self) -> str | None:
        """The model the vendor says it serves, once known."""
        return self._model

    @property
    def response_id(self) -> str | None:
        """The vendor's response id, once known."""
        return self._response_id

    @property
    def text(self) -> str:
        """The answer's text so far."""
        return "".join(["".join(b.pieces) for b in self._blocks.values() if b and not b.reasoning and b.part is None])

    def result(self) -> ChatResult:
        """The reply as far as it has come; before `Finish` the reason is `error` without usage."""
        finish = self.finish
        usage: Usage | None = finish.usage if finish else None
        metadata: Mapping[str, Any] | None = finish.provider_metadata if finish else None
        return ChatResult(
            message=Message("assistant", tuple([b.build() for b in self._blocks.values() if b is not None])),
            finish_reason=finish.reason if finish else FinishReason("error"),
            usage=usage,
            response_id=self._response_id,
            model=self._model,
            warnings=self._warnings,
            provider_metadata=metadata,
        )


_HANDLERS: dict[type, Callable[[Collector, Any], None]] = {
    StreamStart: Collector._begin,
    ResponseMetadata: Collector._identify,
    TextStart: Collector._open_text,
    TextEnd: Collector._close,
    ReasoningStart: Collector._open_reasoning,
    ReasoningEnd: Collector._close,
    ToolCallStart: Collector._open_tool_call,
    ToolCallEnd: Collector._close_tool_call,
    MediaBlock: Collector._media,
    Finish: Collector._finish,
}


def collect(events: Iterable[StreamEvent]) -> ChatResult:
    """Give what the same answer without streaming would have decoded to."""
    collector = Collector()
    collector.add(events)
    return collector.result()
