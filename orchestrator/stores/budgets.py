"""Budget state in this process: plain numbers under one lock."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias
from weakref import WeakSet

from orchestrator.spec.budgets import Charge, Hold, Listener, Refusal

__all__ = ["MemoryBudgets"]

_SWEEP_FROM = 1_024

_Change: TypeAlias = tuple[Charge, int, int]


@dataclass(slots=True)
class _Account:
    ends: float
    spent: int = 0
    held: int = 0


class MemoryBudgets:
    """A `BudgetStore` for one process.

    Windows that are over are dropped as new ones come, so that tenants who are gone leave nothing. `settle` never waits
    for the lock: what it cannot apply at once, whoever holds the lock does.
    """

    def __init__(self, listener: Listener = lambda charge, before, after: None) -> None:
        self._listener = listener
        self._lock = Lock()
        self._accounts: dict[str, _Account] = {}
        self._settled: deque[tuple[Hold, int]] = deque()
        self._sweep_at = _SWEEP_FROM
        _stores.add(self)

    def __len__(self) -> int:
        return len(self._accounts)

    def spent(self, key: str) -> int:
        """Nano-dollars spent under a key."""
        account = self._accounts.get(key)
        return account.spent if account else 0

    def held(self, key: str) -> int:
        """Nano-dollars reserved under a key."""
        account = self._accounts.get(key)
        return account.held if account else 0

    def reserve(self, hold: Hold, now: float) -> Refusal | None:
        """See `BudgetStore.reserve`."""
        if self._settled:
            self._settle_all()
        amount, accounts = hold.amount, []
        with self._lock:
            for charge in hold.charges:
                account = self._accounts.get(charge.key) or self._open(charge, now)
                if amount and charge.capped and account.spent + account.held + amount > charge.limit:
                    return Refusal(charge, soon=account.spent + amount <= charge.limit)
                accounts.append(account)
            for account in accounts:
                account.held += amount
        hold.receipt = accounts
        return None

    def _open(self, charge: Charge, now: float) -> _Account:
        if len(self._accounts) >= self._sweep_at:
            self._sweep(now)
        account = self._accounts[charge.key] = _Account(charge.ends)
        return account

    def _sweep(self, now: float) -> None:
        self._accounts = {key: account for key, account in self._accounts.items() if account.ends > now}
        self._sweep_at = max(_SWEEP_FROM, 2 * len(self._accounts))

    def settle(self, hold: Hold, spent: int) -> None:
        """See `BudgetStore.settle`."""
        if self._settled or not self._lock.acquire(blocking=False):
            self._settled.append((hold, spent))
            self._settle_all()
            return
        try:
            changes = _applied(hold, spent)
        finally:
            self._lock.release()
        self._tell(changes)
        if self._settled:
            self._settle_all()

    def _settle_all(self) -> None:
        while self._settled and self._lock.acquire(blocking=False):
            changes: list[_Change] = []
            try:
                while self._settled:
                    changes += _applied(*self._settled.popleft())
            finally:
                self._lock.release()
            self._tell(changes)

    def _tell(self, changes: list[_Change]) -> None:
        for charge, before, after in changes:
            self._listener(charge, before, after)

    def restore(self, charges: Sequence[Charge], spent: int) -> None:
        """See `BudgetStore.restore`."""
        with self._lock:
            for charge in charges:
                self._accounts.setdefault(charge.key, _Account(charge.ends)).spent += spent

    def forked(self) -> None:
        """Begin with what was spent. What is held belongs to attempts of the parent, which settles it for itself."""
        self._lock = Lock()  # another thread may have held it
        self._settled.clear()
        self._accounts = {key: _Account(account.ends, account.spent) for key, account in self._accounts.items()}


_stores: WeakSet[MemoryBudgets] = WeakSet()


def _after_fork_in_child() -> None:
    for store in list(_stores):
        store.forked()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _applied(hold: Hold, spent: int) -> list[_Change]:
    """Settle in the accounts that it was held under, and say what was spent there before and after."""
    changes = []
    for charge, account in zip(hold.charges, hold.receipt, strict=True):
        before = account.spent
        account.held -= hold.amount
        if spent:
            account.spent = before + spent
            changes.append((charge, before, before + spent))
    return changes
