"""Measures one library at one work, in a process of its own, and prints one JSON line.

python -m speed.measuring BASE_URL PEER TASK CALLS IN_FLIGHT [--profile LINES]
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import io
import json
import logging
import os
import pstats
import re
import time
from pathlib import Path
from typing import Any

from speed.memory import peak_mib
from speed.peers import PEERS, Ask, Peer, right

__all__ = ["WARM_UP_CALLS", "main"]

WARM_UP_CALLS = 20


async def _measure(peer: Peer, task: str, calls: int, in_flight: int) -> dict[str, float]:
    """CPU and wall time per call, closing included. Every answer is checked, outside of what is measured too."""
    ask: Ask = getattr(peer, task)
    for _ in range(WARM_UP_CALLS):
        _check(task, await ask())
    wrong = 0

    async def worker() -> None:
        nonlocal wrong
        for _ in range(calls // in_flight):
            wrong += not right(task, await ask())

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*[worker() for _ in range(in_flight)])
    if peer.close is not None:
        await peer.close()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    rss_mib = peak_mib()  # before what was left behind is looked at
    done = calls // in_flight * in_flight
    if wrong:
        raise AssertionError(f"{wrong} of {done} answers are not what the server sent")
    if peer.verify is not None:
        peer.verify(done + WARM_UP_CALLS)
    return {"cpu_us": cpu / done * 1e6, "wall_us": wall / done * 1e6, "calls": done + WARM_UP_CALLS, "rss_mib": rss_mib}


def _check(task: str, answer: Any) -> None:
    if not right(task, answer):
        raise AssertionError(f"not what the server sent: {str(answer)[:200]}")


async def _run(args: argparse.Namespace, profiler: cProfile.Profile | None) -> dict[str, Any]:
    peer = PEERS[args.peer](args.base, args.in_flight)
    if getattr(peer, args.task) is None:
        return {"skipped": "not compared"}
    if profiler is None:
        return await _measure(peer, args.task, args.calls, args.in_flight)
    profiler.enable()
    row = await _measure(peer, args.task, args.calls, args.in_flight)
    profiler.disable()
    return row | {"profile": _shown(profiler, args.profile, row["calls"])}


def _shown(profiler: cProfile.Profile, lines: int, calls: float) -> str:
    """The dearest functions by their own time. Times are larger than without the profiler, counts are not."""
    text = io.StringIO()
    stats = pstats.Stats(profiler, stream=text).sort_stats("tottime")
    total: int = stats.total_calls  # type: ignore[attr-defined]
    stats.print_stats(lines)
    here = str(Path(__file__).parents[2])
    table = text.getvalue().replace(here + "/", "")
    table = re.sub(r"/\S*/(site-packages|lib/python[\d.]+)/", "", table)
    kept = [line.rstrip() for line in table[table.index("   ncalls") :].splitlines() if line.strip()]
    return "\n".join([f"{calls:.0f} calls, {total / calls:.0f} function calls each", "", *kept, ""])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("base")
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("task", choices=["chat", "stream", "embed"])
    parser.add_argument("calls", type=int)
    parser.add_argument("in_flight", type=int)
    parser.add_argument("--profile", type=int, metavar="LINES")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL)
    try:
        row = asyncio.run(_run(args, cProfile.Profile() if args.profile else None))
    except ImportError as error:
        row = {"skipped": f"not installed: {error}"}
    print(json.dumps(row), flush=True)
    os._exit(0)  # what a library does at exit is no part of a call


if __name__ == "__main__":
    main()
