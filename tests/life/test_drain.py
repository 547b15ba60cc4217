"""Closing with grace: calls under way finish, new ones are refused, SIGTERM ends a process in good order."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from rehearsal import VENDORS, config, read_log

from orchestrator import AsyncOrchestrator, ConnectionFailed, Orchestrator, OrchestratorError
from orchestrator.testing import Simulator


def test_calls_under_way_finish():
    """`close(grace=...)` waits for what is under way, refuses what is new, and returns as soon as all is done."""
    with Simulator(VENDORS) as sim:
        sim["alpha"].set(latency_s=0.3)

        async def scenario():
            llm = AsyncOrchestrator(config(sim))
            calls = [asyncio.create_task(llm.chat("answer", "hi")) for _ in range(20)]
            await asyncio.sleep(0.1)
            closing = asyncio.create_task(llm.close(grace=5))
            await asyncio.sleep(0)
            with pytest.raises(OrchestratorError, match="closing") as refused:
                await llm.chat("answer", "too late")
            assert refused.value.retryable
            await closing
            return [call.result().text for call in calls]

        begin = time.monotonic()
        assert len(asyncio.run(scenario())) == 20
        assert time.monotonic() - begin < 2


def test_grace_has_an_end():
    """What hangs is not waited for longer than the grace."""
    with Simulator(VENDORS) as sim:
        sim["alpha"].hang()

        async def scenario():
            values = config(sim)
            values["routes"]["answer"]["retry"] = {"attempts": 1}  # a call cut off by the closing goes nowhere else
            llm = AsyncOrchestrator(values)
            call = asyncio.create_task(llm.chat("answer", "hi"))
            await asyncio.sleep(0.05)
            begin = time.monotonic()
            await llm.close(grace=0.3)
            waited = time.monotonic() - begin
            with pytest.raises(ConnectionFailed):
                await call
            return waited

        assert 0.25 < asyncio.run(scenario()) < 1


def test_sigterm(tmp_path):
    """A blocking program whose SIGTERM handler closes with grace answers what it began and loses no line."""
    log = tmp_path / "log.jsonl"
    program = textwrap.dedent(
        """
        import json, os, signal, sys, threading
        from orchestrator import Orchestrator, OrchestratorError
        llm = Orchestrator(json.loads(sys.argv[1]))
        answered = []
        def work():
            try:
                while True:
                    answered.append(llm.chat("answer", "hi").text)
            except OrchestratorError:
                pass
        threads = [threading.Thread(target=work) for _ in range(8)]
        def stop(*_):
            llm.close(grace=5)
            for thread in threads:
                thread.join(5)
            print(len(answered), flush=True)
            os._exit(0)
        signal.signal(signal.SIGTERM, stop)
        for thread in threads:
            thread.start()
        print("ready", flush=True)
        while True:
            signal.pause()
        """
    )
    with Simulator(VENDORS) as sim:
        sim["alpha"].set(latency_s=0.05)
        import json

        child = subprocess.Popen(
            [sys.executable, "-c", program, json.dumps(config(sim, log))], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.5)
        child.send_signal(signal.SIGTERM)
        answered = int(child.stdout.readline())
        assert child.wait(10) == 0
        child.stdout.close()
    lines = [line for line in read_log(log) if line["status"] == "ok"]
    assert len(lines) == answered > 20


def test_priority_orders_the_line():
    """While calls wait for a slot, the higher priority goes first, then the earlier deadline."""
    with Simulator(VENDORS) as sim:
        values = config(sim)
        values["deployments"]["alpha"]["limits"] = {"concurrency": 1}
        values["routes"]["answer"] = {"task": "chat", "pick": "alpha"}
        sim["alpha"].set(latency_s=0.02)

        async def scenario():
            done = []

            async def one(name, **options):
                await llm.chat("answer", name, **options)
                done.append(name)

            async with AsyncOrchestrator(values) as llm:
                first = asyncio.create_task(one("first"))
                await asyncio.sleep(0.01)
                await asyncio.gather(
                    first,
                    one("late", deadline=20),
                    one("low", priority="low", deadline=5),
                    one("soon", deadline=10),
                    one("high", priority="high"),
                )
            return done

        assert asyncio.run(scenario()) == ["first", "high", "soon", "late", "low"]


def test_blocking_close_with_grace():
    """The blocking client takes the same grace."""
    with Simulator(VENDORS) as sim:
        llm = Orchestrator(config(sim))
        llm.chat("answer", "hi")
        llm.close(grace=1)
        assert llm.chat("answer", "again").text
        llm.close()
