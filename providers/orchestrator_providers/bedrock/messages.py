"""Writes a history as Converse takes it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.types.chat import Media, Message, Part, Reasoning, Text, ToolCall, ToolResult
from orchestrator_providers.bedrock.media import DocumentNames, write_media
from orchestrator_providers.bedrock.profile import KIND
from orchestrator_providers.shared.call_ids import CallIds
from orchestrator_providers.shared.histories import STRIPPED, HistoryWriter

__all__ = ["History", "write_history"]

Block = dict[str, Any]

_ROLES = {"assistant": "assistant", "tool": "user", "user": "user"}
_BAD_IN_ID = re.compile(r"[^A-Za-z0-9_.:-]")
_BAD_IN_PLAIN_ID = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_ID = 64
_CACHE_POINT = "cachePoint"


class History(HistoryWriter):
    """Messages written down.

    Attributes:
        system: the system prompt's blocks, empty if there is none.
        turns: user and assistant turns by turns, a user's first, as the vendor wants them.
        called: names of the tools that the history calls.
        warnings: marks of other vendors that were left out, and what had to be moved or added.
    """

    __slots__ = ("_ids", "_names", "called", "system", "turns")

    def __init__(self, *, plain_ids: bool) -> None:
        super().__init__(KIND)
        self._ids = CallIds(bad=_BAD_IN_PLAIN_ID if plain_ids else _BAD_IN_ID, longest=_LONGEST_ID)
        self.system: list[Block] = []
        self.turns: list[dict[str, Any]] = []
        self.called: dict[str, None] = {}
        self._names = DocumentNames()

    def add(self, message: Message) -> None:
        """Write one message down; neighbours of the same role become one turn."""
        blocks = self._blocks(message.parts)
        if message.provider_metadata and blocks:
            blocks += _cache_point(self._marks(message.provider_metadata))
        if message.role == "system":
            self._add_system(blocks)
        elif blocks:
            self._add_turn(_ROLES[message.role], blocks)

    def finish(self) -> None:
        """Mend what the vendor refuses of an otherwise good history."""
        if self.turns and self.turns[0]["role"] != "user":
            self.turns.insert(0, {"role": "user", "content": [{"text": "Continue."}]})
            self._repaired("a conversation must begin with the user: a turn was put before it")
        for turn in self.turns:
            content = turn["content"]
            if any("document" in block for block in content) and not any("text" in block for block in content):
                content.append({"text": "See the document."})
                self._repaired("a document must come with text: a line was put after it")

    def _add_system(self, blocks: list[Block]) -> None:
        if any(not block.keys() & {"text", "guardContent", _CACHE_POINT} for block in blocks):
            raise UnsupportedFeature("a system message can hold only text on this wire")
        if self.turns:
            self._repaired("a system message inside the conversation was moved to its beginning")
        self.system += blocks

    def _add_turn(self, role: str, blocks: list[Block]) -> None:
        if not self.turns or self.turns[-1]["role"] != role:
            self.turns.append({"role": role, "content": blocks})
            return
        content = self.turns[-1]["content"]
        if "toolResult" in blocks[0]:
            # Results must open the turn that follows the calls, whatever was said in between.
            at = max([i + 1 for i, block in enumerate(content) if "toolResult" in block], default=0)
            content[at:at] = blocks
        else:
            content += blocks

    def _blocks(self, parts: Sequence[Part]) -> list[Block]:
        return [block for part in parts for block in _WRITERS[type(part)](self, part)]

    def _text(self, part: Text) -> list[Block]:
        found = self._marks(part.provider_metadata)
        if not part.text.strip():
            return _cache_point(found)  # blank text is refused by the vendor, and says nothing
        if "citations" in found:
            cited = {"content": [{"text": part.text}], "citations": found["citations"]}
            return [{"citationsContent": cited}, *_cache_point(found)]
        if "guardContent" in found:
            return [{"guardContent": {"text": {"text": part.text, **found["guardContent"]}}}, *_cache_point(found)]
        return [{"text": part.text}, *_cache_point(found)]

    def _reasoning(self, part: Reasoning) -> list[Block]:
        found = self._marks(part.provider_metadata)
        if "block" in found:
            return [dict(found["block"])]
        if "redactedContent" in found:
            return [{"reasoningContent": {"redactedContent": found["redactedContent"]}}]
        if "signature" in found:
            thought = {"text": part.text, "signature": found["signature"]}
            return [{"reasoningContent": {"reasoningText": thought}}]
        self._warn(STRIPPED)  # without its signature the models do not take it back
        return []

    def _media(self, part: Media) -> list[Block]:
        found = self._marks(part.provider_metadata)
        block = write_media(part, self._names)
        extra = {key: value for key, value in found.items() if key != _CACHE_POINT}
        next(iter(block.values())).update(extra)
        return [block, *_cache_point(found)]

    def _tool_call(self, part: ToolCall) -> list[Block]:
        found = self._marks(part.provider_metadata)
        self.called[part.name] = None
        arguments = part.arguments if part.invalid_arguments is None else {"invalid_json": part.invalid_arguments}
        block = {"toolUse": {"toolUseId": self._ids.of_call(part.id), "name": part.name, "input": arguments}}
        return [block, *_cache_point(found)]

    def _tool_result(self, part: ToolResult) -> list[Block]:
        found = self._marks(part.provider_metadata)
        blocks = self._blocks((Text(part.content),) if isinstance(part.content, str) else part.content)
        content = [block for block in blocks if _CACHE_POINT not in block]
        if any("audio" in block for block in content):
            raise UnsupportedFeature("sound cannot be part of a tool result on this wire")
        result: Block = {"toolUseId": self._ids.of_result(part.id), "content": content or [{"text": "(empty)"}]}
        if part.is_error:
            result["status"] = "error"
        return [{"toolResult": result}, *(_cache_point(found) or [block for block in blocks if _CACHE_POINT in block])]


_WRITERS: dict[type[Part], Callable[[History, Any], list[Block]]] = {
    Text: History._text,
    Media: History._media,
    Reasoning: History._reasoning,
    ToolCall: History._tool_call,
    ToolResult: History._tool_result,
}


def write_history(messages: Sequence[Message], *, plain_ids: bool = True) -> History:
    """Write messages down. `plain_ids`: the model takes neither dots nor colons in the ids of tool calls.

    A `cachePoint` among a part's or message's marks becomes a cache point after it; `guardContent` among a text's marks
    hands the text to the guardrail; the marks of media (`citations`, `context`) become fields of their blocks.

    Raises:
        UnsupportedFeature: media that the wire cannot carry, or media in a system message.
    """
    history = History(plain_ids=plain_ids)
    for message in messages:
        history.add(message)
    history.finish()
    return history


def _cache_point(found: Mapping[str, Any]) -> list[Block]:
    return [{_CACHE_POINT: {"type": "default", **found[_CACHE_POINT]}}] if _CACHE_POINT in found else []
