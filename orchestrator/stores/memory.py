"""Limiter state in this process: plain numbers under one lock."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from threading import Lock
from typing import Any, Protocol

from orchestrator.spec.stores import Dimension, Limit, Slot

__all__ = ["MemoryLimits"]

_HEADROOM = 0.95
_TOKEN_HEADROOM = 0.97
"""For tokens per minute, which two rules watch: the window keeps the limit, the pace need only spread it."""

_BURST = 0.05
_PARTS = 60
_PACED_S = 3_600.0
"""Longer periods are budgets: a day's requests may be used in an hour, so nothing spreads them over the day."""

_INSTANT_S = 1e-6
"""Shorter waits are rounding: a clock that reads a day in seconds may not even show them."""


class _Rule(Slot, Protocol):
    """State of one limit. `wait` is 0 or less if there is room."""

    def adopt(self, limit: Limit) -> None: ...

    def room(self, now: float) -> float: ...

    def wait(self, amount: float, now: float) -> float: ...

    def take(self, amount: float, now: float) -> None: ...

    def correct(self, change: float, now: float, since: float) -> None: ...


class _Pace:
    """A GCRA bucket: `level` units drain at `rate` a second, and `burst` may stand in it.

    In any window of a period at most `burst + period * rate` units get in, which is kept at 95 % of the limit: 5 % may
    come at once, 90 % spread over the period. A single request may exceed the burst; it waits for an empty bucket.
    Tokens have a window beside the pace, which keeps the limit; for them 97 % are spread over the period.
    """

    __slots__ = ("at", "burst", "level", "limit", "rate")

    def __init__(self, limit: Limit) -> None:
        self.level = 0.0
        self.at = -math.inf
        self.adopt(limit)

    def adopt(self, limit: Limit) -> None:
        usable = _HEADROOM * limit.amount
        self.limit = limit
        self.burst = _BURST * limit.amount
        if limit.dimension == "requests":
            self.burst = min(max(self.burst, 1.0), usable)
            # A limit of one request per period has no room beside its burst: then the period itself is the pace.
            self.rate = (usable - self.burst) / limit.period_s or 1.0 / limit.period_s
        else:
            self.rate = _TOKEN_HEADROOM * limit.amount / limit.period_s

    def room(self, now: float) -> float:
        return self.burst - max(self.level - (now - self.at) * self.rate, 0.0)

    def wait(self, amount: float, now: float) -> float:
        if amount > self.limit.amount and amount > self.limit.ceiling:
            return math.nan
        level = self.level - (now - self.at) * self.rate
        if level <= 0.0:
            return 0.0
        return (level + amount - max(self.burst, amount)) / self.rate

    def take(self, amount: float, now: float) -> None:
        self.level = max(self.level - (now - self.at) * self.rate, 0.0) + amount
        self.at = now

    def correct(self, change: float, now: float, since: float) -> None:
        # Debt counts from now on even if the bucket is idle; a refund never reaches into the past.
        self.level = max(max(self.level - (now - self.at) * self.rate, 0.0) + change, 0.0)
        self.at = now


class _Window:
    """What was taken in the last period, counted in sixty parts, is kept at 97 % of the limit, of a day's at 95 %.

    A part counts until the whole of it has left the period. A single request may take all of the limit if the period
    before it was empty.
    """

    __slots__ = ("limit", "part_s", "parts", "total", "usable")

    def __init__(self, limit: Limit) -> None:
        self.parts: dict[float, float] = {}
        """What was taken in each part, by the part's number, oldest first."""
        self.total = 0.0
        self.adopt(limit)

    def adopt(self, limit: Limit) -> None:
        self.limit = limit
        self.part_s = limit.period_s / _PARTS
        headroom = _HEADROOM if limit.period_s > _PACED_S else _TOKEN_HEADROOM
        self.usable = max(headroom * limit.amount, 1.0)

    def room(self, now: float) -> float:
        return self.usable - self.total

    def wait(self, amount: float, now: float) -> float:
        if amount > self.limit.amount and amount > self.limit.ceiling:
            return math.nan
        room = max(self.usable - amount, 0.0)
        if self.total <= room:
            return 0.0
        self._forget(now // self.part_s - _PARTS)
        left, end = self.total, now
        for number, taken in self.parts.items():
            if left <= room:
                break
            left -= taken
            end = (number + 1 + _PARTS) * self.part_s
        return end - now

    def _forget(self, first: float) -> None:
        for number in [number for number in self.parts if number < first]:
            self.total -= self.parts.pop(number)

    def take(self, amount: float, now: float) -> None:
        number = now // self.part_s
        taken = self.parts.get(number)
        if taken is None:
            taken = 0.0
            self._forget(number - _PARTS)
        self.parts[number] = taken + amount
        self.total += amount

    def correct(self, change: float, now: float, since: float) -> None:
        if change > 0.0:
            self.take(change, now)
            return
        number = since // self.part_s
        taken = self.parts.get(number, 0.0)  # none: it has left the period, and the refund with it
        given = min(taken, -change)
        if given:
            self.parts[number] = taken - given
            self.total -= given


class _Tokens:
    """Sizes differ, a single request may be large, and estimates are corrected later: pace alone keeps no window."""

    __slots__ = ("limit", "pace", "window")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.pace = _Pace(limit)
        self.window = _Window(limit)

    def adopt(self, limit: Limit) -> None:
        self.limit = limit
        self.pace.adopt(limit)
        self.window.adopt(limit)

    def room(self, now: float) -> float:
        return min(self.pace.room(now), self.window.room(now))

    def wait(self, amount: float, now: float) -> float:
        return max(self.pace.wait(amount, now), self.window.wait(amount, now))

    def take(self, amount: float, now: float) -> None:
        self.pace.take(amount, now)
        self.window.take(amount, now)

    def correct(self, change: float, now: float, since: float) -> None:
        self.pace.correct(change, now, since)
        self.window.correct(change, now, since)


class _Concurrency:
    """How many are under way."""

    __slots__ = ("in_flight", "limit")

    def __init__(self, limit: Limit) -> None:
        self.in_flight = 0.0
        self.limit = limit

    def adopt(self, limit: Limit) -> None:
        self.limit = limit

    def room(self, now: float) -> float:
        return self.limit.amount - self.in_flight

    def wait(self, amount: float, now: float) -> float:
        return 0.0 if self.in_flight + amount <= self.limit.amount else math.inf

    def take(self, amount: float, now: float) -> None:
        self.in_flight += amount

    def correct(self, change: float, now: float, since: float) -> None:
        self.in_flight = max(0.0, self.in_flight + change)


def _rule(limit: Limit) -> _Rule:
    if limit.dimension == "concurrency":
        return _Concurrency(limit)
    if limit.period_s > _PACED_S:
        return _Window(limit)
    return _Pace(limit) if limit.dimension == "requests" else _Tokens(limit)


class MemoryLimits:
    """A `LimitStore` for one process.

    `settle` never waits for the lock: it may run in a finalizer, in a thread that holds the lock at that moment. What
    it cannot apply at once, whoever holds the lock does.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._slots: dict[tuple[str, Dimension, float], _Rule] = {}
        self._corrections: deque[tuple[Sequence[Slot], Sequence[float], float, float]] = deque()

    def forked(self) -> None:
        """In a child process: another thread may have held the lock at the fork, and does not exist here."""
        self._lock = Lock()

    def slot(self, limit: Limit) -> Slot:
        """See `LimitStore.slot`."""
        key = (limit.key, limit.dimension, limit.period_s)
        with self._lock:
            slot = self._slots.get(key)
            if slot is None:
                slot = self._slots[key] = _rule(limit)
            elif slot.limit != limit:
                slot.adopt(limit)
        self._settle_all()
        return slot

    def reserve(self, slots: Sequence[Slot], amounts: Sequence[float], now: float) -> float:
        """See `LimitStore.reserve`."""
        rules: Sequence[Any] = slots  # made by `slot`: each is a `_Rule`
        with self._lock:
            if self._corrections:  # before looking: the caller may have been woken because of one
                self._apply()
            longest = 0.0
            for rule, amount in zip(rules, amounts, strict=True):
                wait = rule.wait(amount, now)
                if not wait <= longest:  # also true for nan
                    longest = wait
                    if math.isnan(wait):
                        break
            if longest <= _INSTANT_S:
                longest = 0.0
                for rule, amount in zip(rules, amounts, strict=True):
                    rule.take(amount, now)
        if self._corrections:
            self._settle_all()
        return longest

    def settle(self, slots: Sequence[Slot], changes: Sequence[float], now: float, since: float | None = None) -> None:
        """See `LimitStore.settle`."""
        since = now if since is None else since
        if self._corrections or not self._lock.acquire(blocking=False):
            self._corrections.append((slots, changes, now, since))
            self._settle_all()
            return
        try:
            _correct(slots, changes, now, since)
        finally:
            self._lock.release()
        if self._corrections:
            self._settle_all()

    def _settle_all(self) -> None:
        while self._corrections and self._lock.acquire(blocking=False):
            try:
                self._apply()
            finally:
                self._lock.release()

    def _apply(self) -> None:
        while self._corrections:
            _correct(*self._corrections.popleft())


def _correct(slots: Sequence[Slot], changes: Sequence[float], now: float, since: float) -> None:
    rules: Sequence[Any] = slots
    for rule, change in zip(rules, changes, strict=True):
        if change:
            rule.correct(change, now, since)
