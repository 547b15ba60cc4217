"""Counts the Python and C functions that one call runs: the same on a busy machine and on a quiet one.

    python tests/speed/counting.py            # print them beside those on record
    python tests/speed/counting.py --update   # put them on record, for this version of Python

The transport answers at once; everything else is as in production: see `benchmarks/speed/honest.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, TypeAlias, TypeVar

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT), str(ROOT / "providers")]

from speed import canned  # noqa: E402
from speed.at_once import AtOnce  # noqa: E402
from speed.honest import KEY_VARIABLE, honest_config  # noqa: E402

from orchestrator import AsyncOrchestrator  # noqa: E402
from orchestrator.types import Cost  # noqa: E402

RECORD = Path(__file__).with_name("function_calls.json")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"

_WARM_UP = 30
_CALLS = 101

Result = TypeVar("Result")
Counts: TypeAlias = dict[str, dict[str, int]]
"""By work (`chat`): by kind (`python`, `c`), the functions called."""


class Counter:
    """Counts what a thread calls while it is the thread's profiler."""

    def __init__(self) -> None:
        self.python = self.c = 0

    def __call__(self, frame: Any, event: str, arg: Any) -> None:
        """One event of the interpreter."""
        if event == "call":
            self.python += 1
        elif event == "c_call":
            self.c += 1


async def counted(work: Callable[[], Awaitable[Result]], right: Callable[[Result], bool]) -> dict[str, int]:
    """Functions that this work calls, medians: what comes only now and then is no part of a call."""
    for _ in range(_WARM_UP):
        assert right(await work())
    counters = [Counter() for _ in range(_CALLS)]
    for counter in counters:
        await asyncio.sleep(0)  # the event loop clears its cancelled timers away
        sys.setprofile(counter)
        try:
            result = await work()
        finally:
            sys.setprofile(None)
        assert right(result)
    return {kind: int(statistics.median(getattr(one, kind) for one in counters)) for kind in ("python", "c")}


async def measured() -> Counts:
    """All counts."""
    os.environ.setdefault(KEY_VARIABLE, canned.KEY)
    with tempfile.TemporaryDirectory() as folder:
        config = honest_config(Path(folder) / "calls.jsonl", ["https://a.example.com/v1", "https://b.example.com/v1"])
        whole = AsyncOrchestrator(config, transport=AtOnce(whole=True), random=Random(7))
        pieces = AsyncOrchestrator(config, transport=AtOnce(whole=False), random=Random(7))
        async with whole, pieces:
            return {
                "chat": await counted(lambda: chat(whole), right_text),
                "stream of 42 events in one write": await counted(lambda: stream(whole), right_text),
                "stream of 42 events, one write per event": await counted(lambda: stream(pieces), right_text),
                "embed 32 texts": await counted(lambda: embed(whole), right_vectors),
            }


async def chat(llm: AsyncOrchestrator) -> tuple[str, Cost]:
    """One chat."""
    reply = await llm.chat("answer", canned.MESSAGES)
    return reply.text, reply.cost


async def stream(llm: AsyncOrchestrator) -> tuple[str, Cost]:
    """One stream, read to its end."""
    async with llm.stream("answer", canned.MESSAGES) as events:
        pieces = [text async for text in events.text]
    return "".join(pieces), events.reply.cost


async def embed(llm: AsyncOrchestrator) -> tuple[Sequence[Sequence[float]], Cost]:
    """One batch of texts. A number of each vector is read, so that none may be left undecoded."""
    reply = await llm.embed("search", canned.TEXTS)
    vectors = reply.vectors
    _ = [vector[0] for vector in vectors]
    return vectors, reply.cost


def right_text(result: tuple[str, Cost]) -> bool:
    """The whole text came, and a price."""
    text, cost = result
    return text == canned.TEXT and bool(cost.total)


def right_vectors(result: tuple[Sequence[Sequence[float]], Cost]) -> bool:
    """All vectors came, and a price."""
    vectors, cost = result
    return canned.right_vectors(vectors) and bool(cost.total)


def on_record() -> dict[str, Counts]:
    """By version of Python."""
    found: dict[str, Counts] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    return found


def main() -> None:
    """Print or update."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--update", action="store_true", help=f"write them to {RECORD.name}")
    update = parser.parse_args().update
    counts, record = asyncio.run(measured()), on_record()
    for work, kinds in counts.items():
        for kind, count in kinds.items():
            before = record.get(PYTHON, {}).get(work, {}).get(kind)
            sys.stdout.write(f"{work + ', ' + kind:48s} {count:6d}   on record: {before}\n")
    if update:
        RECORD.write_text(json.dumps(dict(sorted((record | {PYTHON: counts}).items())), indent=2) + "\n")


if __name__ == "__main__":
    main()
