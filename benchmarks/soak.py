"""A million calls on one client: do memory, sockets, tasks and threads stay flat?

    python benchmarks/soak.py --calls 1000000

Chats, streams and embeddings, with everything that should leave nothing behind: vendors that refuse, drop, cut, garble
and hang, outages that open breakers, calls that are cancelled, streams that are closed early or forgotten, and a reload
every few seconds. The vendors run in processes of their own. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import itertools
import math
import os
import platform
import random
import resource
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from clients import QUESTION, orchestrator_config
from vendors import VendorProcess

from orchestrator import AsyncOrchestrator, OrchestratorError
from orchestrator.testing import Fault, Vendor

FAULTS = (
    Fault(kind="hang", probability=0.0002),
    Fault(kind="status", status=503, probability=0.01),
    Fault(kind="status", status=500, probability=0.002),
    Fault(kind="status", status=429, retry_after=0.05, probability=0.002),
    Fault(kind="drop", probability=0.005),
    Fault(kind="cut", probability=0.005),
    Fault(kind="html", probability=0.002),
    Fault(kind="no_usage", probability=0.01),
)
OUTAGE = (Fault(kind="status", status=503),)
DEADLINE_S = 5.0
FLAT_BYTES_PER_CALL = 8.0
"""8 MB in a million calls: what a fragmented heap may move by, and less than the smallest thing left behind by each."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one moment."""

    calls: int
    seconds: float
    rss_mib: float
    objects: int
    sockets: int
    tasks: int
    threads: int


class Work:
    """The calls, `workers` at a time."""

    def __init__(self, llm: AsyncOrchestrator, calls: int, end: float) -> None:
        self._llm = llm
        self._numbers: Iterator[int] = iter(range(calls))
        self._end = end
        self._random = random.Random(7)
        self._kinds: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (
            *[self._chat] * 50,
            *[self._stream] * 28,
            *[self._embed] * 18,
            self._cancelled,
            self._cancelled,
            self._closed_early,
            self._forgotten,
        )
        self.done = 0
        self.outcomes: Counter[str] = Counter()

    async def worker(self) -> None:
        """One call after the other until all are made, or the time is over."""
        for _ in self._numbers:
            if time.monotonic() > self._end:
                return
            try:
                await self._random.choice(self._kinds)()
                self.outcomes["answered"] += 1
            except OrchestratorError as error:
                self.outcomes[type(error).__name__] += 1
            self.done += 1

    async def _chat(self) -> None:
        await self._llm.chat("answer", QUESTION, deadline=DEADLINE_S, tenant="soak")

    async def _stream(self) -> None:
        async with self._llm.stream("answer", QUESTION, deadline=DEADLINE_S) as stream:
            async for _ in stream:
                pass

    async def _embed(self) -> None:
        await self._llm.embed("search", [QUESTION, "and another sentence"], deadline=DEADLINE_S)

    async def _cancelled(self) -> None:
        call = asyncio.create_task(self._chat())
        await asyncio.sleep(self._random.uniform(0.0, 0.01))
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await call

    async def _closed_early(self) -> None:
        async with self._llm.stream("answer", QUESTION, deadline=DEADLINE_S) as stream:
            await stream.read()

    async def _forgotten(self) -> None:
        stream = self._llm.stream("answer", QUESTION, deadline=DEADLINE_S)
        await (await stream.__aenter__()).read()


def take(work: Work, begin: float) -> Sample:
    """Look at this process."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    links = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(os.readlink(entry))
    return Sample(
        calls=work.done,
        seconds=time.monotonic() - begin,
        rss_mib=pages * resource.getpagesize() / 2**20,
        objects=len(gc.get_objects()),
        sockets=sum(link.startswith("socket:") for link in links),
        tasks=len(asyncio.all_tasks()),
        threads=threading.active_count(),
    )


def config(urls: dict[str, str], version: int) -> dict[str, Any]:
    """Chats over both vendors, embeddings at one; each version is another one to a reload."""
    base = orchestrator_config(urls)
    deployments = base["deployments"]
    for name in urls:
        deployments[name]["limits"] = {"rpm": 10_000_000 + version, "tpm": "100G", "concurrency": 1000}
        deployments[f"{name}-vectors"] = {"provider": name, "model": "text-embedding-3-small", "dimensions": 64}
    base["routes"]["search"] = {"task": "embed", "pick": [f"{name}-vectors" for name in urls]}
    return base | {"log": {"path": os.devnull}}


async def trouble(llm: AsyncOrchestrator, vendors: Mapping[str, VendorProcess], pause_s: float) -> None:
    """A reload at each pause, and at each seventh an outage of two seconds: of one vendor, then of the other."""
    urls = {name: vendor.url(name) for name, vendor in vendors.items()}
    for version, (name, vendor) in zip(itertools.count(1), itertools.cycle(vendors.items())):
        await asyncio.sleep(pause_s)
        llm.reload(config(urls, version % 7))
        for other, process in vendors.items():
            process.change(other, "forget")
        if version % 7 == 3:
            vendor.change(name, "set", faults=OUTAGE)
            await asyncio.sleep(2.0)
            vendor.change(name, "set", faults=FAULTS)


async def soak(calls: int, time_s: float, workers: int, every_s: float) -> tuple[list[Sample], Counter[str]]:
    """All calls; a sample every few seconds, and one after the end."""
    os.environ.setdefault("BENCHMARK_KEY", "sk-benchmark")
    settings = [
        Vendor(name=name, faults=FAULTS, dimensions=64, seed=seed) for seed, name in enumerate(("alpha", "beta"))
    ]
    with VendorProcess(settings[0]) as alpha, VendorProcess(settings[1]) as beta:
        urls = {"alpha": alpha.url("alpha"), "beta": beta.url("beta")}
        llm = AsyncOrchestrator(config(urls, 0))
        begin = time.monotonic()
        work = Work(llm, calls, begin + time_s)
        running = [asyncio.create_task(work.worker()) for _ in range(workers)]
        troubles = asyncio.create_task(trouble(llm, {"alpha": alpha, "beta": beta}, every_s))
        samples = []
        while not all(task.done() for task in running):
            await asyncio.wait(running, timeout=every_s)
            samples.append(take(work, begin))
            print_sample(samples[-1])
        troubles.cancel()
        await asyncio.gather(*running)
        await llm.close()
        await asyncio.sleep(0.5)
        print_sample(take(work, begin), "closed")
    return samples, work.outcomes


def print_sample(sample: Sample, note: str = "") -> None:
    """One line of the table."""
    print(
        "| "
        + " | ".join(f"{value:>9,.{0 if isinstance(value, int) else 1}f}" for value in astuple(sample))
        + f" | {note}",
        flush=True,
    )


def verdict(samples: Sequence[Sample]) -> list[str]:
    """Flat or not, after a fifth of the calls as warm-up."""
    steady = [one for one in samples if one.calls >= samples[-1].calls / 5]
    if len(steady) < 6:
        return ["too short to say"]
    half = len(steady) // 2
    lines = []
    for name, unit, size, bound in (
        ("rss_mib", "bytes", 2.0**20, FLAT_BYTES_PER_CALL),
        ("objects", "objects", 1.0, 0.01),
    ):
        whole, late = (slope(part, name) * size for part in (steady, steady[half:]))
        # A leak goes on. A heap's high-water mark rises too, by steps that become rare.
        lines.append(f"{name}: {whole:+.3f} {unit} per call, {late:+.3f} in the later half: {flat(late <= bound)}")
    for name in ("sockets", "tasks", "threads"):
        first, second = (
            statistics.median(getattr(one, name) for one in part) for part in (steady[:half], steady[half:])
        )
        lines.append(f"{name}: median {first:.0f}, then {second:.0f}: {flat(second <= first * 1.1 + 2)}")
    return lines


def slope(samples: Sequence[Sample], name: str) -> float:
    """Growth per call."""
    return statistics.linear_regression(
        [float(one.calls) for one in samples], [getattr(one, name) for one in samples]
    ).slope


def flat(well: bool) -> str:
    """The verdict in words."""
    return "flat" if well else "NOT FLAT"


def main() -> None:
    """Read the arguments and go."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop then, however many calls were made")
    parser.add_argument("--workers", type=int, default=64, help="calls at a time")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between samples, reloads and outages")
    args = parser.parse_args()
    print("| " + " | ".join(f"{field.name:>9}" for field in fields(Sample)) + " |")
    print("| " + " | ".join("-" * 9 for _ in fields(Sample)) + " |")
    samples, outcomes = asyncio.run(soak(args.calls, args.minutes * 60.0, args.workers, args.every))
    last = samples[-1]
    print(
        f"\n{last.calls:,} calls in {last.seconds:.0f} s, {last.calls / last.seconds:,.0f} a second; {dict(outcomes)}"
    )
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    print("\n".join(verdict(samples)))


if __name__ == "__main__":
    main()
