"""`orchestrator dashboard` as a user runs it."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime

CALL = (
    b'{"ts":"2026-11-01T10:00:00.000Z","event":"llm.call","schema":1,"call_id":"a","route":"answer","status":"ok",'
    b'"deployment":"mini","provider":"openai","request_model":"gpt-4o-mini","tenant":"acme","tags":{"team":"web"},'
    b'"input_tokens":10,"output_tokens":5,"usage_source":"vendor","cost_usd":0.0123456789012345678901,"duration_ms":9,'
    b'"attempts":null}\n'
)

FILE = """
version: 1
providers: {openai: {kind: openai, api_key: {env: NO_SUCH_KEY}}}
deployments: {mini: {provider: openai, model: gpt-4o-mini}}
routes: {answer: {task: chat, pick: mini}}
log: {path: calls.jsonl}
"""


def run(folder, *words):
    """The command in a folder: what it says, and the code it ends with."""
    command = [sys.executable, "-m", "orchestrator", "dashboard", *words]
    environment = os.environ | {"COLUMNS": "100"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def data_of(html):
    kind, text = re.search(r'<script type="([^"]+)" id="data">(.*?)</script>', html, re.DOTALL).groups()
    return json.loads(gzip.decompress(base64.b64decode(text)) if kind == "application/gzip" else text)


def test_it_writes_one_page_and_says_what_is_in_it(tmp_path):
    """The page has the log's dollars to the last digit; the command says calls, dollars and size, and ends with 0."""
    (tmp_path / "calls.jsonl").write_bytes(CALL)
    done = run(tmp_path, "calls.jsonl", "-o", "page.html", "--title", "Costs of November")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("page.html: 1 call, $0.0123456789012345678901, ")
    html = (tmp_path / "page.html").read_text()
    assert "<title>Costs of November</title>" in html
    data = data_of(html)
    assert data["measures"]["cost_usd"] == ["123456789012345678901"]
    assert data["scale"] == 22
    assert data["source"] == "calls.jsonl"


def test_the_file_names_the_log(tmp_path):
    """Without logs it reads those of the configuration, whose secrets need not be there."""
    (tmp_path / "orchestrator.yaml").write_text(FILE)
    (tmp_path / "calls.jsonl").write_bytes(CALL)
    done = run(tmp_path, "-o", "-")
    assert done.returncode == 0, done.stderr
    assert data_of(done.stdout)["rows"] == 1


def test_budgets_are_told_by_the_lines(tmp_path):
    """A budget's name, whose share it is, its window, limit and spend are in the page, from a line alone."""
    budget = b'{"budget":"Teams","per":"tags.team","whose":"web","window":"month","period":"2026-11","limit_usd":2.5}'
    (tmp_path / "calls.jsonl").write_bytes(CALL.replace(b'"attempts"', b'"budgets":[' + budget + b'],"attempts"'))
    done = run(tmp_path, "calls.jsonl", "-o", "-")
    assert done.returncode == 0, done.stderr
    data = data_of(done.stdout)
    assert data["budgets"] == [
        {
            "budget": "Teams", "per": "tags.team", "whose": "web", "window": "month", "period": "2026-11", "calls": 1,
            "limit_usd": str(25 * 10 ** (data["scale"] - 1)), "spent_usd": "123456789012345678901", "unpriced": 0,
        }
    ]  # fmt: skip


def test_no_lines_and_mistakes_have_codes_of_their_own(tmp_path):
    """1 when there was no call in the lines, 2 for a log that is not there, with one line that says so."""
    (tmp_path / "empty.jsonl").write_bytes(b"")
    assert run(tmp_path, "empty.jsonl").returncode == 1
    done = run(tmp_path, "none.jsonl")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    unwritable = run(tmp_path, "empty.jsonl", "-o", "no/such/folder.html")
    assert unwritable.returncode == 2
    assert unwritable.stderr.count("\n") == 1


def test_since_and_where_choose_the_lines(tmp_path):
    """Only lines of the period and with the value are in the page."""
    (tmp_path / "calls.jsonl").write_bytes(CALL + CALL.replace(b'"a"', b'"b"').replace(b"2026-11-01", b"2026-11-09"))
    done = run(tmp_path, "calls.jsonl", "-o", "-", "--since", "2026-11-05")
    assert data_of(done.stdout)["first"][:10] == "2026-11-09"
    assert run(tmp_path, "calls.jsonl", "-o", "-", "--where", "tenant=globex").returncode == 1


def test_the_page_says_when_it_was_made(tmp_path):
    """In UTC, to the second."""
    (tmp_path / "calls.jsonl").write_bytes(CALL)
    made = datetime.fromisoformat(data_of(run(tmp_path, "calls.jsonl", "-o", "-").stdout)["generated"])
    assert abs((datetime.now(UTC) - made).total_seconds()) < 600
