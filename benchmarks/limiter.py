"""Several processes share one token limit: how often does the vendor refuse them, and how much of the limit is used?

    python benchmarks/limiter.py                        # all rows against all vendors, about twelve minutes
    python benchmarks/limiter.py --rows redis --period 6 --minutes 0.5     # a scaled minute; LiteLLM's cannot be scaled
    python benchmarks/limiter.py --speed                # reservations a second and round trips only

Needs `redis-server` (or `--redis URL`) and, for LiteLLM's row, the `litellm` extra.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import multiprocessing
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from limiter_callers import ROWS, Setting, call
from limiter_vendor import Tally, serve

from orchestrator.spec.stores import Limit
from orchestrator.stores.memory import MemoryLimits
from orchestrator.stores.redis import RedisLimits

_VENDORS = ("bucket", "sliding", "fixed")
_SPAWN = multiprocessing.get_context("spawn")


@contextlib.contextmanager
def _redis(url: str | None) -> Iterator[str]:
    """The given server, or one of our own for as long as this runs. URLs without a database."""
    if url is not None:
        yield url.rstrip("/")
        return
    binary = shutil.which("redis-server")
    if binary is None:
        sys.exit("redis-server is not installed; give --redis URL")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def _start(target: Any, *arguments: Any) -> tuple[BaseProcess, Connection]:
    ours, theirs = _SPAWN.Pipe()
    first, rest = arguments[0], arguments[1:]
    process = _SPAWN.Process(target=target, args=(theirs, first, *rest) if target is serve else (first, theirs))
    process.start()
    return process, ours


def _run(row: str, vendors: list[str], redis: str, options: argparse.Namespace) -> dict[str, list[Any]]:
    """One limiter against all vendors at the same time, each vendor with callers of its own."""
    seconds = options.minutes * 60
    servers = {name: _start(serve, options.limit, options.period, name) for name in vendors}
    ports = {name: pipe.recv() for name, (_, pipe) in servers.items()}
    callers = {name: [] for name in vendors}
    for database, name in enumerate(vendors):
        for number in range(options.processes):
            setting = Setting(
                row=row,
                port=ports[name],
                redis=f"{redis}/{database}",
                limit=options.limit,
                period_s=options.period,
                processes=options.processes,
                callers=options.callers,
                seconds=seconds,
                seed=number,
            )
            callers[name].append(_start(call, setting))
    pipes = [pipe for one in callers.values() for _, pipe in one]
    for pipe in pipes:
        pipe.recv()
    begin = time.monotonic()
    for pipe in pipes:
        pipe.send("go")
    found: dict[str, list[Any]] = {}
    for name, started in callers.items():
        figures = [pipe.recv() for _, pipe in started]
        servers[name][1].send("stop")
        tally: Tally = servers[name][1].recv()
        found[name] = _figures(tally, begin, seconds, options, figures)
    for process, _ in [*servers.values(), *(one for started in callers.values() for one in started)]:
        process.join()
    return found


def _figures(tally: Tally, begin: float, seconds: float, options: argparse.Namespace, figures: list[Any]) -> list[Any]:
    start, end = begin + options.warm_up * options.period, begin + seconds
    admitted = sum(size for at, size in tally.admitted if start <= at < end)
    goodput = admitted / (options.limit * (end - start) / options.period)
    reservations = sum(one[0] for one in figures)
    trips = sum(one[1] for one in figures)
    per = f"{trips / reservations:.2f}" if trips else "-"
    return [len(tally.admitted), len(tally.refused), f"{goodput:.1%}", per]


def _in_process() -> tuple[float, float]:
    """Reservations a second, and settled ones, under two limits that have room, on one thread."""
    store = MemoryLimits()
    limits = [Limit("k", "requests", 1e9, 60.0), Limit("k", "tokens", 1e12, 60.0)]
    slots = tuple([store.slot(limit) for limit in limits])

    def reserve() -> None:
        store.reserve(slots, (1.0, 2_000.0), time.monotonic())

    def reserve_and_settle() -> None:
        now = time.monotonic()
        store.reserve(slots, (1.0, 2_000.0), now)
        store.settle(slots, (0.0, -300.0), now, now)

    rates = [100_000 / min(timeit.repeat(one, number=100_000, repeat=5)) for one in (reserve, reserve_and_settle)]
    return rates[0], rates[1]


async def _over_redis(url: str, per_second: float, seconds: float) -> tuple[int, int, list[float]]:
    """Reservations at a steady rate, each settled: how many, the round trips they took, and seconds for each."""
    store = RedisLimits(url, prefix=f"speed{per_second:g}")
    slots = (store.slot(Limit("k", "requests", 1e7, 60.0)), store.slot(Limit("k", "tokens", 1e10, 60.0)))
    took: list[float] = []

    async def one() -> None:
        begin = time.perf_counter()
        asked = store.reserve(slots, (1.0, 2_000.0), time.monotonic())
        wait = asked if isinstance(asked, float) else await asked
        took.append(time.perf_counter() - begin)
        assert wait == 0.0
        store.settle(slots, (0.0, -300.0), time.monotonic())

    await one()
    took.clear()
    before, begin = store.round_trips, time.monotonic()
    tasks = []
    for i in range(int(per_second * seconds)):
        await asyncio.sleep(max(begin + i / per_second - time.monotonic(), 0.0))
        tasks.append(asyncio.create_task(one()))
    await asyncio.gather(*tasks)
    trips = store.round_trips - before
    store.close()
    return len(took), trips, took


def _speed(redis: str) -> None:
    reserved, settled = _in_process()
    print(f"\nin process, two limits: {reserved:,.0f} reservations/s; each one settled: {settled:,.0f}/s")
    print("\nover Redis, settled      round trips per reservation      p50       p99")
    for per_second in (20, 200, 1_000):
        count, trips, took = asyncio.run(_over_redis(f"{redis}/9", per_second, 5.0))
        cuts = statistics.quantiles(took, n=100)
        print(f"{per_second:>9,} /s {trips / count:>28.2f} {cuts[49] * 1e3:>18.2f} ms {cuts[98] * 1e3:>6.2f} ms")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(ROWS), help="of: %(default)s")
    parser.add_argument("--vendors", default=",".join(_VENDORS), help="of: %(default)s")
    parser.add_argument("--limit", type=int, default=600_000, help="tokens per period (default %(default)s)")
    parser.add_argument("--period", type=float, default=60.0, help="seconds in the vendor's minute")
    parser.add_argument("--minutes", type=float, default=3.0, help="real minutes per row")
    parser.add_argument("--warm-up", type=float, default=0.5, help="periods not counted in the goodput")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--callers", type=int, default=12, help="jobs at a time in each process")
    parser.add_argument("--redis", help="URL without a database; databases 0 to 2 and 9 are written to")
    parser.add_argument("--speed", action="store_true", help="only how fast reservations are")
    options = parser.parse_args()
    with _redis(options.redis) as redis:
        if not options.speed:
            print(f"{options.processes} processes, {options.limit:,} tokens per {options.period:g} s", flush=True)
            print(f"{'limiter':<12} {'vendor':<9} {'answered':>8} {'429s':>6} {'goodput':>8} {'trips/reservation':>18}")
            for row in options.rows.split(","):
                for vendor, figures in _run(row, options.vendors.split(","), redis, options).items():
                    answered, refused, goodput, trips = figures
                    print(f"{row:<12} {vendor:<9} {answered:>8,} {refused:>6,} {goodput:>8} {trips:>18}", flush=True)
        _speed(redis)


if __name__ == "__main__":
    main()
