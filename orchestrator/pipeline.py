"""The path of one call. This module alone states the order of the steps and why.

    observe(call) → validate → attempts ⟲ [ choose → fit → reserve → encode → sign → send → decode → check → settle ]

- *Observe* is outermost: every call leaves exactly one event, however it ends.
- *Validate* (in the client) comes before anything that waits or costs.
- *Attempts* is one loop. The deadline spans all of it: one timer around the loop, so queueing, back-off and slow
  vendors share one budget. A timer inside the loop would give each attempt the whole time again.
- *Choose before reserve*: limits belong to deployments. Reserving first would need a limit that is nobody's.
- *Fit before reserve*: what a model cannot take is known without asking anybody. After it, a call would stand in line
  at a deployment that can never answer it.
- *Reserve before encode*: a deployment without room costs nothing but the question, and the next candidate is asked.
  Only when every candidate refuses does the call stand in line. Encoding first would write the request down once per
  refusal.
- *Watch* (`vigil`) is around each attempt, inside the loop: outside of it there would be nobody to hand the call to.
- *Settle* comes last and runs exactly once per attempt, with what was really used at that deployment's prices. Were it
  outside the loop, a failed attempt's tokens would be charged to the deployment that answered.

A stream takes the same loop up to its commit point, the first payload event; from there `streams.OpenStream` owns the
attempt, and only ever settles it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, TypeVar

from orchestrator.admission import Admission
from orchestrator.attempt import Call, Exchange, Opened
from orchestrator.backends import Answer, Source, backend_for
from orchestrator.ending import UnderWay, closed
from orchestrator.errors import (
    AuthenticationFailed,
    CallTimeout,
    ContentFiltered,
    MalformedReply,
    OrchestratorError,
    UnsupportedFeature,
)
from orchestrator.paying import Cashier
from orchestrator.policies.account import total_cost
from orchestrator.policies.attempts import failed, next_step
from orchestrator.policies.output import Expectation
from orchestrator.policies.repair import correction
from orchestrator.snapshot import Route
from orchestrator.spec.clock import Clock
from orchestrator.spec.events import CallContent, CallContext, CallEvent, Sink
from orchestrator.spec.provider import Decoded, Failure
from orchestrator.spec.routing import Progress
from orchestrator.tasks import TASKS, expect
from orchestrator.timers import Timer
from orchestrator.types.call import Timings
from orchestrator.types.stream import ResponseMetadata, StreamStart
from orchestrator.types.usage import Cost, Usage
from orchestrator.vigil import Vigil

__all__ = ["Pipeline"]

_PATIENCE_S = 1.0
"""A deployment that was given less than this, or than it usually takes, is not to blame for a deadline."""

_HEADLESS = (StreamStart, ResponseMetadata)

T = TypeVar("T")


class Pipeline:
    """Runs calls. Holds no state of its own; one serves all threads and event loops of a client."""

    def __init__(self, *, clock: Clock, random: Random, emit: Sink, cashier: Cashier | None = None) -> None:
        self._clock = clock
        self._random = random
        self._emit = emit
        self._admission = Admission(clock=clock, random=random, cashier=cashier)
        self.under_way = UnderWay()

    @property
    def in_flight(self) -> int:
        """Calls and streams that have begun and not left their event yet."""
        return len(self.under_way)

    def begin(
        self,
        route: Route,
        request: Any,
        context: CallContext,
        config_hash: str,
        *,
        time_s: float | None = None,
        priority: int = 0,
        stream: bool = False,
        expectation: Expectation | None = None,
    ) -> Call:
        """A call that has not been tried yet. `time_s` overrides the route's deadline."""
        started = self._clock.monotonic()
        if time_s is None:
            time_s = route.time_s(stream=stream)
        return Call(
            route=route,
            request=request,
            context=context,
            config_hash=config_hash,
            id=format(self._random.getrandbits(128), "032x"),
            started=started,
            deadline=started + time_s,
            progress=Progress(route.chooser.order(self._random.random, context, started)),
            rules=TASKS[route.task],
            stream=stream,
            expectation=expectation,
            priority=priority,
        )

    async def run(self, call: Call) -> Any:
        """Answer a call; returns the task's reply."""
        timer = self._begin(call)
        try:
            with timer:
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
        timer = self._begin(call)
        try:
            with timer:
                exchange, (source, events) = await self._attempts(call, self._open)
        except TimeoutError as timeout:
            raise self._failed(call, self._out_of_time(call)) from timeout
        except OrchestratorError as error:
            raise self._failed(call, error) from error.__cause__
        except BaseException as unexpected:
            self.observe(call, status="error" if isinstance(unexpected, Exception) else "cancelled")
            raise
        return Opened(exchange, source, events)

    def _begin(self, call: Call) -> Timer:
        call.timer = call.work = timer = Timer(call.deadline - self._clock.monotonic())
        self.under_way.add(call)
        if self.under_way.over:  # looked at once it is there: who ends all calls has seen this one, or is seen here
            self.under_way.remove(call)
            raise closed()
        return timer

    async def _attempts(self, call: Call, act: Callable[[Exchange], Awaitable[T]]) -> tuple[Exchange, T]:
        repair: Exchange | None = None
        while True:
            call.exchange = exchange = repair or await self._admission.admit(call)
            repair = None
            try:
                if len(call.progress.order) == 1:
                    return exchange, await act(exchange)
                # Where others can be asked, an attempt that stays silent must not use up the call's time.
                with Vigil(exchange, self._clock, self._admission.alternative):
                    return exchange, await act(exchange)
            except UnsupportedFeature as error:
                exchange.withdraw()
                call.progress.barred[exchange.deployment.name] = error
            except OrchestratorError as error:
                exchange.fail(error)
                repair = await self._repair(exchange, error)
                if repair is None:
                    self._after_failure(call, exchange, error)
            except BaseException:
                # Cancelled, or out of time: the request is on its way and may be answered to nobody.
                overdue = self._clock.monotonic() >= call.deadline
                if overdue:
                    self._learn_slowness(exchange)
                exchange.settle(
                    "failed" if overdue and self._too_slow(exchange) else "neutral",
                    error="CallTimeout" if overdue else "Cancelled",
                    maybe_billed=True,
                )
                raise

    async def _repair(self, exchange: Exchange, error: OrchestratorError) -> Exchange | None:
        """One attempt to have a misfit corrected by who made it. It counts no failure: the vendor did answer."""
        call, answer = exchange.call, exchange.misfit
        if exchange.repair:
            call.need = None  # what comes next asks the plain question again
        if answer is None or not isinstance(error, MalformedReply) or call.repaired or not call.route.repair:
            return None
        call.repaired = True
        return await self._admission.again(exchange, correction(exchange.request, answer, error))

    def _learn_slowness(self, exchange: Exchange) -> None:
        """Two deployments in turn were too slow for it, so it is the request: the next such call gets more patience."""
        if any(isinstance(error, CallTimeout) for error in exchange.call.progress.failures):
            now = self._clock.monotonic()
            exchange.call.route.pace.slowest(stream=exchange.call.stream).add(now - exchange.started, now)

    def _after_failure(self, call: Call, exchange: Exchange, error: OrchestratorError) -> None:
        deployment = exchange.deployment
        now = self._clock.monotonic()
        if isinstance(error, AuthenticationFailed) and deployment.backend.refresh_credential():
            error.retryable = True  # the credential has been replaced since: once more with the new one
        else:
            deployment.account.quarantine.refused(error, now)
        if deployment.learning is not None:
            deployment.learning.failed(error, now)
        candidate = next(one for one in call.progress.order if one.name == deployment.name)
        failed(call.progress, candidate, error, policy=call.route.retry, now=now, uniform=self._random.uniform)
        call.retried.clear()
        stop = next_step(call.progress, call.route.retry)
        if stop is not None:
            raise stop

    def _too_slow(self, exchange: Exchange) -> bool:
        """Whether an attempt that the deadline ended had the time this deployment usually takes."""
        return self._clock.monotonic() - exchange.started >= max(exchange.deployment.health.average_s, _PATIENCE_S)

    async def _send(self, exchange: Exchange) -> Answer:
        call, deployment = exchange.call, exchange.deployment
        left_s = call.deadline - exchange.started
        backend = backend_for(call.route.name, deployment.backend)
        answer = await backend.call(call.route.task, exchange.request, timeout_s=left_s, strict=call.route.strict)
        result = answer.result
        try:
            call.rules.check(exchange.request, result)
            call.output = expect(call.expectation, result) if call.expectation else None
        except (MalformedReply, ContentFiltered) as error:
            if call.expectation and error.retryable:
                exchange.misfit = result.message
            error.request_id = answer.request_id
            exchange.fail(error, usage=exchange.usage(result), served=result.model, verdict="answered")
            raise
        return answer

    async def _open(self, exchange: Exchange) -> tuple[Source, Decoded]:
        """Open a stream and read up to its first payload event."""
        call, deployment = exchange.call, exchange.deployment
        left_s = call.deadline - exchange.started
        source: Source | None = None
        try:
            with Timer(min(left_s, call.route.timeouts.first_token_s), call.timer):
                backend = backend_for(call.route.name, deployment.backend)
                source = await backend.open(exchange.request, timeout_s=left_s, strict=call.route.strict)
                events: Decoded = [StreamStart((*exchange.warnings, *source.warnings))]
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
                exchange.heard = source.usage
                source.close()
            if isinstance(error, TimeoutError) and self._clock.monotonic() < call.deadline:
                text = f"no event within {call.route.timeouts.first_token_s:g} s"
                raise CallTimeout(text, kind="first_token", maybe_billed=True) from error
            raise
        now = self._clock.monotonic()
        self._measure(exchange, now)
        if deployment.learning is not None:
            deployment.learning.answered(source.limits, now)
        return source, events

    def _measure(self, exchange: Exchange, now: float) -> None:
        call, took_s = exchange.call, now - exchange.started
        exchange.deployment.health.measured(took_s, now)
        call.route.pace.slowest(stream=call.stream).add(took_s, now)

    def _reply(self, call: Call, exchange: Exchange, answer: Answer) -> Any:
        result = answer.result
        usage = exchange.usage(result)
        deployment, now = exchange.deployment, self._clock.monotonic()
        self._measure(exchange, now)
        if deployment.learning is not None:
            deployment.learning.answered(answer.limits, now)
        exchange.settle("answered", usage=usage, served=result.model, status=200, request_id=answer.request_id)
        warnings = (*exchange.warnings, *(answer.warnings or result.warnings))
        return self.reply(call, exchange, result, usage, warnings)

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
        if error is None:
            call.route.mix.add(usage)
            if call.need is not None:
                deployment.forecast.learn(call.need, usage)
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

    def _out_of_time(self, call: Call) -> OrchestratorError:
        last = call.attempts[-1] if call.attempts else None
        if call.timer is not None and call.timer.ended:
            billed = any(attempt.maybe_billed for attempt in call.attempts)
            return OrchestratorError("the client was closed during this call", retryable=True, maybe_billed=billed)
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
        self.under_way.remove(call)
        call.work = call.exchange = None
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
                otel_provider=call.deployment.otel_name if call.deployment else None,
                content=CallContent(call.request, result) if call.route.log_content else None,
                error=error,
                status="error" if error is not None and status == "ok" else status,  # type: ignore[arg-type]
            )
        )
