"""Output schemas and strict tools as the vendor's grammar compiler takes them."""

from __future__ import annotations

from typing import Any

from orchestrator_providers.shared.schemas import Dialect

__all__ = ["DIALECT"]

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
