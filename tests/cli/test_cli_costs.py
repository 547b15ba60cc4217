"""`orchestrator costs`, run as a user runs it."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from decimal import Decimal

import pytest


def line(i, **more):
    """A line of a call that cost i millionths of a dollar and one more at the last digit."""
    values = {
        "ts": f"2026-11-{i + 1:02d}T10:00:00.000Z", "event": "llm.call", "schema": 1, "call_id": f"c{i}",
        "route": "answer", "task": "chat", "status": "ok", "error_type": None, "deployment": "d", "provider": "p",
        "request_model": f"m{i % 3}", "tenant": "acme", "user": None, "tags": {"team": "a" if i % 2 else "b"},
        "input_tokens": 1000, "output_tokens": 10, "usage_source": "vendor", "cost_usd": None, "cost_unknown": None,
        "duration_ms": 100.0 + i, "first_token_ms": None, "attempts": None,
    }  # fmt: skip
    text = json.dumps(values | more, separators=(",", ":"))
    return text.replace('"cost_usd":null', f'"cost_usd":0.00000{i}000000000000001') if i % 5 else text


@pytest.fixture
def folder(tmp_path):
    lines = [line(i) for i in range(10)] + ["half a li"]
    (tmp_path / "calls.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def run(folder, *arguments, stdin=None, width="80"):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": width}
    command = [sys.executable, "-W", "error", "-m", "orchestrator", "costs", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False, input=stdin
    )


def test_table_fits_80_columns_and_calls_out_what_is_not_in_it(folder):
    """The table fits, ends with the sum, and says what has no price and which lines were left out."""
    done = run(folder, "calls.jsonl", "--by", "day", "--by", "model", "--top", "4")
    assert (done.returncode, done.stderr) == (0, "")
    rows = done.stdout.splitlines()
    assert max(map(len, rows)) <= 80
    assert any("6 more" in row for row in rows)
    assert any(row.split()[:2] == ["total", "10"] for row in rows)
    assert "2 attempts with 2,020 tokens have no known price" in " ".join(done.stdout.split())
    assert "Lines not counted: 1 foreign." in done.stdout


def test_no_number_is_cut(folder):
    """Long names are folded so that 80 columns hold every digit of the dollars, and every letter of the names."""
    model = "some-publisher/a-model-with-a-long-name"
    (folder / "long.jsonl").write_text(line(3, request_model=model, deployment="another-long-name-of-its-own") + "\n")
    done = run(folder, "long.jsonl", "--by", "model", "--by", "deployment", "--by", "status")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "…" not in done.stdout
    assert " 0.000003" in done.stdout


@pytest.mark.parametrize(("width", "columns"), [("60", "calls USD"), ("80", "calls input output USD"),
                                                ("140", "calls input output p50 ms p95 ms USD")])  # fmt: skip
def test_columns_that_say_least_go_when_there_is_no_room(folder, width, columns):
    """A table is as wide as the terminal at most, and cuts no name for a percentile."""
    done = run(folder, "calls.jsonl", "--by", "model", "--by", "tenant", "--by", "tag:quite-a-long-name", width=width)
    rows = done.stdout.splitlines()
    assert max(map(len, rows)) <= int(width)
    heading = next(row for row in rows if "calls" in row)
    assert heading.split() == ["model", "tenant", "tag:quite-a-long-name", *columns.split()]
    assert "…" not in done.stdout


@pytest.mark.parametrize("engine", ["python", "duckdb"])
def test_json_is_exact(folder, engine):
    """JSON has every digit, whichever engine read the lines."""
    if engine == "duckdb":
        pytest.importorskip("duckdb")
    done = run(folder, "calls.jsonl", "--by", "tag:team", "--format", "json", "--engine", engine)
    found = json.loads(done.stdout)
    assert found["total"]["cost_usd"] == "0.000040000000000000008"
    assert found["total"]["unpriced"] == 2
    assert sum(Decimal(row["cost_usd"]) for row in found["rows"]) == Decimal(found["total"]["cost_usd"])
    assert found["left_out"]["foreign"] == 1


def test_csv_is_all_rows(folder):
    """CSV has a header and every row, also beyond --top."""
    done = run(folder, "calls.jsonl", "--by", "day", "--format", "csv", "--top", "1")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["day"] for row in rows] == [f"2026-11-{i + 1:02d}" for i in range(10)]
    assert rows[1]["cost_usd"] == "0.000001000000000000001"


def test_conditions_and_times(folder):
    """--where, --since and --until choose lines; until is not included."""
    chosen = ["--where", "tag:team=a", "--since", "2026-11-02", "--until", "2026-11-06T10:00Z", "--format", "json"]
    found = json.loads(run(folder, "calls.jsonl", *chosen).stdout)
    assert (found["total"]["calls"], found["first"][:10], found["last"][:10]) == (2, "2026-11-02", "2026-11-04")


def test_log_of_the_file_and_stdin(folder):
    """Without logs the configuration's log is read; `-` reads stdin."""
    (folder / "orchestrator.yaml").write_text(
        "version: 1\nlog: {path: calls.jsonl}\nroutes: {answer: openai/gpt-4o-mini}\n"
    )
    named = run(folder, "--format", "json")
    piped = run(folder, "-", "--format", "json", stdin=(folder / "calls.jsonl").read_text())
    assert (named.returncode, named.stderr) == (0, "")
    assert json.loads(named.stdout) == json.loads(piped.stdout)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["calls.jsonl", "--by", "modle"], "did you mean 'model'?"),
        (["nothing.jsonl"], "no such log file"),
        (["calls.jsonl", "--since", "yesterday"], "is no time"),
        (["calls.jsonl", "--where", "route"], "KEY=VALUE"),
        ([], "no logs given"),
        (["calls.jsonl", "--prices", "none.yaml"], "none.yaml"),
    ],
)
def test_mistakes_end_with_2(folder, arguments, said):
    """A mistake in the question is one short error that names it, and the exit code 2."""
    done = run(folder, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) < 8


def test_no_lines_is_1(folder):
    """No calls at all is not an error of the question, and not a success."""
    (folder / "empty.jsonl").write_text("")
    assert run(folder, "empty.jsonl").returncode == 1


def test_priced_again(folder):
    """--prices takes prices of one's own for lines that name what they asked for."""
    asked = line(0, price_asked="openai/new-model")
    (folder / "old.jsonl").write_text(asked + "\n")
    (folder / "prices.yaml").write_text("openai/new-model: {input: 1, output: 100}\n")
    found = json.loads(run(folder, "old.jsonl", "--prices", "prices.yaml", "--format", "json").stdout)
    assert (found["total"]["cost_usd"], found["total"]["unpriced"]) == ("0.002", 0)
