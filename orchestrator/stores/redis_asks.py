"""A reservation on its way to Redis, and who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError as Withdrawn
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from orchestrator.stores.redis_slots import SharedSlot

__all__ = ["Ask", "BlockingAsk", "LimitClaim", "LoopAsk", "answer_all"]

Claim = TypeVar("Claim")


@dataclass(slots=True, eq=False)
class LimitClaim:
    """So much of these limits, and with it, if there is room, some ahead."""

    slots: tuple[SharedSlot, ...]
    amounts: Sequence[float]
    extra: tuple[float, ...] | None
    rated: bool = False
    """The wait is one that time alone ends, not another's release."""


class Ask(Generic[Claim]):
    """A claim. `answer` is called once: 0.0 if it was granted, more than that if not, None if nobody could say."""

    __slots__ = ("claim", "give_back")

    def __init__(self, claim: Claim, give_back: Callable[[Claim], None]) -> None:
        self.claim = claim
        self.give_back = give_back


class LoopAsk(Ask[Claim]):
    """Asked on an event loop. All but `answer_all` happens on that loop's thread."""

    __slots__ = ("future", "loop")

    def __init__(self, claim: Claim, give_back: Callable[[Claim], None]) -> None:
        super().__init__(claim, give_back)
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[float | None] = self.loop.create_future()

    def answer(self, wait: float | None) -> None:
        """Hand the answer over; what nobody waits for any more is given back."""
        if not self.future.done():
            self.future.set_result(wait)
        elif wait == 0.0:
            self.give_back(self.claim)

    async def outcome(self, patience_s: float) -> float | None:
        """The answer, or None after so many seconds. Cancelling takes nothing."""
        timer = self.loop.call_later(patience_s, self._give_up)
        try:
            return await self.future
        except asyncio.CancelledError:
            if not self.future.cancelled() and self.future.result() == 0.0:
                self.give_back(self.claim)  # granted and cancelled in the same turn of the loop
            raise
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class BlockingAsk(Ask[Claim]):
    """Asked by a thread without an event loop."""

    __slots__ = ("future",)

    def __init__(self, claim: Claim, give_back: Callable[[Claim], None]) -> None:
        super().__init__(claim, give_back)
        self.future: Future[float | None] = Future()

    def answer(self, wait: float | None) -> None:
        """Hand the answer over; what nobody waits for any more is given back."""
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(wait)
        elif wait == 0.0:
            self.give_back(self.claim)

    def outcome(self, patience_s: float) -> float | None:
        """The answer, or None after so many seconds."""
        try:
            return self.future.result(patience_s)
        except TooLate:
            # It may have come between the two lines: then it counts.
            return None if self.future.cancel() else self._late()

    def _late(self) -> float | None:
        try:
            return self.future.result()
        except Withdrawn:
            return None


def answer_all(answers: Sequence[tuple[Ask[Any], float | None]]) -> None:
    """Hand answers over from the worker's thread: one wake-up per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[LoopAsk[Any], float | None]]] = {}
    for ask, wait in answers:
        if isinstance(ask, LoopAsk):
            by_loop.setdefault(ask.loop, []).append((ask, wait))
        elif isinstance(ask, BlockingAsk):
            ask.answer(wait)
    for loop, batch in by_loop.items():
        try:
            loop.call_soon_threadsafe(_answer, batch)
        except RuntimeError:  # closed: nobody waits there any more
            for ask, wait in batch:
                if wait == 0.0:
                    ask.give_back(ask.claim)


def _answer(batch: Sequence[tuple[LoopAsk[Any], float | None]]) -> None:
    for ask, wait in batch:
        ask.answer(wait)
