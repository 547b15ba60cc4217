"""Life in a process: many loops, threads, fork; no leaked sockets, threads or tasks."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
from rehearsal import VENDORS, config, read_log

from orchestrator import AsyncOrchestrator, HttpxTransport, Orchestrator
from orchestrator.testing import Simulator


@pytest.fixture(scope="module")
def sim():
    with Simulator(VENDORS) as simulator:
        yield simulator


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_thousand_event_loops(sim):
    """One client over a thousand `asyncio.run` in a row: no error, and as many descriptors at the end as early on."""
    llm = AsyncOrchestrator(config(sim))

    async def scenario():
        return (await llm.chat("answer", "hi")).deployment

    counts = []
    for i in range(1000):
        assert asyncio.run(scenario()) == "alpha"
        if i % 100 == 50:
            gc.collect()
            counts.append(descriptors())
    assert max(counts) - min(counts) <= 2


def test_fifty_threads(sim, tmp_path):
    """Fifty blocking threads share one client; every call has its line."""
    log = tmp_path / "log.jsonl"
    with Orchestrator(config(sim, log)) as llm, ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda i: llm.chat("answer", f"q{i}", tenant=str(i)), range(500)))
    assert len({reply.call_id for reply in replies}) == 500
    assert sorted(line["tenant"] for line in read_log(log)) == sorted(str(i) for i in range(500))


def test_blocking_and_asyncio_twins_share_limits(sim):
    """`llm.aio` is the same client: a limit of one in flight holds over both."""
    shared = config(sim)
    shared["deployments"]["alpha"]["limits"] = {"concurrency": 1}
    shared["routes"]["answer"] = {"task": "chat", "pick": "alpha"}
    sim["alpha"].set(latency_s=0.02)
    before = sim["alpha"].requests.total
    try:
        with Orchestrator(shared) as llm:

            async def many():
                return await asyncio.gather(*[llm.aio.chat("answer", "hi") for _ in range(5)])

            with ThreadPoolExecutor(5) as pool:
                blocking = [pool.submit(llm.chat, "answer", "hi") for _ in range(5)]
                replies = asyncio.run(many()) + [one.result() for one in blocking]
    finally:
        sim["alpha"].set(latency_s=0.0)
    assert sim["alpha"].requests.total - before == 10
    assert max(reply.timings.queue_ms for reply in replies) > 100  # ten at 20 ms each, one after the other


def test_fork(sim, tmp_path):
    """Parent and child go on with the same client object; each writes its own lines, whole and once."""
    log = tmp_path / "log.jsonl"
    with Orchestrator(config(sim, log)) as llm:
        llm.chat("answer", "before", tenant="parent")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for _ in range(5):
                    llm.chat("answer", "hi", tenant="child")

                async def also():
                    return await llm.aio.chat("answer", "hi", tenant="child")

                asyncio.run(also())
                llm.aio._core.log.close()
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        for _ in range(5):
            llm.chat("answer", "hi", tenant="parent")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        llm.chat("answer", "after", tenant="parent")
    lines = read_log(log)
    tenants = [line["tenant"] for line in lines]
    assert (tenants.count("parent"), tenants.count("child")) == (7, 6)
    assert len({line["call_id"] for line in lines}) == 13


def test_nothing_is_left_behind(sim, tmp_path):
    """After close there are no threads, sockets or tasks of the client's any more, however many clients there were."""
    fds, before = descriptors(), set(threading.enumerate())
    for _ in range(2):
        llm = Orchestrator(config(sim, tmp_path / "l.jsonl"))
        llm.chat("answer", "hi")
        with llm.stream("answer", "hi") as stream:
            next(iter(stream))
        llm.close()
        gc.collect()
        ours = [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("orchestrator")]
        for thread in ours:
            thread.join(2)
        assert not [thread for thread in ours if thread.is_alive()]
        until = time.monotonic() + 5  # the simulator's ends of the connections are in this process too
        while descriptors() > fds + 1 and time.monotonic() < until:
            time.sleep(0.02)
        assert descriptors() <= fds + 1


def test_blocking_stream(sim):
    """A blocking stream gives the same events and reply as the asyncio one."""
    with Orchestrator(config(sim)) as llm:
        with llm.stream("answer", "hi") as stream:
            text = "".join(stream.text)
        assert stream.reply.text == text
        assert text == llm.chat("answer", "hi").text
        assert stream.reply.cost.total == llm.chat("answer", "hi").cost.total


def test_blocking_call_inside_own_loop_is_refused(sim):
    """A blocking call from the client's own event loop would wait for itself; it says so instead."""
    with Orchestrator(config(sim), sinks=[lambda _event: _try(llm)]) as llm:
        llm.chat("answer", "hi")
    assert _tried == ["RuntimeError"]


_tried: list[str] = []


def _try(llm: Orchestrator) -> None:
    if not _tried:
        try:
            llm.chat("answer", "hi")
        except RuntimeError as error:
            _tried.append(type(error).__name__)


@pytest.mark.parametrize("library", ["httpx", "httpx2"])
def test_own_http_client(sim, library):
    """With a factory of httpx's or httpx2's clients, everything travels through those."""
    module = pytest.importorskip(library)

    async def scenario():
        transport = HttpxTransport(module.AsyncClient)
        async with AsyncOrchestrator(config(sim), transport=transport) as llm:
            reply = await llm.chat("answer", "hi")
            async with llm.stream("answer", "hi") as stream:
                text = "".join([piece async for piece in stream.text])
            return reply.text, text

    one, other = asyncio.run(scenario())
    assert one == other
