"""Writes events as JSON lines, in the background, in batches.

`emit` only appends to a deque. A daemon thread wakes at most every 200 ms, renders what is there, through structlog's
processors if there are any, and hands it to the destination in one piece. A log that cannot be written never loses the
call: lines are kept up to a bound, retried, then dropped and counted; the operator is told once, through the
`orchestrator` logger.
"""

from __future__ import annotations

import atexit
import logging
import os
import time
import weakref
from collections import deque
from collections.abc import Callable, MutableMapping, Sequence
from decimal import Decimal
from queue import Empty, SimpleQueue
from threading import Lock, RLock, Thread
from typing import Any, TypeAlias

import orjson

from orchestrator.errors import LogUnavailable
from orchestrator.spec.events import CallEvent, Event, NoticeEvent, Sink
from orchestrator.telemetry.destinations import Destination
from orchestrator.telemetry.lines import line

__all__ = ["FLUSH_S", "MAX_KEPT_LINES", "JsonLines", "LogWriter", "Processor"]

FLUSH_S = 0.2
MAX_KEPT_LINES = 10_000

_MAX_EVENTS = 100_000
"""Not yet rendered: only a destination that hangs lets so many come together."""

Processor: TypeAlias = Callable[[Any, str, MutableMapping[str, Any]], Any]
"""structlog's processor shape. May change the line, or raise `structlog.DropEvent` to leave it out."""

Shape: TypeAlias = Callable[[Event], dict[str, Any] | None]
"""The values of an event's line; None for an event that has none."""

Render: TypeAlias = Callable[[Event], Any]
"""What a destination is given for an event; None for nothing."""

_report = logging.getLogger("orchestrator")


class LogWriter:
    """The sink behind a client's `log:`. Forgetting it is as good as closing it: what it took in is written.

    Args:
        destination: where lines go; None for nowhere.
        processors: see every line before it is written.
        render: what the destination is given for an event; its JSON line by default.
        required: `check` refuses while lines cannot be written.
    """

    def __init__(
        self,
        destination: Destination | None,
        *,
        processors: Sequence[Processor] = (),
        render: Render | None = None,
        required: bool = False,
    ) -> None:
        self._log = _Log(destination, render or JsonLines(line, processors), required=required)
        weakref.finalize(self, self._log.forgotten).atexit = False
        self.emit: Sink = self._log.emit
        """Take an event. Never raises, never waits."""

    def check(self) -> None:
        """For a log that is required: see that it can be written, before anything is sent.

        Raises:
            LogUnavailable: it cannot, or too much is waiting to be written.
        """
        if self._log.refusing:
            self._log.prove()

    def defer(self, action: Callable[[], None]) -> None:
        """Have something done on the writer's thread. Takes no lock: safe in a finalizer, once `start` was called."""
        self._log.defer(action)

    def start(self) -> None:
        """Make sure that the thread runs."""
        self._log.start()

    def flush(self) -> bool:
        """Write what is there now; False if there was nothing."""
        return self._log.flush()

    def close(self) -> None:
        """Write everything, end the thread, let go of the file. Idempotent; a later `emit` starts over."""
        self._log.close()


class JsonLines:
    """Renders events to JSON, through the structlog processors that the application brings."""

    def __init__(self, shape: Shape, processors: Sequence[Processor] = ()) -> None:
        self._shape = shape
        self.processors = tuple(processors)

    def __call__(self, event: Event) -> Any:
        """The line's bytes, None if there is none."""
        values = self._shape(event)
        if values is None:
            return None
        return self._processed(values) if self.processors else _dumps(values)

    def _processed(self, values: Any) -> Any:
        # structlog brings rich along, 40 ms that others are spared. On the writer's thread: no call waits for it.
        from structlog import DropEvent  # noqa: PLC0415
        from structlog.processors import JSONRenderer  # noqa: PLC0415

        try:
            for processor in self.processors:
                values = processor(None, "info", values)
        except DropEvent:
            return None
        return JSONRenderer(serializer=_dumps)(None, "info", values)


class _Log:
    """What a writer and its thread share. Refers to no writer, so that a forgotten one can go."""

    def __init__(self, destination: Destination | None, render: Render, *, required: bool = False) -> None:
        self._destination = destination
        self._render_event = render
        self._required = required
        self._orphaned = False
        self._warned = False
        self.reset()

    def reset(self) -> None:
        """As new. After a fork, what the parent had taken in is the parent's to write."""
        self._events: deque[Event | Callable[[], None]] = deque()
        self._rendered: list[Any] = []
        self._wake: SimpleQueue[bool] = SimpleQueue()
        self._starting = RLock()  # reentrant: a finalizer may emit while this thread holds it
        self._flushing = Lock()
        self._running = False
        self._idle = True
        self._failing = False
        self._dropped = 0
        self._proven = False
        self.refusing = self._required  # until it was seen that the file can be opened
        self._refused = 0

    def prove(self) -> None:
        """Open the destination, once; after that the writer's thread knows how it stands. Raises `LogUnavailable`."""
        if not self._proven and not self._failing:
            try:
                with self._flushing:
                    getattr(self._destination, "prove", _nothing)()
            except OSError as error:
                self._refused += 1
                raise LogUnavailable(f"the call log cannot be written: {error.strerror}") from error
            self._proven = True
            self.refusing = False
            return
        self._refused += 1
        raise LogUnavailable("the call log cannot be written, and no call is made without its line")

    def emit(self, event: Event) -> None:
        if self._destination is None:
            return
        if len(self._events) < _MAX_EVENTS:
            self._events.append(event)
        else:
            self._dropped += 1
        if self._required and len(self._events) >= MAX_KEPT_LINES:
            self.refusing = True
        if not self._running:
            self.start()
        if self._idle:
            self._idle = False
            self._wake.put(True)

    def defer(self, action: Callable[[], None]) -> None:
        self._events.append(action)
        if self._idle:
            self._idle = False
            self._wake.put(True)

    def start(self) -> None:
        with self._starting:
            if self._running:
                return
            self._running = True
            _LOGS.add(self)
            arguments = (self, self._wake)
            try:
                Thread(target=_write_in_background, args=arguments, name="orchestrator-log", daemon=True).start()
            except RuntimeError as error:  # no more threads, or the interpreter is going down: `close` or exit writes
                self._running = False
                if not self._warned:
                    self._warned = True
                    _report.error("no thread for the call log, it is written at exit: %s", error)

    def rest(self) -> bool:
        """Nothing to do until woken; False if something came between the last look and now."""
        self._idle = True
        if self._events:
            self._idle = False
        return self._idle

    def flush(self) -> bool:
        with self._flushing:
            count = len(self._events)  # what comes meanwhile waits: lines must get out under any load
            for _ in range(count):
                self._take(self._events.popleft())
            busy = count > 0 or bool(self._rendered)
            if self._rendered and self._destination is not None:
                self._write(self._destination)
            return busy

    def drain(self) -> None:
        """Flush what the flush itself gave rise to as well."""
        while self.flush() and not self._failing:
            pass

    def _take(self, event: Event | Callable[[], None]) -> None:
        if isinstance(event, CallEvent | NoticeEvent):
            if self._destination is not None:
                self._render(event)
            return
        try:
            event()
        except Exception:  # noqa: BLE001 - the thread must go on
            _report.exception("a forgotten stream could not be settled")

    def _render(self, event: Event) -> None:
        try:
            rendered = self._render_event(event)
        except Exception:  # noqa: BLE001 - a processor's bug must not stop the log
            if not self._dropped:
                _report.exception("a call's log line could not be rendered")
            self._dropped += 1
            return
        if rendered is not None:
            self._rendered.append(rendered)

    def _write(self, destination: Destination) -> None:
        try:
            written = destination.write(self._rendered)
        except Exception as error:  # noqa: BLE001 - whatever a destination does, calls go on
            self._keep(error)
            return
        del self._rendered[:written]
        if self._failing:
            self._failing = False
            _report.warning("the call log can be written again; %d lines were lost", self._dropped)
        if self._dropped:
            self._events.append(_losses(self._dropped))
            self._dropped = 0
        if self.refusing:
            self._proven, self.refusing = True, False
        if self._refused:
            self._events.append(_refusals(self._refused))
            self._refused = 0

    def _keep(self, error: Exception) -> None:
        if not self._failing:
            self._failing = True
            kind = type(error).__name__
            _report.error("cannot write the call log, keeping up to %d lines: %s: %s", MAX_KEPT_LINES, kind, error)
        excess = len(self._rendered) - MAX_KEPT_LINES
        if excess > 0:
            del self._rendered[:excess]
            self._dropped += excess
        self.refusing = self._required

    def close(self) -> None:
        self._stop()
        self.drain()
        self._release()

    def _stop(self) -> None:
        with self._starting:
            wake, self._wake = self._wake, SimpleQueue()
            running, self._running = self._running, False
            self._idle = True
        if running:
            wake.put(False)

    def _release(self) -> None:
        with self._flushing:
            if self._destination is not None and not self._running:
                self._destination.close()

    def forgotten(self) -> None:
        """The writer is gone. Runs in a finalizer: takes no lock."""
        self._orphaned = True
        if self._running:
            self._wake.put(False)
        elif not self._events:
            _LOGS.discard(self)

    def end(self) -> None:
        """The thread's last act."""
        if self._orphaned:
            self._running = False
            self.drain()
            self._release()
            _LOGS.discard(self)


def _write_in_background(log: _Log, wake: SimpleQueue[bool]) -> None:
    going = wake.get()
    while going:
        going = _pause(wake)
        busy = log.flush()
        if going and not busy and log.rest():
            going = wake.get()
    log.end()


def _pause(wake: SimpleQueue[bool]) -> bool:
    """Let more lines come; False if told to stop."""
    try:
        return wake.get(timeout=FLUSH_S)
    except Empty:
        return True


def _nothing() -> None:
    """For destinations that have nothing to prove."""


def _refusals(calls: int) -> NoticeEvent:
    return NoticeEvent(
        time=time.time(),
        name="llm.log.refused",
        message="calls were refused while the log could not be written",
        details={"calls": calls},
    )


def _losses(lines: int) -> NoticeEvent:
    return NoticeEvent(
        time=time.time(),
        name="llm.log.dropped",
        message="log lines were lost",
        details={"lines": lines},
    )


def _dumps(values: Any, **_: Any) -> bytes:
    try:
        return orjson.dumps(values, default=_plain)
    except TypeError:
        # Half a surrogate pair in a tenant's name, a number of 30 digits: no reason to lose what the call cost.
        return orjson.dumps(_cleaned(values), default=_plain)


def _plain(value: Any) -> Any:
    return orjson.Fragment(format(value, "f")) if isinstance(value, Decimal) and value.is_finite() else str(value)


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {_cleaned(str(key)): _cleaned(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(one) for one in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    return value


_LOGS: set[_Log] = set()
"""Those with something to write, or that may have soon."""


def _after_fork_in_child() -> None:
    for log in list(_LOGS):
        log.reset()
    _LOGS.clear()


def _drain_at_exit() -> None:
    for log in list(_LOGS):
        log.drain()


os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_drain_at_exit)
