"""Holds the money for an attempt before it is sent."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from orchestrator.attempt import Call
from orchestrator.bounds import most_it_can_cost
from orchestrator.errors import InvalidRequest
from orchestrator.policies.budgets import Budgets, Spending
from orchestrator.recollection import Recollection
from orchestrator.snapshot import Candidate
from orchestrator.spec.budgets import BudgetStore, Charge, Refusal
from orchestrator.spec.clock import Clock

__all__ = ["Cashier"]


class Cashier:
    """Asks all budgets of an attempt at once: it is held under all of them, or under none."""

    def __init__(
        self, budgets: Budgets, store: BudgetStore, clock: Clock, recollection: Recollection | None = None
    ) -> None:
        self.budgets = budgets
        self._store = store
        self._clock = clock
        self._recollection = recollection

    async def hold(self, call: Call, candidate: Candidate, request: Any) -> Spending | None:
        """What the attempt holds; None if no budget is for it.

        Raises:
            BudgetExceeded: one of them has no room for the most it can cost.
            InvalidRequest: the most it can cost is not known, and a budget must know.
        """
        charges = self._charges(call, candidate, freely=False)
        if not charges:
            return None
        if self._recollection is not None:
            await self._recollection.ready()
        amount = self._bound(candidate, request) if any(charge.capped for charge in charges) else 0
        refusal = await self._reserve(charges, amount)
        if refusal is not None and self.budgets.yields(refusal) and self._is_cheapest(call, candidate, amount):
            charges = self._charges(call, candidate, freely=True)
            refusal = await self._reserve(charges, amount)
        if refusal is not None:
            raise self.budgets.refused(refusal)
        return Spending(self.budgets, self._store, charges, amount, candidate.name)

    def _charges(self, call: Call, candidate: Candidate, *, freely: bool) -> list[Charge]:
        left_s = call.deadline - self._clock.monotonic()
        provider = candidate.deployment.provider
        return self.budgets.charges(call.context, call.id, left_s, call.route.name, provider, freely=freely)

    async def _reserve(self, charges: list[Charge], amount: int) -> Refusal | None:
        found = self._store.reserve(charges, amount, self._clock.time())
        return found if found is None or isinstance(found, Refusal) else await found

    def _bound(self, candidate: Candidate, request: Any) -> int:
        return most_it_can_cost(candidate.deployment, request, datetime.fromtimestamp(self._clock.time(), UTC))

    def _is_cheapest(self, call: Call, candidate: Candidate, amount: int) -> bool:
        """Whether nobody of the call's order would take it for less. Those not looked at yet count by their own fit."""
        for other in call.progress.order:
            if other is candidate or other.name in call.progress.barred or not isinstance(other, Candidate):
                continue
            fitted = call.fitted.get(other.name)
            if self._price(other, fitted[0] if fitted else call.request) < amount:
                return False
        return True

    def _price(self, candidate: Candidate, request: Any) -> float:
        try:
            return self._bound(candidate, request)
        except InvalidRequest:
            return math.inf
