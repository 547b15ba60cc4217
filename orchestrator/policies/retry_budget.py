"""Keeps retries from becoming the outage: each account pays for its retries out of its successes.

A bucket of twenty tokens: a failure worth retrying takes one, a success gives a tenth back, and retries need more than
half of it. A few retries per ten seconds are always free, so that a quiet client may retry at all; and whatever the
bucket says, retries under way stay a small part of all calls under way.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

__all__ = ["BudgetPolicy", "RetryBudget"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetPolicy:
    """See the module. `floor` retries are free in each `floor_s` seconds."""

    capacity: float = 20.0
    per_success: float = 0.1
    floor: int = 3
    floor_s: float = 10.0
    share_in_flight: float = 0.2
    least_in_flight: int = 3


class RetryBudget:
    """The budget of one account. Thread-safe. `now` is monotonic seconds."""

    __slots__ = ("_free", "_free_since", "_lock", "in_flight", "policy", "retrying", "tokens")

    def __init__(self, policy: BudgetPolicy | None = None) -> None:
        self.policy = policy or BudgetPolicy()
        self._lock = Lock()
        self._free = 0
        self._free_since = 0.0
        self.tokens = self.policy.capacity
        self.in_flight = 0
        self.retrying = 0

    def allows(self, now: float) -> bool:
        """Whether one more retry may begin; takes a free one if the bucket is too low."""
        policy = self.policy
        with self._lock:
            if self.retrying >= max(policy.least_in_flight, policy.share_in_flight * self.in_flight):
                return False
            if self.tokens > policy.capacity / 2:
                return True
            if now - self._free_since >= policy.floor_s:
                self._free, self._free_since = 0, now
            if self._free >= policy.floor:
                return False
            self._free += 1
            return True

    def begin(self, *, retry: bool) -> None:
        """An attempt begins."""
        with self._lock:
            self.in_flight += 1
            self.retrying += retry

    def end(self, *, retry: bool, failed: bool | None) -> None:
        """An attempt has ended; `failed` None if it says nothing about the account."""
        with self._lock:
            self.in_flight -= 1
            self.retrying -= retry
            if failed:
                self.tokens = max(0.0, self.tokens - 1.0)
            elif failed is False:
                self.tokens = min(self.policy.capacity, self.tokens + self.policy.per_success)
