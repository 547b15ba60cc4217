"""Reads vendors' JSON: by its bytes, never by its content type, which vendors get wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from orchestrator.errors import MalformedReply
from orchestrator.types.chat import ToolCall

__all__ = [
    "counted",
    "integer",
    "integers",
    "label",
    "mapping",
    "parse_arguments",
    "read_json",
    "read_object",
    "required",
    "text_of",
    "tool_call",
    "vector",
]


def read_json(body: bytes, what: str = "reply") -> Any:
    """Parse JSON.

    Raises:
        MalformedReply: says what kind of bytes came instead, never quotes them.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedReply(f"the {what} is {_kind(body)}") from error


def read_object(body: bytes, what: str = "reply") -> dict[str, Any]:
    """Parse a JSON object; anything else is a `MalformedReply`."""
    value = read_json(body, what)
    if not isinstance(value, dict):
        raise MalformedReply(f"the {what} is JSON, but not an object")
    return value


def _kind(body: bytes) -> str:
    head = body[:256].lstrip().lower()
    if not head:
        return "empty"
    if head.startswith(b"<"):
        return "HTML or XML, not JSON"
    try:
        body.decode()
    except UnicodeDecodeError:
        return "not valid UTF-8"
    return "truncated JSON" if head[:1] in b"{[" else "not JSON"


def mapping(value: Any) -> Mapping[str, Any]:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def counted(**counts: Any) -> dict[str, int] | None:
    """`Usage.extras` by these names, None if all are; what is no count, or 0, is left out."""
    found = {name: number for name, value in counts.items() if (number := integer(value))}
    return found or None


def integer(value: Any) -> int | None:
    """A count: an int, or a float without a fraction; None for anything else, booleans included."""
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    return None


def integers(counts: Mapping[str, Any], *names: str) -> list[int | None]:
    """Counts by these names, each as `integer` reads it."""
    return [value if type(value := counts.get(name)) is int else integer(value) for name in names]


def label(value: Any) -> str | None:
    """An id or a name, None unless it is text that says something."""
    return value if isinstance(value, str) and value else None


def required(value: Any, what: str) -> str:
    """Text that an answer cannot do without, such as a tool's name.

    Raises:
        MalformedReply: it is missing, empty or no text.
    """
    if not isinstance(value, str) or not value:
        raise MalformedReply(f"{what} is missing or no text")
    return value


def text_of(value: Any, what: str) -> str:
    """Text, which may be empty; anything else is a `MalformedReply`."""
    if not isinstance(value, str):
        raise MalformedReply(f"{what} is no text")
    return value


def vector(value: Any) -> list[float]:
    """An embedding: a list of numbers.

    Raises:
        MalformedReply: it is something else, or something else is in it.
    """
    try:
        sum(value)  # the quickest look at every number
    except TypeError:
        raise MalformedReply("an embedding is no list of numbers") from None
    if not isinstance(value, list):
        raise MalformedReply("an embedding is no list of numbers")
    return value


def parse_arguments(text: str) -> tuple[dict[str, Any], str | None]:
    """Tool arguments from their JSON text, and that text itself if it is not a JSON object. No text is no arguments."""
    if not text.strip():
        return {}, None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}, text
    return (value, None) if isinstance(value, dict) else ({}, text)


def tool_call(id_: Any, name: Any, arguments: Any, **metadata: Any) -> ToolCall:
    """A tool call from the vendor's arguments: JSON text, or an object that is already parsed.

    Raises:
        MalformedReply: without an id or a name nobody can answer it.
    """
    id_, name = required(id_, "the id of a tool call"), required(name, "the name of a tool call")
    if isinstance(arguments, dict):
        return ToolCall(id=id_, name=name, arguments=arguments, **metadata)
    parsed, invalid = parse_arguments(arguments if isinstance(arguments, str) else "")
    return ToolCall(id=id_, name=name, arguments=parsed, invalid_arguments=invalid, **metadata)
