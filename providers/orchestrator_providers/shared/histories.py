"""What the writers of histories have in common: the marks of one kind, and each warning once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import Media, Message, Metadata, Reasoning, Text, ToolResult

__all__ = ["MEDIA_MOVED", "STRIPPED", "UNSENDABLE", "HistoryWriter", "split_turn"]

STRIPPED = CallWarning("stripped", "messages", "reasoning or marks of another provider in the history were left out")
UNSENDABLE = CallWarning("compatibility", "messages", "media that a model made were left out of the history")
MEDIA_MOVED = CallWarning(
    "compatibility", "messages", "media in a tool result went into a user message: a tool message carries text alone"
)


class HistoryWriter:
    """Base of what writes a history down for one provider kind.

    Attributes:
        warnings: what was left out, moved or added; each once.
    """

    __slots__ = ("_kind", "warnings")

    def __init__(self, kind: str, warnings: list[CallWarning] | None = None) -> None:
        self._kind = kind
        self.warnings = [] if warnings is None else warnings

    def _warn(self, warning: CallWarning) -> None:
        if warning not in self.warnings:
            self.warnings.append(warning)

    def _repaired(self, message: str) -> None:
        self._warn(CallWarning("compatibility", "messages", message))

    def _marks(self, metadata: Metadata | None) -> Mapping[str, Any]:
        """The kind's own marks of a message or part; those of another kind mean nothing here."""
        if not metadata:
            return {}
        marks = metadata.get(self._kind)
        if marks is None:
            self._warn(STRIPPED)
            return {}
        return marks

    def _is_own(self, part: Reasoning) -> bool:
        """Whether the kind itself marked this reasoning. If not, the vendor has no use for it."""
        if self._kind in (part.provider_metadata or {}):
            return True
        self._warn(STRIPPED)
        return False


def split_turn(message: Message) -> tuple[list[ToolResult], list[Text | Media]]:
    """Tool results of a system, user or tool message, and what else it says.

    Raises:
        UnsupportedFeature: a part that belongs to the assistant.
    """
    results: list[ToolResult] = []
    said: list[Text | Media] = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            results.append(part)
        elif isinstance(part, Text | Media):
            said.append(part)
        else:
            raise UnsupportedFeature(f"a {message.role} message cannot hold a {type(part).__name__}")
    return results, said
