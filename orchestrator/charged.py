"""Which budgets count an attempt, as the log tells it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from orchestrator.spec.budgets import NANO, Charge
from orchestrator.types.call import Charged

__all__ = ["charged"]


def charged(charges: Sequence[Charge]) -> tuple[Charged, ...]:
    """The budgets of these charges, each with the window that the attempt fell into."""
    return tuple(map(_charged, charges))


@lru_cache(maxsize=4_096)  # the same few charges for as long as their windows last
def _charged(charge: Charge) -> Charged:
    # The key is what tells one window of one budget from another, so it has all that is to be told.
    budget, per, window, label, whose = charge.key.split("\x1f", 4)
    return Charged(budget, per, whose, window, _period(window, label), Decimal(charge.limit) / NANO)


def _period(window: str, label: str) -> str:
    if window == "hour":
        return f"{datetime.fromtimestamp(int(label), UTC):%Y-%m-%dT%H:%MZ}"
    return "" if window == "call" else label
