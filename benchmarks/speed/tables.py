"""Tables of what was measured, for people and for the documentation."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeAlias

from speed.rounds import Result
from speed.works import Work

__all__ = ["Comparison", "details", "machine", "markdown", "overview"]

Comparison: TypeAlias = "Sequence[tuple[Work, Mapping[str, Result]]]"

BASELINE = "aiohttp"
_LABELS = {
    "aiohttp": "aiohttp, bare",
    "httpx": "httpx, bare",
    "openai": "openai SDK",
    "anthropic": "anthropic SDK",
    "litellm": "LiteLLM Router",
    "tensorzero": "TensorZero embedded",
}
_DISTRIBUTIONS = (
    "aiohttp",
    "orjson",
    "pydantic",
    "httpx",
    "openai",
    "anthropic",
    "litellm",
    "tensorzero",
    "pydantic-ai",
    "langchain-openai",
)


def details(work: Work, results: Mapping[str, Result]) -> str:
    """One work, one line per library: medians, their range, the ratio, memory."""
    base = results[BASELINE].median(work.key) if BASELINE in results else None
    lines = [f"{work.title}: CPU {'ms' if work.starts else 'µs per call'}"]
    for peer, result in results.items():
        median = result.median(work.key)
        if median is None:
            lines.append(f"  {peer:14s} -        {result.skipped}")
            continue
        found = [row[work.key] for row in result.rows]
        ratio = f"{median / base:6.2f} x" if base else ""
        memory = f"{result.median('rss_mib'):6.0f} MiB"
        lines.append(f"  {peer:14s} {median:9.0f}  ({min(found):.0f} to {max(found):.0f})  {ratio} {memory}")
    return "\n".join(lines)


def overview(comparison: Comparison) -> list[list[str]]:
    """One row per work, one column per library that could be run: ratios to bare aiohttp, or milliseconds."""
    peers = [peer for peer in _peers(comparison) if peer not in {BASELINE, "orchestrator"}]
    head = ["CPU", _LABELS[BASELINE], *[_LABELS.get(peer, peer) for peer in peers], "orchestrator", "target"]
    return [head, *[_row(work, results, peers) for work, results in comparison]]


def _peers(comparison: Comparison) -> list[str]:
    found = {peer: None for _, results in comparison for peer, result in results.items() if result.rows}
    return list(found)


def _row(work: Work, results: Mapping[str, Result], peers: Sequence[str]) -> list[str]:
    base = results[BASELINE].median(work.key) if BASELINE in results else None
    first = "" if base is None else f"{base:.0f} ms" if work.starts else f"{base / 1e3:.2f} ms"
    cells = [_cell(work, results.get(peer), base) for peer in (*peers, "orchestrator")]
    target = "" if work.target is None else f"≤ {work.target:g} ms" if work.starts else f"≤ {work.target} x"
    return [work.title, first, *cells[:-1], f"**{cells[-1]}**" if cells[-1] else "", target]


def _cell(work: Work, result: Result | None, base: float | None) -> str:
    median = result.median(work.key) if result is not None else None
    if result is None or median is None:
        return ""
    if work.starts:
        return f"{median:.0f} ms, {result.median('rss_mib'):.0f} MiB"
    return f"{median / base:.2f} x" if base else f"{median / 1e3:.2f} ms"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown; the first row is its head."""
    head, *body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([head, "| --- " * len(rows[0]) + "|", *body])


def machine() -> str:
    """Where it was measured, and with what."""
    found = []
    for name in _DISTRIBUTIONS:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    cores = f"{os.cpu_count()} cores of an {_processor()}, load average {os.getloadavg()[2]:.1f} when it was done"
    return f"{cores}, {platform.system()} {platform.release()}, Python {platform.python_version()}, {', '.join(found)}"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    return platform.processor() or platform.machine()
