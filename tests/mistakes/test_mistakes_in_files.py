"""Mistakes in a file, and the screen that `orchestrator check` shows for each."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from screens import expect
from typer.testing import CliRunner, Result
from wrong_files import AREAS, ENVIRON, GOOD, WrongFile

from orchestrator.cli.app import app

WIDTH = 100
SCREEN = 24
HIDDEN = ("hunter2", "abcdefgh")


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def check(mistake: WrongFile, monkeypatch: pytest.MonkeyPatch) -> Result:
    """`orchestrator check` of the file, with only the variables that it has."""
    foreign = [name for name in os.environ if "KEY" in name or "TOKEN" in name]
    environ = {**dict.fromkeys([*foreign, "BASE_URL", "MODEL", "HOST"]), **ENVIRON, **mistake.environ}
    with monkeypatch.context() as patch:
        if mistake.without:
            patch.setitem(sys.modules, mistake.without, None)
        for file in Path().iterdir():
            file.unlink()
        if mistake.beside:
            Path(mistake.beside).touch()
        if mistake.content is not None:
            Path(mistake.name).write_bytes(mistake.content)
        elif mistake.name == "orchestrator.yml":
            Path("orchestrator.yaml").write_text(GOOD)
        return CliRunner().invoke(app, ["check", mistake.name], env=environ | {"COLUMNS": str(WIDTH)})


@pytest.mark.parametrize("area", AREAS)
def test_every_mistake_in_a_file_is_one_screen_that_names_the_fix(area: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong, where, the nearest name and what to do, on one screen, without a secret; none goes unnoticed."""
    screens: dict[str, str] = {}
    for mistake in AREAS[area]:
        result = check(mistake, monkeypatch)
        assert result.exception is None or isinstance(result.exception, SystemExit), mistake.title
        screens[mistake.title] = f"{result.output.rstrip()}  [{result.exit_code}]"
        assert "error:" in result.output or "warning:" in result.output, mistake.title
        assert result.output.count("\n") < SCREEN, mistake.title
        assert not any(secret in result.output for secret in HIDDEN), mistake.title
    expect(area, screens)
