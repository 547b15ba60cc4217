"""Budgets shared by several processes through Redis."""

from __future__ import annotations

import os
import secrets
from asyncio import sleep
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from orchestrator.spec.budgets import Charge, Hold, Listener, Refusal
from orchestrator.spec.clock import Clock
from orchestrator.stores.budgets import MemoryBudgets
from orchestrator.stores.redis_asks import LoopAsk
from orchestrator.stores.redis_teller import Note, Reservation, Settlement, Teller
from orchestrator.stores.redis_worker import Worker

__all__ = ["RedisBudgets"]

_PATIENCE_S = 0.5
_GRACE_S = 60.0
"""For an attempt to be settled after the end of its call."""

_MOST_QUIET = 3
_LARGEST = 2**53


class _Link(Protocol):
    """Who has the connection."""

    @property
    def worker(self) -> Worker | None:
        """The thread of this process, if it was started."""
        ...

    def running(self) -> Worker:
        """The same, started if need be."""
        ...


@dataclass(slots=True, eq=False)
class _Receipt:
    """What was granted, and where. `reservation` None: nothing is held in Redis, what is spent will be noted."""

    pid: int
    own: Hold | None
    shared: Sequence[Charge]
    reservation: Reservation | None = None


class RedisBudgets:
    """A `BudgetStore` for several processes: what one holds or has spent, none of the others can.

    One round trip per reservation; settlements go along with the next, or a tenth of a second later. Budgets of single
    calls stay in this process, and what is only counted (`warn`) is noted in passing. Redis's clock decides when a
    window begins and ends.

    A reservation that nobody has settled a minute after the end of its call was a killed process's. The vendor may have
    billed that call, so what it held stays counted until the window ends.

    While Redis does not answer, a budget is taken to have no room: `deny` refuses, `cheaper` lets the cheapest through,
    `warn` everything; what is spent meanwhile is told when Redis answers again. Nobody waits longer than half a second
    for a Redis that is away, or three for one that has lost its memory and is being told. That is done by the processes
    that live: what only a killed one knew is gone with it, unless Redis keeps it on disk.
    """

    def __init__(self, link: _Link, *, prefix: str, clock: Clock, listener: Listener) -> None:
        self._link = link
        self._prefix = prefix
        self._clock = clock
        self._listener = listener
        self._own = MemoryBudgets(listener)
        self._teller: Teller | None = None
        self._name, self._count = secrets.token_hex(8), count()

    def teller(self) -> Teller:
        """Who speaks for these budgets in a worker; one for each worker."""
        self._name, self._count = secrets.token_hex(8), count()
        self._teller = Teller(self._prefix, self._clock.monotonic, self._listener)
        return self._teller

    def time(self) -> float:
        """Unix seconds by Redis's clock; by our own until it has been heard."""
        offset_s = self._teller.offset_s if self._teller is not None else None
        return self._clock.time() if offset_s is None else self._clock.monotonic() + offset_s

    @property
    def done(self) -> bool:
        """Redis's clock is known."""
        return self._link.worker is not None and self._teller is not None and self._teller.offset_s is not None

    async def ready(self) -> None:
        """Return when Redis's clock is known, or Redis does not answer."""
        await self._ask((), 0, 0.0)

    def reserve(self, hold: Hold, now: float) -> Refusal | Awaitable[Refusal | None] | None:
        """See `BudgetStore.reserve`. Called on an event loop."""
        shared = [charge for charge in hold.charges if not charge.of_call]
        own = [charge for charge in hold.charges if charge.of_call]
        receipt = hold.receipt = _Receipt(os.getpid(), Hold(own, hold.amount, hold.lease_s) if own else None, shared)
        if receipt.own is not None:
            refusal = self._own.reserve(receipt.own, now)
            if refusal is not None:
                return refusal
        if not shared:
            return None
        self._link.running()  # what is settled may come from a finalizer, which can start nothing
        return self._reserve(hold, receipt) if hold.amount else None

    async def _reserve(self, hold: Hold, receipt: _Receipt) -> Refusal | None:
        try:
            answer = await self._ask(receipt.shared, min(hold.amount, _LARGEST), hold.lease_s + _GRACE_S)
        except BaseException:
            self._release(receipt)
            raise
        if isinstance(answer, Refusal):
            self._release(receipt)
            return answer
        receipt.reservation = answer
        return None

    def _release(self, receipt: _Receipt) -> None:
        if receipt.own is not None:
            self._own.settle(receipt.own, 0)

    async def _ask(self, charges: Sequence[Charge], amount: int, lease_s: float) -> Reservation | Refusal | None:
        """What Redis says; None if it says nothing, and nobody minds."""
        worker, teller = self._link.running(), self._teller
        for _ in range(_MOST_QUIET):
            if teller is None or teller.down:
                break
            wanted = Reservation(f"{self._name}:{next(self._count)}", charges, amount, lease_s)
            ask = LoopAsk(wanted, self._give_back)
            worker.inbox.put(ask)
            answer = await ask.outcome(_PATIENCE_S)
            if answer is None:
                break
            if answer == 0.0:
                return wanted
            if wanted.refusal is not None:
                return wanted.refusal
            await sleep(wanted.quiet_s)
        capped = next((charge for charge in charges if charge.capped), None)
        return Refusal(capped, soon=True, unknown=True) if capped is not None else None

    def _give_back(self, reservation: Reservation) -> None:
        self._put(Settlement(reservation, 0))

    def settle(self, hold: Hold, spent: int) -> None:
        """See `BudgetStore.settle`."""
        receipt = hold.receipt
        if not isinstance(receipt, _Receipt) or receipt.pid != os.getpid():
            return  # taken in another process, which has it on its own account
        if receipt.own is not None:
            self._own.settle(receipt.own, spent)
        if receipt.reservation is not None:
            self._put(Settlement(receipt.reservation, min(spent, _LARGEST)))
        elif receipt.shared and spent:
            self._put(Note(receipt.shared, min(spent, _LARGEST)))

    def _put(self, parcel: Settlement | Note) -> None:
        worker = self._link.worker
        if worker is not None:  # else it was closed: what is held there stays counted
            worker.inbox.put(parcel)

    def restore(self, charges: Sequence[Charge], spent: int) -> None:
        """See `BudgetStore.restore`. Redis remembers by itself."""
