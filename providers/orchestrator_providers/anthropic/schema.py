"""Output schemas and strict tools as the vendor's grammar compiler takes them."""

from __future__ import annotations

from typing import Any

from orchestrator.types.chat import JsonSchema, OutputSchema, Tool
from orchestrator_providers.shared.noting import Noting
from orchestrator_providers.shared.schemas import Dialect, fit

__all__ = ["DIALECT", "closed_output", "closed_parameters"]

# Refused with a 400 wherever they stand.
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


def _refuses(keyword: str, value: Any) -> bool:
    return (
        keyword in _REFUSED
        or (keyword == "minItems" and value not in (0, 1))
        or (keyword == "format" and value not in _FORMATS)
    )


DIALECT = Dialect(refuses=_refuses, closes=True, any_of_only=True)
"""Every object is closed, which the vendor demands."""


def closed_output(output: OutputSchema, notes: Noting) -> JsonSchema | None:
    """An output schema as the vendor follows it, with a note on what that cost it. None: only a tool can stand in."""
    closed = fit(output.schema, DIALECT)
    if closed.is_open:
        return None
    if closed.left_out:
        left_out = ", ".join(closed.left_out)
        notes.changed("output", f"schema keywords that the vendor refuses were left out: {left_out}")
    return closed.schema


def closed_parameters(tool: Tool, notes: Noting) -> JsonSchema | None:
    """A strict tool's parameters, with a note on what that cost them. None, with a note too: it cannot be strict."""
    closed = fit(tool.parameters, DIALECT)
    if closed.is_open:
        notes.unsupported("tools.strict", f"the parameters of {tool.name!r} allow properties they do not name")
        return None
    if closed.left_out:
        notes.changed("tools.strict", f"left out of {tool.name!r}: {', '.join(closed.left_out)}")
    return closed.schema
