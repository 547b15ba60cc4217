"""One call, and one attempt of it in flight."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from random import Random
from typing import Any, Literal, Protocol

from orchestrator.backends import Source
from orchestrator.charged import charged
from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.policies.breaker import Pass, blames
from orchestrator.policies.budgets import Spending
from orchestrator.policies.capabilities import Fitted
from orchestrator.policies.limits import Need, Reservation
from orchestrator.policies.output import Expectation
from orchestrator.sizing import Frame
from orchestrator.snapshot import Deployment, Route
from orchestrator.spec.clock import Clock
from orchestrator.spec.events import CallContext
from orchestrator.spec.provider import Decoded
from orchestrator.spec.routing import Progress
from orchestrator.tasks import TaskRules
from orchestrator.timers import Timer
from orchestrator.types.call import Attempt, CallWarning
from orchestrator.types.chat import Message
from orchestrator.types.usage import Usage

__all__ = ["Call", "Endable", "Exchange", "Opened", "Verdict"]

Verdict = Literal["answered", "failed", "neutral"]
"""What an attempt says about the deployment."""


class Endable(Protocol):
    """A call or stream under way."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that it belongs to."""
        ...

    def end(self) -> None:
        """End it with an error. On its loop."""
        ...


@dataclass(slots=True, eq=False)
class Call:
    """One request of the application and how far it has come. Times are monotonic seconds."""

    route: Route
    request: Any
    context: CallContext
    config_hash: str
    id: str
    started: float
    deadline: float
    progress: Progress
    rules: TaskRules
    """What is particular to the task."""

    stream: bool = False
    expectation: Expectation | None = None
    priority: int = 0
    attempts: list[Attempt] = field(default_factory=list)
    queue_s: float = 0.0
    wait_s: float = 0.0
    need: Need | None = None
    frame: Frame | None = None
    """What `need` was estimated with."""

    output: Any = None
    deployment: Deployment | None = None
    timer: Timer | None = None
    """Bounds it until it is answered, or a stream has begun."""

    exchange: Exchange | None = None
    """The attempt under way, or the last one."""

    work: Endable | None = None
    """What is ended when the client is closed."""

    repaired: bool = False
    """A correction has been asked for: once per call."""

    blamed: set[str] = field(default_factory=set)
    """Deployments whose breaker has counted a failure of this call: one request counts once."""

    fitted: dict[str, Fitted] = field(default_factory=dict)
    """Per deployment that was looked at: the request with the options that hold there, as its model takes it."""

    retried: dict[str, bool] = field(default_factory=dict)
    """Accounts by whether their budget allows the next attempt; asked once per failure."""


@dataclass(slots=True, eq=False)
class Exchange:
    """One attempt in flight. `settle` runs once, whatever becomes of it, and leaves its record with the call."""

    call: Call
    deployment: Deployment
    request: Any
    reservation: Reservation
    granted: Pass
    retry: bool
    started: float
    clock: Clock
    random: Random
    warnings: tuple[CallWarning, ...] = ()
    """What was left out or changed before the wire or engine got the request."""

    spending: Spending | None = None
    """What it holds of the budgets."""

    heard: Usage | None = None
    """What the vendor had counted of a stream that ended before its commit point."""

    open: bool = True
    repair: bool = False
    misfit: Message | None = None
    """An answer that does not fit its schema, and that the model could correct."""

    def usage(self, result: Any) -> Usage:
        """What an answer took: the vendor's counts, completed by an estimate where they have none of the input."""
        known: Usage | None = result.usage
        if known is not None and (known.input_tokens is not None or known.search_units is not None):
            return known
        estimate = self.call.rules.estimate(self.request, result, self.deployment.frame)
        if known is None:
            return estimate
        output = estimate.output_tokens if known.output_tokens is None else known.output_tokens
        return replace(known, input_tokens=estimate.input_tokens, output_tokens=output, source="estimate")

    def begin(self) -> None:
        """It is on its way."""
        self.deployment.health.begin()
        self.deployment.account.budget.begin(retry=self.retry)

    def settle(
        self,
        verdict: Verdict,
        *,
        usage: Usage | None = None,
        served: str | None = None,
        error: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        maybe_billed: bool = False,
    ) -> Attempt | None:
        """Give back what was reserved, price what was used, record the attempt. Idempotent: later calls give None.

        `usage` None means that nothing was processed, unless `maybe_billed`.
        """
        if not self.open:
            return None
        self.open = False
        now = self.clock.monotonic()
        call, deployment = self.call, self.deployment
        if usage is None and maybe_billed:
            usage = call.rules.unheard(self.request, self.heard, deployment.frame)
        self.reservation.settle(usage, used=usage is not None)
        self._judge(verdict, now)
        ended = self.clock.time()
        cost = deployment.cost(usage, served, datetime.fromtimestamp(ended, UTC)) if usage else None
        if self.spending is not None:
            self.spending.settle(cost)
        attempt = Attempt(
            number=len(call.attempts) + 1,
            deployment=deployment.name,
            provider=deployment.provider,
            model=deployment.model,
            duration_ms=(now - self.started) * 1e3,
            start_ms=(self.started - call.started) * 1e3,
            error=error,
            status=status,
            usage=usage,
            cost=cost,
            request_id=request_id,
            maybe_billed=maybe_billed,
            repair=self.repair,
            served=served,
            ended=ended,
            budgets=charged(self.spending.charges) if self.spending is not None else (),
        )
        call.attempts.append(attempt)
        return attempt

    def _judge(self, verdict: Verdict, now: float) -> None:
        deployment = self.deployment
        deployment.health.end()
        breaker = deployment.breaker
        failed = {"answered": False, "failed": True, "neutral": None}[verdict]
        deployment.account.budget.end(retry=self.retry, failed=failed)
        if breaker is None:
            return
        if verdict == "answered":
            breaker.succeeded(self.granted, now)
        elif verdict == "failed" and (deployment.name not in self.call.blamed or self.granted == "probe"):
            self.call.blamed.add(deployment.name)
            breaker.failed(self.granted, now, self.random.random)
        else:
            breaker.neutral(self.granted)

    def withdraw(self) -> None:
        """Nothing was sent: there was no attempt."""
        if self.open:
            self.open = False
            self.reservation.withdraw()
            if self.spending is not None:
                self.spending.withdraw()
            self._judge("neutral", self.clock.monotonic())

    def fail(
        self,
        error: OrchestratorError,
        *,
        usage: Usage | None = None,
        served: str | None = None,
        verdict: Verdict | None = None,
    ) -> None:
        """Settle a failed attempt, and put the names of who failed on the error.

        An answer that cannot be read was made all the same: it is priced by an estimate.
        """
        error.provider = error.provider or self.deployment.provider
        error.deployment = error.deployment or self.deployment.name
        if usage is None and isinstance(error, MalformedReply):
            usage = self.call.rules.unheard(self.request, self.heard, self.deployment.frame)
        self.settle(
            verdict or ("failed" if blames(error) else "neutral"),
            usage=usage,
            served=served,
            error=type(error).__name__,
            status=error.status,
            request_id=error.request_id,
            maybe_billed=error.maybe_billed,
        )


@dataclass(slots=True)
class Opened:
    """A stream at its commit point: the events that are ready, the first payload event among them."""

    exchange: Exchange
    source: Source
    events: Decoded
