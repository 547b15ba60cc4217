"""A budget that four processes share over a real Redis, against simulated vendors whose ledger has the last word."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from redis_server import BINARY, RedisServer

from orchestrator import AsyncOrchestrator, BudgetExceeded, Overloaded
from orchestrator.spec.clock import SystemClock
from orchestrator.testing import Simulator, Vendor

# Dollars per million tokens. The arithmetic here is the test's own.
PRICES = {"cheap": (Decimal(50), Decimal(500)), "dear": (Decimal(100), Decimal(1000))}
VENDORS = (Vendor(name="cheap", wire="openai", latency_s=0.05), Vendor(name="dear", wire="anthropic", latency_s=0.05))
NANO = 10**9
DOLLAR = {"usd": 1, "window": "month", "alert_at": [0.2, 0.4]}


@pytest.fixture
def sim():
    """Vendors that say as much as they may; every third call of the cheap one fails."""
    with Simulator(VENDORS) as simulator:
        for name in PRICES:
            simulator[name].answer("word " * 40)
        simulator["cheap"].fail(503, probability=0.3)
        yield simulator


def setup(sim: Simulator, url: str, *budgets: dict[str, Any]) -> dict[str, Any]:
    """Calls go to the cheap deployment, then to the dear one."""

    def deployment(name: str) -> dict[str, Any]:
        cost_in, cost_out = PRICES[name]
        price = {"input": str(cost_in), "output": str(cost_out)}
        return {"provider": name, "model": "gpt-4o-mini", "price": price}

    key = {"env": "TEST_KEY"}
    return {
        "version": 1,
        "store": {"redis": {"url": url}},
        "providers": {
            "cheap": {"kind": "openai", "base_url": sim.url("cheap") + "/v1", "api_key": key},
            "dear": {"kind": "anthropic", "base_url": sim.url("dear"), "api_key": key},
        },
        "deployments": {name: deployment(name) for name in PRICES},
        "routes": {
            "answer": {"task": "chat", "pick": "cheap", "then": "dear", "defaults": {"max_output_tokens": 20}},
        },
        "budgets": list(budgets or (DOLLAR,)),
        "breaker": "off",
        "log": {"to": "none"},
    }


def truth(sim: Simulator) -> Decimal:
    """What the vendors would bill."""
    entries = [(name, entry) for name in PRICES for entry in sim[name].ledger]
    return (
        sum(
            (one.input_tokens * PRICES[name][0] + one.output_tokens * PRICES[name][1] for name, one in entries),
            Decimal(0),
        )
        / 10**6
    )


def kept(server: RedisServer) -> dict[str, Decimal]:
    """What Redis has of the one account there is, in dollars."""
    with server.client() as client:
        (key,) = [key for key in client.keys("orchestrator:{budgets}:*") if not key.endswith("home")]
        fields = client.hgetall(key)
    return {name: Decimal(fields.get(name, 0)) / NANO for name in ("spent", "held")}


class Callers:
    """Processes that call at once."""

    def __init__(self, given: dict[str, Any], processes: int, callers: int, turns: int) -> None:
        command = [sys.executable, str(Path(__file__).with_name("budget_caller.py")), json.dumps(given)]
        command += [str(callers), str(turns)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.processes = [subprocess.Popen(command, **pipes) for _ in range(processes)]
        for process in self.processes:
            assert process.stdout.readline() == "ready\n"
        for process in self.processes:
            process.stdin.write("\n")
            process.stdin.flush()

    def said(self) -> Counter[str]:
        """Wait for all of them; what they said."""
        lines = [line for process in self.processes for line in process.communicate(timeout=90)[0].splitlines()]
        return Counter(lines)


def test_two_hundred_parallel_calls_in_four_processes(sim, redis):
    """200 parallel calls in four processes spend at most the dollar they share, told once per share, to the last digit.

    Among them are failovers to a deployment that is twice as dear.
    """
    said = Callers(setup(sim, redis.url), 4, 50, 3).said()
    spent = truth(sim)
    assert Decimal("0.6") < spent <= 1
    assert said["answered dear"]
    assert said["refused BudgetExceeded"]
    assert kept(redis) == {"spent": spent, "held": 0}
    assert said["alert 0.2"] == said["alert 0.4"] == 1


@pytest.mark.parametrize("options", [(), ("--appendonly", "yes", "--appendfsync", "always")], ids=["emptied", "kept"])
def test_redis_dies_in_the_middle(sim, tmp_path, options):
    """While Redis is away nobody spends; back again, empty or not, the rest of the dollar is spent and no more."""
    if BINARY is None:
        pytest.skip("redis-server is not installed")
    server = RedisServer(tmp_path, *options)
    server.start()
    try:
        for name in PRICES:
            sim[name].set(latency_s=0.4)
        callers = Callers(setup(sim, server.url), 4, 5, 18)
        time.sleep(0.7)
        server.stop()
        time.sleep(1.0)  # what was in flight ends
        stopped = truth(sim)
        time.sleep(1.0)
        assert 0 < truth(sim) == stopped < 1
        server.start()
        said = callers.said()
        spent = truth(sim)
        assert stopped < spent <= 1
        assert said["refused Overloaded"]
        after = kept(server)
        assert spent <= after["spent"] + after["held"]
    finally:
        server.stop()


def test_a_killed_process(sim, redis):
    """What a process held when it was killed stays counted: its calls may have been billed."""
    sim["cheap"].set(latency_s=1.0)
    callers = Callers(setup(sim, redis.url), 4, 10, 6)
    time.sleep(0.5)
    os.kill(callers.processes[0].pid, signal.SIGKILL)
    sim["cheap"].set(latency_s=0.05)
    said = callers.said()
    spent, after = truth(sim), kept(redis)
    assert after["held"] > 0
    assert spent <= after["spent"] + after["held"] <= 1
    assert said["answered cheap"]


class Astray(SystemClock):
    """A machine whose date is wrong."""

    def __init__(self, days: int) -> None:
        self._days = days

    def time(self) -> float:
        return super().time() + self._days * 86_400.0


def calls(given: dict[str, Any], count: int, clock: Any = None, **who: Any) -> list[str]:
    """How calls of a client of its own end."""

    async def scenario() -> list[str]:
        ends = []
        async with AsyncOrchestrator(given, clock=clock) as llm:
            for _ in range(count):
                try:
                    await llm.chat("answer", "hi there", **who)
                    ends.append("answered")
                except (BudgetExceeded, Overloaded) as error:
                    ends.append(type(error).__name__)
        return ends

    return asyncio.run(scenario())


SMALL = {"usd": "0.04", "window": "day", "per": "tenant"}


def test_a_restart_keeps_what_was_spent(sim, redis):
    """A process that starts anew finds the budget where the last one left it; other tenants have their own."""
    sim["cheap"].heal()
    given = setup(sim, redis.url, SMALL)
    assert calls(given, 2, tenant="acme") == ["answered"] * 2
    assert calls(given, 2, tenant="acme") == ["answered", "BudgetExceeded"]
    assert calls(given, 1, tenant="other") == ["answered"]


def test_redis_decides_what_day_it_is(sim, redis):
    """A process whose clock is days ahead or behind counts in the same window as all others."""
    sim["cheap"].heal()
    given = setup(sim, redis.url, SMALL)
    outcomes = []
    for days in (0, 3, -3, 40):
        outcomes += calls(given, 1, Astray(days))
    assert outcomes == ["answered"] * 3 + ["BudgetExceeded"]
    with redis.client() as client:
        dates = {key.split("\x1f")[3] for key in client.keys("orchestrator:{budgets}:*") if "\x1f" in key}
    assert dates == {datetime.now(UTC).date().isoformat()}


def test_without_redis_cheaper_is_the_cheapest(sim, server):
    """While Redis is away a `cheaper` budget lets the cheapest model answer, and no other."""
    sim["cheap"].heal()
    given = setup(sim, server.url, {**SMALL, "on_exceed": "cheaper"})
    given["routes"]["answer"]["pick"], given["routes"]["answer"]["then"] = "dear", "cheap"
    assert calls(given, 2) == ["answered"] * 2
    assert [len(sim[name].ledger) for name in ("cheap", "dear")] == [2, 0]


def test_without_redis(sim, server):
    """While Redis is away `deny` refuses at once, `warn` lets through, and is told of it when Redis comes."""
    sim["cheap"].heal()
    before = time.monotonic()
    assert calls(setup(sim, server.url, SMALL), 5) == ["Overloaded"] * 5
    assert time.monotonic() - before < 5
    assert truth(sim) == 0
    warn = setup(sim, server.url, {**SMALL, "per": "all", "on_exceed": "warn"})

    async def scenario() -> None:
        async with AsyncOrchestrator(warn) as llm:
            for _ in range(3):
                await llm.chat("answer", "hi there")
            await asyncio.to_thread(server.start)
            await asyncio.sleep(3.0)

    asyncio.run(scenario())
    assert kept(server) == {"spent": truth(sim), "held": 0}
    assert truth(sim) > 0
