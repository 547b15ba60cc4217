"""Schemas in a vendor's dialect: what is sent, what is reported, and that the original stays as it is."""

from __future__ import annotations

import copy

import pytest

from orchestrator_providers.shared.schemas import Dialect, children, fit

CLOSED = Dialect(closes=True, any_of_only=True, lone_references=True, refuses=lambda key, _: key == "maxLength")
INLINED = Dialect(inlines=True)


def test_keywords_are_left_out_wherever_they_stand():
    """A refused keyword is left out at every depth and reported once; a property of its name stays."""
    schema = {
        "type": "object",
        "properties": {
            "maxLength": {"type": "string", "maxLength": 3},
            "a": {"items": {"anyOf": [{"maxLength": 1}, {"not": {"maxLength": 2}}]}},
        },
        "required": ["maxLength", "a"],
    }
    before = copy.deepcopy(schema)
    fitted = fit(schema, CLOSED)
    assert fitted.schema == {
        "type": "object",
        "properties": {"maxLength": {"type": "string"}, "a": {"items": {"anyOf": [{}, {"not": {}}]}}},
        "required": ["maxLength", "a"],
        "additionalProperties": False,
    }
    assert (fitted.left_out, fitted.is_open, fitted.requires_all) == (("maxLength",), False, True)
    assert schema == before


@pytest.mark.parametrize(
    ("schema", "is_open"),
    [
        ({"type": "object", "properties": {"a": {}}}, False),
        ({"properties": {"a": {}}}, False),
        ({"type": "object", "additionalProperties": False}, False),
        ({"type": "object"}, True),
        ({"type": ["object", "null"]}, True),
        ({"type": "object", "properties": {}}, True),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": True}, True),
        ({"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "integer"}}, True),
        ({"type": "object", "properties": {"a": {}}, "patternProperties": {"x": {}}}, True),
        ({"items": {"anyOf": [{"type": "object"}]}}, True),
        ({"$defs": {"a": {"type": "object"}}}, True),
        ({"type": "string"}, False),
    ],
)
def test_open_objects(schema, is_open):
    """An object that may hold what it does not name is reported, wherever it stands."""
    assert fit(schema, CLOSED).is_open is is_open


def test_optional_properties():
    """A property that is not required is reported, also in an object inside."""
    inner = {"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"]}
    assert not fit({"items": inner}, CLOSED).requires_all
    assert fit({"items": inner | {"required": ["b", "a"]}}, CLOSED).requires_all


def test_alternatives_and_references():
    """Alternatives become `anyOf`, and what stands beside a reference goes beside an alternative of one."""
    schema = {"oneOf": [{"$ref": "#/$defs/x"}, {"$ref": "#/$defs/x", "description": "d"}], "$defs": {"x": {}}}
    assert fit(schema, CLOSED).schema == {
        "anyOf": [{"$ref": "#/$defs/x"}, {"description": "d", "anyOf": [{"$ref": "#/$defs/x"}]}],
        "$defs": {"x": {}},
    }


def test_references_in_their_place():
    """A reference gives way to its target and what stands beside it; definitions go."""
    schema = {
        "$ref": "#/$defs/a~1b",
        "$defs": {"a/b": {"type": "object", "properties": {"c": {"$ref": "#/definitions/c", "title": "t"}}}},
        "definitions": {"c": {"type": "string"}},
    }
    fitted = fit(schema, INLINED)
    assert fitted.schema == {"type": "object", "properties": {"c": {"type": "string", "title": "t"}}}
    assert fitted.left_out == ()


@pytest.mark.parametrize("reference", ["#", "#/$defs/tree", "#/$defs/none", "http://127.0.0.1:9/x", "#/$defs/list/0"])
def test_references_that_cannot_be_written(reference):
    """A schema inside itself, or a reference that leads nowhere, is cut and reported; the walk ends."""
    schema = {
        "type": "array",
        "items": {"$ref": reference},
        "$defs": {"tree": {"items": {"$ref": "#/$defs/tree"}}, "list": [{}]},
    }
    assert fit(schema, INLINED).left_out == ("$ref",)


def test_children():
    """All schemas directly inside one are found, and nothing that is only called like a keyword."""
    schema = {
        "properties": {"items": {"title": "1"}},
        "anyOf": [{"title": "2"}, True],
        "items": [{"title": "3"}],
        "additionalProperties": {"title": "4"},
        "enum": [{"title": "no"}],
        "const": {"title": "no"},
        "not": {"title": "5"},
    }
    assert sorted(str(one["title"]) for one in children(schema)) == ["1", "2", "3", "4", "5"]
