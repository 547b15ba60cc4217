"""Structured output: from a pydantic model or JSON Schema to what is sent, and from the answer back to a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from orchestrator.errors import InvalidRequest, MalformedReply
from orchestrator.types.chat import OutputSchema

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["Expectation", "expectation"]

_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*)\n\s*```\s*\Z", re.DOTALL)
_LATER_KEYWORDS = frozenset(
    {"$dynamicRef", "dependentRequired", "dependentSchemas", "prefixItems", "unevaluatedItems", "unevaluatedProperties"}
)
_NAME = re.compile(r"[^A-Za-z0-9_-]+")


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
        fenced = _FENCE.match(text)
        return self._parse(fenced[1] if fenced else text)


def expectation(output: type[BaseModel] | Mapping[str, Any]) -> Expectation:
    """Prepare an `output=` argument; models are prepared once, not per call."""
    if isinstance(output, type):
        return _of_model(output)
    if isinstance(output, Mapping):
        return _of_schema(output)
    raise InvalidRequest(f"output: expected a pydantic model class or a JSON Schema, found {type(output).__name__}")


@lru_cache(maxsize=256)
def _of_model(model: type[BaseModel]) -> Expectation:
    from pydantic import BaseModel, ValidationError  # noqa: PLC0415 - a call without output= needs no pydantic

    if not issubclass(model, BaseModel):
        raise InvalidRequest(f"output: {model.__name__} is not a pydantic model")
    schema = model.model_json_schema()
    strict = _close(schema)

    def parse(text: str) -> Any:
        try:
            return model.model_validate_json(text)
        except ValidationError as error:
            where = ", ".join(sorted({".".join(map(str, e["loc"])) or "(root)" for e in error.errors()}))
        # Raised outside the handler: pydantic's text quotes the answer, and would hang on as context.
        raise MalformedReply(f"the answer does not fit {model.__name__}: {where}")

    return Expectation(OutputSchema(name=_name(model.__name__), schema=schema, strict=strict), parse)


def _of_schema(given: Mapping[str, Any]) -> Expectation:
    try:
        text = orjson.dumps(given)
    except TypeError as error:
        raise InvalidRequest("output: the JSON Schema holds values that JSON does not have") from error
    return _of_text(text)


@lru_cache(maxsize=256)
def _of_text(text: bytes) -> Expectation:
    import fastjsonschema  # noqa: PLC0415 - a call without output= needs it not

    schema = orjson.loads(text)
    _refuse_unchecked(schema)
    try:
        validate = fastjsonschema.compile(schema, use_default=False)
    except fastjsonschema.JsonSchemaDefinitionException as error:
        raise InvalidRequest("output: not a valid JSON Schema") from error

    def parse(answer: str) -> Any:
        # Raised outside the handlers: the originals quote the answer, and would hang on as context.
        try:
            return validate(orjson.loads(answer))
        except orjson.JSONDecodeError:
            problem = "is not JSON"
        except fastjsonschema.JsonSchemaValueException as error:
            problem = f"does not fit the schema: {'.'.join(map(str, error.path[1:])) or '(root)'}"
        raise MalformedReply(f"the answer {problem}")

    output = OutputSchema(name=_name(str(schema.get("title") or "answer")), schema=schema, strict=_is_closed(schema))
    return Expectation(output, parse)


def _refuse_unchecked(schema: dict[str, Any]) -> None:
    """The validator knows the keywords of draft 7; a later one would be passed over without a word."""
    later = sorted(_LATER_KEYWORDS & schema.keys())
    if later:
        raise InvalidRequest(f"output: the keyword {later[0]!r} is not supported")
    for child in _children(schema):
        _refuse_unchecked(child)


def _name(title: str) -> str:
    return _NAME.sub("_", title)[:64] or "answer"


def _close(schema: dict[str, Any]) -> bool:
    """Forbid unknown keys and require all known ones, as strict modes ask; False where an object stays open."""
    closed = True
    if schema.get("type") == "object":
        if isinstance(schema.get("properties"), dict) and schema.get("additionalProperties") in (None, False):
            schema["additionalProperties"] = False
            schema["required"] = list(schema["properties"])
        else:
            closed = False  # a free-form mapping
    schema.pop("default", None)
    children = [_close(child) for child in _children(schema)]
    return closed and all(children)


def _is_closed(schema: dict[str, Any]) -> bool:
    if schema.get("type") == "object":
        properties = schema.get("properties")
        if not isinstance(properties, dict) or schema.get("additionalProperties") is not False:
            return False
        if set(schema.get("required", ())) != set(properties):
            return False
    return all(_is_closed(child) for child in _children(schema))


def _children(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schemas directly inside this one. Walks by keyword: a property may be called `type` or `default`."""
    for keyword in ("properties", "$defs", "definitions"):
        yield from _schemas((schema.get(keyword) or {}).values())
    for keyword in ("anyOf", "allOf", "oneOf", "prefixItems"):
        yield from _schemas(schema.get(keyword) or ())
    yield from _schemas((schema.get("items"), schema.get("additionalProperties")))


def _schemas(values: Iterable[Any]) -> Iterator[dict[str, Any]]:
    return (value for value in values if isinstance(value, dict))
