"""Contents of an answer: a text, or a list of parts, into blocks in the vendor's order.

Whole answers and streams both read through here: a whole content is one long delta.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.errors import MalformedReply
from orchestrator.spec.provider import Decoded
from orchestrator.types.stream import (
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    TextDelta,
    TextEnd,
    TextStart,
)
from orchestrator_providers.mistral.profile import KIND
from orchestrator_providers.shared.reading import text_of

__all__ = ["Blocks"]


class _Block:
    """An open block. A text has the references that came after it, thinking the fields and parts that it came in."""

    __slots__ = ("fields", "id", "parts", "reasoning", "references")

    def __init__(self, id_: str, *, reasoning: bool) -> None:
        self.id = id_
        self.reasoning = reasoning
        self.references: list[Any] = []
        self.fields: dict[str, Any] = {}
        self.parts: list[Mapping[str, Any]] = []

    def end(self) -> TextEnd | ReasoningEnd:
        if not self.reasoning:
            return TextEnd(self.id, {KIND: {"reference_ids": self.references}} if self.references else None)
        if any(part.get("type") != "text" for part in self.parts):
            self.fields["thinking"] = _merged(self.parts)
        return ReasoningEnd(self.id, {KIND: self.fields})


class Blocks:
    """The blocks of one answer. `others` are parts that none of ours stands for."""

    __slots__ = ("_count", "_open", "others")

    def __init__(self) -> None:
        self.others: list[Any] = []
        self._count = 0
        self._open: _Block | None = None

    def add(self, content: Any, out: Decoded) -> None:
        """Take the content of a message or of a delta."""
        if isinstance(content, str):
            self._add_text(content, out)
            return
        for part in _parts(content):
            kind = part.get("type")
            if kind == "text":
                self._add_text(text_of(part.get("text"), "a text part"), out)
            elif kind == "thinking":
                self._add_thinking(part, out)
            elif kind == "reference":
                self._add_references(part.get("reference_ids"), out)
            else:
                self.others.append(part)

    def close(self, out: Decoded) -> None:
        """End the open block, if any."""
        if self._open is not None:
            out.append(self._open.end())
            self._open = None

    def _block(self, out: Decoded, *, reasoning: bool) -> _Block:
        """The open block of that kind; another one in the way is closed."""
        block = self._open
        if block is None or block.reasoning is not reasoning:
            self.close(out)
            block = self._open = _Block(str(self._count), reasoning=reasoning)
            self._count += 1
            out.append(ReasoningStart(block.id) if reasoning else TextStart(block.id))
        return block

    def _add_text(self, text: str, out: Decoded) -> None:
        if not text:
            return
        if self._open is not None and self._open.references:
            self.close(out)  # references keep their place: right after the text that they stand for
        out.append(TextDelta(self._block(out, reasoning=False).id, text))

    def _add_references(self, ids: Any, out: Decoded) -> None:
        if not isinstance(ids, list):
            raise MalformedReply("a reference has no list of ids")
        if ids:
            self._block(out, reasoning=False).references += ids

    def _add_thinking(self, part: Mapping[str, Any], out: Decoded) -> None:
        thinking = part.get("thinking")
        parts = [{"type": "text", "text": thinking}] if isinstance(thinking, str) else list(_parts(thinking))
        block = self._block(out, reasoning=True)
        block.fields |= {name: value for name, value in part.items() if name not in ("type", "thinking")}
        for inner in parts:
            block.parts.append(inner)
            if inner.get("type") == "text" and (text := text_of(inner.get("text"), "a part of thinking")):
                out.append(ReasoningDelta(block.id, text))


def _parts(content: Any) -> Iterable[Mapping[str, Any]]:
    if content is None:
        return ()
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise MalformedReply("a content is neither text nor a list of parts")
    return content


def _merged(parts: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same parts, whatever pieces the texts came in."""
    merged: list[dict[str, Any]] = []
    texts: list[str] = []
    for part in [*parts, {}]:
        if part.get("type") == "text":
            texts.append(part["text"])
            continue
        if text := "".join(texts):
            merged.append({"type": "text", "text": text})
        texts.clear()
        if part:
            merged.append(dict(part))
    return merged
