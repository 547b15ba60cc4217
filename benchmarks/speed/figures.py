"""The figures of this project alone: what they are called, what they should be, how they are told."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speed.honest import honest_config
from speed.rounds import Server, environment, failure, served

__all__ = ["FIGURES", "measure_figures"]

_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One row. `tell` is given the medians of the rounds."""

    title: str
    target: str
    tell: Callable[[Mapping[str, float]], str]


FIGURES: Mapping[str, Figure] = {
    "policies": Figure(
        "all policies of a chat, vendor without network, CPU",
        "≤ 50 µs p50, ≤ 200 µs p99",
        lambda row: f"{row['p50_us']:.0f} µs p50, {row['p99_us']:.0f} µs p99",
    ),
    "blocking": Figure(
        "a blocking call to an async one, one at a time, CPU",
        "≤ 2 x",
        lambda row: f"{row['ratio']:.2f} x ({row['us']:.0f} µs)",
    ),
    "file": Figure(
        "import, `from_file`, first answer, close, CPU",
        "≤ 500 ms, ≤ 65 MiB",
        lambda row: f"{row['cpu_ms']:.0f} ms, {row['rss_mib']:.0f} MiB",
    ),
    "flat": Figure(
        "a chat among 2, 50, 500 deployments and routes, vendor without network, CPU",
        "flat",
        lambda row: f"{row['us_2']:.0f}, {row['us_50']:.0f}, {row['us_500']:.0f} µs",
    ),
    "pick": Figure("choosing among 500, by the slowest rule, CPU", "≤ 20 µs", lambda row: f"{row['us']:.1f} µs"),
    "reload": Figure(
        "reload of 500 deployments: the slowest call meanwhile, beyond the median (without a reload)",
        "≤ 30 ms",
        lambda row: f"{row['late_ms']:.0f} ms ({row['calm_late_ms']:.0f} ms)",
    ),
    "sustained": Figure(
        "calls a second on one core, vendor answers after 50 ms",
        "2,000",
        lambda row: f"{row['per_s']:,.0f}, {row['core']:.0%} of the core: {row['per_cpu_s']:,.0f} per second of CPU",
    ),
    "queued": Figure(
        "10,000 calls on one client, 200 of them at the vendor",
        "≤ 300 MiB, no error",
        lambda row: f"{row['rss_mib']:.0f} MiB, {row['wall_s']:.1f} s",
    ),
    "crowd": Figure(
        "10,000 calls at the vendor at once", "≤ 300 MiB, no error", lambda row: f"{row['rss_mib']:.0f} MiB"
    ),
}


def measure_figures(names: Sequence[str], rounds: int) -> list[list[str]]:
    """A table: its head, and a row for each figure. Nothing if none is asked for."""
    if not names:
        return []
    rows = [["figure", "measured", "target"]]
    with served(tls=False) as server:
        for name in names:
            figure = FIGURES[name]
            shown = _told(figure, [_one(name, server) for _ in range(rounds)])
            print(f"{figure.title}: {shown}", flush=True)
            rows.append([figure.title, shown, figure.target])
    return rows


def _told(figure: Figure, rows: Sequence[Mapping[str, Any]]) -> str:
    failed = [str(row["failed"]) for row in rows if "failed" in row]
    if failed:
        return f"failed: {failed[0]}"
    return figure.tell({key: statistics.median(row[key] for row in rows) for key in rows[0]})


def _one(name: str, server: Server) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        known = environment(folder)
        base = server.url("")
        command = ["speed.scale", name, base]
        if name == "file":
            path = Path(folder) / "orchestrator.yaml"
            path.write_text(json.dumps(honest_config(Path(folder) / "calls.jsonl", [base, base]), indent=1) + "\n")
            command = ["speed.starting", "file", str(path)]
        done = subprocess.run(
            [sys.executable, "-m", *command], env=known, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    return json.loads(lines[-1]) if lines else {"failed": failure(done.stderr)}
