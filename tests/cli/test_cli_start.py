"""The command as a process: what it loads, its exit codes, and its completion."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.cli.helping import SECTIONS

HEAVY = ("aiohttp", "pydantic", "litellm", "httpx", "yaml", "structlog", "tenacity", "rich")
COUNTING = """\
import sys
from pathlib import Path
from orchestrator.cli import main
read = []
def hook(event, details):
    if event == "open" and str(details[0]).endswith("orchestrator.yaml") and details[1] in ("r", "rb"):
        read.append(details[0])
sys.addaudithook(hook)
try: main()
except SystemExit as end: print("READ", len(read), "TIMES, EXIT", end.code, file=sys.stderr)
"""


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


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "--no-secrets"],
        ["check"],
        ["routes"],
        ["price", "answer", "--input-tokens", "1", "--output-tokens", "1"],
        ["chat", "answer", "--model-info"],
    ],
)
def test_the_configuration_is_read_once(arguments: list[str], tmp_path: Path) -> None:
    """A command opens the file one time: what it needs to know of it, it keeps. Lines it shows are looked up again."""
    (tmp_path / "orchestrator.yaml").write_text("version: 1\nroutes: {answer: openai/gpt-4o-mini}\n")
    result = run("-c", COUNTING, *arguments, cwd=tmp_path, OPENAI_API_KEY="none")
    assert result.stderr.endswith("READ 1 TIMES, EXIT 0\n"), result.stderr


@pytest.mark.parametrize("name", [name for section in SECTIONS.values() for name in section])
def test_every_listed_command_is_there(name: str) -> None:
    """Each command of the list loads, and explains itself with what the list says and more."""
    result = CliRunner().invoke(app, [name, "--help"], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: orchestrator {name} ")


def test_help_is_plain_where_colours_are_not_wanted() -> None:
    """Headings and names are coloured on a terminal, unless NO_COLOR or TERM=dumb says otherwise."""
    coloured = {"NO_COLOR": None, "TERM": "xterm"}
    assert "\x1b[36mchat" in CliRunner().invoke(app, ["--help"], env=coloured, color=True).stdout
    for plain in ({"NO_COLOR": "1", "TERM": "xterm"}, {"NO_COLOR": None, "TERM": "dumb"}):
        assert "\x1b" not in CliRunner().invoke(app, ["--help"], env=plain, color=True).stdout


def test_shells_can_complete_it(tmp_path: Path) -> None:
    """Completion is switched on: a shell that asks gets a script."""
    result = run("-m", "orchestrator", cwd=tmp_path, _ORCHESTRATOR_COMPLETE="source_bash")
    assert result.returncode == 0
    assert "complete" in result.stdout
