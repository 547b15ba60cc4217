"""`store: {redis: ...}`: several processes hold one limit together, on a real server."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import textwrap
import time

import pytest
from rehearsal import VENDORS, config

from orchestrator import AsyncOrchestrator, ConfigError
from orchestrator.testing import CapturedEvents, Simulator

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")

WORKER = textwrap.dedent(
    """
    import asyncio, json, sys, time
    from orchestrator import AsyncOrchestrator, OrchestratorError

    async def main():
        answered = 0
        async with AsyncOrchestrator(json.loads(sys.argv[1])) as llm:
            until = time.monotonic() + 3
            async def caller():
                nonlocal answered
                while time.monotonic() < until:
                    try:
                        await llm.chat("answer", "hi", deadline=1)
                        answered += 1
                    except OrchestratorError:
                        await asyncio.sleep(0.05)
            await asyncio.gather(*[caller() for _ in range(10)])
        print(answered)

    asyncio.run(main())
    """
)


@pytest.fixture
def redis_url(tmp_path):
    """A Redis server of our own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
    server = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait(10)


def shared(sim, url, **limits):
    """A configuration whose only chat deployment has these limits, kept in Redis."""
    values = config(sim, store={"redis": {"url": url}})
    values["deployments"]["alpha"]["limits"] = limits
    values["routes"]["answer"] = {"task": "chat", "pick": "alpha"}
    return values


def test_processes_share_one_limit(redis_url):
    """Three processes that call as fast as they may stay within one limit, and together use it."""
    with Simulator(VENDORS) as sim:
        values = json.dumps(shared(sim, redis_url, rpm=600))
        children = [
            subprocess.Popen([sys.executable, "-c", WORKER, values], stdout=subprocess.PIPE, text=True)
            for _ in range(3)
        ]
        answered = [int(child.communicate(timeout=60)[0]) for child in children]
        assert all(child.returncode == 0 for child in children)
        seen = sim["alpha"].requests.total
    assert sum(answered) <= seen <= sum(answered) + 10  # a few may meet their deadline in flight
    # 5 % of the limit at once, nine a second afterwards, for three seconds and the start of the processes.
    assert 30 <= seen <= 30 + 9 * 6


def test_without_redis_a_share_of_the_limit_holds():
    """A server that is not there stops nobody: a local share of the limit holds, and the operator is told."""
    events = CapturedEvents()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"redis://127.0.0.1:{probe.getsockname()[1]}/0"
    with Simulator(VENDORS) as sim:

        async def scenario():
            async with AsyncOrchestrator(shared(sim, nowhere, rpm=600), sinks=[events]) as llm:
                begin = time.monotonic()
                for _ in range(10):
                    await llm.chat("answer", "hi")
                return time.monotonic() - begin

        assert asyncio.run(scenario()) < 5
    assert "llm.limits.local" in [getattr(event, "name", "") for event in events]


def test_a_reload_cannot_move_the_store(redis_url):
    """Limits that are being counted in one place cannot move to another under running calls: the reload says so."""
    with Simulator(VENDORS) as sim:

        async def scenario():
            async with AsyncOrchestrator(shared(sim, redis_url, rpm=600)) as llm:
                await llm.chat("answer", "hi")
                with pytest.raises(ConfigError, match="restart"):
                    llm.reload(config(sim))
                await llm.chat("answer", "hi")

        asyncio.run(scenario())
