"""Small builders for the limiter's tests."""

from __future__ import annotations

from orchestrator.policies.limits import Limiter, Need, Reservation, Ticket
from orchestrator.spec.stores import Limit
from orchestrator.stores.memory import MemoryLimits


def tokens(amount, key="k", period_s=60.0):
    return Limit(key, "tokens", amount, period_s)


def requests(amount, key="k", period_s=60.0):
    return Limit(key, "requests", amount, period_s)


def concurrency(amount, key="k"):
    return Limit(key, "concurrency", amount, 0.0)


class Store:
    """A memory store with slots for these limits, read and written by dimension order."""

    def __init__(self, *limits):
        self.limits = MemoryLimits()
        self.slots = [self.limits.slot(limit) for limit in limits]

    def take(self, *amounts, now=1000.0):
        return self.limits.reserve(self.slots, amounts, now)

    def settle(self, *changes, now=1000.0, since=None):
        self.limits.settle(self.slots, changes, now, since)


def limiter(**limits):
    """A limiter and its gates."""
    made = Limiter(MemoryLimits())
    return made, made.adopt({name: one if isinstance(one, list) else [one] for name, one in limits.items()})


NEED = Need(100, 0)


async def enter(gate, clock, need=NEED):
    """Stand in line as a call does; returns the reservation."""
    ticket = None
    try:
        while True:
            claim = gate.claim(need)
            wait = gate.enter(claim, clock.monotonic(), ticket)
            if wait == 0.0:
                return Reservation(gate, claim, clock.monotonic)
            ticket = ticket or Ticket()
            if not ticket.join([gate]):
                await ticket.wait(wait)
    finally:
        if ticket is not None:
            ticket.leave()
