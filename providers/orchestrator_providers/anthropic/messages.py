"""Writes a history as the Messages API takes it."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.types.chat import Media, Message, Part, Reasoning, Text, ToolCall, ToolResult
from orchestrator_providers.anthropic.profile import IMAGE_TYPES, KIND
from orchestrator_providers.shared.call_ids import CallIds
from orchestrator_providers.shared.histories import HistoryWriter

__all__ = ["History", "write_history"]

Block = dict[str, Any]

_ROLES = {"assistant": "assistant", "tool": "user", "user": "user"}
_BAD_ID = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_ID = 64


class History(HistoryWriter):
    """Messages written down.

    Attributes:
        system: the system prompt's blocks, empty if there is none.
        turns: user and assistant turns by turns, as the vendor wants them.
        warnings: marks of other vendors that were left out, system messages that had to move.
    """

    __slots__ = ("_ids", "system", "turns")

    def __init__(self) -> None:
        super().__init__(KIND)
        self.system: list[Block] = []
        self.turns: list[dict[str, Any]] = []
        self._ids = CallIds(bad=_BAD_ID, longest=_LONGEST_ID)

    def add(self, message: Message) -> None:
        """Write one message down; neighbours of the same role become one turn."""
        blocks = self._blocks(message.parts)
        if message.provider_metadata and blocks:
            blocks[-1].update(self._marks(message.provider_metadata))
        if message.role == "system":
            self._add_system(blocks)
        elif blocks:
            self._add_turn(_ROLES[message.role], blocks)

    def _add_system(self, blocks: list[Block]) -> None:
        if any(block["type"] != "text" for block in blocks):
            raise UnsupportedFeature("a system message can hold only text on this wire")
        if self.turns:
            self._repaired("a system message inside the conversation was moved to its beginning")
        self.system += blocks

    def _add_turn(self, role: str, blocks: list[Block]) -> None:
        if not self.turns or self.turns[-1]["role"] != role:
            self.turns.append({"role": role, "content": blocks})
            return
        content = self.turns[-1]["content"]
        if blocks[0]["type"] == "tool_result":
            # Results must open the turn that follows the calls, whatever was said in between.
            at = sum(block["type"] == "tool_result" for block in content)
            content[at:at] = blocks
        else:
            content += blocks

    def _blocks(self, parts: Sequence[Part]) -> list[Block]:
        return [block for part in parts if (block := _WRITERS[type(part)](self, part)) is not None]

    def _text(self, part: Text) -> Block | None:
        marks = self._marks(part.provider_metadata)
        if not part.text:
            return None  # refused by the vendor, and says nothing
        return {"type": "text", "text": part.text, **marks}

    def _reasoning(self, part: Reasoning) -> Block | None:
        if not self._is_own(part):
            return None
        marks = self._marks(part.provider_metadata)
        if "block" in marks:
            return dict(marks["block"])
        return {"type": "thinking", "thinking": part.text, **marks}

    def _media(self, part: Media) -> Block:
        block = _write_media(part)
        block.update(self._marks(part.provider_metadata))
        return block

    def _tool_call(self, part: ToolCall) -> Block:
        # The vendor takes only objects; this is how its own documentation wraps what is none.
        arguments = part.arguments if part.invalid_arguments is None else {"INVALID_JSON": part.invalid_arguments}
        block = {"type": "tool_use", "id": self._ids.of_call(part.id), "name": part.name, "input": arguments}
        block.update(self._marks(part.provider_metadata))
        return block

    def _tool_result(self, part: ToolResult) -> Block:
        content = part.content
        block: Block = {
            "type": "tool_result",
            "tool_use_id": self._ids.of_result(part.id),
            "content": content if isinstance(content, str) else self._blocks(content),
        }
        if part.is_error:
            block["is_error"] = True
        block.update(self._marks(part.provider_metadata))
        return block


_WRITERS: dict[type[Part], Callable[[History, Any], Block | None]] = {
    Text: History._text,
    Media: History._media,
    Reasoning: History._reasoning,
    ToolCall: History._tool_call,
    ToolResult: History._tool_result,
}


def write_history(messages: Sequence[Message]) -> History:
    """Write messages down.

    Raises:
        UnsupportedFeature: media that the wire cannot carry, or media in a system message.
    """
    history = History()
    for message in messages:
        history.add(message)
    return history


def _write_media(part: Media) -> Block:
    if part.media_type in IMAGE_TYPES or (part.media_type == "image/*" and part.data is None):
        return {"type": "image", "source": _source(part)}
    if part.media_type not in ("application/pdf", "text/plain"):
        raise UnsupportedFeature(f"media of type {part.media_type!r} cannot be sent to this provider")
    block: Block = {"type": "document", "source": _source(part)}
    if part.filename:
        block["title"] = part.filename
    return block


def _source(part: Media) -> Block:
    if part.file_id is not None:
        return {"type": "file", "file_id": part.file_id}
    if part.url is not None:
        return _data_url(part.url) if part.url.startswith("data:") else {"type": "url", "url": part.url}
    data = part.data or b""
    if part.media_type == "text/plain":
        return {"type": "text", "media_type": "text/plain", "data": data.decode("utf-8", "replace")}
    return {"type": "base64", "media_type": part.media_type, "data": base64.b64encode(data).decode()}


def _data_url(url: str) -> Block:
    head, _, data = url.partition(",")
    media_type, _, encoding = head.removeprefix("data:").partition(";")
    if encoding != "base64":
        raise UnsupportedFeature("a data URL must be base64 to be sent to this provider")
    return {"type": "base64", "media_type": media_type, "data": data}
