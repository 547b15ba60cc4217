"""The published schema of the line: complete, as written down, and true of what is written."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema_rs
import pytest
from log_events import call
from test_lines import FULL, attempt, written

from orchestrator.telemetry.lines import KEYS
from orchestrator.telemetry.schema import ATTRIBUTES, FIELDS, json_schema


def test_one_list_of_keys():
    """The table says something of every key of the line, in the line's order or not, and of nothing else."""
    assert set(FIELDS) == set(KEYS)


def test_the_file_is_the_table():
    """The schema that ships in the package is the one that the code makes."""
    shipped = files("orchestrator.telemetry").joinpath("line.schema.json").read_text()
    assert json.loads(shipped) == json_schema()


@pytest.mark.parametrize("event", [call(), FULL, call(attempts=(attempt(1, error="ServerError"), attempt(2)))])
def test_lines_follow_it(event):
    """What is written is valid by it; a line without a key, or with a text for a count, is not."""
    validator = jsonschema_rs.validator_for(json_schema())
    line = json.loads(written(event))
    assert [error.message for error in validator.iter_errors(line)] == []
    assert not validator.is_valid({key: value for key, value in line.items() if key != "cost_usd"})
    assert not validator.is_valid(line | {"input_tokens": "7"})
    assert validator.is_valid(line | {"added_later": 1})


def test_names_are_one_to_one():
    """No two keys share an OpenTelemetry attribute."""
    assert len(set(ATTRIBUTES.values())) == len(ATTRIBUTES)
