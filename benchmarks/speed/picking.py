"""What choosing costs, by each rule, when every pick is busy: the state in which there is no short cut."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from orchestrator.policies.pick import Cheapest, Fastest, LeastBusy, Sticky
from orchestrator.policies.route import Ordered, Weighted
from orchestrator.spec.events import CallContext
from orchestrator.spec.routing import Chooser, Health, TokenMix

__all__ = ["choosers", "pick_us", "slowest_pick"]

_DRAWS = 2000


@dataclass(frozen=True)
class _Candidate:
    name: str
    health: Health = field(default_factory=Health)


def choosers(size: int) -> dict[str, Chooser]:
    """One per rule, over so many picks."""
    picks = [_Candidate(f"deployment-{number}") for number in range(size)]
    for number, one in enumerate(picks):
        one.health.in_flight = 1 + number % 7
        one.health.measured(1 + number % 3, 0.0)
    weights = [1.0] * size
    return {
        "ordered": Ordered(picks, []),
        "weighted": Weighted(picks, weights, []),
        "least_busy": LeastBusy(picks, []),
        "fastest": Fastest(picks, []),
        "cheapest": Cheapest(picks, [], TokenMix(), lambda one, mix: Decimal(1)),
        "sticky": Sticky(Ordered(picks, []), "tenant", picks, weights, []),
    }


def pick_us(chooser: Chooser) -> float:
    """CPU microseconds until the first candidate is known. A thousand tenants call by turns, each of them not new."""
    draw, contexts = Random(7).random, [CallContext(tenant=f"tenant-{number}") for number in range(1000)]
    for context in contexts:
        next(iter(chooser.order(draw, context, 1.0)))
    begin = time.thread_time()
    for number in range(_DRAWS):
        next(iter(chooser.order(draw, contexts[number % 1000], 1.0)))
    return (time.thread_time() - begin) / _DRAWS * 1e6


def slowest_pick(size: int) -> dict[str, float]:
    """By rule, and the most of all as `us`."""
    found = {rule: pick_us(chooser) for rule, chooser in choosers(size).items()}
    return {"us": max(found.values()), **found}
