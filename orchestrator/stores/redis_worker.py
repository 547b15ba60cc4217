"""The thread that talks to Redis: everything that has come up since the last round trip goes into the next one.

While Redis answers, reservations are asked there. After the first failure every process keeps to its share of the
limits by itself; after the third that is reported, and Redis is tried now and then. Whatever was used meanwhile is told
as soon as it answers again.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from random import Random
from threading import Event, Lock, Thread
from typing import Any, Protocol, TypeAlias

from orchestrator.spec.stores import Slot
from orchestrator.stores.memory import MemoryLimits
from orchestrator.stores.redis_asks import Ask, LimitClaim, answer_all
from orchestrator.stores.redis_leases import Leases, Leftover
from orchestrator.stores.redis_slots import Command, Connection, LinkFailed, SharedSlot, SlotState

__all__ = ["BUSY_S", "Change", "LocalShare", "Parcel", "Passenger", "Stop", "Worker", "local_wait"]

BUSY_S = 0.1
"""When to look again for a slot that another process may give back at any time."""

_SHARE = 0.8
_FAILURES = 3
_SLOWEST_TICK_S = 1.0
_QUICKEST_TICK_S = 0.02
_PARTS = 60
_PROBE_TICKS = 5.0
_CONNECT_S = 1.0
_MOST_PER_ROUND = 500
_MOST_REPLIES = 4


class LocalShare:
    """What this process may use of all limits, while Redis is away."""

    def __init__(self, share: float) -> None:
        self.store = MemoryLimits()
        self.share = share
        self._slots: dict[SharedSlot, tuple[object, Slot]] = {}

    def slots(self, slots: Iterable[SharedSlot]) -> list[Slot]:
        """The local slots for these, made if new or changed."""
        return [self._slot(slot) for slot in slots]

    def _slot(self, slot: SharedSlot) -> Slot:
        limit, local = self._slots.get(slot, (None, None))
        if local is None or limit is not slot.limit:
            local = self.store.slot(slot.share(self.share))
            self._slots[slot] = (slot.limit, local)
        return local

    def settle(self, slots: Sequence[SharedSlot], changes: Sequence[float], now: float, since: float) -> None:
        """Correct what is known here. Takes no lock: it may run in a finalizer."""
        known = [(self._slots[slot][1], change) for slot, change in zip(slots, changes, strict=True) if slot in self]
        self.store.settle([slot for slot, _ in known], [change for _, change in known], now, since)

    def __contains__(self, slot: SharedSlot) -> bool:
        return slot in self._slots


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Something was used or given back without asking. `applied`: the share that has counted it already."""

    slots: Sequence[SharedSlot]
    changes: Sequence[float]
    now: float
    since: float
    applied: LocalShare | None

    @property
    def frees(self) -> bool:
        """Whether other processes may be waiting for it."""
        return any(slot.counts_in_flight for slot in self.slots)


class Parcel:
    """Something for the passenger that may wait for the next round trip, but not long."""

    __slots__ = ()


class Passenger(Protocol):
    """Whose commands go along in every round trip. The worker's thread alone calls it."""

    def take(self, work: object) -> bool:
        """Take it in; False if it is not for this passenger."""
        ...

    def arrived(self, server: str) -> None:
        """A connection was made, to the server that calls itself so."""
        ...

    def commands(self, *, ticked: bool) -> list[Command]:
        """What has to be said now; empty if nothing. `ticked`: another tick has begun."""
        ...

    def answered(self, answers: Sequence[Any]) -> None:
        """To the last commands, in their order."""
        ...

    def failed(self, *, down: bool) -> None:
        """Nobody knows what has become of the last commands. `down`: it is no passing failure."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Stop:
    """Tell what is untold, give back what is held ahead, and end."""

    done: Event = field(default_factory=Event)


LimitAsk: TypeAlias = Ask[LimitClaim]
Work: TypeAlias = Ask[Any] | Change | Stop | SharedSlot | Parcel


class Worker:
    """One per process. `inbox` and `local` are what other threads touch."""

    def __init__(
        self,
        connection: Connection,
        presence_key: str,
        slots: Iterable[SharedSlot],
        *,
        expected_processes: int,
        timeout_s: float,
        monotonic: Callable[[], float],
        notice: Callable[[str, str], None],
        passenger: Passenger | None = None,
    ) -> None:
        self.inbox: SimpleQueue[Work] = SimpleQueue()
        self.local: LocalShare | None = None
        self.leases = Leases()
        self.round_trips = 0
        self._connection = connection
        self._presence_key = presence_key
        self._processes = max(expected_processes, 1)
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self._notice = notice
        self._passenger = passenger
        self._states: dict[SharedSlot, SlotState] = {}
        self._going_local = Lock()
        self._failures = 0
        self._open = False
        self._tick_s = _SLOWEST_TICK_S
        self._tick_at = self._retry_at = 0.0
        self._random = Random()
        for slot in slots:
            self._state(slot)
        Thread(target=self._run, name="orchestrator-redis", daemon=True).start()

    @property
    def tick_s(self) -> float:
        """How often limits are looked at: a part of the shortest period, at most a second."""
        return self._tick_s

    def go_local(self) -> LocalShare:
        """The share to keep to, with this process's part of what was used under the limits so far. From any thread."""
        with self._going_local:
            if self.local is None:
                local = LocalShare(_SHARE / self._processes)
                now = self._monotonic()
                for state in list(self._states.values()):
                    local.slots([state.slot])
                    state.move_to(local.store, local.share, now)
                self.local = local
            return self.local

    # The thread ------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        stop: Stop | None = None
        while stop is None:
            work = self._gather()
            if self._passenger is not None:
                work = [one for one in work if not self._passenger.take(one)]
            stop = next((one for one in work if isinstance(one, Stop)), None)
            asks = [one for one in work if isinstance(one, Ask)]
            try:
                self._take_in(work, ended=stop is not None)
                self._round(asks)
            except Exception:  # noqa: BLE001 - whatever is wrong here, nobody may wait for an answer that never comes
                self._failed()
                self._leave_open(asks)
        self._leave()
        stop.done.set()

    def _gather(self) -> list[Work]:
        """Wait for something that cannot wait; the rest rides along, or goes a tick after it was due."""
        work: list[Work] = []
        due = self._tick_at + self._tick_s if self.local is None else self._retry_at
        with contextlib.suppress(Empty):
            while len(work) < _MOST_PER_ROUND:
                one = self.inbox.get(timeout=max(due - time.monotonic(), 0.0))
                work.append(one)
                if isinstance(one, Ask | Stop):
                    due = 0.0
                elif isinstance(one, Parcel) or (isinstance(one, Change) and one.frees):
                    due = min(due, time.monotonic() + BUSY_S)
        return work

    def _take_in(self, work: Sequence[Work], *, ended: bool) -> None:
        for one in work:
            if isinstance(one, Change):
                self._correct(one)
            elif isinstance(one, SharedSlot):
                self._state(one)
        now = self._monotonic()
        self._give_back(self.leases.ended(now, all_of_them=ended or self.local is not None), now)

    def _state(self, slot: SharedSlot) -> SlotState:
        state = self._states.get(slot)
        if state is None:
            state = self._states[slot] = SlotState(slot)
            periods = [one.limit.period_s for one in self._states if one.limit.period_s]
            self._tick_s = max(min([_SLOWEST_TICK_S, *(period / _PARTS for period in periods)]), _QUICKEST_TICK_S)
            self.leases.life_s = self._tick_s
        return state

    def _correct(self, change: Change) -> None:
        for slot, by in zip(change.slots, change.changes, strict=True):
            if by:
                self._state(slot).correct(by, change.now, change.since)
        local = self.local
        if local is not None and change.applied is not local:
            local.settle(change.slots, change.changes, change.now, change.since)

    def _give_back(self, leftovers: Iterable[Leftover], now: float) -> None:
        for slots, left, since in leftovers:
            for slot, amount in zip(slots, left, strict=True):
                self._state(slot).correct(-amount, now, since)

    # Rounds ----------------------------------------------------------------------------------------------------------

    def _round(self, asks: Sequence[LimitAsk]) -> None:
        if self.local is not None:
            self._leave_open(asks)
            if time.monotonic() >= self._retry_at:
                self._try_again()
            return
        try:
            self._reach()
            answers = self._exchange(asks)
        except LinkFailed:
            self._failed()
            self._leave_open(asks)
        else:
            self._failures = 0
            answer_all(answers)

    def _leave_open(self, asks: Sequence[LimitAsk]) -> None:
        for ask in asks:
            self.leases.fill(ask.claim.slots, (), self._monotonic())
        answer_all([(ask, None) for ask in asks])

    def _reach(self) -> None:
        if not self._open:
            self._connect(self._timeout_s)

    def _connect(self, timeout_s: float) -> None:
        self._connection.open(timeout_s)
        self._open = True
        if self._passenger is not None:
            self._passenger.arrived(self._connection.server)

    def _exchange(self, asks: Sequence[LimitAsk]) -> list[tuple[LimitAsk, float | None]]:
        """Everything that is to be told, and these questions. Restores what Redis has lost and asks once more."""
        states, ticked = self._untold(), time.monotonic() >= self._tick_at
        due = self._looks() if ticked else []
        commands = [*self._corrections(states), *(state.look() for state in due), *map(self._question, asks)]
        if due:
            commands.append(("limits.present", (self._presence_key,), ()))
        answers = self._send_along(commands, ticked=ticked)
        if not commands:
            return []
        self._told(states)
        looks = answers[len(states) : len(states) + len(due)]
        lost = self._look_over(due, looks)
        if due:
            self._processes = max(int(answers[-1]), 1)
        granted = answers[len(states) + len(due) : len(states) + len(due) + len(asks)]
        again = [ask for ask, answer in zip(asks, granted, strict=True) if answer[0] == "lost"]
        results = [(ask, self._granted(ask, a)) for ask, a in zip(asks, granted, strict=True) if a[0] != "lost"]
        return results + self._restore(lost, again)

    def _restore(self, lost: Sequence[SlotState], asks: Sequence[LimitAsk]) -> list[tuple[LimitAsk, float | None]]:
        states = dict.fromkeys([*lost, *(self._state(slot) for ask in asks for slot in ask.claim.slots)])
        commands = [state.restore() for state in states if state.id]
        if not commands:
            return []
        answers = self._send([*commands, *map(self._question, asks)])[len(commands) :]
        return [(ask, self._granted(ask, answer)) for ask, answer in zip(asks, answers, strict=True)]

    def _send_along(self, commands: Sequence[Command], *, ticked: bool) -> list[Any]:
        """Send these, and what the passenger has to say; what that leads to goes after it at once."""
        passenger = self._passenger
        along = passenger.commands(ticked=ticked) if passenger is not None else []
        answers = self._send([*commands, *along]) if commands or along else []
        if passenger is not None:
            passenger.answered(answers[len(commands) :])
            for _ in range(_MOST_REPLIES):
                more = passenger.commands(ticked=False)
                if not more:
                    break
                passenger.answered(self._send(more))
        return answers[: len(commands)]

    def _send(self, commands: Sequence[Command]) -> list[Any]:
        self.round_trips += 1
        return self._connection.run(commands)

    def _untold(self) -> list[SlotState]:
        return [state for state in self._states.values() if state.untold]

    def _corrections(self, states: Iterable[SlotState]) -> list[Command]:
        now = self._monotonic()
        return [state.correction(now) for state in states]

    def _told(self, states: Iterable[SlotState]) -> None:
        for state in states:
            state.told()

    def _looks(self) -> list[SlotState]:
        self._tick_at = time.monotonic() + self._tick_s
        return list(self._states.values())

    def _look_over(self, states: Sequence[SlotState], answers: Sequence[Any]) -> list[SlotState]:
        now = self._monotonic()
        lost = [state for state, answer in zip(states, answers, strict=True) if state.is_lost(answer)]
        for state, answer in zip(states, answers, strict=True):
            state.seen(answer, now)
        return lost

    def _question(self, ask: LimitAsk) -> Command:
        extra = ask.claim.extra or (0.0,) * len(ask.claim.slots)
        arguments: list[Any] = []
        for slot, amount, more in zip(ask.claim.slots, ask.claim.amounts, extra, strict=True):
            arguments += [*slot.numbers, amount, more, self._state(slot).id]
        return "limits.reserve", tuple([slot.key for slot in ask.claim.slots]), tuple(arguments)

    def _granted(self, ask: LimitAsk, answer: Sequence[str]) -> float | None:
        wait, share = answer
        if ask.claim.extra is not None:
            now = self._monotonic()
            granted = [float(share) * amount for amount in ask.claim.extra] if wait == "0" else []
            self._give_back(self.leases.fill(ask.claim.slots, granted, now), now)
        if wait == "lost":
            return None
        if wait == "busy":
            return BUSY_S * self._random.uniform(0.5, 1.0)
        if wait == "0":
            for slot, amount in zip(ask.claim.slots, ask.claim.amounts, strict=True):
                self._state(slot).took(amount)
            return 0.0
        ask.claim.rated = True
        return float(wait)

    # Trouble ---------------------------------------------------------------------------------------------------------

    def _failed(self) -> None:
        self._failures += 1
        for state in self._states.values() if self._open else ():
            state.perhaps_told()
        self._open = False
        self._connection.close()
        down = self._failures >= _FAILURES
        self._retry_at = time.monotonic() + (self._probe_pause() if down else 0.0)
        self.go_local()
        if self._passenger is not None:
            self._passenger.failed(down=down)
        if self._failures == _FAILURES:
            counted = "" if self._passenger is None else ", and budgets count as used up"
            text = f"Redis does not answer: this process keeps to its own share of the limits{counted}"
            self._tell("llm.limits.local", text)

    def _probe_pause(self) -> float:
        pause = _PROBE_TICKS * self._tick_s * self._random.uniform(0.8, 1.2)
        return pause if self._passenger is None else min(pause, _SLOWEST_TICK_S)

    def _try_again(self) -> None:
        try:
            self._connect(_CONNECT_S)
            self._tick_at = 0.0
            self._exchange([])
        except LinkFailed:
            self._failed()
            return
        noticed, self._failures = self._failures >= _FAILURES, 0
        self.local = None
        if noticed:
            self._tell("llm.limits.shared", "Redis answers again: limits are shared by all processes")

    def _tell(self, name: str, message: str) -> None:
        with contextlib.suppress(Exception):
            self._notice(name, message)

    def _leave(self) -> None:
        """Nothing is held by a process that has ended; what was used is told."""
        with contextlib.suppress(LinkFailed):
            if self._open:
                self._send([*self._corrections(self._untold()), ("limits.leave", (self._presence_key,), ())])
        self._connection.close()


def local_wait(wait: float) -> float:
    """What to tell a caller whom the local share refused: nothing is refused for good because Redis is away."""
    return wait if math.isfinite(wait) else BUSY_S
