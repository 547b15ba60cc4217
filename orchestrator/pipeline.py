"""The path of one call. This module alone states the order of the steps and why.

    observe(call) → validate → attempts ⟲ [ choose → reserve → encode → sign → send → decode → check → settle ]

- *Observe* is outermost: every call leaves exactly one event, however it ends.
- *Validate* (in the client) comes before anything that waits or costs.
- *Attempts* is one loop. The deadline spans all of it: one timer around the loop, so queueing, back-off and slow
  vendors share one budget. A timer inside the loop would give each attempt the whole time again.
- *Choose before reserve*: limits belong to deployments. Reserving first would need a limit that is nobody's.
- *Reserve before encode*: a deployment without room costs nothing but the question, and the next candidate is asked.
  Only when every candidate refuses does the call stand in line. Encoding first would write the request down once per
  refusal.
- *Settle* comes last and runs exactly once per attempt, with what was really used at that deployment's prices. Were it
  outside the loop, a failed attempt's tokens would be charged to the deployment that answered.

A stream takes the same loop up to its commit point, the first payload event; from there `streams.OpenStream` owns the
attempt, and only ever settles it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any, TypeVar

from orchestrator.backends import Answer, Source, backend_for
from orchestrator.errors import (
    AuthenticationFailed,
    CallTimeout,
    InvalidRequest,
    MalformedReply,
    OrchestratorError,
    RateLimited,
    UnsupportedFeature,
)
from orchestrator.policies.account import total_cost
from orchestrator.policies.attempts import failed, final_error, next_step
from orchestrator.policies.limits import Need, Reservation, Ticket
from orchestrator.policies.output import Expectation
from orchestrator.policies.route import eligible, ready_at
from orchestrator.snapshot import Candidate, Deployment, Route
from orchestrator.spec.clock import Clock
from orchestrator.spec.events import CallContext, CallEvent, Sink
from orchestrator.spec.provider import Decoded, Failure
from orchestrator.spec.routing import Progress
from orchestrator.tasks import TASKS, TaskRules, expect, merge
from orchestrator.types.call import Attempt, Timings
from orchestrator.types.stream import ResponseMetadata, StreamStart
from orchestrator.types.usage import Cost, Usage

__all__ = ["Call", "Exchange", "Opened", "Pipeline"]

_FIRST_TOKEN_S = 60.0
_NO_COST = Cost(total=Decimal(0))
_HEADLESS = (StreamStart, ResponseMetadata)

T = TypeVar("T")


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
    stream: bool = False
    expectation: Expectation | None = None
    attempts: list[Attempt] = field(default_factory=list)
    queue_s: float = 0.0
    wait_s: float = 0.0
    need: Need | None = None
    output: Any = None
    deployment: Deployment | None = None

    @property
    def rules(self) -> TaskRules:
        """What is particular to the task."""
        return TASKS[self.route.task]


@dataclass(slots=True, eq=False)
class Exchange:
    """One attempt in flight. `settle` runs once, whatever becomes of it, and leaves its record with the call."""

    call: Call
    deployment: Deployment
    request: Any
    reservation: Reservation
    started: float
    clock: Clock
    open: bool = True

    def settle(
        self,
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
        call, deployment = self.call, self.deployment
        if usage is None and maybe_billed:
            need = call.need or call.rules.need(self.request)
            usage = Usage(input_tokens=need.input_tokens, output_tokens=0, source="estimate")
        self.reservation.settle(usage, used=usage is not None)
        cost = deployment.cost(usage, served, datetime.fromtimestamp(self.clock.time(), UTC)) if usage else None
        attempt = Attempt(
            number=len(call.attempts) + 1,
            deployment=deployment.name,
            provider=deployment.provider,
            model=deployment.model,
            duration_ms=(self.clock.monotonic() - self.started) * 1e3,
            error=error,
            status=status,
            usage=usage,
            cost=cost,
            request_id=request_id,
            maybe_billed=maybe_billed,
        )
        call.attempts.append(attempt)
        return attempt

    def withdraw(self) -> None:
        """Nothing was sent: there was no attempt."""
        self.open = False
        self.reservation.withdraw()

    def fail(self, error: OrchestratorError, *, usage: Usage | None = None, served: str | None = None) -> None:
        """Settle a failed attempt, and put the names of who failed on the error."""
        error.provider = error.provider or self.deployment.provider
        error.deployment = error.deployment or self.deployment.name
        self.settle(
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


class Pipeline:
    """Runs calls. Holds no state of its own; one serves all threads and event loops of a client."""

    def __init__(self, *, clock: Clock, random: Random, emit: Sink) -> None:
        self._clock = clock
        self._random = random
        self._emit = emit

    def begin(self, route: Route, request: Any, context: CallContext, config_hash: str, **details: Any) -> Call:
        """A call that has not been tried yet. `time_s` overrides the route's deadline."""
        started = self._clock.monotonic()
        time_s = details.pop("time_s", None)
        if time_s is None:
            time_s = route.time_s(stream=details.get("stream", False))
        return Call(
            route=route,
            request=request,
            context=context,
            config_hash=config_hash,
            id=format(self._random.getrandbits(128), "032x"),
            started=started,
            deadline=started + time_s,
            progress=Progress(route.chooser.order(self._random.random)),
            **details,
        )

    async def run(self, call: Call) -> Any:
        """Answer a call; returns the task's reply."""
        try:
            async with asyncio.timeout(call.deadline - self._clock.monotonic()):
                exchange, answer = await self._attempts(call, self._send)
        except TimeoutError as timeout:
            raise self._failed(call, self._out_of_time(call)) from timeout
        except OrchestratorError as error:
            raise self._failed(call, error) from error.__cause__
        except BaseException as unexpected:
            self.observe(call, status="error" if isinstance(unexpected, Exception) else "cancelled")
            raise
        return self._reply(call, exchange, answer)

    async def open(self, call: Call) -> Opened:
        """Open a stream; returns at its commit point. From then on the caller settles the exchange and observes."""
        try:
            async with asyncio.timeout(call.deadline - self._clock.monotonic()):
                exchange, (source, events) = await self._attempts(call, self._open)
        except TimeoutError as timeout:
            raise self._failed(call, self._out_of_time(call)) from timeout
        except OrchestratorError as error:
            raise self._failed(call, error) from error.__cause__
        except BaseException as unexpected:
            self.observe(call, status="error" if isinstance(unexpected, Exception) else "cancelled")
            raise
        return Opened(exchange, source, events)

    async def _attempts(self, call: Call, act: Callable[[Exchange], Awaitable[T]]) -> tuple[Exchange, T]:
        while True:
            exchange = await self._admit(call)
            try:
                return exchange, await act(exchange)
            except UnsupportedFeature as error:
                exchange.withdraw()
                call.progress.barred[exchange.deployment.name] = error
            except OrchestratorError as error:
                exchange.fail(error)
                self._after_failure(call, exchange, error)
            except BaseException:
                # Cancelled, or out of time: the request is on its way and may be answered to nobody.
                overdue = self._clock.monotonic() >= call.deadline
                exchange.settle(error="CallTimeout" if overdue else "Cancelled", maybe_billed=True)
                raise

    def _after_failure(self, call: Call, exchange: Exchange, error: OrchestratorError) -> None:
        deployment = exchange.deployment
        if isinstance(error, AuthenticationFailed) and deployment.backend.refresh_credential():
            error.retryable = True  # the credential has been replaced since: once more with the new one
        candidate = next(one for one in call.progress.order if one.name == deployment.name)
        now = self._clock.monotonic()
        failed(call.progress, candidate, error, policy=call.route.retry, now=now, uniform=self._random.uniform)
        stop = next_step(call.progress, call.route.retry)
        if stop is not None:
            raise stop

    async def _admit(self, call: Call) -> Exchange:
        """The next attempt, with its reservation. Stands in line when no candidate has room."""
        ticket: Ticket | None = None
        waiting_since = 0.0
        try:
            while True:
                now = self._clock.monotonic()
                if now >= call.deadline:
                    raise TimeoutError  # before anything is sent that nobody would wait for
                exchange, soonest = self._try_candidates(call, now, ticket)
                if exchange is not None:
                    return exchange
                if ticket is None:
                    ticket, waiting_since = Ticket(), now
                # In line first, then one more look: a release between the look and the line would be missed.
                if not ticket.join(self._gates_without_room(call, now)):
                    await ticket.wait(soonest - now)
        finally:
            if ticket is not None:
                ticket.leave()
                waited = self._clock.monotonic() - waiting_since
                if call.attempts:
                    call.wait_s += waited
                else:
                    call.queue_s += waited

    def _try_candidates(self, call: Call, now: float, ticket: Ticket | None) -> tuple[Exchange | None, float]:
        """An exchange with the first candidate that has room, or the time at which one may."""
        soonest = rested = math.inf
        found = False
        for candidate in eligible(call.progress, call.route.retry.per_deployment):
            assert isinstance(candidate, Candidate)
            ready = ready_at(candidate, call.progress)
            if ready > now:
                found, rested = True, min(rested, ready)
                continue
            exchange, wait = self._enter(call, candidate, now, ticket)
            if exchange is not None:
                return exchange, now
            if math.isnan(wait):
                call.progress.barred[candidate.name] = _too_large(candidate)
                continue
            found, soonest = True, min(soonest, now + wait)
        if not found:
            raise final_error(call.progress)
        self._check_patience(call, now, min(soonest, rested), limited=soonest < math.inf or rested == math.inf)
        return None, min(soonest, rested)

    def _enter(
        self, call: Call, candidate: Candidate, now: float, ticket: Ticket | None
    ) -> tuple[Exchange | None, float]:
        deployment = candidate.deployment
        gate = deployment.gate
        request = self._request(call, candidate)
        if gate.counts_tokens and call.need is None:
            call.need = call.rules.need(request)
        claim = gate.claim(call.need)
        wait = gate.enter(claim, now, ticket)
        if wait != 0.0:
            return None, wait
        reservation = Reservation(gate, claim, self._clock.monotonic)
        return Exchange(call, deployment, request, reservation, now, self._clock), 0.0

    def _request(self, call: Call, candidate: Candidate) -> Any:
        request = call.request
        rules = call.rules
        if candidate.defaults is rules.no_options or candidate.defaults == rules.no_options:
            return request
        options = candidate.defaults
        if request.options is not rules.no_options:
            options = merge(request.options, options)
        return _with_options(request, options)

    def _gates_without_room(self, call: Call, now: float) -> list[Any]:
        """Of the candidates that have just refused. One that rests is left out: this call would be the head of its line
        all that time, and nobody else could pass.
        """
        candidates = eligible(call.progress, call.route.retry.per_deployment)
        return [
            one.deployment.gate
            for one in candidates
            if isinstance(one, Candidate) and ready_at(one, call.progress) <= now
        ]

    def _check_patience(self, call: Call, now: float, soonest: float, *, limited: bool) -> None:
        """Waiting that cannot help is refused at once, with the time after which to come back."""
        if soonest == math.inf:
            return  # in line for a slot: whoever holds it has a deadline of its own
        wait = soonest - now
        if soonest >= call.deadline or (not limited and wait > call.route.retry.max_wait_s):
            if call.progress.failures:
                error = final_error(call.progress)
                error.retry_after = wait if error.retry_after is None else error.retry_after
                raise error
            raise RateLimited(
                f"route {call.route.name!r}: every deployment is at its limit or resting", retry_after=round(wait, 3)
            )

    async def _send(self, exchange: Exchange) -> Answer:
        call, deployment = exchange.call, exchange.deployment
        left_s = call.deadline - exchange.started
        backend = backend_for(call.route.name, deployment.backend)
        answer = await backend.call(call.route.task, exchange.request, timeout_s=left_s, strict=call.route.strict)
        result = answer.result
        try:
            call.rules.check(exchange.request, result)
            call.output = expect(call.expectation, result) if call.expectation else None
        except MalformedReply as error:
            error.request_id = answer.request_id
            exchange.fail(error, usage=self._usage(exchange, result), served=result.model)
            raise
        return answer

    async def _open(self, exchange: Exchange) -> tuple[Source, Decoded]:
        """Open a stream and read up to its first payload event."""
        call, deployment = exchange.call, exchange.deployment
        left_s = call.deadline - exchange.started
        source: Source | None = None
        try:
            async with asyncio.timeout(min(left_s, _FIRST_TOKEN_S)):
                backend = backend_for(call.route.name, deployment.backend)
                source = await backend.open(exchange.request, timeout_s=left_s, strict=call.route.strict)
                events: Decoded = [StreamStart(source.warnings)]
                while all(isinstance(event, _HEADLESS) for event in events):
                    more = await source.read()
                    if not more:
                        raise MalformedReply("the stream ended before it began")
                    events += more
            if isinstance(events[-1], Failure) and all(isinstance(event, _HEADLESS) for event in events[:-1]):
                error = events[-1].error
                error.request_id = error.request_id or source.request_id
                raise error
        except BaseException as error:
            if source is not None:
                source.close()
            if isinstance(error, TimeoutError) and self._clock.monotonic() < call.deadline:
                text = f"no event within {_FIRST_TOKEN_S:g} s"
                raise CallTimeout(text, kind="first_token", maybe_billed=True) from error
            raise
        return source, events

    def _usage(self, exchange: Exchange, result: Any) -> Usage:
        usage: Usage | None = result.usage
        return usage if usage is not None else exchange.call.rules.estimate(exchange.request, result)

    def _reply(self, call: Call, exchange: Exchange, answer: Answer) -> Any:
        result = answer.result
        usage = self._usage(exchange, result)
        exchange.settle(usage=usage, served=result.model, status=200, request_id=answer.request_id)
        return self.reply(call, exchange, result, usage, answer.warnings or result.warnings)

    def reply(
        self,
        call: Call,
        exchange: Exchange,
        result: Any,
        usage: Usage,
        warnings: tuple[Any, ...],
        *,
        first_token_ms: float | None = None,
        error: OrchestratorError | None = None,
    ) -> Any:
        """The task's reply to a settled call, observed; with `error`, what there is of it."""
        call.deployment = deployment = exchange.deployment
        cost = total_cost(call.attempts)
        timings = self._timings(call, first_token_ms)
        self.observe(
            call, result=result, request=exchange.request, usage=usage, cost=cost, timings=timings, error=error
        )
        return call.rules.reply(
            call_id=call.id,
            route=call.route.name,
            deployment=deployment.name,
            provider=deployment.provider,
            request_model=deployment.model,
            model=result.model,
            usage=usage,
            cost=cost,
            timings=timings,
            attempts=tuple(call.attempts),
            warnings=warnings,
            response_id=result.response_id,
            request_id=call.attempts[-1].request_id,
            **call.rules.details(result, call),
        )

    def _timings(self, call: Call, first_token_ms: float | None = None) -> Timings:
        return Timings(
            duration_ms=(self._clock.monotonic() - call.started) * 1e3,
            queue_ms=call.queue_s * 1e3,
            wait_ms=call.wait_s * 1e3,
            first_token_ms=first_token_ms,
        )

    def _out_of_time(self, call: Call) -> CallTimeout:
        last = call.attempts[-1] if call.attempts else None
        return CallTimeout(
            f"no answer within {call.deadline - call.started:g} s",
            kind="deadline",
            deployment=last.deployment if last else None,
            provider=last.provider if last else None,
            maybe_billed=any(attempt.maybe_billed for attempt in call.attempts),
        )

    def _failed(self, call: Call, error: OrchestratorError) -> OrchestratorError:
        error.attempts = tuple(call.attempts)
        self.observe(call, error=error)
        return error

    def observe(
        self,
        call: Call,
        *,
        result: Any = None,
        request: Any = None,
        usage: Usage | None = None,
        cost: Cost | None = None,
        timings: Timings | None = None,
        error: OrchestratorError | None = None,
        status: str = "ok",
    ) -> None:
        """Leave the call's one event."""
        items, dimensions, finish = call.rules.shape(request, result) if result is not None else (None, None, None)
        attempts = tuple(call.attempts)
        self._emit(
            CallEvent(
                time=self._clock.time(),
                call_id=call.id,
                config_hash=call.config_hash,
                route=call.route.name,
                task=call.route.task,
                context=call.context,
                stream=call.stream,
                timings=timings or self._timings(call),
                attempts=attempts,
                usage=usage or next((one.usage for one in reversed(attempts) if one.usage), None),
                cost=cost or total_cost(attempts),
                region=call.deployment.region if call.deployment else None,
                response_model=result.model if result is not None else None,
                response_id=result.response_id if result is not None else None,
                items=items,
                dimensions=dimensions,
                finish_reason=finish,
                error=error,
                status="error" if error is not None and status == "ok" else status,  # type: ignore[arg-type]
            )
        )


def _with_options(request: Any, options: Any) -> Any:
    values = {name: getattr(request, name) for name in request.__slots__}
    return type(request)(**(values | {"options": options}))


def _too_large(candidate: Candidate) -> InvalidRequest:
    return InvalidRequest(
        "the request alone needs more tokens than a limit allows per period",
        deployment=candidate.name,
        provider=candidate.deployment.provider,
    )
