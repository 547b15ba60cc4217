"""Holds the money for an attempt before it is sent."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from typing import Any, Protocol

from orchestrator.attempt import Call
from orchestrator.bounds import most_it_can_cost
from orchestrator.errors import InvalidRequest
from orchestrator.fitting import fits
from orchestrator.policies.budgets import Budgets, Payer, Spending
from orchestrator.snapshot import Candidate
from orchestrator.spec.budgets import BudgetStore, Hold, Refusal
from orchestrator.spec.clock import Clock

__all__ = ["Cashier", "Prelude"]


class Prelude(Protocol):
    """What has to be known before money is first asked for."""

    @property
    def done(self) -> bool:
        """It is known."""
        ...

    async def ready(self) -> None:
        """Return when it is known, or when it is clear that it will not be."""
        ...


class Cashier:
    """Asks all budgets of an attempt at once: it is held under all of them, or under none."""

    def __init__(self, budgets: Budgets, store: BudgetStore, clock: Clock, prelude: Prelude | None = None) -> None:
        self.budgets = budgets
        self._store = store
        self._clock = clock
        self._prelude = prelude

    async def hold(self, call: Call, candidate: Candidate, request: Any) -> Spending | None:
        """What the attempt holds; None if no budget is for it.

        Raises:
            BudgetExceeded: one of them has no room for the most it can cost.
            Overloaded: nobody can say whether it has.
            InvalidRequest: the most it can cost is not known, and a budget must know.
        """
        payer = Payer(call.context, call.route.name, candidate.deployment.provider, call.id)
        rules = self.budgets.at(payer.route, payer.provider)
        if not rules:
            return None
        if self._prelude is not None and not self._prelude.done:
            await self._prelude.ready()
        now = self.budgets.now()
        payer.left_s = call.deadline - self._clock.monotonic()
        charges = self.budgets.charges(rules, payer, now)
        if not charges:
            return None
        amount = 0
        for charge in charges:
            if charge.capped:
                amount = most_it_can_cost(candidate.deployment, request, now)
                break
        hold = Hold(charges, amount, payer.left_s)
        refusal = self._store.reserve(hold, now)
        if refusal is not None:
            hold = await self._second_look(call, candidate, hold, refusal, payer)
        return Spending(self.budgets, self._store, hold, candidate.name)

    async def _second_look(
        self, call: Call, candidate: Candidate, hold: Hold, asked: Refusal | Awaitable[Refusal | None], payer: Payer
    ) -> Hold:
        """A store that asks elsewhere has to be waited for, and a budget without room may prefer this candidate."""
        refusal = asked if isinstance(asked, Refusal) else await asked
        if refusal is not None and self.budgets.yields(refusal) and self._is_cheapest(call, candidate, hold.amount):
            rules, now = self.budgets.at(payer.route, payer.provider), self.budgets.now()
            hold = Hold(self.budgets.charges(rules, payer, now, freely=True), hold.amount, hold.lease_s)
            asked_again = self._store.reserve(hold, now)
            refusal = await asked_again if isinstance(asked_again, Awaitable) else asked_again
        if refusal is not None:
            raise self.budgets.refused(refusal, hold.amount)
        return hold

    def _is_cheapest(self, call: Call, candidate: Candidate, amount: int) -> bool:
        """Whether nobody of the call's order would take it for less."""
        for other in call.progress.order:
            if other is candidate or not isinstance(other, Candidate) or other.name in call.progress.barred:
                continue
            if fits(call, other) and self._price(other, call.fitted[other.name][0]) < amount:
                return False
        return True

    def _price(self, candidate: Candidate, request: Any) -> float:
        try:
            return most_it_can_cost(candidate.deployment, request, self._clock.time())
        except InvalidRequest:
            return math.inf
