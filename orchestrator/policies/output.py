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
            # Without the original: pydantic's text quotes the answer.
            raise MalformedReply(f"the answer does not fit {model.__name__}: {where}") from None

    return Expectation(OutputSchema(name=_name(model.__name__), schema=schema, strict=strict), parse)


def _of_schema(given: Mapping[str, Any]) -> Expectation:
    from jsonschema_rs import ValidationError, validator_for  # noqa: PLC0415

    try:
        validator = validator_for(dict(given))
    except (ValidationError, ValueError) as error:
        raise InvalidRequest("output: not a valid JSON Schema") from error
    schema = orjson.loads(orjson.dumps(given))
    strict = _is_closed(schema)

    def parse(text: str) -> Any:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise MalformedReply("the answer is not JSON") from None
        error = next(iter(validator.iter_errors(value)), None)
        if error is not None:
            where = ".".join(map(str, error.instance_path)) or "(root)"
            raise MalformedReply(f"the answer does not fit the schema: {where}")
        return value

    return Expectation(
        OutputSchema(name=_name(str(schema.get("title") or "answer")), schema=schema, strict=strict), parse
    )


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
