"""`orchestrator diff`, run as a user runs it, and its comparison."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.diff.compare import Comparison, compare
from orchestrator.cli.diff.sides import read_sides
from orchestrator.errors import ConfigError

FILE = """\
version: 1
providers:
  openai: {kind: openai, api_key: {env: OPENAI_API_KEY}, region: us}
  claude: {kind: anthropic, api_key: {env: ANTHROPIC_API_KEY}, region: eu, trains: false}
deployments:
  mini: {provider: openai, model: gpt-4o-mini}
  opus: {provider: claude, model: claude-opus-5-5, price: {input: 5, output: 25}}
  unused: {provider: openai, model: o3}
routes:
  answer:
    task: chat
    pick: mini
    require: [tools, forced_tools, {region: us}]
    defaults: {temperature: 0.2, max_output_tokens: 800}
"""
NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "orchestrator.yaml"
    path.write_text(FILE)
    return path


def compared(a: str, b: str, file: Path | None = None, route: str | None = None) -> Comparison:
    return compare(read_sides(a, b, file, route), NOW)


def facts(comparison: Comparison) -> dict[str, tuple[Any, Any, str]]:
    return {row.what: (row.a, row.b, row.effect) for row in comparison.rows}


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if name not in {"OPENAI_API_KEY", "ANTHROPIC_API_KEY"}
    }
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "80"}
    command = [sys.executable, "-W", "error", "-m", "orchestrator", "diff", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_what_a_move_loses_and_gains(file: Path) -> None:
    """Features, limits, terms and prices of both, with what the move does to each."""
    found = facts(compared("mini", "opus", file))
    assert found["a tool can be forced"] == (True, False, "lost")
    assert found["tools"] == (True, True, "same")
    assert found["context, tokens"] == (128_000, 1_000_000, "more")
    assert found["how it reasons"] == ("none", "always", "gained")
    assert found["region"] == ("us", "eu", "changed")
    assert found["input"] == (Decimal("0.15"), 5, "more")
    assert found["1,000 calls"] == (Decimal("0.33"), Decimal("12.5"), "more")


def test_vectors_that_cannot_be_compared(tmp_path: Path) -> None:
    """A move between vector spaces says that everything must be embedded again; within one it does not."""
    moved = compared("openai/text-embedding-3-small", "cohere/embed-v4.0")
    (row,) = [one for one in moved.rows if one.what == "vector space"]
    assert (row.effect, "not comparable" in row.note) == ("changed", True)
    kept = facts(compared("voyage/voyage-4", "voyage/voyage-4-lite"))
    assert kept["vector space"] == ("voyage-4", "voyage-4", "same")


def test_whether_a_route_may_move(file: Path) -> None:
    """With a route, its requirements and its defaults are held against the second model."""
    check = compared("mini", "opus", file, "answer").route
    assert check is not None
    assert check.lacks == (
        "claude-opus-5-5 of kind 'anthropic' has no forced_tools",
        "provider 'claude' is in region 'eu', not 'us'",
    )
    assert check.defaults == ("temperature: left out: claude-opus-5-5 does not take it",)
    other = compared("mini", "mini", file, "answer").route
    assert other is not None
    assert (other.lacks, other.defaults) == ((), ())


def test_what_is_retired_or_unknown_is_said(file: Path) -> None:
    """A model that is gone and one that no book knows are warned of."""
    comparison = compared("openai/gpt-4", "openai/our-own", file)
    assert comparison.warnings == (
        "openai/gpt-4 was retired by its vendor on 2026-10-23",
        "little is known of openai/our-own; state it under `profile:` of a deployment",
    )
    assert facts(comparison)["tools"] == (True, None, "unknown")


@pytest.mark.parametrize(
    ("a", "b", "route", "message"),
    [
        ("mini", "nobody", None, "no deployment 'nobody'"),
        ("mini", "nope/x", None, "unknown provider kind 'nope'"),
        ("mini", "opus", "anser", "no route 'anser'; did you mean 'answer'?"),
    ],
)
def test_unknown_names(file: Path, a: str, b: str, route: str | None, message: str) -> None:
    """A deployment, vendor or route that there is not is named."""
    with pytest.raises(ConfigError, match=message):
        read_sides(a, b, file, route)


def test_the_command_prints_plain_text_into_a_pipe(file: Path) -> None:
    """Piped, the table has no colours and no line beyond the width; no key is needed, and the code is 0."""
    done = run("mini", "unused", cwd=file.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "settings refused" in done.stdout


def test_the_command_prints_json(file: Path) -> None:
    """`--json` gives every fact, whether vectors compare, and the route, as one object."""
    done = run("mini", "opus", "--json", "--route", "answer", cwd=file.parent)
    value = json.loads(done.stdout)
    assert (value["a"]["model"], value["b"]["kind"], value["comparable_vectors"]) == ("gpt-4o-mini", "anthropic", None)
    assert {"group": "features", "what": "tools", "a": True, "b": True, "effect": "same"} in value["facts"]
    assert len(value["route"]["lacks"]) == 2


def test_the_command_fails_with_2_on_unknown_names(file: Path) -> None:
    """Names that are not known end the command with code 2 and one line of text."""
    done = run("mini", "nobody", cwd=file.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")


def test_no_file_is_needed_for_models_by_name(tmp_path: Path) -> None:
    """Without a file, `vendor/model` is enough."""
    done = run("openai/gpt-4o", "anthropic/claude-haiku-4-5", cwd=tmp_path)
    assert done.returncode == 0
    assert "longest answer" in done.stdout
