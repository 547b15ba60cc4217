"""What a call used and cost: every attempt at its own deployment's prices, paid failures included."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from functools import reduce

from orchestrator.types.call import Attempt
from orchestrator.types.usage import Cost

__all__ = ["total_cost"]

_NOTHING = Cost(total=Decimal(0))
_add = Context(prec=60).add
"""Exact, whatever precision the application set for its own thread."""


def total_cost(attempts: Sequence[Attempt]) -> Cost:
    """The sum over the attempts that cost something, or may have.

    Unknown as soon as one of them is, with its reason; what is known stays in the buckets. The row and book named are
    those of the last priced attempt: the one that answered, if any did.
    """
    if len(attempts) == 1:
        return attempts[0].cost or _NOTHING
    costs = [attempt.cost for attempt in attempts if attempt.cost is not None]
    if len(costs) == 1:
        return costs[0]
    if not costs:
        return _NOTHING
    buckets: dict[str, Decimal] = {}
    for cost in costs:
        for name, amount in cost.buckets.items():
            buckets[name] = _add(buckets.get(name, Decimal(0)), amount)
    unknown = next((cost.unknown for cost in costs if cost.total is None), None)
    priced = next((cost for cost in reversed(costs) if cost.price_row is not None), costs[-1])
    known = [cost.total for cost in costs if cost.total is not None]
    return Cost(
        total=reduce(_add, known, Decimal(0)) if len(known) == len(costs) else None,
        buckets=buckets,
        unknown=unknown,
        price_row=priced.price_row,
        price_book=priced.price_book,
        estimated=any(cost.estimated for cost in costs),
    )
