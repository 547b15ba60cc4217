"""Writes a history as Cohere's v2 chat takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.types.chat import Media, Message, Part, Reasoning, Text, ToolCall, ToolResult
from orchestrator_providers.cohere.profile import KIND
from orchestrator_providers.shared.call_ids import CallIds
from orchestrator_providers.shared.histories import HistoryWriter
from orchestrator_providers.shared.writing import arguments_text, data_url

__all__ = ["History", "write_history"]

_LONGEST_ID = 128
_Fields = dict[str, Any]


class History(HistoryWriter):
    """Messages written down.

    Attributes:
        messages: as they are sent.
        warnings: at most one, about marks of other vendors that were left out.
    """

    __slots__ = ("_ids", "_reasons", "messages")

    def __init__(self, *, reasons: bool) -> None:
        super().__init__(KIND)
        self._ids = CallIds(longest=_LONGEST_ID)
        self._reasons = reasons
        self.messages: list[_Fields] = []

    def add(self, message: Message) -> None:
        """Write one message down; each tool result becomes a message of its own."""
        self._marks(message.provider_metadata)
        results = [part for part in message.parts if isinstance(part, ToolResult)]
        self.messages += [self._result(part) for part in results]
        rest = [part for part in message.parts if not isinstance(part, ToolResult)]
        if message.role == "assistant":
            self._assistant(rest)
        elif rest:
            self.messages.append({"role": message.role, "content": self._content(rest)})

    def _assistant(self, parts: Sequence[Part]) -> None:
        written: _Fields = {"role": "assistant"}
        for part in parts:
            if isinstance(part, ToolCall):
                self._marks(part.provider_metadata)
                written.setdefault("tool_calls", []).append(self._call(part))
            elif isinstance(part, Reasoning):
                written |= self._reasoning(part, written)
        content = self._content([part for part in parts if not isinstance(part, ToolCall)])
        if content:
            written["content"] = content
        if len(written) > 1:
            self.messages.append(written)

    def _reasoning(self, part: Reasoning, written: Mapping[str, Any]) -> _Fields:
        plan = self._marks(part.provider_metadata).get("tool_plan")
        return {"tool_plan": written.get("tool_plan", "") + plan} if plan else {}

    def _content(self, parts: Sequence[Part]) -> str | list[_Fields]:
        blocks = [block for part in parts if (block := self._block(part)) is not None]
        if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
            text: str = blocks[0]["text"]
            return text
        return blocks

    def _block(self, part: Part) -> _Fields | None:
        if isinstance(part, Text):
            marks = self._marks(part.provider_metadata)
            return {"type": "text", "text": part.text, **marks} if part.text else None
        if isinstance(part, Reasoning):
            return self._thinking(part)
        if isinstance(part, Media):
            return {
                "type": "image_url",
                "image_url": {"url": _image_url(part), **self._marks(part.provider_metadata)},
            }
        raise UnsupportedFeature(f"a {type(part).__name__} cannot stand in this message on this wire")

    def _thinking(self, part: Reasoning) -> _Fields | None:
        marks = self._marks(part.provider_metadata)
        if "block" in marks:
            return dict(marks["block"])
        # Marked reasoning is another vendor's; models that do not reason have no use for any.
        wanted = part.text and self._reasons and not part.provider_metadata
        return {"type": "thinking", "thinking": part.text} if wanted else None

    def _call(self, part: ToolCall) -> _Fields:
        return {
            "id": self._ids.of_call(part.id),
            "type": "function",
            "function": {"name": part.name, "arguments": arguments_text(part)},
        }

    def _result(self, part: ToolResult) -> _Fields:
        self._marks(part.provider_metadata)
        content: str | list[_Fields]
        if isinstance(part.content, str):
            content = part.content
        elif any(isinstance(inner, Media) for inner in part.content):
            raise UnsupportedFeature("a tool result can hold only text on this wire")
        else:
            content = [{"type": "text", "text": inner.text} for inner in part.content if isinstance(inner, Text)]
        return {"role": "tool", "tool_call_id": self._ids.of_result(part.id), "content": content}


def write_history(messages: Sequence[Message], *, reasons: bool) -> History:
    """Write messages down, for a model that `reasons` or does not.

    Raises:
        UnsupportedFeature: media other than images, or media in a tool result.
    """
    history = History(reasons=reasons)
    for message in messages:
        history.add(message)
    return history


def _image_url(part: Media) -> str:
    if not part.media_type.startswith("image/") or part.file_id is not None:
        raise UnsupportedFeature(f"media of type {part.media_type!r} cannot be sent to this provider in this form")
    return data_url(part) if part.url is None else part.url
