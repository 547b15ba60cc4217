"""Limiter state in this process: plain numbers under one lock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import Lock
from typing import cast

from orchestrator.spec.stores import Dimension, Limit, Slot

__all__ = ["MemoryLimits"]

_HEADROOM = 0.95
_BURST = 0.05


class _Rate:
    """A GCRA bucket, safe against vendors that count in fixed or sliding windows.

    Such a vendor sees at most `burst + period * rate` in any window, so that sum is kept at 95 % of the limit: 5 % may
    come at once, 90 % spread over the period. A single request may exceed the burst; the time it then takes to drain is
    that of its own size.
    """

    __slots__ = ("burst_s", "limit", "per_unit_s", "tat")

    def __init__(self, limit: Limit) -> None:
        self.tat = 0.0
        self.adopt(limit)

    def adopt(self, limit: Limit) -> None:
        usable = _HEADROOM * limit.amount
        burst = min(max(_BURST * limit.amount, 1.0), usable) if limit.dimension == "requests" else _BURST * limit.amount
        # A limit of one request per period has no room beside its burst: then the period itself is the pace.
        rate = (usable - burst) / limit.period_s or 1.0 / limit.period_s
        self.limit = limit
        self.per_unit_s = 1.0 / rate
        self.burst_s = burst / rate

    def wait(self, amount: float, now: float) -> float:
        if amount > self.limit.amount:
            return math.nan
        cost_s = amount * self.per_unit_s
        return max(self.tat, now) + cost_s - max(self.burst_s, cost_s) - now

    def take(self, amount: float, now: float) -> None:
        self.tat = max(self.tat, now) + amount * self.per_unit_s

    def correct(self, change: float, now: float) -> None:
        # Debt counts from now on even if the bucket is idle; a refund never reaches into the past.
        base = max(self.tat, now) if change > 0 else self.tat
        self.tat = base + change * self.per_unit_s


class _Concurrency:
    """How many are under way."""

    __slots__ = ("in_flight", "limit")

    def __init__(self, limit: Limit) -> None:
        self.in_flight = 0.0
        self.limit = limit

    def adopt(self, limit: Limit) -> None:
        self.limit = limit

    def wait(self, amount: float, now: float) -> float:
        return 0.0 if self.in_flight + amount <= self.limit.amount else math.inf

    def take(self, amount: float, now: float) -> None:
        self.in_flight += amount

    def correct(self, change: float, now: float) -> None:
        self.in_flight = max(0.0, self.in_flight + change)


class MemoryLimits:
    """A `LimitStore` for one process."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._slots: dict[tuple[str, Dimension, float], _Rate | _Concurrency] = {}

    def slot(self, limit: Limit) -> Slot:
        """See `LimitStore.slot`."""
        key = (limit.key, limit.dimension, limit.period_s)
        with self._lock:
            slot = self._slots.get(key)
            if slot is None:
                slot = _Concurrency(limit) if limit.dimension == "concurrency" else _Rate(limit)
                self._slots[key] = slot
            elif slot.limit != limit:
                slot.adopt(limit)
            return slot

    def reserve(self, slots: Sequence[Slot], amounts: Sequence[float], now: float) -> float:
        """See `LimitStore.reserve`."""
        own = cast("Sequence[_Rate | _Concurrency]", slots)
        longest = 0.0
        with self._lock:
            for slot, amount in zip(own, amounts, strict=True):
                wait = slot.wait(amount, now)
                if not wait <= longest:  # also true for nan
                    longest = wait
                    if math.isnan(wait):
                        return wait
            if longest > 0.0:
                return longest
            for slot, amount in zip(own, amounts, strict=True):
                slot.take(amount, now)
        return 0.0

    def settle(self, slots: Sequence[Slot], changes: Sequence[float], now: float) -> None:
        """See `LimitStore.settle`."""
        with self._lock:
            for slot, change in zip(cast("Sequence[_Rate | _Concurrency]", slots), changes, strict=True):
                if change:
                    slot.correct(change, now)
