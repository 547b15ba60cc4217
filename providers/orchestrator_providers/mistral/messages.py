"""Writes a history as Mistral takes it.

The vendor refuses histories out of its order (codes 3230 and 3240): after a tool's result only a tool or the assistant
may speak, a system message stands before the assistant's first word or after a user's, an assistant says or calls
something, and has the last word only if the answer is to go on from it (`prefix`).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import Media, Message, Part, Reasoning, Text, ToolCall, ToolResult
from orchestrator_providers.mistral.callids import CallIds
from orchestrator_providers.mistral.profile import KIND, PROFILE
from orchestrator_providers.shared.histories import MEDIA_MOVED, UNSENDABLE, HistoryWriter, split_turn
from orchestrator_providers.shared.writing import arguments_text, data_url

__all__ = ["write_messages"]

_Chunk = dict[str, Any]

_BRIDGE = {"role": "assistant", "content": "OK"}
_BRIDGED = CallWarning(
    "compatibility", "messages", "an assistant message was put between a tool's result and what followed it"
)
_SYSTEM_MOVED = CallWarning(
    "compatibility", "messages", "a system message after the assistant's was moved to the beginning"
)


def write_messages(messages: Sequence[Message], warnings: list[CallWarning]) -> list[dict[str, Any]]:
    """The `messages` of a request body.

    Raises:
        UnsupportedFeature: a part that this wire cannot carry.
    """
    return _Writer(messages, warnings).write(messages)


class _Writer(HistoryWriter):
    """State of one request: what was written, and media of tool results that wait for the last of the results."""

    __slots__ = ("_ids", "_media", "_out", "_preamble")

    def __init__(self, messages: Sequence[Message], warnings: list[CallWarning]) -> None:
        super().__init__(KIND, warnings)
        self._ids = CallIds(messages)
        self._out: list[dict[str, Any]] = []
        self._preamble = 0  # system messages at the beginning
        self._media: list[_Chunk] = []

    def write(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        for message in messages:
            if message.role == "assistant":
                self._flush()
                self._assistant(message)
            else:
                self._turn(message)
        self._flush()
        last = self._out[-1] if self._out else {}
        if last.get("role") == "assistant" and "tool_calls" not in last:
            last.setdefault("prefix", True)
        return self._out

    def _add(self, written: dict[str, Any]) -> None:
        role = written["role"]
        before = self._out[-1]["role"] if self._out else "system"
        if role == "system" and before in {"assistant", "tool"}:
            self._warn(_SYSTEM_MOVED)
            self._out.insert(self._preamble, written)
            self._preamble += 1
            return
        if role == "user" and before == "tool":
            self._warn(_BRIDGED)
            self._out.append(dict(_BRIDGE))
        if role == "system" and self._preamble == len(self._out):
            self._preamble += 1
        self._out.append(written)

    def _flush(self) -> None:
        if self._media:
            self._warn(MEDIA_MOVED)
            self._add({"role": "user", "content": self._media})
            self._media = []

    def _turn(self, message: Message) -> None:
        """A system, user or tool message; each tool result is a message of its own."""
        results, content = split_turn(message)
        for result in results:
            self._result(result)
        marks = self._marks(message.provider_metadata)
        if content:
            self._flush()
            role = "user" if message.role == "tool" else message.role
            chunks = [chunk for part in content for chunk in self._chunks(part)]
            self._add({"role": role, "content": _simplest(chunks), **marks})

    def _result(self, result: ToolResult) -> None:
        parts = (Text(result.content),) if isinstance(result.content, str) else result.content
        text = "\n".join([part.text for part in parts if isinstance(part, Text)])
        written = {"role": "tool", "tool_call_id": self._ids(result.id), "content": text}
        if result.name:
            written["name"] = result.name
        self._add({**written, **self._marks(result.provider_metadata)})
        self._media += [chunk for part in parts if isinstance(part, Media) for chunk in self._chunks(part)]

    def _assistant(self, message: Message) -> None:
        chunks: list[_Chunk] = []
        calls: list[dict[str, Any]] = []
        for part in message.parts:
            if isinstance(part, ToolCall):
                calls.append(self._call(part))
            elif isinstance(part, Text):
                chunks += self._chunks(part)
            elif isinstance(part, Reasoning):
                chunks += self._thinking(part)
            elif isinstance(part, Media):
                self._warn(UNSENDABLE)
            else:
                raise UnsupportedFeature("an assistant message cannot hold a ToolResult")
        marks = self._marks(message.provider_metadata)
        if not (chunks or calls):
            return  # refused by the vendor, and says nothing
        written: dict[str, Any] = {"role": "assistant", "content": _simplest(chunks)}
        if calls:
            written["tool_calls"] = calls
        self._add({**written, **marks})

    def _chunks(self, part: Part) -> list[_Chunk]:
        """A text with the references that follow it, or a medium."""
        marks = dict(self._marks(part.provider_metadata))
        if isinstance(part, Media):
            return [_medium(part, marks)]
        assert isinstance(part, Text)
        references = marks.pop("reference_ids", None)
        text = [{"type": "text", "text": part.text, **marks}] if part.text else []
        return [*text, {"type": "reference", "reference_ids": references}] if references else text

    def _thinking(self, part: Reasoning) -> list[_Chunk]:
        """Thinking goes back to the vendor that thought it."""
        if not self._is_own(part):
            return []
        marks = self._marks(part.provider_metadata)
        return [{"type": "thinking", "thinking": [{"type": "text", "text": part.text}], **marks}]

    def _call(self, call: ToolCall) -> dict[str, Any]:
        return {
            "id": self._ids(call.id),
            "type": "function",
            "function": {"name": call.name, "arguments": arguments_text(call)},
            **self._marks(call.provider_metadata),
        }


def _simplest(chunks: list[_Chunk]) -> str | list[_Chunk]:
    """One plain text is a string, nothing an empty one."""
    if not chunks:
        return ""
    return chunks[0]["text"] if len(chunks) == 1 and chunks[0].keys() == {"type", "text"} else chunks


def _medium(media: Media, marks: Mapping[str, Any]) -> _Chunk:
    family = media.media_type.partition("/")[0]
    if not {media.media_type, f"{family}/*"} & PROFILE.media:
        raise UnsupportedFeature(f"Mistral takes no {media.media_type}")
    if media.file_id is not None:
        return {"type": "file", "file_id": media.file_id, **marks}
    if family == "image":
        return {"type": "image_url", "image_url": {"url": _address(media), **marks}}
    if family == "audio":
        sound = media.url if media.data is None else base64.b64encode(media.data).decode()
        return {"type": "input_audio", "input_audio": sound, **marks}
    chunk = {"type": "document_url", "document_url": _address(media), **marks}
    return {**chunk, "document_name": media.filename} if media.filename else chunk


def _address(media: Media) -> str:
    return (media.url or "") if media.data is None else data_url(media)
