"""Lines added up: two engines, one answer, exact to the last digit."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal, localcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_lines import FAULTS, attempt, call, log, rendered

from orchestrator.dashboards import Query, gather, roll_up
from orchestrator.dashboards.columns import ATTEMPT_COLUMNS, COLUMNS
from orchestrator.dashboards.duck import DuckLog, Unfit
from orchestrator.dashboards.tally import Spread, rounded_us
from orchestrator.errors import ConfigError
from orchestrator.telemetry.lines import KEYS
from orchestrator.telemetry.lines import line as shape

ALL = Query(
    by=("day", "route", "model", "tenant", "tag:team"),
    latency_by=((), ("route", "deployment"), ("day",)),
    dearest=7,
    tags=True,
)


def gather_by_duckdb(names, query, **more):
    """As `gather`, by DuckDB or not at all."""
    with DuckLog(names, query.dimensions, **more) as read:
        return read.find(query)


def written(folder, lines, name="calls.jsonl"):
    path = folder / name
    path.write_bytes(b"\n".join(lines) + b"\n")
    return str(path)


def exact_sum(lines):
    """The dollars of the lines by the standard library alone; of unpriced calls, of the attempts that have a price."""
    total, seen = Decimal(0), set()
    with localcontext() as context:
        context.prec = 60
        for raw in lines:
            try:
                line = json.loads(raw, parse_float=Decimal)
            except ValueError:
                continue
            ours = isinstance(line, dict) and line.get("event") == "llm.call" and line.get("schema") == 1
            if not ours or "ts" not in line or (line["call_id"] and raw in seen):
                continue
            seen.add(raw)
            costs = [one["cost_usd"] for one in line.get("attempts") or [line] if one.get("cost_usd") is not None]
            total += sum(costs, Decimal(0))
    return total


QUERIES = [
    ALL,
    Query(),
    Query(by=("hour", "error", "price_row", "status")),
    Query(by=("user", "tag:x/y~z", "tag:cost_usd"), where={"tenant": "o'neil"}),
    Query(by=("deployment", "provider", "region", "task"), where={"deployment": "a", "tag:team": ""}, tags=True),
    Query(by=("budget", "whose", "model"), latency_by=((), ("budget",)), dearest=3, where={"deployment": "b"}),
    Query(by=("day", "budget"), latency_by=(("tenant", "budget"), ("tenant",)), where={"budget": "Each"}),
    Query(by=("tenant",), where={"budget": "", "whose": ""}),
    Query(by=("model",), latency_by=(("model",),), since="2026-05-29T00:00:00.000Z", until="2026-06-02T00:00:00.000Z"),
]


@pytest.mark.parametrize("query", QUERIES)
def test_engines_agree_on_faulty_logs(tmp_path, query):
    """DuckDB and Python give the same findings, cell by cell, over logs with cuts, foreign lines and copies."""
    pytest.importorskip("duckdb")
    names = [written(tmp_path, log(seed, 300), f"{seed}.jsonl") for seed in (1, 2)]
    assert gather_by_duckdb(names, query) == gather(names, query, engine="python")


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10**9), count=st.integers(0, 12), query=st.sampled_from(QUERIES))
def test_engines_agree_on_any_small_log(tmp_path_factory, seed, count, query):
    """Whatever small log it is, both engines say the same."""
    pytest.importorskip("duckdb")
    name = written(tmp_path_factory.mktemp("log"), log(seed, count))
    assert gather_by_duckdb([name], query) == gather([name], query, engine="python")


@pytest.mark.parametrize("engine", ["python", "auto"])
def test_dollars_are_the_lines_sum_to_the_last_digit(tmp_path, engine):
    """The total is the sum of the lines' dollars, also where they have 24 digits after the point."""
    lines = log(3, 400)
    found = gather([written(tmp_path, lines)], ALL, engine=engine)
    assert found.total().cost_usd == exact_sum(lines) > 0
    assert any(len(str(part.cost_usd)) > 20 for part in found.cells.values())


def test_by_attempt_and_by_call_give_the_same_total(tmp_path):
    """Costs by deployment, which go by attempt, and by route, which go by call, have one sum."""
    name = written(tmp_path, log(4, 200))
    sums = [gather([name], Query(by=(by,))).total() for by in ("deployment", "route", "day", "tag:team")]
    assert all(one == sums[0] for one in sums)
    assert sums[0].calls < sums[0].attempts


def test_faults_are_counted_by_kind(tmp_path):
    """Cut, foreign, other and newer lines and copies are told apart, and none of them is fatal."""
    line = rendered(call(1, __import__("random").Random(9)))
    found = gather([written(tmp_path, [line, line, *FAULTS])], Query(), engine="python")
    assert found.faults.as_json() == {"truncated": 1, "foreign": 9, "other_events": 1, "newer": 1, "duplicates": 1}
    assert found.notices == {"llm.config.reloaded": (1, "2026-11-01T00:00:00.000Z")}
    assert found.total().calls == 2


def test_files_are_found_and_read_once(tmp_path):
    """A directory, a pattern and the file itself are one file; what was just compressed is not counted beside it."""
    lines = log(5, 20, faulty=False)
    name = written(tmp_path, lines)
    (tmp_path / "calls.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    alone = gather([name], ALL)
    assert gather([str(tmp_path), str(tmp_path / "*.jsonl"), name], ALL) == alone
    (tmp_path / "calls.jsonl").unlink()
    for engine in ("python", "auto"):
        assert gather([str(tmp_path)], ALL, engine=engine) == alone


def test_what_does_not_fit_into_memory_is_asked_again_with_more(tmp_path):
    """A log that needs more memory than DuckDB is given at first is read all the same, and by DuckDB."""
    pytest.importorskip("duckdb")
    lines = log(12, 3000, faulty=False)
    name = written(tmp_path, lines)
    assert gather_by_duckdb([name], ALL, memory_mb=20) == gather([name], ALL, engine="python")


@pytest.mark.parametrize("odd", [b'{"ts":"\xff\xfe"}', b"{}\r"])
def test_what_duckdb_cannot_read_python_reads(tmp_path, odd):
    """A line that is no UTF-8, or ends in another way, costs the fast way, not the answer."""
    lines = [*log(6, 10, faulty=False), odd]
    name = written(tmp_path, lines)
    pytest.importorskip("duckdb")
    with pytest.raises(Unfit):
        gather_by_duckdb([name], ALL)
    found = gather([name], ALL)
    assert found == gather([name], ALL, engine="python")
    assert found.faults.foreign == 1


def test_mistakes_name_the_fix(tmp_path):
    """A missing file and an unknown dimension are errors that name it."""
    with pytest.raises(ConfigError, match="no such log file"):
        gather([str(tmp_path / "none.jsonl")], ALL)
    with pytest.raises(ValueError, match="colour"):
        Query(by=("colour",))


def test_percentiles_are_nearest_rank_to_three_digits():
    """The percentile is the value at the nearest rank, rounded to three digits."""
    values = [0.0004, 1.0, 9.994, 9.996, 100.49, 1234.5, 99_999.0]
    spread = Spread()
    for value in values:
        spread.add(rounded_us(value))
    assert [spread.percentiles_ms(share)[0] for share in (0.01, 0.5, 0.95)] == [0.0, 10.0, 100000.0]
    assert spread.percentiles_ms(3 / 7)[0] == 9.99
    assert Spread().percentiles_ms(0.5) == (None,)


def test_columns_are_the_lines_keys():
    """The column map has exactly the keys of the line, and of its attempts."""
    event = call(1, __import__("random").Random(2))
    both = shape(event)["attempts"] or shape(_with_two(event))["attempts"]
    assert (set(COLUMNS), set(ATTEMPT_COLUMNS)) == (set(KEYS), set(both[0]))


def _with_two(event):
    from dataclasses import replace

    return replace(event, attempts=(attempt(1, "a"), attempt(2, "b")))


def test_duckdb_reads_lines_by_the_published_columns(tmp_path):
    """The column map works as it stands, in one SELECT."""
    duckdb = pytest.importorskip("duckdb")
    from orchestrator.dashboards.columns import column_map

    name = written(tmp_path, log(7, 30, faulty=False))
    sql = f"SELECT count(*), sum(len(attempts)) FROM read_json('{name}', columns={column_map()}, ignore_errors=true)"
    calls, tries = duckdb.sql(sql).fetchall()[0]
    assert calls == 30
    assert tries > 0


@pytest.mark.parametrize("max_cells", [50_000, 20])
def test_rollup_keeps_the_sums(tmp_path, max_cells):
    """Totals, and the sum of the cube's rows, are the findings'; with few rows, small values become others."""
    name = written(tmp_path, log(8, 300))
    rollup = roll_up([name], max_cells=max_cells)
    total = gather([name], Query()).total()
    assert rollup.totals.sums == total
    found = rollup.as_json()
    with localcontext() as context:
        context.prec = 60
        assert sum(map(Decimal, found["cube"]["measures"]["cost_usd"])) == total.cost_usd
    assert sum(found["cube"]["measures"]["calls"]) == total.calls
    codes = found["cube"]["keys"]["tenant"]
    assert ("(others)" in codes["values"]) == (max_cells == 20)
    assert len(codes["codes"]) == len(found["cube"]["measures"]["calls"])
    assert json.loads(json.dumps(found)) == found


def test_rollup_grain(tmp_path):
    """Up to three days are told by the hour, more by the day."""
    lines = [rendered(call(0, __import__("random").Random(1)))]
    assert roll_up([written(tmp_path, lines)]).grain == "hour"
    assert roll_up([written(tmp_path, log(9, 300), "long.jsonl")]).grain == "day"
