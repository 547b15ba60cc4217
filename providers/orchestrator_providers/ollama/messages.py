"""Writes a history as Ollama takes it: text is a string, images stand beside it, tool results name their tool."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import Media, Message, Part, Reasoning, Text, ToolCall, ToolResult
from orchestrator_providers.ollama.profile import KIND
from orchestrator_providers.shared.histories import UNSENDABLE, HistoryWriter, split_turn

__all__ = ["write_messages"]


def write_messages(messages: Sequence[Message], warnings: list[CallWarning]) -> list[dict[str, Any]]:
    """The `messages` of a request body.

    Raises:
        UnsupportedFeature: media other than images as bytes, or a part that a message of its role cannot hold.
    """
    writer = _Writer(messages, warnings)
    for message in messages:
        writer.add(message)
    return writer.out


class _Writer(HistoryWriter):
    """What was written of one request, and the tools by the ids of their calls."""

    __slots__ = ("_tools", "out")

    def __init__(self, messages: Sequence[Message], warnings: list[CallWarning]) -> None:
        super().__init__(KIND, warnings)
        self._tools = {call.id: call.name for message in messages for call in message.tool_calls}
        self.out: list[dict[str, Any]] = []

    def add(self, message: Message) -> None:
        if message.role == "assistant":
            self._assistant(message)
        else:
            self._turn(message)

    def _turn(self, message: Message) -> None:
        """A system, user or tool message; each tool result is a message of its own."""
        results, content = split_turn(message)
        for result in results:
            self._result(result)
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
        thoughts = [part.text for part in message.parts if isinstance(part, Reasoning) and self._is_own(part)]
        if thoughts:
            written["thinking"] = "".join(thoughts)
        calls = [self._call(call) for call in message.tool_calls]
        if calls:
            written["tool_calls"] = calls
        for part in message.parts:
            if isinstance(part, Media):
                self._warn(UNSENDABLE)
            elif isinstance(part, ToolResult):
                raise UnsupportedFeature("an assistant message cannot hold a ToolResult")
            elif isinstance(part, Text):
                self._marks(part.provider_metadata)
        self.out.append({**written, **self._marks(message.provider_metadata)})

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
