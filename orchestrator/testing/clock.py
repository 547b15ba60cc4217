"""Virtual time: a day of retries and rate limits in a moment.

clock = VirtualClock()
llm = AsyncOrchestrator(config, transport=ScriptedTransport(answer), clock=clock)
clock.run(scenario(llm))
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["VirtualClock"]

T = TypeVar("T")


class VirtualClock:
    """A `Clock` and the event loop that goes with it: whenever everything waits, time jumps to the next timer.

    Only for code without real I/O, such as calls over a `ScriptedTransport`: a loop that waits for a socket has nothing
    to jump to.

    Args:
        start: `time()` at the beginning, seconds since the Unix epoch.
    """

    def __init__(self, *, start: float = 1_700_000_000.0) -> None:
        self._start = start
        self._now = 1_000.0

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self._now

    def time(self) -> float:
        """Virtual seconds since the Unix epoch."""
        return self._start + self._now - 1_000.0

    def advance(self, seconds: float) -> None:
        """Let time pass without running anything."""
        self._now += seconds

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Like `asyncio.run`, in virtual time.

        Raises:
            RuntimeError: everything waits, and for nothing that has a time: a deadlock.
        """
        with asyncio.Runner(loop_factory=lambda: _VirtualLoop(self)) as runner:
            return runner.run(main)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: VirtualClock) -> None:
        self._virtual = clock
        super().__init__(_JumpingSelector(clock))

    def time(self) -> float:
        return self._virtual.monotonic()


class _JumpingSelector(selectors.SelectSelector):
    """Never waits: what a real selector would sleep, the clock jumps."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._virtual = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            # A wake-up from another thread may be on its way: give it real time before calling it a deadlock.
            ready = super().select(1.0)
            if not ready:
                raise RuntimeError("deadlock: every task waits, and no timer is set")
            return ready
        self._virtual.advance(max(timeout, 0.0))
        return []
