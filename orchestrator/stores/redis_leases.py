"""Room taken for a moment ahead: a process that reserves often asks once for many reservations."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from orchestrator.stores.redis_slots import SharedSlot

__all__ = ["Leases", "Leftover"]

_OFTEN_HZ = 50.0

Leftover = tuple[tuple[SharedSlot, ...], list[float], float]
"""Slots, what of a lease was not used, and when it had been taken."""


class _Lease:
    __slots__ = ("asked", "count", "left", "since", "size", "sums", "turned")

    def __init__(self, dimensions: int, now: float) -> None:
        self.left = [0.0] * dimensions
        self.since = now
        self.asked = False
        self.turned = now
        self.count = 0
        self.sums = [0.0] * dimensions
        self.size: tuple[float, ...] | None = None


class Leases:
    """Leases by the slots that a claim takes. Thread-safe; nothing here may run in a finalizer.

    A lease lives for one part of the shortest period (a second, for limits per minute) and is as large as what was
    reserved during the last one, if that was more than fifty a second. A vendor may thus see in one window what was
    taken in a window and one part more: 1.6 % of the limit, less than the headroom kept.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._leases: dict[tuple[SharedSlot, ...], _Lease | None] = {}
        self.life_s = 1.0

    def take(self, slots: tuple[SharedSlot, ...], amounts: Sequence[float], now: float) -> bool:
        """Take it from the lease, if there is enough in it."""
        with self._lock:
            lease = self._lease(slots, now)
            if lease is None:
                return False
            self._count(lease, amounts, now)
            if not 0.0 <= now - lease.since < self.life_s:
                return False
            if any(left < amount for left, amount in zip(lease.left, amounts, strict=True)):
                return False
            lease.left = [left - amount for left, amount in zip(lease.left, amounts, strict=True)]
            return True

    def _lease(self, slots: tuple[SharedSlot, ...], now: float) -> _Lease | None:
        try:
            return self._leases[slots]
        except KeyError:
            # Idle concurrency would be taken away from the other processes: that is asked for one by one.
            leasable = not any(slot.counts_in_flight for slot in slots)
            lease = self._leases[slots] = _Lease(len(slots), now) if leasable else None
            return lease

    def _count(self, lease: _Lease, amounts: Sequence[float], now: float) -> None:
        elapsed = now - lease.turned
        if not 0.0 <= elapsed < self.life_s:
            often = lease.count >= max(_OFTEN_HZ * abs(elapsed), 2.0)
            lease.size = tuple([total * self.life_s / abs(elapsed) for total in lease.sums]) if often else None
            lease.turned, lease.count, lease.sums = now, 0, [0.0] * len(lease.sums)
        lease.count += 1
        lease.sums = [total + amount for total, amount in zip(lease.sums, amounts, strict=True)]

    def surrender(self, slots: tuple[SharedSlot, ...]) -> list[Leftover]:
        """Take out what is too little for the reservation at hand: it may be what Redis has too little of."""
        with self._lock:
            lease = self._leases.get(slots)
            if lease is None or not any(lease.left):
                return []
            left, lease.left = lease.left, [0.0] * len(slots)
            return [(slots, left, lease.since)]

    def wanted(self, slots: tuple[SharedSlot, ...]) -> tuple[float, ...] | None:
        """How much to ask for beside the reservation at hand. One asks at a time."""
        with self._lock:
            lease = self._leases.get(slots)
            if lease is None or lease.size is None or lease.asked:
                return None
            lease.asked = True
            return lease.size

    def fill(self, slots: tuple[SharedSlot, ...], amounts: Sequence[float], now: float) -> list[Leftover]:
        """A lease was granted (all zero: it was not). Gives what was left of the one before."""
        with self._lock:
            lease = self._leases.get(slots)
            if lease is None:
                return []
            lease.asked = False
            if not any(amounts):
                return []
            left, since = lease.left, lease.since
            lease.left, lease.since = list(amounts), now
            return [(slots, left, since)] if any(left) else []

    def ended(self, now: float, *, all_of_them: bool = False) -> list[Leftover]:
        """Take out what is left of leases that are over."""
        found: list[Leftover] = []
        with self._lock:
            for slots, lease in self._leases.items():
                if lease is not None and any(lease.left) and (all_of_them or now - lease.since >= self.life_s):
                    found.append((slots, lease.left, lease.since))
                    lease.left = [0.0] * len(slots)
        return found
