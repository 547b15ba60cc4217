"""Which deployment gets the next attempt of a call, and when.

Candidates are asked in the route's order, untried ones first. One whose model cannot take the call is out of it; one is
passed over while its credential rests, its breaker is open, its vendor asked for a pause, its account's retry budget is
empty, or it has no room under its limits; the first without any of these gets the attempt. When all that is missing is
room or a short pause, the call waits for the soonest; when waiting cannot help, it fails at once and says after how
long it is worth asking again.
"""

from __future__ import annotations

import math
from random import Random
from typing import Any

from orchestrator.attempt import Call, Exchange
from orchestrator.errors import InvalidRequest, OrchestratorError, Overloaded, RateLimited
from orchestrator.fitting import fits
from orchestrator.paying import Cashier
from orchestrator.policies.attempts import final_error, may_give_up
from orchestrator.policies.budgets import Spending
from orchestrator.policies.limits import Gate, Need, Reservation, Ticket
from orchestrator.policies.retry_budget import RetryBudget
from orchestrator.policies.route import eligible, ready_at
from orchestrator.snapshot import Candidate, Deployment
from orchestrator.spec.clock import Clock

__all__ = ["Admission"]

_LOOK_AGAIN_S = 1.0


class _Round:
    """What one look at all candidates found. Nothing, mostly: so what there is stands in the class."""

    room_at = math.inf
    """When one of those without room may have some; `inf`: when somebody else is done."""

    full: tuple[Gate, ...] = ()
    rested_at = math.inf
    """When the first one that its vendor told to pause may be asked."""

    hesitant: tuple[Candidate, ...] = ()
    """Those that return from an outage and get a share of the calls only."""

    broken: tuple[Candidate, ...] = ()
    mended_at = math.inf
    """When the first of the broken may be asked again."""

    recovering = False
    """A limit that was lowered is on its way back: what it says of waiting is too long."""

    @property
    def hopeful(self) -> bool:
        return bool(self.full) or self.rested_at < math.inf

    @property
    def soonest(self) -> float:
        return min(self.room_at, self.rested_at)


class Admission:
    """Gives calls their next attempt. Holds no state of a call."""

    def __init__(self, *, clock: Clock, random: Random, cashier: Cashier | None = None) -> None:
        self._cashier = cashier
        self._clock = clock
        self._random = random
        self._failovers = RetryBudget()

    async def admit(self, call: Call) -> Exchange:
        """The next attempt, with what it reserved. Stands in line when no candidate has room.

        Raises:
            OrchestratorError: nobody is left to ask, or waiting would outlast the call.
            TimeoutError: the call's deadline has passed.
        """
        ticket: Ticket | None = None
        waiting_since = 0.0
        try:
            while True:
                now = self._clock.monotonic()
                if now >= call.deadline:
                    raise TimeoutError  # before anything is sent that nobody would wait for
                found = await self._look(call, now, ticket)
                if isinstance(found, Exchange):
                    found.begin()
                    return found
                if ticket is None:
                    ticket, waiting_since = Ticket(call.priority, call.deadline), now
                # In line first, then one more look: a release between the look and the line would be missed.
                if not ticket.join(found.full):
                    pause = min(found.soonest, found.mended_at) - now
                    await ticket.wait(min(pause, _LOOK_AGAIN_S) if found.recovering else pause)
        finally:
            if ticket is not None:
                ticket.leave()
                waited = self._clock.monotonic() - waiting_since
                if call.attempts:
                    call.wait_s += waited
                else:
                    call.queue_s += waited

    async def again(self, exchange: Exchange, request: Any) -> Exchange | None:
        """The same deployment at once with another request; None if it cannot take it or there is no time."""
        call, now = exchange.call, self._clock.monotonic()
        candidate = next(one for one in call.progress.order if one.name == exchange.deployment.name)
        assert isinstance(candidate, Candidate)
        seen = _Round()
        call.need = None  # another request, another estimate
        if now >= call.deadline or not self._available(call, candidate, now, seen):
            return None
        found = await self._enter(call, candidate, now, None, seen, request=request)
        if found is not None:
            found.repair = True
            found.begin()
        return found

    def alternative(self, call: Call, deployment: Deployment) -> bool:
        """Whether somebody else, well and not asked yet, would take the call if this attempt were given up now."""
        now, progress = self._clock.monotonic(), call.progress
        return may_give_up(progress, call.route.retry) and any(
            isinstance(other, Candidate)
            and other.deployment is not deployment
            and not progress.tries.get(other.name)
            and other.name not in progress.barred
            and _is_well(other, now)
            and fits(call, other)
            for other in progress.order
        )

    async def _look(self, call: Call, now: float, ticket: Ticket | None) -> Exchange | _Round:
        """Ask every candidate once: an exchange with the first that can, else what stood in the way."""
        seen = _Round()
        for candidate in eligible(call.progress, call.route.retry.per_deployment):
            assert isinstance(candidate, Candidate)
            if fits(call, candidate) and self._available(call, candidate, now, seen):
                exchange = await self._enter(call, candidate, now, ticket, seen)
                if exchange is not None:
                    return exchange
        for candidate in seen.hesitant:
            exchange = await self._enter(call, candidate, now, ticket, seen)
            if exchange is not None:
                return exchange
        if seen.broken and not seen.hopeful:
            exchange = await self._probe(call, now, ticket, seen)
            if exchange is not None:
                return exchange
        self._check_patience(call, now, seen)
        return seen

    def _available(self, call: Call, candidate: Candidate, now: float, seen: _Round) -> bool:
        deployment = candidate.deployment
        account = deployment.account
        if account.quarantine.until > now:
            reason = account.quarantine.reason(now)
            if reason is not None:
                reason.deployment = candidate.name
                call.progress.barred[candidate.name] = reason
                return False
        if call.progress.failures and not self._may_retry(call, candidate, now):
            return False
        ready = ready_at(candidate, call.progress)
        if ready > now:
            seen.rested_at = min(seen.rested_at, ready)
            return False
        breaker = deployment.breaker
        if breaker is not None and not breaker.calm:
            mended = breaker.ready_at(now)
            if mended > now:
                seen.broken += (candidate,)
                seen.mended_at = min(seen.mended_at, mended)
                return False
            if not breaker.favoured(now, self._random.random):
                seen.hesitant += (candidate,)
                return False
        return True

    def _may_retry(self, call: Call, candidate: Candidate, now: float) -> bool:
        """Whether a budget pays for one more attempt, and there is time for it to finish.

        The first attempt at another account is free: that is what a second account is for, and a breaker keeps calls
        from being led there by way of a sick one. From the third account on a budget of their own pays.
        """
        if candidate.health.average_s > call.deadline - now:
            return False
        account = candidate.deployment.account
        known = call.retried.get(account.name)
        if known is None:
            tried = {error.provider for error in call.progress.failures}
            if account.name in tried:
                known = account.budget.allows(now)
            else:
                known = len(tried) < 2 or self._failovers.allows(now)
            call.retried[account.name] = known
        return known

    async def _enter(
        self,
        call: Call,
        candidate: Candidate,
        now: float,
        ticket: Ticket | None,
        seen: _Round,
        *,
        early: bool = False,
        request: Any = None,
    ) -> Exchange | None:
        deployment = candidate.deployment
        gate = deployment.gate
        fitted, warnings = call.fitted[candidate.name]
        request = request or fitted
        if deployment.learning is not None and deployment.learning.refresh(now):
            seen.recovering = True
        claim = gate.claim(_need(call, request, deployment))
        found = gate.enter(claim, now, ticket)
        wait = found if isinstance(found, float) else await found
        if math.isnan(wait):  # what was learnt made it larger than a limit: the plain estimate may still fit
            claim = gate.claim(call.need)
            found = gate.enter(claim, now, ticket)
            wait = found if isinstance(found, float) else await found
        if wait != 0.0:
            self._no_room(call, candidate, wait, now, seen)
            return None
        reservation = Reservation(gate, claim, self._clock.monotonic)
        spending: Spending | None = None
        if self._cashier is not None and self._cashier.budgets.any:
            try:
                spending = await self._cashier.hold(call, candidate, request)
            except OrchestratorError as refusal:
                reservation.withdraw()
                call.progress.barred[candidate.name] = _named(refusal, candidate)
                return None
            except BaseException:
                reservation.withdraw()
                raise
        breaker = deployment.breaker
        granted = breaker.begin(now, early=early) if breaker is not None else "call"
        if granted is None:  # somebody else has become the probe meanwhile
            reservation.withdraw()
            if spending is not None:
                spending.withdraw()
            if candidate not in seen.broken:
                seen.broken += (candidate,)
            return None
        failures = call.progress.failures
        retry = bool(failures) and any(error.provider == deployment.provider for error in failures)
        return Exchange(
            call, deployment, request, reservation, granted, retry, now, self._clock, self._random, warnings, spending
        )

    def _no_room(self, call: Call, candidate: Candidate, wait: float, now: float, seen: _Round) -> None:
        if math.isnan(wait):
            call.progress.barred[candidate.name] = InvalidRequest(
                "the request alone needs more tokens than a limit allows per period",
                deployment=candidate.name,
                provider=candidate.deployment.provider,
            )
            return
        seen.room_at = min(seen.room_at, now + wait)
        seen.full += (candidate.deployment.gate,)

    async def _probe(self, call: Call, now: float, ticket: Ticket | None, seen: _Round) -> Exchange | None:
        """Everybody is broken: let this call find out about the one that is due first, instead of failing."""
        for candidate in sorted(seen.broken, key=_open_until):
            breaker = candidate.deployment.breaker
            if breaker is not None and breaker.early_at() > now:
                continue  # not by reserving and giving back: that would wake those in line, this call among them
            exchange = await self._enter(call, candidate, now, ticket, seen, early=True)
            if exchange is not None or seen.hopeful:
                return exchange
        return None

    def _check_patience(self, call: Call, now: float, seen: _Round) -> None:
        """Waiting that cannot help is refused at once, with the time after which to come back."""
        if seen.full and seen.room_at == math.inf:
            return  # in line for a slot: whoever holds it has a deadline of its own
        if not seen.hopeful:
            raise self._nobody(call, now, seen)
        wait = seen.soonest - now
        if seen.soonest < call.deadline and (seen.full or wait <= call.route.retry.max_wait_s):
            return
        if call.progress.failures:
            error = final_error(call.progress)
            error.retry_after = wait if error.retry_after is None else error.retry_after
            raise error
        raise RateLimited(
            f"route {call.route.name!r}: every deployment is at its limit or resting", retry_after=round(wait, 3)
        )

    def _nobody(self, call: Call, now: float, seen: _Round) -> OrchestratorError:
        if call.progress.failures or not seen.broken:
            return final_error(call.progress)
        due = min(map(_open_until, seen.broken))
        return Overloaded(
            f"route {call.route.name!r}: every deployment rests after failures",
            deployment=seen.broken[0].name,
            retry_after=round(max(due - now, 0.0), 3),
        )


def _need(call: Call, request: Any, deployment: Deployment) -> Need | None:
    """Tokens to reserve: the call's estimate, corrected by what this deployment's answers took."""
    if not deployment.gate.counts_tokens:
        return None
    if call.need is None or call.frame is not deployment.frame:
        call.frame = deployment.frame
        call.need = call.rules.need(request, call.frame)
    capped = getattr(request.options, "max_output_tokens", None) is not None
    return deployment.forecast.need(call.need, capped=capped)


def _is_well(candidate: Candidate, now: float) -> bool:
    deployment = candidate.deployment
    closed = deployment.breaker is None or deployment.breaker.closed
    return closed and max(deployment.health.not_before, deployment.account.quarantine.until) <= now


def _open_until(candidate: Candidate) -> float:
    breaker = candidate.deployment.breaker
    return breaker.open_until if breaker is not None else 0.0


def _named(refusal: OrchestratorError, candidate: Candidate) -> OrchestratorError:
    refusal.deployment, refusal.provider = candidate.name, candidate.deployment.provider
    return refusal
