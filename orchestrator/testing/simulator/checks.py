"""Checks that all three vendors make on a request, each in its own words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.testing.simulator.asks import Refused

__all__ = ["expect", "integer", "known_fields", "number", "objects", "text_of"]


def expect(condition: object, message: str, *, param: str | None = None, code: str | None = None) -> None:
    """Refuse the request with 400 unless the condition holds."""
    if not condition:
        raise Refused(400, message, param=param, code=code)


def integer(body: Mapping[str, Any], name: str, *, low: int = 1) -> int | None:
    """An optional whole number of at least `low`."""
    value = body.get(name)
    if value is None:
        return None
    whole = isinstance(value, int) and not isinstance(value, bool)
    expect(whole and value >= low, f"{name}: expected an integer of at least {low}", param=name)
    return int(value)


def number(body: Mapping[str, Any], name: str, low: float, high: float) -> None:
    """Check an optional number."""
    value = body.get(name)
    real = isinstance(value, int | float) and not isinstance(value, bool)
    expect(value is None or (real and low <= value <= high), f"{name}: expected {low} to {high}", param=name)


def objects(value: Any, name: str) -> list[dict[str, Any]]:
    """A list of objects that is not empty."""
    expect(isinstance(value, list) and value, f"{name}: expected a list that is not empty", param=name)
    expect(all(isinstance(item, dict) for item in value), f"{name}: expected objects", param=name)
    return list(value)


def text_of(parts: Iterable[Any], *names: str) -> str:
    """The texts under any of these names in a list of parts, one per line."""
    found = [part.get(name) for part in parts if isinstance(part, dict) for name in names]
    return "\n".join(text for text in found if isinstance(text, str))


def known_fields(body: Mapping[str, Any], fields: frozenset[str], complaint: str) -> None:
    """Refuse a body with a field that the API does not have; `{name}` in the complaint is the field's."""
    unknown = next((name for name in body if name not in fields), None)
    expect(unknown is None, complaint.format(name=unknown))
