"""Reads the chunks of a stream that differ from an earlier one in their text alone, as nearly all do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import orjson

from orchestrator.types.stream import ReasoningDelta, TextDelta
from orchestrator_providers.shared.frames import SHAPE_ERRORS

__all__ = ["Delta", "Repeats"]

Delta: TypeAlias = TextDelta | ReasoningDelta

_PROBE = "?"


class Repeats:
    """Knows the bytes around the text of one chunk, so that of a chunk that has the same only the text is parsed.

    Nothing is guessed: a JSON text in which one string stands in place of another says the same but for that string.
    """

    __slots__ = ("_after", "_before", "_block", "_kind", "_length", "_start", "_stop")

    def __init__(self) -> None:
        self._before = self._after = b"\n"  # in no frame
        self._start = self._stop = 0
        self._kind: type[Delta] = TextDelta
        self._block = ""
        self._length = -1

    def read(self, data: bytes) -> Delta | None:
        """The event of a chunk that is like the one that was learnt; None for any other chunk."""
        if data.startswith(self._before) and data.endswith(self._after):
            try:
                text = orjson.loads(data[self._start : self._stop])
            except orjson.JSONDecodeError:
                return None
            if text and type(text) is str:
                return self._kind(self._block, text)
        return None

    def learn(self, data: bytes, event: Delta, reader: Callable[[Any], Delta | None]) -> None:
        """Take a chunk that was parsed. Nothing is done unless it is as long around its text as the one before it was.

        Args:
            data: the chunk.
            event: all that it says.
            reader: gives the event of a parsed chunk, None if it says more than that.
        """
        length = len(data) - len(event.text)
        if length == self._length:
            before, found, after = data.partition(orjson.dumps(event.text))
            if found and _makes(type(event)(event.id, _PROBE), before, after, reader):
                self._before, self._after = before, after
                self._start, self._stop = len(before), -len(after)
                self._kind, self._block = type(event), event.id
        self._length = length


def _makes(event: Delta, before: bytes, after: bytes, reader: Callable[[Any], Delta | None]) -> bool:
    """Whether the event's text, between these bytes, is what makes the event: the same bytes may stand elsewhere."""
    try:
        return reader(orjson.loads(b'%b"%b"%b' % (before, event.text.encode(), after))) == event
    except SHAPE_ERRORS:
        return False
