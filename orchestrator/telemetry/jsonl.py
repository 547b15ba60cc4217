"""Writes events as JSON lines, in the background, in batches.

`emit` only appends to a deque. A daemon thread wakes at most every 200 ms, renders what is there through structlog's
processors and writes it in one piece: to a file opened with O_APPEND (several processes may share it), to stdout or
stderr, or to the application's `orchestrator.calls` logger. A log that cannot be written never loses the call: lines
are kept up to a bound, retried, then dropped and counted; the operator is told once, through the `orchestrator` logger.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Protocol, TypeAlias

import orjson

from orchestrator.spec.events import Event, NoticeEvent
from orchestrator.telemetry.lines import line

__all__ = [
    "CALL_LOGGER",
    "Destination",
    "FileDestination",
    "LogWriter",
    "LoggerDestination",
    "Processor",
    "StreamDestination",
]

CALL_LOGGER = "orchestrator.calls"
FLUSH_S = 0.2
MAX_KEPT_LINES = 10_000

Processor: TypeAlias = Callable[[Any, str, MutableMapping[str, Any]], Any]
"""structlog's processor shape. May change the line, or raise `structlog.DropEvent` to leave it out."""

_report = logging.getLogger("orchestrator")


class Destination(Protocol):
    """Where rendered lines go. `write` takes whole lines and raises OSError if it cannot."""

    def write(self, lines: Sequence[bytes]) -> int:
        """Write the lines, each without its newline; returns how many are written whole, if not all.

        Raises:
            OSError, ValueError: none could be written.
        """
        ...

    def close(self) -> None:
        """Let go of the file, if there is one."""
        ...


class FileDestination:
    """Appends to a file, made with its directory when the first line comes; opened again if it was moved away."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None
        self._torn = False

    def write(self, lines: Sequence[bytes]) -> int:
        """See `Destination.write`."""
        if self._fd is not None and not self._is_current(self._fd):
            self.close()
        if self._fd is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        lead = b"\n" if self._torn else b""  # ends the half line that a full disk left
        data = lead + b"\n".join(lines) + b"\n"
        written = os.write(self._fd, data)
        self._torn = written < len(data) and not data[:written].endswith(b"\n")
        return data.count(b"\n", len(lead), written) if written < len(data) else len(lines)

    def _is_current(self, fd: int) -> bool:
        try:
            there, ours = os.stat(self._path), os.fstat(fd)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def close(self) -> None:
        """See `Destination.close`."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class StreamDestination:
    """Writes to stdout or stderr, looked up at each write so that redirection works."""

    def __init__(self, name: str) -> None:
        self._name = name

    def write(self, lines: Sequence[bytes]) -> int:
        """See `Destination.write`."""
        stream = getattr(sys, self._name)
        stream.write((b"\n".join(lines) + b"\n").decode())
        stream.flush()
        return len(lines)

    def close(self) -> None:
        """See `Destination.close`."""


class LoggerDestination:
    """Hands each line to the application's logger `orchestrator.calls`, as the message, at level INFO."""

    def write(self, lines: Sequence[bytes]) -> int:
        """See `Destination.write`."""
        logger = logging.getLogger(CALL_LOGGER)
        for one in lines:
            logger.info("%s", one.decode())
        return len(lines)

    def close(self) -> None:
        """See `Destination.close`."""


class LogWriter:
    """The sink behind a client's `log:`."""

    def __init__(self, destination: Destination | None, *, processors: Sequence[Processor] = ()) -> None:
        self._destination = destination
        self._processors = tuple(processors)
        self._events: deque[Event | Callable[[], None]] = deque()
        self._rendered: list[bytes] = []
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._running = False
        self._flush_lock = Lock()
        self.idle = True
        self.failing = False
        self.dropped = 0
        _WRITERS.add(self)

    def emit(self, event: Event) -> None:
        """Take an event."""
        self._events.append(event)
        if self.idle:
            self.idle = False
            self.start()
            self._wake.put(True)

    def defer(self, action: Callable[[], None]) -> None:
        """Have something done on the writer's thread. Takes no lock: safe in a finalizer, once `start` was called."""
        self._events.append(action)
        if self.idle:
            self.idle = False
            self._wake.put(True)

    def start(self) -> None:
        """Make sure that the thread runs."""
        if not self._running:
            with self._flush_lock:
                if self._running:
                    return
                self._running = True
            arguments = (weakref.ref(self), self._wake)
            Thread(target=_write_in_background, args=arguments, name="orchestrator-log", daemon=True).start()
            weakref.finalize(self, self._wake.put, False).atexit = False

    def flush(self) -> bool:
        """Write what is there now; False if there was nothing."""
        with self._flush_lock:
            busy = bool(self._events) or bool(self._rendered)
            while self._events:
                event = self._events.popleft()
                if isinstance(event, Callable):  # type: ignore[arg-type]
                    event()  # type: ignore[operator]
                elif self._destination is not None:
                    self._render(event)  # type: ignore[arg-type]
            if self._rendered and self._destination is not None:
                self._write(self._destination)
            return busy

    def _render(self, event: Event) -> None:
        try:
            values: Any = line(event)
            if self._processors:
                values = self._processed(values)
            if values is not None:
                self._rendered.append(orjson.dumps(values, default=str))
        except Exception:  # noqa: BLE001 - a processor's bug must not stop the log
            self.dropped += 1
            _report.exception("a call's log line could not be rendered")

    def _processed(self, values: Any) -> Any:
        # Only whoever brings processors has structlog loaded: its import costs 60 to 100 ms and brings rich along.
        from structlog import DropEvent  # noqa: PLC0415

        try:
            for processor in self._processors:
                values = processor(None, "info", values)
        except DropEvent:
            return None
        return values

    def _write(self, destination: Destination) -> None:
        try:
            del self._rendered[: destination.write(self._rendered)]
        except (OSError, ValueError) as error:
            if not self.failing:
                self.failing = True
                _report.error("cannot write the call log, keeping up to %d lines: %s", MAX_KEPT_LINES, error)
            excess = len(self._rendered) - MAX_KEPT_LINES
            if excess > 0:
                del self._rendered[:excess]
                self.dropped += excess
            return
        if self.failing:
            self.failing = False
            _report.warning("the call log can be written again; %d lines were lost", self.dropped)
            if self.dropped:
                lost = NoticeEvent(
                    time=time.time(),
                    name="llm.log.dropped",
                    message="log lines were lost while the log could not be written",
                    details={"lines": self.dropped},
                )
                self.dropped = 0
                self._events.append(lost)

    def close(self) -> None:
        """Write everything, end the thread, let go of the file. Idempotent; a later `emit` starts over."""
        self.flush()
        self.flush()  # what the first flush itself gave rise to
        with self._flush_lock:
            if self._running:
                self._wake.put(False)
                self._wake = SimpleQueue()
                self._running = False
                self.idle = True
            if self._destination is not None:
                self._destination.close()

    def _after_fork(self) -> None:
        # What the parent had taken in is the parent's to write.
        self._events.clear()
        self._rendered.clear()
        self._wake = SimpleQueue()
        self._running = False
        self.idle = True
        self._flush_lock = Lock()


def _write_in_background(ref: weakref.ref[LogWriter], wake: SimpleQueue[bool]) -> None:
    """The thread. Holds the writer only while there is something to write, so that a forgotten client can go."""
    while wake.get():
        busy = True
        while busy:
            time.sleep(FLUSH_S)
            writer = ref()
            if writer is None:
                return
            busy = writer.flush()
            if not busy:
                writer.idle = True
                if writer._events:  # came between the last look and the flag
                    writer.idle = False
                    busy = True
            del writer


_WRITERS: weakref.WeakSet[LogWriter] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for writer in list(_WRITERS):
        writer._after_fork()


def _drain_at_exit() -> None:
    for writer in list(_WRITERS):
        writer.flush()
        writer.flush()


os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_drain_at_exit)
