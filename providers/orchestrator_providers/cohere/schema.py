"""Output schemas as the vendor's grammar takes them."""

from __future__ import annotations

from typing import Any

from orchestrator_providers.shared.schemas import Dialect

__all__ = ["DIALECT"]

# By the vendor's guide to structured outputs: no sizes, no ranges, and no combination but `anyOf`.
_REFUSED = frozenset(
    {
        "allOf", "contains", "dependencies", "dependentRequired", "dependentSchemas", "else", "exclusiveMaximum",
        "exclusiveMinimum", "if", "maxContains", "maxItems", "maxLength", "maxProperties", "maximum", "minContains",
        "minItems", "minLength", "minProperties", "minimum", "multipleOf", "not", "patternProperties", "prefixItems",
        "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
_FORMATS = frozenset({"date", "date-time", "time", "uuid"})


def _refuses(keyword: str, value: Any) -> bool:
    return keyword in _REFUSED or (keyword == "format" and value not in _FORMATS)


DIALECT = Dialect(refuses=_refuses, any_of_only=True)
