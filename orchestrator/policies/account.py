"""What a call used and cost: every attempt at its own deployment's prices, paid failures included."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from orchestrator.types.call import Attempt
from orchestrator.types.usage import Cost

__all__ = ["total_cost"]

_NOTHING = Cost(total=Decimal(0))


def total_cost(attempts: Iterable[Attempt]) -> Cost:
    """The sum over the attempts that cost something, or may have.

    Unknown as soon as one of them is, with its reason; what is known stays in the buckets. The row and book named are
    those of the last priced attempt: the one that answered, if any did.
    """
    costs = [attempt.cost for attempt in attempts if attempt.cost is not None]
    if len(costs) == 1:
        return costs[0]
    if not costs:
        return _NOTHING
    buckets: dict[str, Decimal] = {}
    for cost in costs:
        for name, amount in cost.buckets.items():
            buckets[name] = buckets.get(name, Decimal(0)) + amount
    unknown = next((cost.unknown for cost in costs if cost.total is None), None)
    known = [cost.total for cost in costs if cost.total is not None]
    return Cost(
        total=sum(known, Decimal(0)) if len(known) == len(costs) else None,
        buckets=buckets,
        unknown=unknown,
        price_row=costs[-1].price_row,
        price_book=costs[-1].price_book,
        estimated=any(cost.estimated for cost in costs),
    )
