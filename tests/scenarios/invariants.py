"""What must hold after any run of the simulation, each as a function that gives what is wrong."""

from __future__ import annotations

import asyncio
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from simulated_vendors import REPLY_MARKER, Arrival
from simulation import KEYS, PROMPT_MARKER, Outcome, Run

from orchestrator.errors import CallTimeout, MalformedReply, OrchestratorError, ServerError, StreamInterrupted
from orchestrator.spec.events import CallEvent
from orchestrator.types.call import Attempt
from orchestrator.types.stream import Finish, StreamStart

__all__ = ["INVARIANTS", "violations"]

_LATE_S = 1.0
_PERIODS = {"rpm": 60.0, "rpd": 86_400.0, "tpm": 60.0}


def violations(run: Run) -> list[str]:
    """Everything that is wrong with a run."""
    return [f"{check.__name__.lstrip('_')}: {found}" for check in INVARIANTS for found in check(run)]


def _nothing_reserved(run: Run) -> Iterator[str]:
    core = run.llm._core
    shared = core._shared
    if core.pipeline.in_flight:
        yield f"{core.pipeline.in_flight} calls under way"
    if run.vendors.under_way:
        yield f"{run.vendors.under_way} connections open"
    for name, gate in shared.limiter._gates.items():
        held = [slot.in_flight for slot in gate.slots if slot.limit.dimension == "concurrency"]
        if any(held) or gate.waiting:
            yield f"{name}: slots {held}, {gate.waiting} in line"
    for name, health in shared.health.items():
        if health.in_flight:
            yield f"{name}: {health.in_flight} in flight"
    for name, breaker in shared.breakers.items():
        if breaker._probing:
            yield f"{name}: a probe without end"
    for account in shared.accounts.values():
        if account.budget.in_flight or account.budget.retrying:
            yield f"{account.name}: retry budget holds {account.budget.in_flight}, {account.budget.retrying}"


def _limits(run: Run) -> Iterator[tuple[str, Mapping[str, float], Callable[[Arrival], bool]]]:
    config = run.plan.configs[0]
    for name, deployment in config["deployments"].items():
        yield name, deployment.get("limits", {}), lambda arrival, name=name: arrival.deployment == name
    for name, account in config["providers"].items():
        yield f"account {name}", account.get("limits", {}), lambda arrival, name=name: arrival.account == name


def _windows(run: Run) -> Iterator[str]:
    for name, limits, belongs in _limits(run):
        arrivals = [arrival for arrival in run.vendors.ledger if belongs(arrival)]
        for key, limit in limits.items():
            if key == "concurrency":
                most = float(run.vendors.busiest.get(name, 0))
            else:
                most = _busiest_window(arrivals, _PERIODS[key], tokens=key == "tpm")
            if most > limit:
                yield f"{name}: {key} {limit} but {most}"


def _busiest_window(arrivals: list[Arrival], period_s: float, *, tokens: bool) -> float:
    most = total = 0.0
    first = 0
    for arrival in arrivals:
        total += _weight(arrival, tokens=tokens)
        while arrivals[first].at <= arrival.at - period_s + 1e-6:
            total -= _weight(arrivals[first], tokens=tokens)
            first += 1
        most = max(most, total)
    return most


def _weight(arrival: Arrival, *, tokens: bool) -> float:
    if not tokens:
        return 1.0
    refused = arrival.told is None and arrival.output_tokens == 0
    return 0.0 if refused else arrival.input_tokens + arrival.output_tokens


def _attempts_bounded(run: Run) -> Iterator[str]:
    for event in run.calls:
        counts = Counter(attempt.deployment for attempt in event.attempts)
        if counts.total() > 4 or max(counts.values(), default=0) > 2:
            yield f"call {_number(event)}: {dict(counts)}"
        if [attempt.number for attempt in event.attempts] != list(range(1, counts.total() + 1)):
            yield f"call {_number(event)}: attempts are not numbered in order"
        if sum(attempt.maybe_billed for attempt in event.attempts) > 2:
            yield f"call {_number(event)}: more than two ambiguous attempts"


def _deadlines(run: Run) -> Iterator[str]:
    for outcome in run.outcomes:
        if outcome.late_s > _LATE_S:
            yield f"call {outcome.operation.number} was {outcome.late_s:.2f} s late"


def _one_event(run: Run) -> Iterator[str]:
    seen = Counter(_number(event) for event in run.calls)
    expected = Counter(str(one.operation.number) for one in run.outcomes if one.operation.kind != "reload")
    if seen != expected:
        yield f"events too many {dict(seen - expected)}, missing {dict(expected - seen)}"
    lines = Counter(line.count('"event":"llm.call"') for line in run.lines)
    if lines[1] != len(run.calls):
        yield f"{lines[1]} log lines for {len(run.calls)} calls"


def _money(run: Run) -> Iterator[str]:
    prices = {name: one["price"] for name, one in run.plan.configs[0]["deployments"].items()}
    ledger = {arrival.request_id: arrival for arrival in run.vendors.ledger}
    attempts = [attempt for event in run.calls for attempt in event.attempts]
    sent, recorded = (Counter(one.deployment for one in many) for many in (run.vendors.ledger, attempts))
    if sent != recorded:
        yield f"requests {dict(sent)}, attempts {dict(recorded)}"
    told = Counter(attempt.request_id for attempt in attempts if attempt.usage and attempt.usage.source == "vendor")
    if told and max(told.values()) > 1:
        yield f"paid twice: {told.most_common(1)}"
    for attempt in attempts:
        yield from _price(attempt, prices[attempt.deployment], ledger.get(attempt.request_id or ""))
    for event in run.calls:
        if event.cost.total != sum((one.cost.total for one in event.attempts if one.cost), Decimal(0)):
            yield f"call {_number(event)}: {event.cost.total} is not the sum of its attempts"
    lost = {one.request_id for one in run.vendors.ledger if one.told and not one.stream} - set(told)
    if lost:
        yield f"answered and counted, but not paid: {sorted(lost)}"


def _price(attempt: Attempt, price: Mapping[str, float], arrival: Arrival | None) -> Iterator[str]:
    usage, cost = attempt.usage, attempt.cost
    if usage is None or cost is None:
        if usage is not cost:
            yield f"usage {usage} but cost {cost}"
        return
    known = [(usage.input_tokens, price["input"]), (usage.output_tokens, price["output"])]
    expected = sum((Decimal(tokens or 0) * Decimal(str(one)) for tokens, one in known), Decimal(0)) / 10**6
    if cost.total != expected:
        yield f"{attempt}: expected {expected}"
    if usage.source == "vendor":
        if arrival is None or arrival.told != (usage.input_tokens, usage.output_tokens):
            yield f"{attempt}: the vendor said {arrival and arrival.told}"
    elif not cost.estimated:
        yield f"{attempt}: an estimate that does not say so"


def _stream_order(run: Run) -> Iterator[str]:
    for outcome in run.outcomes:
        kinds = [type(event) for event in outcome.events]
        if not kinds:
            continue
        if kinds[0] is not StreamStart or kinds.count(StreamStart) > 1:
            yield f"stream {outcome.operation.number} begins with {kinds[0].__name__}"
        if Finish in kinds[:-1]:
            yield f"stream {outcome.operation.number} goes on after its end"
        repeated = [one for one in outcome.afterwards if one is not outcome.result]
        if repeated:
            yield f"stream {outcome.operation.number} gives {repeated} after its end"


def _typed(run: Run) -> Iterator[str]:
    yield from run.complaints
    for outcome in run.outcomes:
        result, kind = outcome.result, outcome.operation.kind
        if isinstance(result, asyncio.CancelledError) and kind.startswith("cancelled"):
            continue
        if isinstance(result, BaseException) and not isinstance(result, OrchestratorError):
            yield f"call {outcome.operation.number}: {''.join(traceback.format_exception(result))}"
    for event in run.calls:
        if (event.status == "error") != (event.error is not None):
            yield f"call {_number(event)}: status {event.status}, error {event.error!r}"


def _no_secret(run: Run) -> Iterator[str]:
    shown = [repr(event) for event in run.events] + run.lines + [repr(run.llm)]
    for outcome in run.outcomes:
        shown += _told(outcome.result)
    for secret in (*KEYS.values(), PROMPT_MARKER, REPLY_MARKER):
        found = next((text for text in shown if secret in text), None)
        if found:
            at = found.index(secret)
            yield f"{secret!r} in …{found[max(0, at - 200) : at + 60]}…"


def _told(error: Any) -> Iterator[str]:
    """All that a printed exception shows, and those it came from."""
    while isinstance(error, BaseException):
        yield f"{error} {error!r} {error.args}"
        error = error.__cause__ or error.__context__


def _answered(run: Run) -> Iterator[str]:
    """Calls with a healthy deployment of an account of its own, with room and with time, fail only after commitment."""
    outcomes = {str(one.operation.number): one for one in run.outcomes}
    for event in run.calls if "spare" in run.plan.moods else ():
        if event.error is not None and not _excused(event, outcomes[_number(event)]):
            yield f"call {_number(event)} failed although there was a spare: {event.error!r}"


def _excused(event: CallEvent, outcome: Outcome) -> bool:
    error, attempts = event.error, event.attempts
    if isinstance(error, StreamInterrupted) or (isinstance(error, CallTimeout) and error.kind == "deadline"):
        return True
    left_s = outcome.operation.deadline_s - event.timings.duration_ms / 1e3
    choked = {MalformedReply.__name__, ServerError.__name__}
    return (
        left_s < _LATE_S
        or len({attempt.provider for attempt in attempts}) >= 2  # the budget for a third account may be spent
        or len(attempts) >= 4
        or sum(attempt.maybe_billed for attempt in attempts) >= 2
        or len({attempt.deployment for attempt in attempts if attempt.error in choked}) >= 2
    )


def _recovered(run: Run) -> Iterator[str]:
    """Once all vendors have been well for long enough, a call is answered, unless a day's limit is used up."""
    last = run.outcomes[-1].result
    daily = any("rpd" in limits for _, limits, _ in _limits(run))
    if isinstance(last, BaseException) and not daily:
        yield f"the last call failed: {last!r}"


def _number(event: CallEvent) -> str:
    return event.context.tags["number"]


INVARIANTS: list[Callable[[Run], Iterator[str]]] = [
    _nothing_reserved,
    _windows,
    _attempts_bounded,
    _deadlines,
    _one_event,
    _money,
    _stream_order,
    _typed,
    _no_secret,
    _answered,
    _recovered,
]
