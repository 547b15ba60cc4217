"""Closing with grace: calls under way finish, new ones are refused, SIGTERM ends a process in good order."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from rehearsal import VENDORS, config, read_log

from orchestrator import AsyncOrchestrator, Orchestrator, OrchestratorError
from orchestrator.ending import UnderWay
from orchestrator.spec.events import CallEvent
from orchestrator.testing import CapturedEvents, Simulator


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
            llm = AsyncOrchestrator(config(sim))
            call = asyncio.create_task(llm.chat("answer", "hi"))
            await asyncio.sleep(0.05)
            begin = time.monotonic()
            await llm.close(grace=0.3)
            waited = time.monotonic() - begin
            with pytest.raises(OrchestratorError, match="the client was closed during this call"):
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
        with pytest.raises(OrchestratorError, match="the client is closed"):
            llm.chat("answer", "again")
        llm.close()


@pytest.mark.parametrize("stream", [False, True])
def test_closing_ends_what_is_under_way(stream):
    """Without grace a call and a stream in flight end at once with an error that says why, settled and in the log."""
    events = CapturedEvents()
    with Simulator(VENDORS) as sim:
        sim["alpha"].set(latency_s=0 if stream else 30, tokens_per_s=5)
        values = config(sim)
        values["deployments"]["alpha"]["limits"] = {"concurrency": 1}

        async def call(llm):
            if not stream:
                return await llm.chat("answer", "hi")
            async with llm.stream("answer", "hi") as opened:
                return [event async for event in opened]

        async def scenario():
            llm = AsyncOrchestrator(values, sinks=[events])
            task = asyncio.create_task(call(llm))
            await asyncio.sleep(0.5)
            begin = time.monotonic()
            await llm.close()
            with pytest.raises(OrchestratorError, match="the client was closed during this") as caught:
                await task
            with pytest.raises(OrchestratorError, match="the client is closed"):
                await llm.chat("answer", "again")
            return caught.value, time.monotonic() - begin, llm

        error, took_s, llm = asyncio.run(scenario())
    assert took_s < 1
    assert len(error.attempts) == 1
    assert error.attempts[0].maybe_billed
    (event,) = [one for one in events if isinstance(one, CallEvent)]
    assert (event.status, type(event.error)) == ("error", type(error))
    assert event.attempts[0].cost.total > 0
    assert llm._core.pipeline.in_flight == 0


def test_closing_ends_calls_of_other_threads():
    """A blocking client that is closed in one thread ends the calls of the others."""
    failed = []

    def work():
        try:
            llm.chat("answer", "hi")
        except OrchestratorError as error:
            failed.append(str(error))

    with Simulator(VENDORS) as sim:
        sim["alpha"].hang()
        llm = Orchestrator(config(sim))
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        llm.close()
        for thread in threads:
            thread.join(5)
    assert len(failed) == 4
    assert all("the client was closed during this call" in text for text in failed)


def test_a_stream_that_is_entered_too_late():
    """A stream that was asked for before the client was closed is refused when it is entered, and leaves nothing."""
    with Simulator(VENDORS) as sim:

        async def scenario():
            llm = AsyncOrchestrator(config(sim))
            stream = llm.stream("answer", "hi")
            await llm.close()
            with pytest.raises(OrchestratorError, match="the client is closed"):
                async with stream:
                    pass
            return llm.in_flight

        assert asyncio.run(scenario()) == 0
        assert not sim["alpha"].received


def test_a_call_that_becomes_a_stream_while_it_is_ended():
    """Between the order to end, given by another thread, and the end a stream may have begun: it is what ends."""

    class Work:
        def __init__(self):
            self.loop, self.ended = asyncio.get_running_loop(), False

        def end(self):
            self.ended = True

    class Call:
        work: Work

    async def scenario():
        under_way, call, stream = UnderWay(), Call(), Work()
        call.work = Work()
        under_way.add(call)
        under_way.end()
        call.work = stream
        await asyncio.sleep(0)
        return stream.ended

    assert asyncio.run(scenario())


def test_two_threads_close():
    """Who waits with grace returns although another thread closes the client meanwhile."""
    with Simulator(VENDORS) as sim:
        sim["alpha"].hang()
        llm = Orchestrator(config(sim))
        ended = []

        def call():
            try:
                llm.chat("answer", "hi")
            except OrchestratorError as error:
                ended.append(error.message)

        def close():
            llm.close(grace=10)
            ended.append("closed")

        threads = [threading.Thread(target=call, daemon=True), threading.Thread(target=close, daemon=True)]
        for thread in threads:
            thread.start()
            time.sleep(0.1)
        llm.close()
        for thread in threads:
            thread.join(3)
        assert sorted(ended) == ["closed", "the client was closed during this call"]


def test_a_closed_client_stays_closed():
    """A closed blocking client refuses calls without starting a thread again; a stream's block is left in peace."""
    with Simulator(VENDORS) as sim:
        before = set(threading.enumerate())
        llm = Orchestrator(config(sim))
        with llm.stream("answer", "hi") as stream:
            stream.read()
            llm.close()
        llm.close()
        with pytest.raises(OrchestratorError, match="the client is closed"):
            llm.chat("answer", "hi")
        assert not [one for one in set(threading.enumerate()) - before if one.name == "orchestrator"]
