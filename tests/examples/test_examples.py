"""The examples run as they stand, offline."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the examples are not part of this installation")
def test_minimal(tmp_path):
    """The minimal example prints an answer, who gave it, and what it cost."""
    for file in (EXAMPLES / "minimal").iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    done = subprocess.run(
        [sys.executable, "-W", "error", "app.py", "--simulate", "Which plan?"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer, told = done.stdout.splitlines()
    assert answer
    assert told.startswith("small (gpt-4o-mini")
    assert told.endswith(" USD")
    assert "None" not in told
    assert (tmp_path / "calls.jsonl").read_text().count("\n") == 1
