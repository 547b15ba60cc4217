"""Money that calls may spend: what is charged, and where its state lives. Amounts are nano-dollars, rounded up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal
from typing import Any, Literal, Protocol, TypeAlias

__all__ = ["NANO", "BudgetStore", "BudgetWindow", "Charge", "Hold", "Listener", "OnExceed", "Refusal", "nano_dollars"]

NANO = 10**9

BudgetWindow = Literal["call", "hour", "day", "month"]
OnExceed = Literal["deny", "warn", "cheaper"]

_EXACT = Context(prec=60)


def nano_dollars(usd: Decimal) -> int:
    """Dollars as whole nano-dollars, rounded up: what is counted is never less than what was spent."""
    return int(usd.scaleb(9, _EXACT).to_integral_value(ROUND_CEILING, _EXACT))


@dataclass(frozen=True, slots=True)
class Charge:
    """One budget as one attempt meets it.

    Attributes:
        key: names the state: budget, window and whose it is.
        budget: the budget's name.
        whose: the tenant, user, route, provider or tag value; empty for all.
        limit: nano-dollars per window.
        capped: a reservation beyond the limit is refused; else it is only counted.
        ends: Unix seconds at which the window is over.
        alerts: shares of the limit that are told when they are reached, ascending.
        of_call: the budget of a single call, which no other process can meet.
    """

    key: str
    budget: str
    whose: str
    limit: int
    capped: bool
    ends: float
    alerts: tuple[float, ...] = ()
    of_call: bool = False


@dataclass(slots=True, eq=False)
class Hold:
    """What one attempt reserves under all budgets that are for it.

    Attributes:
        charges: the budgets.
        amount: nano-dollars, under each of them; 0 holds nothing and is never refused.
        lease_s: whoever has not settled after so many seconds never will: its process was killed.
        receipt: the store's own.
    """

    charges: Sequence[Charge]
    amount: int
    lease_s: float
    receipt: Any = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The budget without room.

    `soon`: it would have some if attempts in flight gave back all they reserved. `unknown`: the store cannot be asked,
    which counts as no room.
    """

    charge: Charge
    soon: bool
    unknown: bool = False


Listener: TypeAlias = Callable[[Charge, int, int], None]
"""Called with a charge and what was spent before and after, in nano-dollars."""


class BudgetStore(Protocol):
    """Atomic reserve and settle over several budgets. Safe from any thread. `now` is Unix seconds."""

    def reserve(self, hold: Hold, now: float) -> Refusal | Awaitable[Refusal | None] | None:
        """Hold that much of all of them, or of none; None when it is held. Cancelling an awaitable holds nothing."""
        ...

    def settle(self, hold: Hold, spent: int) -> None:
        """What was held becomes what was spent, which may be more. Once per hold. Never waits for a lock."""
        ...

    def restore(self, charges: Sequence[Charge], spent: int) -> None:
        """Money that was spent before this process began. Nobody is told."""
        ...
