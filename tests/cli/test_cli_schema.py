"""`orchestrator schema`, and the schema that ships in the wheel."""

from __future__ import annotations

import json
from importlib.resources import files

from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.config import json_schema
from orchestrator.telemetry.schema import json_schema as line_schema

SHIPPED = files("orchestrator.config").joinpath("orchestrator.schema.json")


def test_the_shipped_schema_is_current() -> None:
    """The file in the wheel is what the models give; `orchestrator/config/editor.py`'s main writes it anew."""
    assert json.loads(SHIPPED.read_text("utf-8")) == json.loads(json.dumps(json_schema())), (
        "stale: run python -m orchestrator.config.editor > orchestrator/config/orchestrator.schema.json"
    )


def test_schema_prints_the_shipped_file() -> None:
    """The command's output is the file, so that it can be redirected to a place that an editor knows."""
    result = CliRunner().invoke(app, ["schema"])
    assert result.exit_code == 0
    assert result.output == SHIPPED.read_text("utf-8")


def test_the_log_line_has_a_schema_too() -> None:
    """--log prints the schema of a log line."""
    result = CliRunner().invoke(app, ["schema", "--log"])
    assert json.loads(result.output) == json.loads(json.dumps(line_schema()))
