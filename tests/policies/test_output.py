"""Structured output: what is asked for, when it may be strict, and how the answer is read."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, TypeVar

import jsonschema_rs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_validator

from orchestrator.errors import InvalidRequest, MalformedReply
from orchestrator.policies.output import expectation

MARK = "xq7-marker-7qx"
T = TypeVar("T")


class Colour(Enum):
    RED = "red"


class Inner(BaseModel):
    n: int


class Outer(BaseModel):
    inner: Inner
    described: Inner = Field(description="another")
    maybe: Inner | None = None
    several: list[Inner] = []
    either: int | str = 3
    colour: Colour = Colour.RED


class Oddly(BaseModel):
    """Properties named as keywords are."""

    type: str
    default: int = 1
    properties: dict[str, int] = {}
    items: list[str] = []
    required: bool = False


class Open(BaseModel):
    scores: dict[str, int]


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Owner(BaseModel):
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


class Tree(BaseModel):
    children: list[Tree]


class Box(BaseModel, Generic[T]):
    held: T


def sent(model):
    return expectation(model).schema


def objects(schema):
    """Every object schema inside, by a walk of the test's own."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


@pytest.mark.parametrize("model", [Inner, Outer, Owner, Tree, Box[int]])
def test_models_are_closed(model):
    """A model's schema forbids unknown keys, requires all, has no defaults, and is an object at the top: strict."""
    schema = sent(model)
    assert schema.strict
    assert schema.schema["type"] == "object"
    for one in objects(schema.schema):
        assert one["additionalProperties"] is False
        assert one["required"] == list(one["properties"])
    text = orjson.dumps(schema.schema)
    assert not any(key in text for key in (b'"default"', b'"oneOf"', b'"discriminator"'))
    jsonschema_rs.validator_for(schema.schema)


def test_a_reference_stands_alone():
    """A description beside a reference, which strict modes refuse, goes beside an alternative with one choice."""
    assert sent(Outer).schema["properties"]["described"] == {
        "description": "another",
        "anyOf": [{"$ref": "#/$defs/Inner"}],
    }
    assert sent(Outer).schema["properties"]["inner"] == {"$ref": "#/$defs/Inner"}


def test_keywords_as_property_names():
    """Properties called `type`, `default`, `items`, `properties` or `required` are properties like any other."""
    schema = sent(Oddly).schema
    assert schema["required"] == ["type", "default", "properties", "items", "required"]
    assert schema["properties"]["type"]["type"] == "string"
    assert schema["properties"]["default"] == {"title": "Default", "type": "integer"}
    answer = {"type": "t", "default": 2, "properties": {"a": 1}, "items": ["i"], "required": True}
    assert expectation(Oddly).read(orjson.dumps(answer).decode()) == Oddly(**answer)


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")


class Short(BaseModel):
    text: str = Field(max_length=5)


class Pair(BaseModel):
    pair: tuple[int, str]


@pytest.mark.parametrize("model", [Open, Oddly, Loose, Short, Pair])
def test_what_strict_modes_refuse_is_not_strict(model):
    """Free-form mappings, and keywords that strict modes refuse, are sent as a hint; we check the answer."""
    assert not sent(model).strict


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "object", "properties": {}, "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}, False),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}, True),
        ({"type": "object", "properties": {"a": {}}, "required": ["a"]}, False),
        ({"properties": {"a": {}}, "required": ["a"]}, False),
        ({"type": ["object", "null"]}, False),
        ({"type": "object"}, False),
        ({"type": "array", "items": {"type": "object"}}, False),
        ({"anyOf": [{"type": "integer"}, {"type": "object"}]}, False),
        ({"type": "array", "items": {"type": "integer"}}, True),
        ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, False),
        ({"$defs": {"x": {"type": "object"}}, "type": "integer"}, False),
        ({}, True),
    ],
)
def test_strictness_of_schemas(schema, strict):
    """A JSON Schema is sent as it is, and strictly only if every object in it is closed."""
    found = expectation(schema).schema
    assert (found.schema, found.strict, found.name) == (schema, strict, "answer")


def test_names():
    """The schema's name is the model's or the title, in letters that vendors take."""
    assert sent(Box[int]).name == "Box_int_"
    assert expectation({"title": "Plan & price"}).schema.name == "Plan_price"
    assert len(expectation({"title": "x" * 100}).schema.name) == 64


def test_prepared_once():
    """A model and an equal schema are prepared once."""
    assert expectation(Inner) is expectation(Inner)
    assert expectation({"type": "integer"}) is expectation({"type": "integer"})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"n": 1}', 1),
        (' \n{"n": 1}\n ', 1),
        ('```json\n{"n": 1}\n```', 1),
        ('```JSON \r\n{"n": 1}\r\n```\n', 1),
        ('\n```\n{\n"n": 1\n}\n```', 1),
        ('```json\n{"n": 1}```', 1),
    ],
)
def test_answers_are_read(text, value):
    """JSON is read with or without the fence that models put around it."""
    assert expectation(Inner).read(text) == Inner(n=value)
    assert expectation({"type": "object"}).read(text) == {"n": value}


@pytest.mark.parametrize("text", ["", "no", "```json\n```", "``````", "```", "```yaml\nn: 1\n```", '{"n": 1', "\ud800"])
def test_what_is_not_json(text):
    """Anything else is a malformed reply, which another deployment may do better."""
    for output in (Inner, {"type": "object"}):
        with pytest.raises(MalformedReply) as caught:
            expectation(output).read(text)
        assert caught.value.retryable


def test_endless_blank_lines():
    """A model that goes on with blank lines until its cap does not hold up the process."""
    begin = time.perf_counter()
    with pytest.raises(MalformedReply):
        expectation({"type": "object"}).read("```json" + "\n" * 300_000 + "{")
    assert time.perf_counter() - begin < 1


@pytest.mark.parametrize(
    ("output", "text", "expected"),
    [
        (Inner, '{"n": "x"}', "the answer does not fit Inner: n"),
        (Inner, "[]", "the answer does not fit Inner: (root)"),
        (Outer, '{"inner": {}, "described": {"n": 1}, "several": [{"n": 1}, {"n": "y"}]}',
         "the answer does not fit Outer: inner.n, several.1.n"),
        (Open, '{"scores": {"' + MARK + '": "x"}}', "the answer does not fit Open: scores.*"),
        (Owner, '{"pet": {"kind": "' + MARK + '"}}', "the answer does not fit Owner: pet"),
        ({"type": "object", "properties": {"a": {"items": {"type": "integer"}}}}, '{"a": [1, "x"]}',
         "the answer does not fit the schema: a.1"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, '{"' + MARK + '": "x"}',
         "the answer does not fit the schema: *"),
        ({"type": "integer"}, '"x"', "the answer does not fit the schema: (root)"),
    ],
)  # fmt: skip
def test_misfits_say_where(output, text, expected):
    """What does not fit is named by its place in the schema."""
    with pytest.raises(MalformedReply) as caught:
        expectation(output).read(text)
    assert str(caught.value) == expected


ANSWERS = st.recursive(
    st.sampled_from([MARK, 1, None, True, 1.5]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["n", "inner", "pet", "kind", "scores", "several", MARK, f"{MARK}2"]), inner, max_size=3
        )
    ),
)


@given(ANSWERS, st.booleans())
def test_answers_are_never_quoted(answer, cut):
    """Whatever the model wrote, no error or anything it refers to holds a word of it."""
    text = orjson.dumps(answer).decode()
    text = text[:-1] if cut else text
    for output in (Outer, Open, Owner, {"type": "object", "properties": {"n": {"type": "integer"}},
                                        "additionalProperties": {"type": "boolean"}}):  # fmt: skip
        error = failure(output, text)
        if error is not None:
            assert MARK not in str(error)
            assert error.__cause__ is None
            assert error.__context__ is None


def failure(output, text):
    try:
        expectation(output).read(text)
    except MalformedReply as error:
        return error
    return None


INVALID = "output: not a valid JSON Schema: "
OUTSIDE = "$ref refers to nothing outside the schema, and by a path such as #/$defs/name"


class Callback(BaseModel):
    hook: Callable[[], int]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (5, "output: expected a pydantic model class or a JSON Schema, found int"),
        (
            Inner(n=1),
            ("output: expected a pydantic model class or a JSON Schema, found an instance of Inner; pass the class"),
        ),
        (int, "output: int is not a pydantic model; derive it from pydantic.BaseModel"),
        (Callback, "output: Callback has no JSON Schema"),
        (
            {"type": "objekt"},
            INVALID + "type is one of array, boolean, integer, null, number, object, string, or a list of them",
        ),
        ({"properties": 5}, INVALID + "properties is an object"),
        ({"default": Decimal(1)}, INVALID + "it holds what JSON cannot"),
        ({"$ref": "http://127.0.0.1:9/schema"}, INVALID + OUTSIDE),
        ({"$ref": "file:///etc/hostname"}, INVALID + OUTSIDE),
    ],
)
def test_bad_outputs(output, expected):
    """What cannot be asked for is refused before anything is sent; a schema reaches no file and no network."""
    with pytest.raises(InvalidRequest) as caught:
        expectation(output)
    assert str(caught.value) == expected


def test_a_validators_own_error_passes():
    """A ValueError of the application's validator is a misfit; any other exception is its own bug, and shows."""

    class Checked(BaseModel):
        n: Any

        @field_validator("n")
        @classmethod
        def check(cls, n):
            if n == 1:
                raise ValueError(MARK)
            raise KeyError(n)

    with pytest.raises(MalformedReply, match=r"does not fit Checked: n$"):
        expectation(Checked).read('{"n": 1}')
    with pytest.raises(KeyError):
        expectation(Checked).read('{"n": 2}')
