"""How values of many fields are shown: by what is known of them."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

__all__ = ["known"]


def known(value: Any) -> str:
    """`Usage(input_tokens=12)`: a dataclass by those of its fields that are not at their default."""
    told = [
        f"{field.name}={getattr(value, field.name)!r}"
        for field in fields(value)
        if field.repr and getattr(value, field.name) != _default(field)
    ]
    return f"{type(value).__name__}({', '.join(told)})"


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default
