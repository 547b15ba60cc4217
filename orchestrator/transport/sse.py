"""Server-sent events: from bytes as they arrive to frames.

The lines, fields and byte order mark are those of the WHATWG HTML standard, section "Server-sent events". Two rules are
our own, and each says why where it stands: the last event needs no blank line, and an event named `ping` is no frame.
"""

from __future__ import annotations

from orchestrator.errors import MalformedReply
from orchestrator.spec.provider import Frame

__all__ = ["EVENT_BYTES", "LINE_BYTES", "SseParser"]

LINE_BYTES = 1024 * 1024
EVENT_BYTES = 4 * LINE_BYTES

_BOM = b"\xef\xbb\xbf"
_KEEP_ALIVE = "ping"


class SseParser:
    """Cuts the bytes of one stream into frames. Any way of cutting the same bytes into chunks gives the same frames.

    Comments, `id`, `retry` and unknown fields are ignored, so a chunk of keep-alives gives no frame: a reader that
    restarts its stall timer on frames only is not kept waiting by a vendor that sends nothing else.

    Args:
        line_bytes: the longest line, without its line end.
        event_bytes: the most data of one event.
    """

    __slots__ = ("_after_cr", "_data", "_event_bytes", "_head", "_line_bytes", "_name", "_partial", "_size")

    def __init__(self, *, line_bytes: int = LINE_BYTES, event_bytes: int = EVENT_BYTES) -> None:
        self._line_bytes = line_bytes
        self._event_bytes = event_bytes
        self._head: bytes | None = b""  # None once the stream's first three bytes were seen
        self._after_cr = False
        self._partial = bytearray()
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[Frame]:
        """Frames completed by these bytes, in order.

        Raises:
            MalformedReply: a line or an event is larger than its bound. The parser is of no use afterwards.
        """
        frames: list[Frame] = []
        if self._head is not None:
            chunk = self._strip_bom(chunk)
        if self._after_cr or b"\r" in chunk:
            chunk = self._to_lf(chunk)
        if self._partial or self._data or self._name:
            chunk = self._resume(chunk, frames)
        end = chunk.rfind(b"\n\n") + 2
        if end > 1:
            self._read_events(chunk[:end], frames)
            chunk = chunk[end:]
        if chunk:
            self._read_lines(chunk, frames)
        return frames

    def end(self) -> list[Frame]:
        """The frame that the end of the body completes.

        The standard throws an event away that no blank line ends. Vendors leave that line out after their last event,
        which carries the usage or the terminal signal, so it counts here. A body that broke off is no danger: its
        transport raises before this is called, and a decoder refuses half a JSON text.
        """
        frames: list[Frame] = []
        if self._partial:
            self._read_lines(b"\n", frames)
        self._dispatch(frames)
        return frames

    def _strip_bom(self, chunk: bytes) -> bytes:
        head = (self._head or b"") + chunk
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._head = head
            return b""
        self._head = None
        return head.removeprefix(_BOM)

    def _to_lf(self, chunk: bytes) -> bytes:
        # A CR at the end of a chunk ends its line at once; the LF that may open the next one belongs to it.
        if not chunk:
            return chunk
        text = chunk[1:] if self._after_cr and chunk.startswith(b"\n") else chunk
        self._after_cr = chunk.endswith(b"\r")
        return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _resume(self, chunk: bytes, frames: list[Frame]) -> bytes:
        """Finish the event that an earlier chunk began; give back what follows it."""
        end = chunk.find(b"\n\n") + 2
        if end == 1:
            end = len(chunk)
        self._read_lines(chunk[:end], frames)
        return chunk[end:]

    def _read_events(self, events: bytes, frames: list[Frame]) -> None:
        """Whole events and nothing else."""
        if events.startswith(b"data: ") and len(events) <= self._line_bytes:
            pieces = events[6:-2].split(b"\n\ndata: ")
            if events.count(b"\n") == 2 * len(pieces):  # so none of them holds another line, as nearly always
                frames += [("", piece) for piece in pieces]
                return
        for line in events[:-1].split(b"\n"):
            self._read_line(line, frames)

    def _read_lines(self, text: bytes, frames: list[Frame]) -> None:
        first, newline, rest = text.partition(b"\n")
        # A growing buffer, not a new one per chunk: a line that drips in byte by byte stays linear.
        self._partial += first
        if newline:
            *lines, last = [bytes(self._partial), *rest.split(b"\n")]
            self._partial = bytearray(last)
            for line in lines:
                self._read_line(line, frames)
        self._check(len(self._partial), self._line_bytes, "line")

    def _read_line(self, line: bytes, frames: list[Frame]) -> None:
        self._check(len(line), self._line_bytes, "line")
        field, _, value = line.partition(b":")
        if field == b"data":
            self._add_data(value.removeprefix(b" "))
        elif field == b"event":
            self._name = value.removeprefix(b" ").decode("utf-8", "replace")
        elif not line:
            self._dispatch(frames)

    def _add_data(self, value: bytes) -> None:
        self._data.append(value)
        self._size += len(value) + 1
        self._check(self._size - 1, self._event_bytes, "event")

    def _dispatch(self, frames: list[Frame]) -> None:
        # Anthropic and others send keep-alives as events of this name, with data; they are no progress either.
        if self._data and self._name != _KEEP_ALIVE:
            frames.append((self._name, b"\n".join(self._data)))
        self._data = []
        self._name = ""
        self._size = 0

    @staticmethod
    def _check(size: int, bound: int, what: str) -> None:
        if size > bound:
            raise MalformedReply(f"the stream has a {what} of more than {bound} bytes", maybe_billed=True)
