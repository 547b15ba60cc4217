"""Timers of calls, cheap to set and to take back.

Every call bounds itself twice, and nearly always comes back in time. `asyncio.timeout` would make a handle, a copy of
the context and an entry in the loop's heap for each; here all timers of a loop share one handle of it.
"""

from __future__ import annotations

import asyncio
import math
import threading
from contextvars import Context
from heapq import heapify, heappop, heappush
from itertools import count
from types import TracebackType
from typing import Any, Self, TypeAlias

__all__ = ["LoopTimers", "Timer"]

_Entry: TypeAlias = list[Any]
"""When it rings, in which order they were set, and the timer."""

_ORDER = count()
_MOST_EMPTIED = 64


class _Timers(threading.local):
    """The timers of the loop that runs in this thread."""

    current: LoopTimers | None = None


_timers = _Timers()


class LoopTimers:
    """Timers of one event loop. Entries of those taken back stay in the heap, emptied, until they are due or outnumber
    the others.
    """

    __slots__ = ("_armed", "_context", "_emptied", "_entries", "_handle", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._entries: list[_Entry] = []
        self._emptied = 0
        self._armed = math.inf
        """When the handle is due; `-inf` while timers ring, so that none of them sets it."""
        self._handle: asyncio.TimerHandle | None = None
        self._context = Context()
        """Of nobody: the one of whoever set the first timer would be kept for as long as there are any."""

    @classmethod
    def running(cls) -> LoopTimers:
        """Those of the running loop."""
        loop = asyncio.get_running_loop()
        found = _timers.current
        if found is None or found.loop is not loop:
            found = _timers.current = cls(loop)
        return found

    def set(self, timer: Timer, at: float) -> _Entry:
        """Have it ring at a time of the loop's clock."""
        entry: _Entry = [at, next(_ORDER), timer]
        heappush(self._entries, entry)
        if at < self._armed:
            self._arm(at)
        return entry

    def take_back(self, entry: _Entry) -> None:
        """It shall not ring, and has not."""
        entry[2] = None
        self._emptied += 1
        if self._emptied > _MOST_EMPTIED and 2 * self._emptied > len(self._entries):
            self._entries = [one for one in self._entries if one[2] is not None]
            self._emptied = 0
            heapify(self._entries)

    def _arm(self, at: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed = at
        self._handle = self.loop.call_at(at, self._ring, context=self._context)

    def _ring(self) -> None:
        now = max(self.loop.time(), self._armed)  # a loop may be early by the resolution of its clock
        self._handle, self._armed = None, -math.inf
        try:
            for timer in self._due(now):
                timer.entry = None
                self._let_ring(timer)
        finally:
            self._armed = math.inf
            if self._entries:
                self._arm(self._entries[0][0])

    def _let_ring(self, timer: Timer) -> None:
        try:
            timer.ring()
        except Exception as error:  # noqa: BLE001 - of one call, and the others' timers must ring
            self.loop.call_exception_handler({"message": "a timer failed", "exception": error})

    def _due(self, now: float) -> list[Timer]:
        """Take those that are due out of the heap, and what is empty in front of the others."""
        due = []
        while self._entries and (self._entries[0][0] <= now or self._entries[0][2] is None):
            timer = heappop(self._entries)[2]
            if timer is None:
                self._emptied -= 1
            else:
                due.append(timer)
        return due


class Timer:
    """Cuts a block short: `with Timer(5.0): ...` raises TimeoutError where it did. For one task on one event loop.

    Like `asyncio.timeout`, an instance serves one block.

    Args:
        time_s: seconds from when the block begins.
        outer: the timer of a block around this one, if there is one.
    """

    __slots__ = ("_cancelling", "_cut", "_task", "_time_s", "_timers", "ended", "entry")

    def __init__(self, time_s: float, outer: Timer | None = None) -> None:
        self._time_s = time_s
        if outer is None:
            self._timers = LoopTimers.running()
            self._task = asyncio.current_task(self._timers.loop)
        else:
            self._timers, self._task = outer._timers, outer._task
        self._cut = False
        self.ended = False
        """`end` has cut it short."""
        self.entry: _Entry | None = None
        """None while it is not set."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that it belongs to."""
        return self._timers.loop

    def __enter__(self) -> Self:
        if self._task is None:
            raise RuntimeError("a timer needs a task to cut short")
        timers = self._timers
        self._cancelling = self._task.cancelling()
        self.entry = timers.set(self, timers.loop.time() + self._time_s)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self.entry is not None:
            self._timers.take_back(self.entry)
        if self._cut and task is not None and task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise self.overdue() from error

    def overdue(self) -> Exception:
        """What the block ends with when it was cut short."""
        return TimeoutError()

    def again(self, time_s: float) -> None:
        """Once it has rung: ring once more after so many seconds."""
        self.entry = self._timers.set(self, self.loop.time() + time_s)

    def ring(self) -> None:
        """It is time."""
        self.cut_short()

    def cut_short(self) -> bool:
        """End the block now; False if it has ended already."""
        if self._task is None:
            return False
        if not self._cut:
            self._cut = True
            self._task.cancel()
        return True

    def end(self) -> None:
        """Cut the block short for another reason than time."""
        self.ended = self.cut_short()
