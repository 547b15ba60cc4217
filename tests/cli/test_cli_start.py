"""The command as a process: what it loads, its exit codes, and its completion."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("aiohttp", "pydantic", "litellm", "httpx", "yaml", "structlog", "tenacity")


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "80"} | environment
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(command, cwd=cwd, env=inherited, capture_output=True, text=True, timeout=60, check=False)


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    """`orchestrator --help` imports neither an HTTP client, nor pydantic, nor YAML, nor litellm."""
    code = (
        "import sys, orchestrator.cli\n"
        "sys.argv = ['orchestrator', '--help']\n"
        "try: orchestrator.cli.main()\n"
        "except SystemExit: pass\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    result = run("-c", code, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize("command", ["check", "routes", "init", "schema", "import-litellm"])
def test_each_command_explains_itself_without_loading_the_library(command: str, tmp_path: Path) -> None:
    """Help of a command is at hand as fast as that of all."""
    result = run("-X", "importtime", "-m", "orchestrator", command, "--help", cwd=tmp_path)
    assert result.returncode == 0
    loaded = {line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines()}
    # Newer releases of typer import pydantic themselves to read a command's parameters.
    assert loaded.isdisjoint({*HEAVY} - {"pydantic"})
    assert "orchestrator.config" not in loaded


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["check"], 2), (["routes"], 2), (["chek"], 2), (["check", "--nope"], 2), (["schema"], 0), (["--version"], 0)],
)
def test_exit_codes_and_no_traceback(arguments: list[str], code: int, tmp_path: Path) -> None:
    """0 is right, 2 is a wrong use or a file that is not there, and nobody sees a traceback."""
    result = run("-m", "orchestrator", *arguments, cwd=tmp_path)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_file_is_exit_code_1_and_plain_when_piped(tmp_path: Path) -> None:
    """Piped output holds no colours."""
    (tmp_path / "orchestrator.yaml").write_text("version: 1\nroutes: {a: {task: chat, pik: openai/gpt-4o}}\n")
    result = run("-m", "orchestrator", "check", "--no-secrets", cwd=tmp_path)
    assert result.returncode == 1
    assert "did you mean 'pick'?" in result.stdout
    assert "\x1b" not in result.stdout


def test_shells_can_complete_it(tmp_path: Path) -> None:
    """Completion is switched on: a shell that asks gets a script."""
    result = run("-m", "orchestrator", cwd=tmp_path, _ORCHESTRATOR_COMPLETE="source_bash")
    assert result.returncode == 0
    assert "complete" in result.stdout
