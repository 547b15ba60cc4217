"""Writes a history of messages down in the wire's shape."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.spec.provider import Profile
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import Media, Message, Part, Reasoning, Text, ToolCall, ToolResult
from orchestrator_providers.openai.profile import Quirks
from orchestrator_providers.shared.call_ids import CallIds
from orchestrator_providers.shared.histories import MEDIA_MOVED, UNSENDABLE, HistoryWriter, split_turn
from orchestrator_providers.shared.writing import arguments_text, data_url

__all__ = ["write_messages"]

_AUDIO_FORMATS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
_LONGEST_ID = 40


def write_messages(messages: Sequence[Message], profile: Profile, warnings: list[CallWarning]) -> list[dict[str, Any]]:
    """The `messages` of a request body.

    Raises:
        UnsupportedFeature: a part this vendor's wire cannot carry.
    """
    if len(messages) == 1 and len(messages[0].parts) == 1:
        part = messages[0].parts[0]
        plain = part.provider_metadata is None and messages[0].provider_metadata is None
        if type(part) is Text and plain and messages[0].role != "tool":
            return [{"role": messages[0].role, "content": part.text}]
    return _Writer(profile, warnings).write(messages)


class _Writer(HistoryWriter):
    """State of one request: what was written, and media of tool results that wait for the last of the results."""

    __slots__ = ("_documents", "_ids", "_media", "_moved", "_out")

    def __init__(self, profile: Profile, warnings: list[CallWarning]) -> None:
        super().__init__(profile.kind, warnings)
        quirks: Quirks = profile.quirks
        self._ids = CallIds(longest=_LONGEST_ID)
        self._media = profile.media
        self._documents = quirks.documents
        self._out: list[dict[str, Any]] = []
        self._moved: list[dict[str, Any]] = []

    def write(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        for message in messages:
            marks = self._marks(message.provider_metadata)  # fields of the message, such as `name`
            if message.role == "assistant":
                self._flush()
                self._assistant(message, marks)
            else:
                self._turn(message, marks)
        self._flush()
        return self._out

    def _flush(self) -> None:
        if self._moved:
            self._out.append({"role": "user", "content": self._moved})
            self._moved = []
            self._warn(MEDIA_MOVED)

    def _turn(self, message: Message, marks: Mapping[str, Any]) -> None:
        """A system, user or tool message; each tool result is a message of its own."""
        results, content = split_turn(message)
        for result in results:
            self._result(result)
        if content:
            self._flush()
            self._out.append({"role": message.role, "content": self._content(content), **marks})

    def _result(self, result: ToolResult) -> None:
        marks = self._marks(result.provider_metadata)
        parts = (Text(result.content),) if isinstance(result.content, str) else result.content
        text = "\n".join([part.text for part in parts if isinstance(part, Text)])
        self._out.append({"role": "tool", "tool_call_id": self._ids.of_result(result.id), "content": text, **marks})
        self._moved.extend([self._part(part) for part in parts if isinstance(part, Media)])

    def _content(self, parts: Sequence[Part]) -> Any:
        if len(parts) == 1 and isinstance(parts[0], Text) and not parts[0].provider_metadata:
            return parts[0].text
        return [self._part(part) for part in parts]

    def _part(self, part: Part) -> dict[str, Any]:
        marks = self._marks(part.provider_metadata)
        if isinstance(part, Text):
            return {"type": "text", "text": part.text, **marks}
        assert isinstance(part, Media)
        return {**self._medium(part), **marks}

    def _medium(self, media: Media) -> dict[str, Any]:
        kind = media.media_type
        family = kind.partition("/")[0]
        if not {kind, f"{family}/*"} & self._media:
            raise UnsupportedFeature(f"{self._kind} takes no {kind} on this wire")
        if kind == "application/pdf":
            return self._document(media)
        if family == "audio":
            return _audio(media)
        name = f"{family}_url"
        return {"type": name, name: {"url": _address(media)}}

    def _document(self, media: Media) -> dict[str, Any]:
        if media.file_id is not None:
            return {"type": "file", "file": {"file_id": media.file_id}}
        if media.url is not None and self._documents != "file_or_url":
            raise UnsupportedFeature(f"{self._kind} takes a PDF as bytes or file reference, not as a URL")
        name = media.filename or "document.pdf"
        return {"type": "file", "file": {"filename": name, "file_data": _address(media)}}

    def _assistant(self, message: Message, marks: Mapping[str, Any]) -> None:
        out: dict[str, Any] = {"role": "assistant", "content": None, **marks}
        texts = [part for part in message.parts if isinstance(part, Text)]
        if texts:
            marked = any(part.provider_metadata for part in texts)
            out["content"] = [self._part(p) for p in texts] if marked else "".join([p.text for p in texts])
        calls = [self._call(part) for part in message.parts if isinstance(part, ToolCall)]
        if calls:
            out["tool_calls"] = calls
        for part in message.parts:
            if isinstance(part, Reasoning):
                self._reasoning(part, out)
            elif isinstance(part, Media):
                self._warn(UNSENDABLE)
            elif isinstance(part, ToolResult):
                raise UnsupportedFeature("an assistant message cannot hold a ToolResult")
        if out["content"] is None and not calls:
            out["content"] = ""
        self._out.append(out)

    def _reasoning(self, part: Reasoning, out: dict[str, Any]) -> None:
        """Reasoning goes back only where the vendor asked for it when it sent it."""
        marks = self._marks(part.provider_metadata)
        if "reasoning_details" in marks:
            out["reasoning_details"] = [*out.get("reasoning_details", ()), *marks["reasoning_details"]]
        elif "field" in marks and "tool_calls" in out:
            out[marks["field"]] = out.get(marks["field"], "") + part.text

    def _call(self, call: ToolCall) -> dict[str, Any]:
        function = {"name": call.name, "arguments": arguments_text(call)}
        return {
            "id": self._ids.of_call(call.id),
            "type": "function",
            "function": function,
            **self._marks(call.provider_metadata),
        }


def _address(media: Media) -> str:
    if media.url is not None:
        return media.url
    if media.data is None:
        raise UnsupportedFeature(f"a file reference cannot stand for {media.media_type} on this wire")
    return data_url(media)


def _audio(media: Media) -> dict[str, Any]:
    form = _AUDIO_FORMATS.get(media.media_type)
    if media.data is None or form is None:
        raise UnsupportedFeature("sound is sent as bytes of WAV or MP3 on this wire")
    return {"type": "input_audio", "input_audio": {"data": base64.b64encode(media.data).decode(), "format": form}}
