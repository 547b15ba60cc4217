"""One run of the whole library from a seed, in virtual time: a drawn configuration, moody vendors, a mixed load.

Replay a seed, with every call and attempt printed: `python tests/scenarios/simulation.py SEED`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Awaitable
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from simulated_vendors import MOODS, Vendors

from orchestrator import AsyncOrchestrator
from orchestrator.spec.events import CallEvent
from orchestrator.testing import CapturedEvents, VirtualClock

__all__ = ["KEYS", "PROMPT_MARKER", "Operation", "Outcome", "Plan", "Run", "WatchedClock", "draw", "simulate"]

PROMPT_MARKER = "prompt-marker"
KEYS = {name: f"sk-simulated-{name}-0123456789abcdef" for name in ("acc0", "acc1", "acc2", "spare")}
_OPERATIONS = {
    "chat": 10,
    "stream": 5,
    "cancelled chat": 2,
    "cancelled stream": 1,
    "closed stream": 2,
    "abandoned stream": 2,
    "slow reader": 1,
    "reload": 1,
}
_SETTLED_S = 700.0
"""After the moods have ended: the longest that anything rests (a breaker five minutes and a fifth) has passed."""

T = TypeVar("T")


class WatchedClock(VirtualClock):
    """Virtual time that notices a loop which turns without time passing."""

    def __init__(self, *, most_readings: int = 2_000_000) -> None:
        super().__init__()
        self._left = most_readings

    def monotonic(self) -> float:
        self._left -= 1
        if self._left < 0:
            raise RuntimeError("livelock: the clock is read again and again")
        return super().monotonic()


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing the application does. `after_s` is when it gives up, `pause_s` how slowly it reads."""

    number: int
    kind: str
    at_s: float
    deadline_s: float
    after_s: float
    pause_s: float
    priority: int


@dataclass(slots=True)
class Outcome:
    """What came of it: a reply or an exception, stream events, and by how much one wait outlasted the deadline."""

    operation: Operation
    result: Any = None
    events: list[Any] = field(default_factory=list)
    late_s: float = 0.0
    afterwards: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """Everything that a seed decides. Moods last until so many seconds after the start."""

    configs: list[dict[str, Any]]
    moods: dict[str, list[tuple[float, str]]]
    operations: list[Operation]


@dataclass(slots=True)
class Run:
    """What happened."""

    plan: Plan
    vendors: Vendors
    llm: AsyncOrchestrator
    events: CapturedEvents
    outcomes: list[Outcome] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def calls(self) -> list[CallEvent]:
        """Events of calls, in order."""
        return [event for event in self.events if isinstance(event, CallEvent)]


def draw(random: Random) -> Plan:
    """A configuration in two versions, moods and a load."""
    accounts = list(KEYS)[: random.randint(1, 3)]
    owners = {f"dep{i}": random.choice(accounts) for i in range(random.randint(2, 5))}
    moods = {name: _moods(random) for name in owners}
    if random.random() < 0.3:  # one that is always well and has room
        owners |= {"spare": "spare"}
        moods |= {"spare": [(float("inf"), "ok")]}
    first = _config(random, owners)
    return Plan([first, _other_version(random, first)], moods, _load(random))


def _config(random: Random, owners: dict[str, str]) -> dict[str, Any]:
    names = list(owners)
    fallbacks = names[random.randint(1, len(names)) :]
    picks: Any = names[: len(names) - len(fallbacks)]
    rule = random.choice([None, None, "weighted", "weighted", "fastest", "least_busy", "cheapest"])
    if len(picks) > 1 and rule:
        picks = {rule: {name: random.randint(1, 9) for name in picks} if rule == "weighted" else picks}
    route = {"task": "chat", "pick": picks, "then": fallbacks, "defaults": {"max_output_tokens": 30}}
    used = sorted(set(owners.values()))
    return {
        "version": 1,
        "providers": {name: _account(random, name) for name in used},
        "deployments": {name: _deployment(random, name, owners[name]) for name in names},
        "routes": {"answer": {key: value for key, value in route.items() if value}},
        "log": {"to": "logging"},
    }


def _account(random: Random, name: str) -> dict[str, Any]:
    account = {"kind": "openai", "base_url": f"https://{name}.example.com/v1", "api_key": {"env": f"KEY_{name}"}}
    return account | ({} if name == "spare" else _limits(random, 0.25))


def _deployment(random: Random, name: str, owner: str) -> dict[str, Any]:
    price = {"input": random.randint(1, 900) / 100, "output": random.randint(1, 900) / 100}
    limits = {} if name == "spare" else _limits(random, 0.4)
    return {"provider": owner, "model": name, "price": price} | limits


def _limits(random: Random, likely: float) -> dict[str, Any]:
    choices = {"rpm": [1, 5, 20, 60], "tpm": [200, 1_000, 5_000], "rpd": [20], "concurrency": [1, 2, 5]}
    limits = {name: random.choice(amounts) for name, amounts in choices.items() if random.random() < likely / 2}
    return {"limits": limits} if limits else {}


def _other_version(random: Random, config: dict[str, Any]) -> dict[str, Any]:
    """The same accounts and limits, in another order or with one pick fewer."""
    other: dict[str, Any] = json.loads(json.dumps(config))
    route = other["routes"]["answer"]
    pick = route["pick"]
    names = [*(next(iter(pick.values())) if isinstance(pick, dict) else pick), *route.pop("then", ())]
    random.shuffle(names)
    gone = next((name for name in names if name != "spare"), None) if random.random() < 0.5 else None
    route["pick"] = [name for name in names if name != gone]
    return other


def _moods(random: Random) -> list[tuple[float, str]]:
    moods: list[tuple[float, str]] = []
    until = 0.0
    if random.random() < 0.2:
        return [(float("inf"), "ok")]
    while until < 150.0:
        until += random.uniform(5.0, 60.0)
        mood = random.choice(list(MOODS))
        moods.append((until, "ok" if random.random() < 0.4 else mood))
    return [*moods, (float("inf"), "ok")]


def _load(random: Random) -> list[Operation]:
    kinds, weights = list(_OPERATIONS), list(_OPERATIONS.values())
    bursts = [random.uniform(0.0, 120.0) for _ in range(random.randint(1, 4))]
    operations = []
    most = 35 if random.random() < 0.97 else 200
    for number in range(random.randint(10, most)):
        operations.append(
            Operation(
                number=number,
                kind=random.choices(kinds, weights)[0],
                at_s=random.choice(bursts) if random.random() < 0.6 else random.uniform(0.0, 120.0),
                deadline_s=random.choice([0.5, 3.0, 20.0, 60.0, 300.0]),
                after_s=random.choice([0.01, 0.1, 0.5, 2.0, 20.0]),
                pause_s=random.choice([0.1, 5.0, 40.0]),
                priority=random.choice([0, 0, 1]),
            )
        )
    return operations


def simulate(seed: int) -> Run:
    """Run a seed to its end."""
    random = Random(seed)
    plan = draw(random)
    clock = WatchedClock()
    begin = clock.monotonic()
    moods = {name: [(begin + until, mood) for until, mood in several] for name, several in plan.moods.items()}
    vendors = Vendors(clock, Random(seed + 1), moods)
    events = CapturedEvents()
    os.environ.update({f"KEY_{name}": key for name, key in KEYS.items()})
    llm = AsyncOrchestrator(plan.configs[0], transport=vendors, clock=clock, random=Random(seed + 2), sinks=[events])
    run = Run(plan, vendors, llm, events)
    with _listening(run):
        clock.run(_main(run, clock))
    return run


@contextlib.contextmanager
def _listening(run: Run) -> Any:
    """Everything that the library or asyncio logs."""
    handler = logging.Handler()
    handler.emit = lambda record: run.lines.append(record.getMessage())  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in ("orchestrator", "asyncio")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


async def _main(run: Run, clock: VirtualClock) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: run.complaints.append(str(context.get("message"))))
    begin = clock.monotonic()
    tasks = [asyncio.create_task(_operate(run, operation, clock, begin)) for operation in run.plan.operations]
    run.outcomes = list(await asyncio.gather(*tasks))
    await asyncio.sleep(_SETTLED_S)
    last = Operation(len(run.plan.operations), "last chat", clock.monotonic() - begin, 60.0, 0.0, 0.0, 0)
    run.outcomes.append(await _operate(run, last, clock, begin))
    await run.llm.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    run.complaints += [f"a task is left: {task}" for task in left]


async def _operate(run: Run, operation: Operation, clock: VirtualClock, begin: float) -> Outcome:
    await asyncio.sleep(begin + operation.at_s - clock.monotonic())
    outcome = Outcome(operation)
    if operation.kind == "reload":
        run.llm.reload(run.plan.configs[operation.number % len(run.plan.configs)])
        return outcome
    acts = _chat(run, outcome, clock) if "chat" in operation.kind else _stream(run, outcome, clock)
    task = asyncio.create_task(acts)
    if operation.kind.startswith("cancelled"):
        await asyncio.sleep(operation.after_s)
        task.cancel()
    try:
        outcome.result = await task
    except BaseException as error:  # judged afterwards, whatever it is
        outcome.result = error
    return outcome


def _options(operation: Operation) -> dict[str, Any]:
    return {
        "deadline": operation.deadline_s,
        "tags": {"number": str(operation.number)},
        "priority": ("normal", "low")[operation.priority],
    }


async def _chat(run: Run, outcome: Outcome, clock: VirtualClock) -> Any:
    operation = outcome.operation
    prompt = f"{PROMPT_MARKER} {'word ' * (operation.number % 7)}"
    deadline = clock.monotonic() + operation.deadline_s
    return await _in_time(run.llm.chat("answer", prompt, **_options(operation)), outcome, clock, deadline)


async def _in_time(act: Awaitable[T], outcome: Outcome, clock: VirtualClock, deadline: float) -> T:
    """Wait, and note by how much that outlasted the deadline."""
    begin = clock.monotonic()
    try:
        return await act
    finally:
        outcome.late_s = max(outcome.late_s, clock.monotonic() - max(deadline, begin))


async def _stream(run: Run, outcome: Outcome, clock: VirtualClock) -> Any:
    operation = outcome.operation
    deadline = clock.monotonic() + operation.deadline_s
    stream = run.llm.stream("answer", PROMPT_MARKER, **_options(operation))
    await _in_time(stream.__aenter__(), outcome, clock, deadline)
    if operation.kind == "abandoned stream":
        outcome.events += await stream.read()
        del stream
        run.llm._core.log.flush()  # what the log's thread does a moment later
        return None
    ends_at = clock.monotonic() + operation.after_s
    try:
        while events := await _in_time(stream.read(), outcome, clock, deadline):
            outcome.events += events
            if operation.kind == "closed stream" and clock.monotonic() >= ends_at:
                return None
            if operation.kind == "slow reader":
                await asyncio.sleep(operation.pause_s)
    finally:
        await stream.close()
        outcome.afterwards = await _read_on(stream)
    return stream.reply


async def _read_on(stream: Any) -> list[Any]:
    """What a stream gives to those who go on reading after its end."""
    more: list[Any] = []
    for _ in range(2):
        try:
            more += await stream.read()
        except Exception as error:  # it may say its error again, or that it was closed before its end
            if "was closed before its end" not in str(error):
                more.append(error)
    return more


def _trace(run: Run) -> list[str]:
    lines = [json.dumps(run.plan.configs, indent=1), json.dumps(run.plan.moods)]
    lines += [f"{one.operation} -> {one.result!r:.300} late {one.late_s}" for one in run.outcomes]
    lines += map(str, run.vendors.ledger)
    for event in run.calls:
        lines.append(f"{event.time:.3f} {event.context.tags} {event.status} {event.error!r:.300} {event.timings}")
        lines += [f"    {attempt}" for attempt in event.attempts]
    return lines


if __name__ == "__main__":
    sys.stdout.write("\n".join([*_trace(simulate(int(sys.argv[1]))), ""]))
