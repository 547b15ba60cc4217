"""What a client that is closed does with calls and streams under way: each ends with an error where it is awaited."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Lock
from types import TracebackType
from typing import Protocol, Self

from orchestrator.attempt import Call

__all__ = ["CallTimer", "Endable", "UnderWay"]


class Endable(Protocol):
    """A call or stream under way, on the event loop that it belongs to."""

    loop: asyncio.AbstractEventLoop

    def end(self) -> None:
        """End it with an error. On its loop."""
        ...


class UnderWay:
    """What of one client would have to be ended. Usable from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: set[Endable] = set()

    def add(self, work: Endable) -> None:
        """It has begun."""
        with self._lock:
            self._found.add(work)

    def remove(self, work: Endable) -> None:
        """It has ended. Idempotent."""
        with self._lock:
            self._found.discard(work)

    def end(self) -> None:
        """End all of it, on every loop."""
        with self._lock:
            found = list(self._found)
        for work in found:
            with suppress(RuntimeError):  # its loop is closed
                work.loop.call_soon_threadsafe(work.end)


class CallTimer:
    """Bounds one call by its deadline, or by the closing of its client, whichever comes first: `async with`.

    Raises TimeoutError; `call.ended` tells which it was.
    """

    __slots__ = ("_call", "_timer", "_under_way", "loop")

    def __init__(self, call: Call, time_s: float, under_way: UnderWay) -> None:
        self._call = call
        self._under_way = under_way
        self._timer = asyncio.timeout(time_s)
        self.loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Self:
        await self._timer.__aenter__()
        self._under_way.add(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._under_way.remove(self)
        await self._timer.__aexit__(kind, error, trace)

    def end(self) -> None:
        """See `Endable`."""
        with suppress(RuntimeError):  # it has just ended by itself
            self._timer.reschedule(self.loop.time())
            self._call.ended = True
