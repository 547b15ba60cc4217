"""A fork while calls are under way: they are the parent's alone, and the child begins with nothing of them."""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Callable

from rehearsal import VENDORS, config, read_log

from orchestrator import Orchestrator
from orchestrator.testing import Simulator


def in_child(check: Callable[[], bool]) -> bool:
    """Whether the check holds in a forked child."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if check() else 1
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def values(sim, **more):
    """One deployment that takes one call at a time, under a budget that pays for two."""
    given = config(sim, **more)
    given["deployments"]["alpha"]["limits"] = {"concurrency": 1}
    given["routes"]["answer"] = {"task": "chat", "pick": "alpha", "deadline": 10}
    return given


def until(happened: Callable[[], bool]) -> None:
    """Wait for it."""
    end = time.monotonic() + 5
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_child_does_not_wait_for_its_parents_calls():
    """What the parent's calls hold or stand in line for is free in the child; closing waits for the child's own."""
    with Simulator(VENDORS) as sim:
        sim["alpha"].set(latency_s=1)
        llm = Orchestrator(values(sim))
        threads = [threading.Thread(target=llm.chat, args=("answer", "hi")) for _ in range(3)]
        for thread in threads:
            thread.start()
        until(lambda: llm.in_flight == 3)

        def check() -> bool:
            begun = time.monotonic()
            inherited = llm.in_flight
            llm.chat("answer", "hi")
            answered_s = time.monotonic() - begun
            llm.close(grace=5)
            return inherited == 0 and answered_s < 1.9 and time.monotonic() - begun < 2.5

        assert in_child(check)
        for thread in threads:
            thread.join()
        llm.chat("answer", "hi")
        llm.close()


def test_a_stream_is_paid_for_once(tmp_path):
    """A child that leaves the block of a stream that its parent reads on leaves no line, and the parent's goes on."""
    log = tmp_path / "log.jsonl"
    with Simulator(VENDORS) as sim, Orchestrator(values(sim, log=None) | {"log": {"path": str(log)}}) as llm:
        sim["alpha"].set(latency_s=0.1)
        with llm.stream("answer", "hi") as stream:
            next(iter(stream))

            def check() -> bool:
                stream.close()
                llm.aio._core.log.close()
                return True

            assert in_child(check)
            for _ in stream:
                pass
        assert stream.reply.text
    assert [line["status"] for line in read_log(log)] == ["ok"]


def test_budgets_hold_nothing_for_the_parent():
    """Money that is held for a parent's call is not held in the child, where it would be for ever."""
    with Simulator(VENDORS) as sim:
        sim["alpha"].set(latency_s=1)
        given = values(sim, budgets=[{"per": "tenant", "usd": 0.0001, "window": "day", "on_exceed": "deny"}])
        llm = Orchestrator(given)

        def ask() -> None:
            llm.chat("answer", "hi", tenant="acme", max_output_tokens=100)  # 0.00006 for its output

        call = threading.Thread(target=ask)
        call.start()
        until(lambda: llm.in_flight == 1)

        def check() -> bool:
            ask()
            return True

        assert in_child(check)
        call.join()
        llm.close()
