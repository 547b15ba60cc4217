"""One figure of this project alone, in a process of its own; prints one JSON line.

    python -m speed.scale NAME BASE_URL

Pure work is timed as CPU of the calling thread, which other programs disturb least.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

from orchestrator import AsyncOrchestrator, Orchestrator
from speed import canned
from speed.at_once import AtOnce
from speed.honest import check_log, honest_config, large_config
from speed.memory import peak_mib
from speed.picking import slowest_pick
from speed.reloading import watch_reload

__all__ = ["MEASURES", "main"]

Row: TypeAlias = dict[str, float]

_AT_ONCE = ["https://a.example.com/v1", "https://b.example.com/v1"]
_MANY = 10_000


def _log() -> Path:
    return Path(tempfile.mkdtemp()) / "calls.jsonl"


async def policies(base: str) -> Row:
    """Microseconds of a chat over a transport that answers at once, less encoding, sending and decoding."""
    async with AsyncOrchestrator(honest_config(_log(), _AT_ONCE), transport=AtOnce(), random=Random(7)) as llm:
        deployment = llm._core.snapshot.deployments["chat-0"]
        request = llm._chat_call("answer", canned.MESSAGES, None, {}).request
        whole = await _timed(lambda: llm.chat("answer", canned.MESSAGES))
        codec = await _timed(lambda: deployment.backend.call("chat", request, timeout_s=60.0, strict=False))
    rest = [one - statistics.median(codec) for one in whole]
    return {"p50_us": statistics.median(rest), "p99_us": statistics.quantiles(rest, n=100)[98]}


async def _timed(work: Callable[[], Awaitable[Any]], calls: int = 4000) -> list[float]:
    taken = []
    for _ in range(calls):
        await asyncio.sleep(0)
        begin = time.thread_time_ns()
        await work()
        taken.append((time.thread_time_ns() - begin) / 1e3)
    return taken[calls // 10 :]


async def flat(base: str) -> Row:
    """Microseconds of a chat among 2, 50 and 500 deployments and as many routes, the last route over all of them."""
    sizes = (2, 50, 500)
    clients = [AsyncOrchestrator(large_config(base, size), transport=AtOnce(), random=Random(7)) for size in sizes]
    taken: list[list[float]] = [[] for _ in sizes]
    for _ in range(5):
        for index, llm in enumerate(clients):
            taken[index] += await _timed(partial(llm.chat, "all", canned.MESSAGES), 400)
    for llm in clients:
        await llm.close()
    return {f"us_{size}": statistics.median(found) for size, found in zip(sizes, taken, strict=True)}


async def queued(base: str) -> Row:
    """Ten thousand calls at once on one client, of which two hundred may be at the vendor."""
    log = _log()
    config = honest_config(log, [base.replace("/v1", "/delay50/v1")])
    config["deployments"]["chat-0"]["limits"] = {"concurrency": 200}
    async with AsyncOrchestrator(config) as llm:
        began = time.perf_counter()
        await asyncio.gather(*[llm.chat("answer", canned.MESSAGES, deadline=120) for _ in range(_MANY)])
        wall_s = time.perf_counter() - began
    rss_mib = peak_mib()  # before the log is read
    check_log(log, _MANY)
    return {"rss_mib": rss_mib, "wall_s": wall_s}


async def crowd(base: str) -> Row:
    """Ten thousand calls at the vendor at once, which answers after two seconds."""
    log = _log()
    async with AsyncOrchestrator(honest_config(log, [base.replace("/v1", "/delay2000/v1")] * 2)) as llm:
        # On a busy machine this process is the slow one, and half of its deadline later a call would ask somebody else.
        await asyncio.gather(*[llm.chat("answer", canned.MESSAGES, deadline=300) for _ in range(_MANY)])
    rss_mib = peak_mib()
    check_log(log, _MANY)
    return {"rss_mib": rss_mib}


async def sustained(base: str, in_flight: int = 400, for_s: float = 8.0) -> Row:
    """Calls a second on one core, at a vendor that answers after 50 ms."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    done = 0
    async with AsyncOrchestrator(honest_config(_log(), [base.replace("/v1", "/delay50/v1")] * 2)) as llm:
        until = time.perf_counter() + 1.0  # connections are opened first

        async def worker() -> None:
            nonlocal done
            while time.perf_counter() < until:
                await llm.chat("answer", canned.MESSAGES)
                done += 1

        await asyncio.gather(*[worker() for _ in range(in_flight)])
        done, until = 0, time.perf_counter() + for_s
        wall, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*[worker() for _ in range(in_flight)])
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"per_s": done / wall, "core": cpu / wall, "per_cpu_s": done / cpu}


async def reload(base: str) -> Row:
    """Milliseconds by which the slowest call is later than the median while a file of 500 deployments is replaced."""
    return await watch_reload(base)


async def pick(base: str) -> Row:
    """Microseconds of choosing among 500, by the slowest rule."""
    return slowest_pick(500)


def blocking(base: str, calls: int = 300, blocks: int = 10) -> Row:
    """CPU of a blocking call and of an async one, one at a time over loopback, by turns."""
    taken: dict[str, list[float]] = {"blocking": [], "async": []}
    with Orchestrator(honest_config(_log(), [base, base])) as llm, asyncio.Runner() as runner:

        def waiting() -> None:
            for _ in range(calls):
                llm.chat("answer", canned.MESSAGES)

        async def awaiting() -> None:
            for _ in range(calls):
                await llm.aio.chat("answer", canned.MESSAGES)

        for turn in range(blocks + 1):
            for name, work in (("blocking", waiting), ("async", lambda: runner.run(awaiting()))):
                begin = time.process_time()
                work()
                if turn:
                    taken[name].append((time.process_time() - begin) / calls * 1e6)
    medians = {name: statistics.median(found) for name, found in taken.items()}
    return {"ratio": medians["blocking"] / medians["async"], "us": medians["blocking"]}


MEASURES: Mapping[str, Callable[[str], Any]] = {
    measure.__name__: measure for measure in (policies, blocking, flat, pick, reload, sustained, queued, crowd)
}


def main() -> None:
    """Measure and print."""
    name, base = sys.argv[1:]
    found = MEASURES[name](base)
    row = asyncio.run(found) if asyncio.iscoroutine(found) else found
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
