"""How schemas are written for Google."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import types
from pydantic import BaseModel, Field

from orchestrator_providers.google.schema import write_schema


@pytest.mark.parametrize(
    ("given", "written", "left_out"),
    [
        ({"const": "a"}, {"type": "string", "enum": ["a"]}, ()),
        ({"const": True}, {"type": "boolean"}, ()),
        ({"const": None}, {"type": "null"}, ()),
        ({"enum": [1, 2]}, {"type": "integer", "enum": [1, 2]}, ()),
        ({"enum": ["a", None]}, {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]}, ()),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}, ()),
        ({"type": "number", "exclusiveMinimum": 0}, {"type": "number"}, ("exclusiveMinimum",)),
        ({"type": "string", "format": "uuid"}, {"type": "string"}, ("format",)),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}, ()),
        ({"type": "string", "default": "x", "examples": ["y"], "$schema": "z"}, {"type": "string"}, ()),
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}, ()),
        ({"type": "string", "pattern": "a+"}, {"type": "string"}, ("pattern",)),
        ({"type": "array", "items": True}, {"type": "array"}, ()),
        ({"oneOf": [{"type": "string"}]}, {"oneOf": [{"type": "string"}]}, ()),
        (
            {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": {}}}]},
            {"properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]},
            (),
        ),
        (
            {"definitions": {"A": {"type": "string"}}, "properties": {"a": {"$ref": "#/definitions/A"}}},
            {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}},
            (),
        ),
    ],
)
def test_json_schema(given: dict[str, Any], written: dict[str, Any], left_out: tuple[str, ...]) -> None:
    """What the vendor has no word for is said in its words where it can be, else left out and named."""
    found = write_schema(given, json_schema=True)
    assert (found.schema, found.left_out) == (written, left_out)


def test_nothing_stands_beside_a_reference() -> None:
    """A description beside a reference is kept around it."""
    given = {"$defs": {"A": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/A", "description": "An A"}}}
    written = write_schema(given, json_schema=True).schema["properties"]["a"]
    assert written == {"description": "An A", "anyOf": [{"$ref": "#/$defs/A"}]}


@pytest.mark.parametrize(
    ("given", "written", "left_out"),
    [
        ({"type": ["string", "null"]}, {"type": "STRING", "nullable": True}, ()),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"type": "INTEGER", "nullable": True}, ()),
        (
            {"oneOf": [{"type": "integer"}, {"type": "string"}]},
            {"anyOf": [{"type": "INTEGER"}, {"type": "STRING"}]},
            (),
        ),
        ({"enum": [1, 2]}, {"type": "INTEGER"}, ("enum",)),
        ({"type": "object", "additionalProperties": False}, {"type": "OBJECT"}, ()),
        ({"type": "object", "additionalProperties": {"type": "string"}}, {"type": "OBJECT"}, ("additionalProperties",)),
        (
            {"$defs": {"A": {"type": "string"}}, "type": "array", "items": {"$ref": "#/$defs/A"}},
            {"type": "ARRAY", "items": {"type": "STRING"}},
            (),
        ),
    ],
)
def test_the_older_subset(given: dict[str, Any], written: dict[str, Any], left_out: tuple[str, ...]) -> None:
    """The subset has types in capitals, `nullable`, no references; the vendor's own type takes what is written."""
    found = write_schema(given, json_schema=False)
    assert (found.schema, found.left_out) == (written, left_out)
    types.Schema.model_validate(found.schema)


class _Leg(BaseModel):
    place: str = Field(description="Where to")
    nights: int = Field(gt=0, le=30)
    note: str | None = None


class _Trip(BaseModel):
    legs: list[_Leg]
    kind: str = Field(pattern="^[a-z]+$")
    rest: _Trip | None = None


@pytest.mark.parametrize("json_schema", [True, False])
def test_a_schema_of_pydantic(json_schema: bool) -> None:
    """A recursive model's schema is written whole, and the one given is not changed."""
    given = _Trip.model_json_schema()
    before = _Trip.model_json_schema()
    found = write_schema(given, json_schema=json_schema)
    assert given == before
    if json_schema:
        assert found.left_out == ("pattern",)
        assert found.schema["$defs"]["_Leg"]["properties"]["nights"] == {
            "maximum": 30,
            "minimum": 1,
            "title": "Nights",
            "type": "integer",
        }
    else:
        assert found.left_out == ("$ref", "pattern")
        types.Schema.model_validate(found.schema)


def test_a_schema_without_end_ends() -> None:
    """A schema whose `allOf` holds itself is written, not followed for ever."""
    given = {"$defs": {"A": {"allOf": [{"$ref": "#/$defs/A"}, {"type": "object"}]}}, "allOf": [{"$ref": "#/$defs/A"}]}
    for json_schema in (True, False):
        assert isinstance(write_schema(given, json_schema=json_schema).schema, dict)
