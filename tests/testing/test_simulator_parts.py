"""The simulated model: its tokens, its answers by schema, its sense of similarity."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.testing.simulator.answers import count_tokens, tokenize
from orchestrator.testing.simulator.schema import instance
from orchestrator.testing.simulator.vectors import rank, vector

jsonschema = pytest.importorskip("jsonschema_rs")

SCHEMAS: list[Any] = [
    {"type": "string", "minLength": 30, "maxLength": 31},
    {"type": "string", "maxLength": 3},
    {"type": "string", "format": "date"},
    {"type": ["null", "integer"], "minimum": 7, "maximum": 9},
    {"type": "integer", "exclusiveMinimum": 4, "multipleOf": 5},
    {"type": "integer", "minimum": 3},
    {"type": "number", "maximum": -2.5},
    {"type": "number", "exclusiveMinimum": 2, "maximum": 2.9},
    {"type": "number", "minimum": 0, "maximum": 0.5},
    {"type": "array", "items": {"enum": ["b", "c"]}, "minItems": 3},
    {"anyOf": [{"type": "null"}, {"const": 4}]},
    {"oneOf": [{"type": "boolean"}]},
    {
        "allOf": [
            {"$ref": "#/$defs/named"},
            {"type": "object", "properties": {"size": {"type": "integer"}}, "required": ["size"]},
        ],
        "$defs": {"named": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
    },
    {
        "$ref": "#/$defs/node",
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "value": {"type": "number"},
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                },
                "required": ["value"],
                "additionalProperties": False,
            }
        },
    },
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_answers_satisfy_their_schema(schema: Any) -> None:
    """A made-up value is valid by an independent validator."""
    jsonschema.validator_for(schema).validate(instance(schema, "some words"))


def test_endless_schema() -> None:
    """A schema that demands itself without end is cut off, not followed."""
    endless = {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}
    assert isinstance(instance(endless), dict)
    assert instance({"$ref": "#"}) is None
    assert instance(None) == "something"


@given(st.text(max_size=200))
def test_tokens_join_to_the_text(text: str) -> None:
    """No character is lost or added by the tokenizer."""
    assert "".join(tokenize(text)) == text
    assert count_tokens(text) == len(tokenize(text))


def test_tokens_can_be_counted_along() -> None:
    """Words and punctuation are one token each."""
    assert tokenize("Hello, big world! ") == ["Hello", ",", " big", " world", "!", " "]


@given(st.text(max_size=100), st.integers(1, 300))
def test_vectors_have_length_one(text: str, dimensions: int) -> None:
    """Every text has a unit vector of the length asked for, always the same."""
    values = vector(text, dimensions)
    assert len(values) == dimensions
    assert math.sqrt(sum(value * value for value in values)) == pytest.approx(1)
    assert values == vector(text, dimensions)


def test_ranking_makes_sense() -> None:
    """The document that shares words with the query comes first; those that share none come last, in order."""
    documents = ["Opening hours", "How to reset a password", "Parking", "Passwords and how resetting them works"]
    ranking = rank("reset my password", documents)
    assert [index for index, _ in ranking] == [1, 3, 0, 2]
    assert ranking[0][1] > 0.5
    assert ranking[2][1] == ranking[3][1] == 0.0
