"""Writes a history as the Responses API takes it: as a list of input items."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.spec.provider import Target
from orchestrator.types.call import CallWarning
from orchestrator.types.chat import Media, Message, Reasoning, Text, ToolCall, ToolResult
from orchestrator_providers.shared.call_ids import CallIds
from orchestrator_providers.shared.histories import STRIPPED, UNSENDABLE, HistoryWriter
from orchestrator_providers.shared.writing import arguments_text, data_url

__all__ = ["write_input"]

_LONGEST_ID = 64
_UNREADABLE = CallWarning(
    "stripped", "messages", "reasoning that the vendor gave without its encrypted form was left out of the history"
)


def write_input(
    messages: Sequence[Message], target: Target, kind: str, warnings: list[CallWarning], *, stored: bool
) -> list[dict[str, Any]]:
    """The `input` of a request body; `stored`: the vendor keeps what it answers and knows it by its ids.

    Raises:
        UnsupportedFeature: a part this vendor's wire or this model cannot take.
    """
    writer = _Writer(target, kind, warnings, stored=stored)
    for message in messages:
        writer.add(message)
    return writer.out


class _Writer(HistoryWriter):
    """State of one request: the items so far, and the text message that may still grow."""

    __slots__ = ("_growing", "_ids", "_media", "_said_by", "_stored", "out")

    def __init__(self, target: Target, kind: str, warnings: list[CallWarning], *, stored: bool) -> None:
        super().__init__(kind, warnings)
        self.out: list[dict[str, Any]] = []
        self._ids = CallIds(longest=_LONGEST_ID)
        self._media = (target.profile.media, target.model_profile.media)
        self._stored = stored
        self._growing: dict[str, Any] | None = None
        self._said_by: Mapping[str, Any] | None = None

    def add(self, message: Message) -> None:
        """Write one message down."""
        self._growing = None
        marks = self._marks(message.provider_metadata)
        if message.role == "assistant":
            self._assistant(message)
        else:
            self._turn(message, marks)

    def _turn(self, message: Message, marks: Mapping[str, Any]) -> None:
        """A system, user or tool message; each tool result is an item of its own."""
        content: list[Text | Media] = []
        for part in message.parts:
            if isinstance(part, ToolResult):
                self._flush(message.role, content, marks)
                self._result(part)
            elif isinstance(part, Text | Media):
                content.append(part)
            else:
                raise UnsupportedFeature(f"a {message.role} message cannot hold a {type(part).__name__}")
        self._flush(message.role, content, marks)

    def _flush(self, role: str, content: list[Text | Media], marks: Mapping[str, Any]) -> None:
        if content:
            speaker = "user" if role == "tool" else role
            self.out.append({"role": speaker, "content": self._content(content), **marks})
            content.clear()

    def _content(self, parts: Sequence[Text | Media]) -> str | list[dict[str, Any]]:
        if len(parts) == 1 and isinstance(parts[0], Text) and not parts[0].provider_metadata:
            return parts[0].text
        return [{**self._input(part), **self._marks(part.provider_metadata)} for part in parts]

    def _result(self, result: ToolResult) -> None:
        content = result.content
        self.out.append(
            {
                "type": "function_call_output",
                "call_id": self._ids.of_result(result.id),
                "output": content if isinstance(content, str) else self._content(content),
                **self._marks(result.provider_metadata),
            }
        )

    def _input(self, part: Text | Media) -> dict[str, Any]:
        if isinstance(part, Text):
            return {"type": "input_text", "text": part.text}
        media_type = part.media_type
        families = {media_type, f"{media_type.partition('/')[0]}/*"}
        is_image = "image/*" in families
        wire, model = self._media
        # Documents are read by the API, which shows the model what they say; images the model has to see itself.
        if not families & wire or (is_image and model is not None and not families & model):
            raise UnsupportedFeature(f"media of type {media_type!r} cannot be sent to this provider or model")
        return _image(part) if is_image else _file(part)

    def _assistant(self, message: Message) -> None:
        whole = self._stored or not any(self._unreadable(part) for part in message.parts)
        for part in message.parts:
            if isinstance(part, Text):
                self._text(part, self._marks(part.provider_metadata) if whole else {})
            elif isinstance(part, Reasoning):
                self._reasoning(part)
            elif isinstance(part, ToolCall):
                self._append(self._call(part, whole=whole))
            elif isinstance(part, Media):
                self._drawn(part)
            else:
                raise UnsupportedFeature("an assistant message cannot hold a ToolResult")

    def _append(self, item: dict[str, Any]) -> None:
        self._growing = None
        self.out.append(item)

    def _unreadable(self, part: Any) -> bool:
        """Reasoning that the vendor could find only by its id, in what it was told not to keep. What it said next must
        then go without its id too: the vendor wants such a pair together.
        """
        if not isinstance(part, Reasoning):
            return False
        item = (part.provider_metadata or {}).get(self._kind, {}).get("item") or {}
        return item.get("type") == "reasoning" and not (item.get("encrypted_content") or item.get("content"))

    def _text(self, part: Text, marks: Mapping[str, Any]) -> None:
        if "message" in marks:
            extra = {name: value for name, value in marks.items() if name != "message"}
            said = {"refusal": part.text} if extra.get("type") == "refusal" else {"text": part.text, "annotations": []}
            self._say({"type": "output_text", **said, **extra}, marks["message"])
        elif self._growing is not None and self._said_by is None:
            self._growing["content"] += part.text
        elif part.text:
            self._append({"role": "assistant", "content": part.text, **marks})
            self._growing, self._said_by = self.out[-1], None

    def _say(self, content: dict[str, Any], message: Mapping[str, Any]) -> None:
        """Add a content part to the message that it came in."""
        if self._growing is None or self._said_by != message:
            self._append({"type": "message", "role": "assistant", "content": [], **message})
            self._growing, self._said_by = self.out[-1], message
        self._growing["content"].append(content)

    def _reasoning(self, part: Reasoning) -> None:
        marks = self._marks(part.provider_metadata)
        if "part" in marks:
            self._say(dict(marks["part"]), marks["message"])
        elif "item" not in marks:
            self._warn(STRIPPED)
        elif self._unreadable(part) and not self._stored:
            self._warn(_UNREADABLE)
        else:
            self._append(dict(marks["item"]))

    def _call(self, call: ToolCall, *, whole: bool) -> dict[str, Any]:
        marks = self._marks(call.provider_metadata)
        return {
            "type": "function_call",
            "call_id": self._ids.of_call(call.id),
            "name": call.name,
            "arguments": arguments_text(call),
            **{name: value for name, value in marks.items() if whole or name != "id"},
        }

    def _drawn(self, media: Media) -> None:
        item = self._marks(media.provider_metadata).get("item")
        if item is None or media.data is None:
            self._warn(UNSENDABLE)
        else:
            self._append({**item, "result": base64.b64encode(media.data).decode()})


def _image(media: Media) -> dict[str, Any]:
    image: dict[str, Any] = {"type": "input_image", "detail": "auto"}
    if media.file_id is not None:
        return {**image, "file_id": media.file_id}
    return {**image, "image_url": media.url if media.url is not None else data_url(media)}


def _file(media: Media) -> dict[str, Any]:
    if media.file_id is not None:
        return {"type": "input_file", "file_id": media.file_id}
    if media.url is not None and not media.url.startswith("data:"):
        return {"type": "input_file", "file_url": media.url}
    name = media.filename or "document." + _EXTENSIONS.get(media.media_type, "txt")
    return {"type": "input_file", "filename": name, "file_data": media.url or data_url(media)}


_EXTENSIONS = {
    "application/json": "json",
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/rtf": "rtf",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
}
