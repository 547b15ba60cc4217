"""Time, injected. Sleeping goes through the running event loop, so a virtual loop makes it virtual too."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Where the library reads time."""

    def monotonic(self) -> float:
        """Seconds that never go back; the same for every thread and event loop of the process."""
        ...

    def time(self) -> float:
        """Seconds since the Unix epoch, for log lines, prices by date and file ages. Never for intervals."""
        ...


class SystemClock:
    """The machine's own clocks."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)
