"""Output schemas and strict tools as the vendor's grammar compiler takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["ClosedSchema"]

# Refused with a 400 wherever they stand. The client checks the answer against the caller's own schema, so leaving them
# out costs the guarantee during generation, and not the check after it.
_REFUSED = frozenset(
    {
        "contains",
        "discriminator",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "maxContains",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minContains",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "patternProperties",
        "propertyNames",
        "unevaluatedProperties",
        "uniqueItems",
    }
)
_FORMATS = frozenset({"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"})
_NAMED = ("$defs", "definitions", "properties")
_LISTED = ("allOf", "anyOf")


class ClosedSchema:
    """A JSON Schema made fit to send: every object closed, which the vendor demands, and without what it refuses.

    Attributes:
        schema: what to send.
        is_open: the original allows properties that it does not name, which no closed schema can say.
    """

    __slots__ = ("_left_out", "is_open", "schema")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._left_out: set[str] = set()
        self.is_open = False
        self.schema = self._close(schema)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Keywords that `schema` lost, sorted."""
        return tuple(sorted(self._left_out))

    def _close(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        closed = {key: value for key, value in schema.items() if not self._refused(key, value)}
        if isinstance(closed.get("oneOf"), list) and "anyOf" not in closed:
            closed["anyOf"] = closed.pop("oneOf")
        for key in _NAMED:
            if isinstance(closed.get(key), Mapping):
                closed[key] = {name: self._any(value) for name, value in closed[key].items()}
        for key in _LISTED:
            if isinstance(closed.get(key), list):
                closed[key] = [self._any(value) for value in closed[key]]
        if "items" in closed:
            closed["items"] = self._any(closed["items"])
        if closed.get("type") == "object" or "properties" in closed:
            self.is_open |= closed.get("additionalProperties", False) is not False
            closed["additionalProperties"] = False
        return closed

    def _any(self, schema: Any) -> Any:
        return self._close(schema) if isinstance(schema, Mapping) else schema

    def _refused(self, key: str, value: Any) -> bool:
        refused = (
            key in _REFUSED
            or (key == "minItems" and value not in (0, 1))
            or (key == "format" and value not in _FORMATS)
        )
        if refused:
            self._left_out.add(key)
        return refused
