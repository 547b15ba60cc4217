"""Writes a history as Mistral takes it.

The vendor refuses histories out of its order (codes 3230 and 3240): after a tool's result only a tool or the assistant
may speak, a system message stands before the assistant's first word or after a user's, an assistant says or calls
something, and has the last word only if the answer is to go on from it (`prefix`).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from orchestrator.errors import UnsupportedFeature
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import Media, Message, Metadata, Part, Reasoning, Text, ToolCall, ToolResult
from orchestrator_providers.mistral.callids import CallIds
from orchestrator_providers.mistral.profile import KIND, PROFILE

__all__ = ["write_messages"]

_Chunk = dict[str, Any]

_BRIDGE = {"role": "assistant", "content": "OK"}
_STRIPPED = CallWarning("stripped", "messages", "reasoning or marks of another provider in the history were left out")
_BRIDGED = CallWarning(
    "compatibility", "messages", "an assistant message was put between a tool's result and what followed it"
)
_SYSTEM_MOVED = CallWarning(
    "compatibility", "messages", "a system message after the assistant's was moved to the beginning"
)
_MEDIA_MOVED = CallWarning(
    "compatibility", "messages", "media in a tool result went into a user message: a tool message carries text alone"
)
_UNSENDABLE = CallWarning("compatibility", "messages", "media that a model made were left out of the history")


def write_messages(messages: Sequence[Message], warnings: list[CallWarning]) -> list[dict[str, Any]]:
    """The `messages` of a request body.

    Raises:
        UnsupportedFeature: a part that this wire cannot carry.
    """
    return _Writer(messages, warnings).write(messages)


class _Writer:
    """State of one request: what was written, and media of tool results that wait for the last of the results."""

    __slots__ = ("_ids", "_media", "_out", "_preamble", "_warnings")

    def __init__(self, messages: Sequence[Message], warnings: list[CallWarning]) -> None:
        self._ids = CallIds(messages)
        self._warnings = warnings
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
            self._warn(_MEDIA_MOVED)
            self._add({"role": "user", "content": self._media})
            self._media = []

    def _warn(self, warning: CallWarning) -> None:
        if warning not in self._warnings:
            self._warnings.append(warning)

    def _marks(self, metadata: Metadata | None) -> Mapping[str, Any]:
        """Our own marks; those of another kind mean nothing here."""
        if not metadata:
            return {}
        if KIND not in metadata:
            self._warn(_STRIPPED)
        return metadata.get(KIND, {})

    def _turn(self, message: Message) -> None:
        """A system, user or tool message; each tool result is a message of its own."""
        content: list[Part] = []
        for part in message.parts:
            if isinstance(part, ToolResult):
                self._result(part)
            elif isinstance(part, Text | Media):
                content.append(part)
            else:
                raise UnsupportedFeature(f"a {message.role} message cannot hold a {type(part).__name__}")
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
                self._warn(_UNSENDABLE)
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
        if KIND not in (part.provider_metadata or {}):
            self._warn(_STRIPPED)
            return []
        marks = self._marks(part.provider_metadata)
        return [{"type": "thinking", "thinking": [{"type": "text", "text": part.text}], **marks}]

    def _call(self, call: ToolCall) -> dict[str, Any]:
        arguments = call.invalid_arguments or orjson.dumps(call.arguments, default=dict).decode()
        return {
            "id": self._ids(call.id),
            "type": "function",
            "function": {"name": call.name, "arguments": arguments},
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
    if media.data is None:
        return media.url or ""
    return f"data:{media.media_type};base64,{base64.b64encode(media.data).decode()}"
