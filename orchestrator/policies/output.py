"""Structured output: from a pydantic model or JSON Schema to what is sent, and from the answer back to a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_origin

import orjson

from orchestrator.errors import InvalidRequest, MalformedReply
from orchestrator.policies.draft7 import checker
from orchestrator.types.chat import OutputSchema

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Expectation", "expectation"]

_NAME = re.compile(r"[^A-Za-z0-9_-]+")

_LOOSE = frozenset(
    {
        "allOf", "contains", "dependentRequired", "dependentSchemas", "else", "if", "maxContains", "maxLength",
        "maxProperties", "minContains", "minLength", "minProperties", "not", "oneOf", "patternProperties",
        "prefixItems", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties", "uniqueItems",
    }
)  # fmt: skip
"""Keywords that no vendor's strict mode takes; a schema that has one is sent as a hint, and the answer checked here."""


_SCHEMA_KEYS = frozenset(
    {
        "$defs", "$id", "$ref", "$schema", "allOf", "anyOf", "const", "default", "definitions", "description", "enum",
        "format", "items", "not", "oneOf", "properties", "required", "title", "type",
    }
)  # fmt: skip
"""A mapping with none of these says nothing of what fits it."""


def _found(output: Any) -> str:
    if hasattr(type(output), "model_json_schema"):
        return f"an instance of {type(output).__name__}; pass the class"
    if get_origin(output) is not None:
        return "a generic alias; put the list into a field of a model"
    return type(output).__name__


@dataclass(frozen=True, slots=True)
class Expectation:
    """What to ask for, and how to read the answer."""

    schema: OutputSchema
    _parse: Callable[[str], Any]

    def read(self, text: str) -> Any:
        """The validated value.

        Raises:
            MalformedReply: not JSON, or not what the schema says. Never quotes the answer.
        """
        return self._parse(_unfenced(text))


def _unfenced(text: str) -> str:
    """Without the Markdown fence that models put around JSON. No regular expression: some models never stop to send
    blank lines, and backtracking over those takes minutes.
    """
    body = text.strip()
    if not (body.startswith("```") and body.endswith("```")):
        return text
    language, newline, rest = body[3:-3].partition("\n")
    return rest if newline and language.strip().lower() in {"", "json"} else text


def expectation(output: type[BaseModel] | Mapping[str, Any]) -> Expectation:
    """Prepare an `output=` argument; models are prepared once, not per call."""
    if isinstance(output, type):
        return _of_model(output)
    if not isinstance(output, Mapping):
        raise InvalidRequest(f"output: expected a pydantic model class or a JSON Schema, found {_found(output)}")
    if output and _SCHEMA_KEYS.isdisjoint(output):
        raise InvalidRequest("output: no JSON Schema; one has keys such as type and properties")
    try:
        written = orjson.dumps(dict(output))
    except TypeError:
        raise InvalidRequest("output: not a valid JSON Schema: it holds what JSON cannot") from None
    return _of_schema(written)


@lru_cache(maxsize=256)
def _of_model(model: type[BaseModel]) -> Expectation:
    from pydantic import BaseModel, PydanticUserError, ValidationError  # noqa: PLC0415 - only output= needs pydantic

    if not issubclass(model, BaseModel):
        raise InvalidRequest(f"output: {model.__name__} is not a pydantic model; derive it from pydantic.BaseModel")
    try:
        schema = model.model_json_schema()
    except PydanticUserError as error:
        raise InvalidRequest(f"output: {model.__name__} has no JSON Schema") from error
    if "$ref" in schema:  # a model that contains itself; vendors want an object at the top
        schema = schema["$defs"][schema["$ref"].rpartition("/")[2]] | {"$defs": schema["$defs"]}
    strict = _close(schema)
    known = frozenset(_names(schema))

    def parse(text: str) -> Any:
        try:
            return model.model_validate_json(text)
        except ValidationError as error:
            found = error.errors(include_input=False)
            no_json = found[0]["type"] == "json_invalid"
            places = sorted({_place(one["loc"], known) for one in found})
        # Out of the handler: pydantic's error holds the answer, and would go along as the context.
        why = "it is not JSON" if no_json else ", ".join(places)
        raise MalformedReply(f"the answer does not fit {model.__name__}: {why}")

    return Expectation(OutputSchema(name=_name(model.__name__), schema=schema, strict=strict), parse)


@lru_cache(maxsize=256)
def _of_schema(written: bytes) -> Expectation:
    schema = orjson.loads(written)
    misfit = checker(schema)
    strict = _is_closed(schema)
    known = frozenset(_names(schema))

    def parse(text: str) -> Any:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            value = _NO_JSON
        if value is _NO_JSON:
            raise MalformedReply("the answer is not JSON")  # out of the handler: the error there holds the answer
        path = misfit(value)
        if path is not None:
            raise MalformedReply(f"the answer does not fit the schema: {_place(path, known)}")
        return value

    return Expectation(
        OutputSchema(name=_name(str(schema.get("title") or "answer")), schema=schema, strict=strict), parse
    )


_NO_JSON = object()


def _place(path: Iterable[str | int], known: frozenset[str]) -> str:
    """Where in the answer something is wrong. Names that the schema does not have are the answer's own: `*`."""
    return ".".join([str(one) if isinstance(one, int) or one in known else "*" for one in path]) or "(root)"


def _name(title: str) -> str:
    return _NAME.sub("_", title)[:64] or "answer"


def _close(schema: dict[str, Any]) -> bool:
    """Make it one that strict modes take: unknown keys forbidden, all known ones required, alternatives as `anyOf`.
    False where an object stays open or a keyword stays that they refuse.
    """
    closed = True
    if schema.get("type") == "object":
        if isinstance(schema.get("properties"), dict) and schema.get("additionalProperties") in (None, False):
            schema["additionalProperties"] = False
            schema["required"] = list(schema["properties"])
        else:
            closed = False  # a free-form mapping
    schema.pop("default", None)
    schema.pop("discriminator", None)
    if "oneOf" in schema and "anyOf" not in schema:
        schema["anyOf"] = schema.pop("oneOf")
    if "$ref" in schema and len(schema) > 1:
        schema["anyOf"] = [{"$ref": schema.pop("$ref")}]  # a reference stands alone, without a description beside it
    children = [_close(child) for child in _children(schema)]
    return closed and all(children) and _LOOSE.isdisjoint(schema)


def _is_closed(schema: dict[str, Any]) -> bool:
    if schema.get("type") == "object" or "object" in _list(schema.get("type")) or "properties" in schema:
        properties = schema.get("properties")
        if not isinstance(properties, dict) or schema.get("additionalProperties") is not False:
            return False
        if set(_list(schema.get("required"))) != set(properties):
            return False
    return _LOOSE.isdisjoint(schema) and all(_is_closed(child) for child in _children(schema))


def _names(schema: dict[str, Any]) -> Iterator[str]:
    """Names of properties and definitions, wherever in the schema."""
    for keyword in _BY_NAME:
        yield from schema.get(keyword) or ()
    for child in _children(schema):
        yield from _names(child)


_BY_NAME = ("properties", "$defs", "definitions")


def _children(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schemas directly inside this one. Walks by keyword: a property may be called `type` or `default`."""
    for keyword in _BY_NAME:
        yield from _schemas((schema.get(keyword) or {}).values())
    for keyword in ("anyOf", "allOf", "oneOf", "prefixItems"):
        yield from _schemas(schema.get(keyword) or ())
    yield from _schemas((schema.get("items"), schema.get("additionalProperties")))


def _schemas(values: Iterable[Any]) -> Iterator[dict[str, Any]]:
    return (value for value in values if isinstance(value, dict))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
