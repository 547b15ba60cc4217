"""What a reload does to the calls that are made meanwhile."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

from orchestrator import AsyncOrchestrator
from speed import canned
from speed.honest import large_config

__all__ = ["watch_reload"]

_CALM_S = 1.5
_AFTER_S = 0.5
_AT_MOST_S = 30.0


async def watch_reload(base: str, size: int = 500) -> dict[str, float]:
    """Calls run all the time, two at once; a file is replaced in one step and taken over by itself.

    Returns `late_ms`, of the slowest call while the file was read and put in force, beyond the median call, and
    `calm_late_ms`, the same before: what the machine and the collector do to a call anyway.
    """
    path = Path(tempfile.mkdtemp()) / "orchestrator.yaml"
    _replace(path, base, size, rpm=1_000_000)
    async with AsyncOrchestrator.from_file(path) as llm:
        taken: list[float] = []
        caller = asyncio.gather(*[asyncio.create_task(_calls(llm, taken)) for _ in range(2)])
        try:
            await asyncio.sleep(_CALM_S)
            taken.clear()  # connections were opened
            await asyncio.sleep(_CALM_S)
            calm, taken[:] = list(taken), []
            before = llm.config.config_hash
            _replace(path, base, size, rpm=2_000_000)
            until = time.monotonic() + _AT_MOST_S
            while llm.config.config_hash == before:
                if time.monotonic() > until:
                    raise AssertionError("the new file was not taken over")
                await asyncio.sleep(0.02)
            await asyncio.sleep(_AFTER_S)
        finally:
            caller.cancel()
            await asyncio.gather(caller, return_exceptions=True)
    usual = statistics.median(taken)
    return {"late_ms": (max(taken) - usual) * 1e3, "calm_late_ms": (max(calm) - usual) * 1e3, "calls": len(taken)}


async def _calls(llm: AsyncOrchestrator, taken: list[float]) -> None:
    while True:
        begin = time.perf_counter()
        await llm.chat("all", canned.MESSAGES)
        taken.append(time.perf_counter() - begin)
        await asyncio.sleep(0.002)


def _replace(path: Path, base: str, size: int, rpm: int) -> None:
    fresh = path.with_suffix(".new")
    # JSON is YAML; one line per deployment and route, as people write them.
    fresh.write_text(json.dumps(large_config(base, size, rpm=rpm), indent=1) + "\n")
    fresh.rename(path)
