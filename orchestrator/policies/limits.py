"""Requests, tokens and concurrency: reserve before an attempt, settle after it, queue when nobody has room.

Calls that find no room wait in line per deployment, by priority, then the earliest deadline first; only the head of a
line may enter, and nobody passes it. A waiting call is woken by a release, or by its own timer when the limiter said
how long. A line has a bound: what could not be served in time anyway is refused at once.
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_left, insort
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from threading import RLock

from orchestrator.errors import RateLimited
from orchestrator.spec.stores import Limit, LimitStore, Slot
from orchestrator.types.usage import Usage
from orchestrator.types.values import value

__all__ = ["LONGEST_LINE", "Claim", "Gate", "Limiter", "Need", "Reservation", "Ticket"]

LONGEST_LINE = 10_000
"""Calls that may wait for one deployment."""

_ARRIVALS = count()


@value(frozen=True, slots=True)
class Need:
    """What a call is expected to use: tokens estimated from its input, and its output cap."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class _Takes:
    """How much an attempt takes of one kind of limit: of each call, input token and output token."""

    calls: float
    input: int = 0
    output: int = 0
    back: bool = False
    """Given back when the attempt has ended."""


_TAKES: Mapping[str, _Takes] = {
    "requests": _Takes(1.0),
    "concurrency": _Takes(1.0, back=True),
    "tokens": _Takes(0.0, 1, 1),
    "input_tokens": _Takes(0.0, 1),
    "output_tokens": _Takes(0.0, 0, 1),
}


@value(frozen=True, slots=True)
class Claim:
    """How much of each limit one attempt takes. Keeps its slots, so that a reload in between cannot confuse it."""

    slots: tuple[Slot, ...]
    takes: tuple[_Takes, ...]
    amounts: tuple[float, ...]


class Gate:
    """All limits that hold for one deployment, and the line before it. Outlives reloads: `adopt` takes new limits."""

    __slots__ = ("_line", "_lock", "_occupied", "_store", "_takes", "counts_tokens", "neighbours", "slots")

    def __init__(self, store: LimitStore, lock: RLock, occupied: set[Gate]) -> None:
        self.slots: tuple[Slot, ...] = ()
        self.counts_tokens = False
        self._takes: tuple[_Takes, ...] = ()
        self.neighbours: tuple[Gate, ...] = (self,)
        self._store = store
        self._line: list[Ticket] = []
        self._lock = lock
        self._occupied = occupied

    def adopt(self, limits: Iterable[Limit]) -> None:
        """Take these limits from now on."""
        self.slots = tuple([self._store.slot(limit) for limit in limits])
        self._takes = tuple([_TAKES[slot.limit.dimension] for slot in self.slots])
        self.counts_tokens = any("tokens" in slot.limit.dimension for slot in self.slots)

    def claim(self, need: Need | None) -> Claim:
        """What an attempt would take."""
        tokens = (0, 0) if need is None else (need.input_tokens, need.output_tokens)
        return Claim(self.slots, self._takes, _amounts(self._takes, *tokens))

    def enter(self, claim: Claim, now: float, ticket: Ticket | None = None) -> float | Awaitable[float]:
        """Reserve and return 0.0, or the seconds to wait (`inf`: until woken; `nan`: it can never fit).

        Awaitable where the limits are shared with other processes.
        """
        if not claim.slots:
            return 0.0
        if self._line and not self._is_next(ticket):
            return math.inf
        return self._store.reserve(claim.slots, claim.amounts, now)

    def _is_next(self, ticket: Ticket | None) -> bool:
        head = self._head()
        if head is not None and head is not ticket and head.dead:
            self.wake()  # nobody comes to take this place up or give it back
            head = self._head()
        return head is None or head is ticket

    def _head(self) -> Ticket | None:
        with self._lock:
            return self._line[0] if self._line else None

    def leave(self, claim: Claim, usage: Usage | None, now: float, since: float, *, used: bool) -> None:
        """Settle what was taken at `since`: it becomes what was used. Without usage it stands as the best guess.

        `used=False` gives everything but the request back: the vendor refused it.
        """
        if not used:
            left = _amounts(claim.takes, 0, 0)
        elif usage is None or usage.input_tokens is None:
            left = claim.amounts
        else:
            left = _amounts(claim.takes, usage.input_tokens, usage.output_tokens or 0)
        parts = zip(left, claim.amounts, claim.takes, strict=True)
        changes = [-taken if takes.back else amount - taken for amount, taken, takes in parts]
        self._store.settle(claim.slots, changes, now, since)
        self.wake()

    def undo(self, claim: Claim, now: float, since: float) -> None:
        """Give everything back: nothing was sent."""
        self._store.settle(claim.slots, [-amount for amount in claim.amounts], now, since)
        self.wake()

    def wake(self) -> None:
        """Let the head of each line that this gate's limits touch look again."""
        if not self._occupied:  # the usual case, and an account may have hundreds of deployments
            return
        gates = [*self.neighbours]
        for gate in gates:  # grows by the lines in which somebody stood whose event loop is gone
            while gate._line and (head := gate._head()) is not None and not head.wake():
                gates += head.fall_out()

    def join(self, ticket: Ticket) -> None:
        """Stand in line.

        Raises:
            RateLimited: it is too long already.
        """
        with self._lock:
            if len(self._line) >= LONGEST_LINE:
                raise RateLimited(f"{LONGEST_LINE} calls wait in line already")
            insort(self._line, ticket, key=Ticket.place)
            self._occupied.add(self)

    def drop(self, ticket: Ticket) -> None:
        """Leave the line. Whoever calls wakes it afterwards."""
        with self._lock:
            place = bisect_left(self._line, ticket.place(), key=Ticket.place)
            if place < len(self._line) and self._line[place] is ticket:
                del self._line[place]
                if not self._line:
                    self._occupied.discard(self)

    def forked(self, lock: RLock) -> None:
        """In a child process: those in line stand there in its parent alone."""
        self._lock = lock
        self._line.clear()

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._line)


class Ticket:
    """A waiting call's place in the lines of all its candidates. Belongs to one task on one event loop.

    A lower `priority` comes first; among equals the earlier `deadline` (monotonic seconds), then whoever came first.
    """

    __slots__ = ("_future", "_gates", "_loop", "_place")

    def __init__(self, priority: int = 0, deadline: float = math.inf) -> None:
        self._place = (priority, deadline, next(_ARRIVALS))
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()
        self._gates: list[Gate] = []

    def place(self) -> tuple[int, float, int]:
        """What lines are sorted by; no two are equal."""
        return self._place

    def join(self, gates: Iterable[Gate]) -> bool:
        """Stand in these lines and no others; True if one of them is new, so that it is worth looking again.

        Whoever kept a place in a line without wanting to enter there any more would hold up everybody behind.
        """
        wanted = dict.fromkeys(gates)
        new = [gate for gate in wanted if gate not in self._gates]
        for gate in [gate for gate in self._gates if gate not in wanted]:
            self._gates.remove(gate)
            gate.drop(self)
            gate.wake()
        for gate in new:
            self._gates.append(gate)
            gate.join(self)
        return bool(new)

    async def wait(self, seconds: float) -> None:
        """Until woken, or for so long."""
        timer = None
        if seconds < math.inf:
            timer = self._loop.call_later(seconds, self._look)
        try:
            await self._future
        finally:
            if timer is not None:
                timer.cancel()
        self._future = self._loop.create_future()

    def wake(self) -> bool:
        """From any thread. False if its event loop was closed under it: nobody waits there any more."""
        try:
            self._loop.call_soon_threadsafe(self._look)
        except RuntimeError:
            return False
        return True

    @property
    def dead(self) -> bool:
        """Its event loop was closed under it."""
        return self._loop.is_closed()

    def _look(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    def leave(self) -> None:
        """Give up all places; those behind look."""
        for gate in self.fall_out():
            gate.wake()

    def fall_out(self) -> list[Gate]:
        """Give up all places, and say in which lines they were."""
        gates, self._gates = self._gates, []
        for gate in gates:
            gate.drop(self)
        return gates


class Reservation:
    """What one attempt took at its gate just now; given back once, corrected. What comes second changes nothing."""

    __slots__ = ("claim", "gate", "monotonic", "open", "since")

    def __init__(self, gate: Gate, claim: Claim, monotonic: Callable[[], float]) -> None:
        self.gate = gate
        self.claim = claim
        self.monotonic = monotonic
        self.since = monotonic()
        self.open = bool(claim.slots)

    def settle(self, usage: Usage | None, *, used: bool = True) -> None:
        """The attempt has ended."""
        if self.open:
            self.open = False
            self.gate.leave(self.claim, usage, self.monotonic(), self.since, used=used)

    def withdraw(self) -> None:
        """There was no attempt."""
        if self.open:
            self.open = False
            self.gate.undo(self.claim, self.monotonic(), self.since)


class Limiter:
    """All gates of a client, by deployment. Gates that share a limit know each other: a release wakes their lines."""

    def __init__(self, store: LimitStore) -> None:
        self._store = store
        self._lock = RLock()  # reentrant: a finalizer may give up a place while this thread holds it
        self._gates: dict[str, Gate] = {}
        self._occupied: set[Gate] = set()
        """Those at which somebody stands in line."""

    def gates(self, deployments: Iterable[str]) -> dict[str, Gate]:
        """Gates of these deployments. New ones let everything through until `adopt` gives them limits."""
        return {
            name: self._gates.setdefault(name, Gate(self._store, self._lock, self._occupied)) for name in deployments
        }

    def forked(self) -> None:
        """In a child process: nobody stands in line yet, and nobody holds the lock."""
        self._lock = RLock()
        self._occupied.clear()
        for gate in self._gates.values():
            gate.forked(self._lock)

    def adopt(self, limits: Mapping[str, Sequence[Limit]]) -> dict[str, Gate]:
        """Gates for these deployments: known ones take the new limits, and everybody waiting looks again."""
        gates = self.gates(limits)
        for name, gate in gates.items():
            gate.adopt(limits[name])
        sharing: dict[int, list[Gate]] = {}
        for gate in self._gates.values():
            for slot in gate.slots:
                sharing.setdefault(id(slot), []).append(gate)
        for gate in self._gates.values():
            gate.neighbours = tuple(dict.fromkeys([gate, *(g for slot in gate.slots for g in sharing[id(slot)])]))
            gate.wake()
        return gates


def _amounts(takes: tuple[_Takes, ...], input_tokens: int, output_tokens: int) -> tuple[float, ...]:
    return tuple([one.calls + one.input * input_tokens + one.output * output_tokens for one in takes])
