"""The benchmark's one command works; what it measures is not looked at here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PEERS = ["orchestrator", "aiohttp"]


def test_the_command_fills_a_page_and_a_file(tmp_path: Path) -> None:
    """Works run for this project and for bare aiohttp, with and without TLS, and land in tables and rows."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    page, rows = tmp_path / "page.md", tmp_path / "rows.json"
    page.write_text("before\n<!-- measured: comparison -->\n<!-- end -->\nafter\n")
    works = ["stream-pieces", "chat-tls"]
    asked = ["--quick", "--rounds", "1", "--works", *works, "--figures", "pick", "--peers", *PEERS]
    kept = ["--markdown", str(page), "--json", str(rows), "--profile", str(tmp_path / "profiles")]
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), *asked, *kept]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(rows.read_text())
    assert set(found["works"]) == set(works)
    assert all(len(by_peer[peer]) == 1 for by_peer in found["works"].values() for peer in PEERS), done.stdout
    assert found["figures"][1][0].startswith("choosing among 500")
    text = page.read_text()
    assert text.startswith("before\n<!-- measured: comparison -->\n\n| CPU | aiohttp, bare | orchestrator | target |")
    assert text.count("\n| ") == 2 + len(works)
    assert text.endswith("<!-- end -->\nafter\n")
    assert "function calls each" in (tmp_path / "profiles" / "chat-tls.txt").read_text()
