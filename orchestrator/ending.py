"""What a client has under way, and how it ends when the client is closed: with an error where it is awaited."""

from __future__ import annotations

from contextlib import suppress

from orchestrator.attempt import Call

__all__ = ["UnderWay"]


class UnderWay:
    """Calls and streams that have begun and not left their event yet. Usable from any thread: each change is one step
    of a set.
    """

    def __init__(self) -> None:
        self._calls: set[Call] = set()
        self.add = self._calls.add
        self.remove = self._calls.discard

    def __len__(self) -> int:
        return len(self._calls)

    def end(self) -> None:
        """End all of it, on every loop."""
        for call in self._calls.copy():
            work = call.work
            if work is not None:
                with suppress(RuntimeError):  # its loop is closed
                    work.loop.call_soon_threadsafe(work.end)
