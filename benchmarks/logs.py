"""How long does it take to add up a month of log lines, and in how much memory?

    python benchmarks/logs.py                      # 5 million lines in a temporary directory, deleted afterwards
    python benchmarks/logs.py --lines 500000 --engines duckdb,page,python,json,sqlite

Each engine runs in a process of its own and groups by day, route, model, tenant and tag: calls, dollars, tokens.
`duckdb` and `python` are those of `orchestrator costs`, with exact dollars, percentiles, faults and copies found;
`page` is what `orchestrator dashboard` reads by DuckDB; `json` and `sqlite` are what one writes by hand with the
standard library, with dollars as floats and nothing else.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

_START = 1_793_491_200
_DAYS = 30
_ENGINES = ("duckdb", "page", "python", "json", "sqlite")


def _write(folder: Path, lines: int, seed: int) -> None:
    """One file a day, as the library writes it; three calls of a hundred have failed over."""
    from orchestrator.telemetry.lines import line

    dice = random.Random(seed)
    shapes = [line(_event(dice, failed_over=i < 3)) for i in range(100)]
    each = lines // _DAYS
    for day in range(_DAYS):
        with (folder / f"calls-{day:02d}.jsonl").open("wb") as file:
            for i in range(each):
                when = _START + 86_400 * day + 86_400 * i // each
                file.write(_line(dice.choice(shapes), when, day * each + i, dice) + b"\n")


def _event(dice: random.Random, *, failed_over: bool):
    from orchestrator.policies.account import total_cost
    from orchestrator.spec.events import CallContext, CallEvent
    from orchestrator.types.call import Attempt, Timings
    from orchestrator.types.usage import Cost, Usage

    model = f"model-{dice.randrange(7)}"
    usage = Usage(input_tokens=1, output_tokens=1, cache_read_tokens=dice.choice([0, 512]))
    cost = Cost(total=Decimal("0.00005"), price_row=f"openai/{model}", price_book="2026-11-01", asked=f"openai/{model}")
    tries = [
        Attempt(
            number=i, deployment=f"d-{i}", provider="openai", model=model, duration_ms=800.0, usage=usage, cost=cost,
            error="ServerError" if failed_over and i == 1 else None, request_id="req_0123456789", ended=_START,
        )
        for i in range(1, 3 if failed_over else 2)
    ]  # fmt: skip
    return CallEvent(
        time=_START, call_id="c", config_hash="0123456789ab", route=f"route-{dice.randrange(4)}", task="chat",
        context=CallContext(tenant=f"tenant-{dice.randrange(50)}", tags={"feature": f"f{dice.randrange(4)}"}),
        stream=True, timings=Timings(duration_ms=1.0, first_token_ms=1.0), attempts=tuple(tries), usage=usage,
        cost=total_cost(tries), response_model=model, response_id="chatcmpl-0123456789", finish_reason="stop",
    )  # fmt: skip


def _line(shape: dict[str, object], when: int, i: int, dice: random.Random) -> bytes:
    dollars = orjson.Fragment(f"0.{dice.randrange(10**8):012d}")
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when)) + f".{i % 1000:03d}Z"
    costs = {} if shape["attempts"] else {"cost_usd": dollars, "cost": {"input": dollars}}
    values = costs | {
        "ts": stamp, "call_id": f"{i:032x}", "tenant": f"tenant-{dice.randrange(50)}",
        "input_tokens": dice.randrange(8000), "output_tokens": dice.randrange(900),
        "duration_ms": round(dice.lognormvariate(7, 0.8), 3), "first_token_ms": round(dice.lognormvariate(5, 0.7), 3),
    }  # fmt: skip
    return orjson.dumps(shape | values)


def _ours(folder: Path, engine: str) -> tuple[int, Decimal]:
    from orchestrator.dashboards import Query, gather

    by = ("day", "route", "model", "tenant", "tag:feature")
    query = Query(by=by, latency_by=((), by))
    found = gather([str(folder)], query, engine="duckdb" if engine == "duckdb" else "python")
    return len(found.cells), found.total().cost_usd.normalize()


def _page(folder: Path) -> tuple[int, Decimal]:
    from orchestrator.dashboards import roll_up

    found = roll_up([str(folder)], engine="duckdb")
    return len(found.cube.measures["calls"]), found.totals.sums.cost_usd.normalize()


def _key(line: dict[str, Any]) -> tuple[str, ...]:
    return line["ts"][:10], line["route"], line["request_model"], line["tenant"], line["tags"]["feature"]


def _json(folder: Path) -> tuple[int, float]:
    cells: dict[tuple[str, ...], list[float]] = {}
    for path in sorted(folder.glob("*.jsonl")):
        with path.open() as file:
            for text in file:
                line = json.loads(text)
                cell = cells.setdefault(_key(line), [0, 0, 0])
                cell[0] += 1
                cell[1] += line["cost_usd"]
                cell[2] += line["input_tokens"] + line["output_tokens"]
    return len(cells), sum(cell[1] for cell in cells.values())


def _sqlite(folder: Path) -> tuple[int, float]:
    database = sqlite3.connect(folder / "lines.sqlite")
    database.execute("CREATE TABLE lines (day, route, model, tenant, feature, cost_usd REAL, tokens INTEGER)")
    for path in sorted(folder.glob("*.jsonl")):
        with path.open() as file:
            rows = (json.loads(text) for text in file)
            values = ((*_key(row), row["cost_usd"], row["input_tokens"] + row["output_tokens"]) for row in rows)
            database.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    database.commit()
    keys = "day, route, model, tenant, feature"
    groups = database.execute(f"SELECT count(*), sum(cost_usd), sum(tokens) FROM lines GROUP BY {keys}")
    found = groups.fetchall()
    (folder / "lines.sqlite").unlink()
    return len(found), sum(row[1] for row in found)


def _measure(folder: Path, engine: str) -> None:
    started = time.perf_counter()
    others = {"json": _json, "sqlite": _sqlite, "page": _page}
    groups, dollars = others.get(engine, lambda where: _ours(where, engine))(folder)
    wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu, rss = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    print(f"| {engine} | {wall:.1f} | {cpu:.1f} | {rss:.0f} | {groups:,} | {dollars} |", flush=True)


def main() -> None:
    """Write the lines, then run each engine over them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=5_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engines", default=",".join(_ENGINES))
    parser.add_argument("--measure", nargs=2, metavar=("FOLDER", "ENGINE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        _measure(Path(given.measure[0]), given.measure[1])
        return
    with tempfile.TemporaryDirectory(prefix="orchestrator-lines-") as name:
        folder = Path(name)
        _write(folder, given.lines, given.seed)
        size = sum(path.stat().st_size for path in folder.iterdir())
        print(f"{given.lines:,} lines, {size / 1e9:.2f} GB\n")
        print(
            "| engine | wall s | CPU s | peak RSS MiB | groups | dollars |\n| --- | ---: | ---: | ---: | ---: | ---: |"
        )
        for engine in given.engines.split(","):
            subprocess.run([sys.executable, __file__, "--measure", name, engine], check=True)


if __name__ == "__main__":
    main()
