"""Newline-delimited JSON: from bytes as they arrive to frames, one per line."""

from __future__ import annotations

from orchestrator.errors import MalformedReply
from orchestrator.spec.provider import Frame

__all__ = ["LINE_BYTES", "NdjsonParser"]

LINE_BYTES = 4 * 1024 * 1024


class NdjsonParser:
    """See `FrameParser`. A line is a frame without a name; blank lines are none.

    Args:
        line_bytes: the longest line, without its line end.
    """

    __slots__ = ("_line_bytes", "_partial")

    def __init__(self, *, line_bytes: int = LINE_BYTES) -> None:
        self._line_bytes = line_bytes
        self._partial = bytearray()

    def feed(self, chunk: bytes) -> list[Frame]:
        """See `FrameParser.feed`. The parser is of no use after an error."""
        first, newline, rest = chunk.partition(b"\n")
        # A growing buffer, not a new one per chunk: a line that drips in byte by byte stays linear.
        self._partial += first
        frames: list[Frame] = []
        if newline:
            *lines, last = rest.split(b"\n")
            lines.insert(0, bytes(self._partial))
            self._partial = bytearray(last)
            for line in lines:
                self._add(line, frames)
        self._check(len(self._partial))
        return frames

    def end(self) -> list[Frame]:
        """The last line, which needs no line end: a decoder refuses half a JSON text."""
        frames: list[Frame] = []
        self._add(bytes(self._partial), frames)
        self._partial.clear()
        return frames

    def _add(self, line: bytes, frames: list[Frame]) -> None:
        self._check(len(line))
        line = line.strip()
        if line:
            frames.append(("", line))

    def _check(self, size: int) -> None:
        if size > self._line_bytes:
            raise MalformedReply(f"the stream has a line of more than {self._line_bytes} bytes", maybe_billed=True)
