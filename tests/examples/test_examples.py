"""The examples run as they stand, offline, as their own texts say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are not part of this installation")


@pytest.fixture
def run(tmp_path):
    """Runs a command in a copy of an example's folder; gives the lines it prints."""

    def run(name, *arguments, warnings="error"):
        folder = tmp_path / name
        shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("__pycache__", "*.jsonl"))
        done = subprocess.run(
            [sys.executable, "-W", warnings, *arguments],
            cwd=folder, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTEST_ADDOPTS": ""},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    return run


def logged(folder):
    return [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]


def test_every_example_is_run_here():
    """Each folder of the examples has a test of its name."""
    names = {path.name for path in EXAMPLES.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert {name for name in names if f"test_{name}" not in globals()} == set()


def test_minimal(run, tmp_path):
    """The minimal example prints an answer, who gave it, and what it cost."""
    answer, told = run("minimal", "app.py", "--simulate", "Which plan?")
    assert answer
    assert told.startswith("small (gpt-4o-mini")
    assert told.endswith(" USD")
    assert "None" not in told
    assert len(logged(tmp_path / "minimal")) == 1


def test_tools(run, tmp_path):
    """The loop hands a failed function's error to the model, and ends with the answer that used the right result."""
    assert run("tools", "offline.py") == ["Take one along: 12 mm of rain in the next 48 hours."]
    assert [line["finish_reason"] for line in logged(tmp_path / "tools")] == ["tool_calls", "tool_calls", "stop"]


def test_extract(run):
    """A misfit answer is repaired once, the value is typed and summed, and both attempts are in the cost."""
    invoice, cost = run("extract", "offline.py")
    assert invoice == "invoice 2041, due 30.06.2027, 2 lines, 90.50 euros"
    assert re.fullmatch(r"2 attempts, 0\.000\d+ USD", cost)


def test_batch(run):
    """A batch that a revoked key stops half way is completed by the next run, and never exceeds its concurrency."""
    first, second, most = run("batch", "offline.py")
    assert first.startswith("200 asked, 149 of 200 done, ")
    assert second.startswith("51 asked, 200 of 200 done, ")
    assert most == "at most 8 calls at once"


def test_swap(run):
    """An edit of the file changes the model, and the price, of a running process."""
    models = [line.split()[1] for line in run("swap", "offline.py")]
    assert (models[0], models[-1]) == ("gpt-4o-mini", "gpt-4.1-nano")
    assert models == sorted(models, reverse=True)


def test_rag(run):
    """The passage that answers is found, ranked first and cited; the search costs nothing where it is local."""
    (answer,) = run("rag", "offline.py")
    assert answer.startswith("Single sign-on is part of the Team plan.")
    assert answer.endswith("[1]")


@pytest.mark.skipif(find_spec("fastapi") is None or find_spec("uvicorn") is None, reason="needs fastapi and uvicorn")
def test_fastapi(run, tmp_path):
    """The service streams, breaks off rather than pretend, and turns a rate limit into 503 with Retry-After."""
    streamed, broken, refused = run("fastapi", "offline.py")
    assert streamed == "200 retry-after: None The| Team| plan|."
    assert broken == "the answer broke off"
    assert refused == '503 retry-after: 40 {"error":"RateLimited","retry_after_s":40.0}'
    lines = logged(tmp_path / "fastapi")
    assert [line["error_type"] for line in lines] == [None, "StreamInterrupted", "RateLimited"]
    assert {line["tenant"] for line in lines} == {"acme"}


def test_failover(run):
    """The rehearsal passes as it stands under pytest."""
    printed = run("failover", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert re.search(r"\b9 passed\b", printed[-1])


@pytest.mark.skipif(find_spec("openai") is None, reason="needs openai")
def test_moving(run):
    """Each program says the same before and after: the text twice, and the same cost."""
    told = dict(line.split(": ", 1) for line in run("moving", "offline.py"))
    assert told["openai_before.py"] == told["openai_after.py"]
    assert told["openai_after.py"].startswith("The Team plan. | The Team plan. | 0.0000")
    if find_spec("litellm") is not None:
        assert told["litellm_before.py"] == told["litellm_after.py"]
