"""Budgets while calls fail over, are repaired, time out, are cancelled anywhere, and streams are left or forgotten."""

from __future__ import annotations

import asyncio
import gc
from random import Random
from typing import Any

import pytest
from pydantic import BaseModel
from vendor import World, completion, error, sse

from orchestrator.errors import OrchestratorError
from orchestrator.spec.budgets import NANO
from orchestrator.spec.events import CallEvent

PRICES = {"a": {"price": {"input": 1, "output": 10}}, "b": {"price": {"input": 2, "output": 20}}}
DAY_USD = "0.1"


class Answer(BaseModel):
    """What is asked for."""

    x: int


async def call(llm: Any, random: Random) -> None:
    """One call of some kind; a stream may be left at any event, or dropped."""
    kind, who = random.choice(["chat", "output", "stream", "forgotten"]), random.choice(["x", "y", None])
    more: dict[str, Any] = {"max_output_tokens": 500, "tenant": who}
    if kind == "chat":
        await llm.chat("answer", "hello", **more)
    elif kind == "output":
        await llm.chat("answer", "hello", output=Answer, **more)
    elif kind == "stream":
        async with llm.stream("answer", "hello", **more) as stream:
            async for _ in stream:
                if random.random() < 0.3:
                    break
    else:
        await llm.stream("answer", "hello", **more).__aenter__()


def replies(random: Random) -> Any:
    """A vendor that takes up to a second, and answers, misses the schema, breaks off or fails."""

    async def answer(request: Any) -> Any:
        await asyncio.sleep(random.uniform(0, 1))
        if b'"stream":true' in request.body:
            return random.choice([sse("one", " two"), sse("one", "two", done=False), sse(), error(503), error(429)])
        good, bad = completion('{"x": 1}'), completion("words", output_tokens=400)
        return random.choice([good, bad, error(500), error(429, **{"retry-after": "1"})])

    return answer


@pytest.mark.parametrize("seed", range(12))
def test_nothing_stays_held_and_all_is_counted(seed: int) -> None:
    """Whatever ends the calls, no budget holds anything after them, and each has counted what their lines say."""
    random = Random(seed)
    loosely = random.choice(["deny", "cheaper"])
    budgets = [
        {"usd": DAY_USD, "window": "day"},
        {"usd": "0.03", "window": "call", "on_exceed": loosely},
        {"usd": "0.05", "window": "hour", "per": "tenant", "on_exceed": loosely},
    ]
    route = {"repair": True, "deadline": random.choice([0.5, 3, 20])}
    vendor = replies(random)
    found = World({"a": vendor, "b": vendor}, route, deployments=PRICES, budgets=budgets)

    async def cut(task: asyncio.Task[None]) -> None:
        await asyncio.sleep(random.uniform(0, 2))
        task.cancel()

    async def scenario(llm: Any) -> list[Any]:
        calls = [asyncio.ensure_future(call(llm, random)) for _ in range(40)]
        cuts = [asyncio.ensure_future(cut(task)) for task in calls if random.random() < 0.5]
        return (await asyncio.gather(*calls, *cuts, return_exceptions=True))[:40]

    outcomes = found.run(scenario)
    assert all(
        outcome is None or isinstance(outcome, OrchestratorError | asyncio.CancelledError) for outcome in outcomes
    )
    assert len({type(outcome) for outcome in outcomes}) > 2
    del outcomes
    gc.collect()
    while found.llm._core.log.flush():
        pass  # forgotten streams are settled there
    store = found.llm._core.pipeline._admission._cashier._store
    assert {key: store.held(key) for key in store._accounts if store.held(key)} == {}
    attempts = [one for event in found.events if isinstance(event, CallEvent) for one in event.attempts]
    truth = sum(int(one.cost.total * NANO) for one in attempts if one.cost is not None and one.cost.total)
    day = next(key for key in store._accounts if "\x1fday\x1f" in key)
    assert 0 < store.spent(day) == truth <= float(DAY_USD) * NANO
