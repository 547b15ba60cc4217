"""Events of a stream.

Order: `StreamStart`, `ResponseMetadata` when known, then blocks, each opened and closed under an id of its own
(`TextStart`, `TextDelta`..., `TextEnd`; likewise reasoning and tool calls; blocks may interleave), then one `Finish`.
A tool call's arguments are complete, parsed and in one piece in its `ToolCallEnd`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from orchestrator.types.call import CallWarning
from orchestrator.types.chat import FinishReason, Media, Metadata, ToolCall
from orchestrator.types.usage import Cost, Usage

__all__ = [
    "Finish",
    "MediaBlock",
    "ReasoningDelta",
    "ReasoningEnd",
    "ReasoningStart",
    "ResponseMetadata",
    "StreamEvent",
    "StreamStart",
    "TextDelta",
    "TextEnd",
    "TextStart",
    "ToolCallDelta",
    "ToolCallEnd",
    "ToolCallStart",
]


@dataclass(frozen=True, slots=True)
class StreamStart:
    """The first event. `warnings` tells which settings were left out or changed for this deployment."""

    warnings: tuple[CallWarning, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseMetadata:
    """The vendor's response id and the model it says it serves."""

    response_id: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class TextStart:
    """A text block opens."""

    id: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More text of a block.

    Example:
        >>> with llm.stream("answer", "Which plan includes SSO?") as stream:
        ...     [event.text for event in stream if isinstance(event, TextDelta)]
        ['The ', 'Team ', 'plan.']
    """

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class TextEnd:
    """A text block is complete."""

    id: str
    provider_metadata: Metadata | None = None


@dataclass(frozen=True, slots=True)
class ReasoningStart:
    """A reasoning block opens."""

    id: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """More text of a reasoning block."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningEnd:
    """A reasoning block is complete; its signature or encrypted form is in the metadata."""

    id: str
    provider_metadata: Metadata | None = None


@dataclass(frozen=True, slots=True)
class ToolCallStart:
    """The model begins to call a tool."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of the arguments' JSON text. Not to be parsed: wait for `ToolCallEnd`."""

    id: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolCallEnd:
    """The tool call is complete."""

    id: str
    tool_call: ToolCall


@dataclass(frozen=True, slots=True)
class MediaBlock:
    """A whole image or sound that the model made."""

    id: str
    media: Media


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """The last event. `cost` is filled in by the library; a codec leaves it None."""

    reason: FinishReason
    usage: Usage | None = None
    cost: Cost | None = None
    provider_metadata: Mapping[str, Any] | None = field(default=None, repr=False)


StreamEvent: TypeAlias = (
    StreamStart
    | ResponseMetadata
    | TextStart
    | TextDelta
    | TextEnd
    | ReasoningStart
    | ReasoningDelta
    | ReasoningEnd
    | ToolCallStart
    | ToolCallDelta
    | ToolCallEnd
    | MediaBlock
    | Finish
)
