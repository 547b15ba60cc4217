"""JSON Schema of draft 7: verdicts, places, what is refused, and that nothing in a schema is ever run or opened."""

from __future__ import annotations

import builtins
import socket

import jsonschema_rs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.errors import InvalidRequest
from orchestrator.policies.draft7 import checker

ODD = st.sampled_from(
    ["a", "b", "A", "a.b", "a[0]", "0", '"', "'", "\\", '\\"', "{", "}", "{data}", "{0}", "\n", "\r\n", "$ref",
     '"+__import__("os").abort()+"', "');import os;os.abort();('", "\x00", "\u2028", "é", "__class__", "name"]
)  # fmt: skip
VALUES = st.recursive(
    st.sampled_from([None, True, False, 0, 1, -1, 2.5, 1.0, 10, "", "a", "b", '"', "\\", "{data}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ODD, inner, max_size=3),
    max_leaves=6,
)


def keyword(name, values):
    return values.map(lambda value: {name: value})


def wider(inner):
    one = st.lists(inner, min_size=1, max_size=3)
    named = st.dictionaries(ODD, inner, max_size=3)
    return st.lists(
        st.one_of(
            *[keyword(name, inner) for name in ("not", "contains", "propertyNames", "additionalProperties", "items")],
            *[keyword(name, one) for name in ("anyOf", "allOf", "oneOf", "items")],
            keyword("properties", named),
            keyword("dependencies", st.dictionaries(ODD, inner | st.lists(ODD, max_size=2, unique=True), max_size=2)),
            st.tuples(inner, inner, inner).map(lambda three: dict(zip(("if", "then", "else"), three, strict=True))),
        ),
        min_size=1,
        max_size=2,
    ).map(lambda found: {key: value for one in found for key, value in one.items()})


LEAVES = st.one_of(
    st.booleans(),
    keyword("type", st.sampled_from(["string", "integer", "number", "object", "array", "null", "boolean"])),
    keyword("type", st.lists(st.sampled_from(["string", "integer", "object"]), min_size=1, unique=True)),
    keyword("enum", st.lists(VALUES.filter(lambda value: not refers(value)), min_size=1, max_size=3)),
    keyword("const", VALUES.filter(lambda value: not refers(value))),
    *[keyword(name, st.integers(-2, 3) | st.just(0.5)) for name in ("minimum", "exclusiveMaximum")],
    keyword("multipleOf", st.sampled_from([1, 2, 0.5])),
    *[keyword(name, st.integers(0, 2)) for name in ("minLength", "maxItems", "minProperties")],
    keyword("pattern", st.sampled_from(["^a", "b$", '"', "\\\\", "[{]", "\\."])),
    keyword("required", st.lists(ODD, max_size=2, unique=True)),
    keyword("uniqueItems", st.just(True)),
    st.just({"$ref": "#/$defs/Item"}),
    st.just({"$ref": "#/$defs/item", "minLength": 1}),
)
SCHEMAS = st.recursive(LEAVES, wider, max_leaves=8).map(
    lambda schema: {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "allOf": [schema],
        "$defs": {"Item": {"type": "integer"}, "item": {"type": "string"}},
    }
)


def refers(value):
    """An application's constant that looks like a reference is refused; see its own test."""
    if isinstance(value, dict):
        return "$ref" in value or any(refers(one) for one in value.values())
    return isinstance(value, list) and any(refers(one) for one in value)


def beside(schema):
    """Draft 7 passes over what stands beside a reference; here it counts, as in later drafts."""
    if isinstance(schema, list):
        return [beside(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return {"allOf": [{"$ref": schema["$ref"]}, rest]}
    return {key: beside(value) for key, value in schema.items()}


REFUSED = (
    "output: not a valid JSON Schema: a pattern is wrong, a required name is forbidden, or it is nested too deeply"
)


def outcome(schema, value):
    """Whether it fits, or why the schema was refused."""
    try:
        return checker(schema)(value) is None
    except InvalidRequest as error:
        return str(error)


@given(SCHEMAS, VALUES)
@example({"$defs": {"A-b": {"type": "integer"}, "a_B": {"type": "string"}},
          "properties": {"a": {"$ref": "#/$defs/A-b"}, "b": {"$ref": "#/$defs/a_B"}}}, {"a": 1, "b": "x"})  # fmt: skip
def test_verdicts_of_another_validator(schema, value):
    """Whatever names, constants and patterns a schema holds, the verdict is that of a validator in another language."""
    oracle = jsonschema_rs.validator_for(beside(schema))
    found = outcome(schema, value)
    assert found == (oracle.is_valid(value) if isinstance(found, bool) else REFUSED)


@pytest.mark.parametrize(
    ("schema", "value", "path"),
    [
        ({"items": {"properties": {"a": {"items": {"type": "integer"}}}}}, [{}, {"a": [1, "x"]}], (1, "a", 1)),
        ({"properties": {"a.b": {"type": "integer"}}}, {"a.b": "x"}, ("a.b",)),
        ({"properties": {"a[0]": {"type": "integer"}}}, {"a[0]": "x"}, ("a[0]",)),
        ({"properties": {"{data}": {"properties": {"b": {"type": "integer"}}}}}, {"{data}": {"b": "x"}},
         ("{data}", "b")),
        ({"additionalProperties": {"type": "integer"}}, {"17": "x"}, ("17",)),
        ({"properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"items": {"$ref": "#/$defs/y"}},
          "y": {"required": ["z"]}}}, {"a": [{"z": 1}, {}]}, ("a", 1)),
        ({"required": ["a"]}, {}, ()),
        ({"multipleOf": 0.5}, 1e308, ()),
        ({"items": False}, [], None),
        ({"items": False}, [1], ()),
        ({"items": []}, [1], None),
        ({"items": [], "additionalItems": False}, [1], ()),
    ],
)  # fmt: skip
def test_places(schema, value, path):
    """The place of a misfit is names and indexes of the value, whatever signs the names hold."""
    assert checker(schema)(value) == path


@pytest.mark.parametrize(
    "schema",
    [
        {"prefixItems": [{"type": "integer"}]}, {"dependentRequired": {"a": ["b"]}}, {"dependentSchemas": {"a": {}}},
        {"unevaluatedProperties": False}, {"unevaluatedItems": False}, {"$dynamicRef": "#x"}, {"minContains": 2},
        {"properties": {"a": {"items": {"anyOf": [{"unevaluatedProperties": False}]}}}},
        {"$defs": {"a": {"prefixItems": []}}},
    ],
)  # fmt: skip
def test_later_keywords(schema):
    """A keyword of a later draft is refused wherever it stands, never passed over."""
    with pytest.raises(InvalidRequest, match=r"is not supported, the keywords are those of draft 7"):
        checker(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["text"]}, {"type": {}}, {"type": []}, {"properties": []}, {"properties": {"a": 1}}, {"items": 5},
        {"required": "a"}, {"required": [1]}, {"anyOf": []}, {"anyOf": {}}, {"not": 1}, {"minimum": "1"},
        {"minimum": True}, {"multipleOf": 0}, {"minLength": -1}, {"minLength": "1) or __import__('os').abort("},
        {"maxItems": 1.5}, {"pattern": "("}, {"pattern": 5}, {"pattern": "a{99999999999}"}, {"enum": "a"},
        {"dependencies": []}, {"patternProperties": {"(": {}}}, {"$defs": 5}, {"$defs": {"a": {"properties": 5}}},
        {"properties": {"a": {"$id": "http://127.0.0.1:9/x"}}}, {"$ref": "#/$defs/none"}, {"$ref": 5},
        {"$ref": "#name"}, {"$ref": "other.json"}, {"const": {"$ref": "http://127.0.0.1:9/x"}},
    ],
)  # fmt: skip
def test_what_is_no_schema(schema):
    """What is no schema of draft 7 is refused before anything is compiled of it."""
    with pytest.raises(InvalidRequest, match=r"^output: not a valid JSON Schema"):
        checker(schema)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/x", "file:///etc/hostname", "ftp://127.0.0.1/x", "//h/x", "x"])
def test_nothing_is_opened(address, monkeypatch):
    """A schema reaches no file and no network, by whichever of its keywords."""
    opened = []
    monkeypatch.setattr(socket.socket, "connect", lambda *_: opened.append("socket"))
    monkeypatch.setattr(builtins, "open", lambda *_, **__: opened.append("file"))
    for schema in (
        {"$ref": address},
        {"$id": address, "$ref": "#/x", "x": {"type": "integer"}},
        {"$id": address, "properties": {"a": {"$ref": "b"}}},
        {"const": {"$ref": address}},
        {"enum": [{"$id": address, "$ref": address}]},
        {"$schema": address, "type": "integer"},
        {"default": {"$ref": address}, "examples": [{"$ref": address}], "x": {"$ref": address}},
    ):
        outcome(schema, 1)
    assert opened == []


def deep(levels, keyword_of):
    schema = {"type": "integer"}
    for _ in range(levels):
        schema = keyword_of(schema)
    return schema


def test_depth():
    """Nesting beyond what Python runs is refused; a schema that contains itself takes answers of any sane depth."""
    for levels in (25, 200, 5_000):
        for keyword_of in (lambda inner: {"items": inner}, lambda inner: {"anyOf": [inner]}):
            found = outcome(deep(levels, keyword_of), 1)
            assert isinstance(found, bool) or "nested too deeply" in found
    tree = {"$defs": {"tree": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}, "$ref": "#/$defs/tree"}
    value: list[object] = []
    for _ in range(100):
        value = [value]
    assert checker(tree)(value) is None
    assert checker({"$ref": "#"})(1) == ()


def test_the_callers_schema_is_left_alone():
    """Compiling changes nothing in the schema that will be sent, and defaults are not filled into answers."""
    schema = {
        "$id": "http://example.invalid/x",
        "properties": {"a": {"$ref": "#/$defs/x", "default": 1}},
        "$defs": {"x": {}},
    }
    before = repr(schema)
    value: dict[str, object] = {}
    assert checker(schema)(value) is None
    assert (repr(schema), value) == (before, {})
