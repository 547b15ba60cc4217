"""What a client has under way, and how it ends when the client is closed: with an error where it is awaited."""

from __future__ import annotations

from contextlib import suppress

from orchestrator.attempt import Call
from orchestrator.errors import OrchestratorError

__all__ = ["UnderWay", "closed"]


class UnderWay:
    """Calls and streams that have begun and not left their event yet. Usable from any thread: each change is one step
    of a set.
    """

    def __init__(self) -> None:
        self._calls: set[Call] = set()
        self.over = False
        """All of it has been ended, and what comes now comes too late."""
        self.add = self._calls.add
        self.remove = self._calls.discard

    def __len__(self) -> int:
        return len(self._calls)

    def end(self) -> None:
        """End all of it, on every loop."""
        self.over = True
        for call in self._calls.copy():
            work = call.work
            if work is not None:
                with suppress(RuntimeError):  # its loop is closed
                    work.loop.call_soon_threadsafe(_end, call)

    def forked(self) -> None:
        """In a child process: what it inherited goes on in its parent alone, and holds nothing here."""
        for call in self._calls:
            if call.exchange is not None:
                call.exchange.withdraw()
        self._calls.clear()


def closed() -> OrchestratorError:
    """What a call gets that comes too late."""
    return OrchestratorError("the client is closed; build another one")


def _end(call: Call) -> None:
    if call.work is not None:  # not what it was when this was asked for: a stream may have begun since
        call.work.end()
