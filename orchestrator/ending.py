"""What a client that is closed does with calls and streams under way: each ends with an error where it is awaited."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Protocol, Self

from orchestrator.attempt import Call
from orchestrator.timers import Timer

__all__ = ["CallTimer", "Endable", "UnderWay"]


class Endable(Protocol):
    """A call or stream under way."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that it belongs to."""
        ...

    def end(self) -> None:
        """End it with an error. On its loop."""
        ...


class UnderWay:
    """What of one client would have to be ended. Usable from any thread: each change is one step of a set."""

    def __init__(self) -> None:
        self._found: set[Endable] = set()
        self.add = self._found.add
        self.remove = self._found.discard

    def end(self) -> None:
        """End all of it, on every loop."""
        for work in self._found.copy():
            with suppress(RuntimeError):  # its loop is closed
                work.loop.call_soon_threadsafe(work.end)


class CallTimer(Timer):
    """Bounds one call by its deadline, or by the closing of its client, whichever comes first.

    Raises TimeoutError; `call.ended` tells which it was.
    """

    __slots__ = ("_call", "_under_way")

    def __init__(self, call: Call, time_s: float, under_way: UnderWay) -> None:
        super().__init__(time_s)
        call.timers = self.timers
        self._call = call
        self._under_way = under_way

    def __enter__(self) -> Self:
        self._under_way.add(self)
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._under_way.remove(self)
        super().__exit__(kind, error, trace)

    def end(self) -> None:
        """See `Endable`."""
        self._call.ended = self.cut_short()
