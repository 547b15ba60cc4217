"""Writes a history as Ollama takes it: text is a string, images stand beside it, tool results name their tool."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import Media, Message, Metadata, Part, Reasoning, Text, ToolCall, ToolResult
from orchestrator_providers.ollama.profile import KIND

__all__ = ["write_messages"]

_STRIPPED = CallWarning("stripped", "messages", "reasoning or marks of another provider in the history were left out")
_UNSENDABLE = CallWarning("compatibility", "messages", "media that a model made were left out of the history")


def write_messages(messages: Sequence[Message], warnings: list[CallWarning]) -> list[dict[str, Any]]:
    """The `messages` of a request body.

    Raises:
        UnsupportedFeature: media other than images as bytes, or a part that a message of its role cannot hold.
    """
    writer = _Writer(messages, warnings)
    for message in messages:
        writer.add(message)
    return writer.out


class _Writer:
    """What was written of one request, and the tools by the ids of their calls."""

    __slots__ = ("_tools", "_warnings", "out")

    def __init__(self, messages: Sequence[Message], warnings: list[CallWarning]) -> None:
        self._warnings = warnings
        self._tools = {call.id: call.name for message in messages for call in message.tool_calls}
        self.out: list[dict[str, Any]] = []

    def add(self, message: Message) -> None:
        if message.role == "assistant":
            self._assistant(message)
        else:
            self._turn(message)

    def _warn(self, warning: CallWarning) -> None:
        if warning not in self._warnings:
            self._warnings.append(warning)

    def _marks(self, metadata: Metadata | None) -> Mapping[str, Any]:
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
        if content:
            role = "user" if message.role == "tool" else message.role
            self.out.append({"role": role, **self._content(content), **self._marks(message.provider_metadata)})

    def _result(self, result: ToolResult) -> None:
        parts = (Text(result.content),) if isinstance(result.content, str) else result.content
        written = {"role": "tool", **self._content(parts), "tool_call_id": result.id}
        name = result.name or self._tools.get(result.id)
        if name:
            written["tool_name"] = name
        self.out.append({**written, **self._marks(result.provider_metadata)})

    def _content(self, parts: Sequence[Part]) -> dict[str, Any]:
        for part in parts:
            self._marks(part.provider_metadata)
        written: dict[str, Any] = {"content": "\n".join([part.text for part in parts if isinstance(part, Text)])}
        images = [_image(part) for part in parts if isinstance(part, Media)]
        return {**written, "images": images} if images else written

    def _assistant(self, message: Message) -> None:
        written: dict[str, Any] = {"role": "assistant", "content": message.text}
        thoughts = [part.text for part in message.parts if isinstance(part, Reasoning) and self._is_ours(part)]
        if thoughts:
            written["thinking"] = "".join(thoughts)
        calls = [self._call(call) for call in message.tool_calls]
        if calls:
            written["tool_calls"] = calls
        for part in message.parts:
            if isinstance(part, Media):
                self._warn(_UNSENDABLE)
            elif isinstance(part, ToolResult):
                raise UnsupportedFeature("an assistant message cannot hold a ToolResult")
            elif isinstance(part, Text):
                self._marks(part.provider_metadata)
        self.out.append({**written, **self._marks(message.provider_metadata)})

    def _is_ours(self, part: Reasoning) -> bool:
        if KIND in (part.provider_metadata or {}):
            return True
        self._warn(_STRIPPED)
        return False

    def _call(self, call: ToolCall) -> dict[str, Any]:
        # Arguments are an object here; text that is none has to be wrapped.
        arguments = call.arguments if call.invalid_arguments is None else {"INVALID_JSON": call.invalid_arguments}
        return {
            "id": call.id,
            "function": {"name": call.name, "arguments": arguments},
            **self._marks(call.provider_metadata),
        }


def _image(media: Media) -> str:
    if media.media_type.partition("/")[0] != "image":
        raise UnsupportedFeature(f"Ollama takes images, not {media.media_type}")
    if media.data is not None:
        return base64.b64encode(media.data).decode()
    head, comma, data = (media.url or "").partition(";base64,")
    if comma and head.startswith("data:"):
        return data
    raise UnsupportedFeature("Ollama takes images as bytes, not as URLs or file references")
