"""Schemas in the dialect of the vendor's strict mode."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator_providers.shared.schemas import Dialect, Fitted, children, fit

__all__ = ["strict_schema"]

_LEFT_OUT = frozenset(
    {
        "contains",
        "default",
        "discriminator",
        "maxContains",
        "maxProperties",
        "minContains",
        "minProperties",
        "propertyNames",
        "unevaluatedItems",
        "unevaluatedProperties",
        "uniqueItems",
    }
)
# To leave these out would make another schema of it.
_DECISIVE = frozenset(
    {"allOf", "dependentRequired", "dependentSchemas", "else", "if", "not", "patternProperties", "then"}
)
_DIALECT = Dialect(
    refuses=lambda keyword, _value: keyword in _LEFT_OUT, closes=True, any_of_only=True, lone_references=True
)


def strict_schema(schema: Mapping[str, Any]) -> Fitted | None:
    """The schema as strict mode takes it: every object closed, every property required. None if that mode cannot say
    what the schema says: an object of any keys, a property that may be missing, a condition.
    """
    if _decides(schema):
        return None
    fitted = fit(schema, _DIALECT)
    return None if fitted.is_open or not fitted.requires_all else fitted


def _decides(schema: Mapping[str, Any]) -> bool:
    return bool(_DECISIVE & schema.keys()) or any(_decides(child) for child in children(schema))
