"""Makes a value that satisfies a JSON schema, as far as simple ones go: what a tool or an answer format asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["instance"]

MAX_DEPTH = 12
_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "email": "someone@example.com",
    "time": "12:00:00Z",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000001",
}


def instance(schema: Any, words: str = "something") -> Any:
    """A value for a schema; free text becomes `words`.

    Knows `$ref` into the document, `anyOf`, `oneOf`, `allOf`, `const`, `enum`, `default`, the seven types, lengths,
    bounds and the common formats. Not `pattern` nor conditions. A schema that never ends is cut off with None.
    """
    root = schema if isinstance(schema, Mapping) else {}
    return _make(root, root, words, 0)


def _make(schema: Any, root: Mapping[str, Any], words: str, depth: int) -> Any:
    if depth > MAX_DEPTH:
        return None
    if not isinstance(schema, Mapping):
        return words
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    inner = _inner(schema, root)
    return _by_type(schema, root, words, depth) if inner is None else _make(inner, root, words, depth + 1)


def _inner(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """The schema that this one stands for, None if it stands for itself."""
    if "$ref" in schema:
        return _resolve(str(schema["$ref"]), root)
    if schema.get("allOf"):
        return _merged(schema, root)
    return _first_real(schema.get("anyOf") or schema.get("oneOf") or ())


def _by_type(schema: Mapping[str, Any], root: Mapping[str, Any], words: str, depth: int) -> Any:
    match _type(schema):
        case "object":
            return _object(schema, root, words, depth)
        case "array":
            count = min(max(1, int(schema.get("minItems", 1))), int(schema.get("maxItems", 8)))
            return [_make(schema.get("items", {}), root, words, depth + 1) for _ in range(count)]
        case "integer" | "number" as kind:
            return _number(schema, whole=kind == "integer")
        case "boolean":
            return True
        case "null":
            return None
        case _:
            return _text(schema, words)


def _object(schema: Mapping[str, Any], root: Mapping[str, Any], words: str, depth: int) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    # Deep down only what is required: a recursive schema ends where its optional parts are left out.
    names = (
        properties if depth < MAX_DEPTH // 2 else [name for name in schema.get("required", ()) if name in properties]
    )
    return {name: _make(properties[name], root, words, depth + 1) for name in names}


def _type(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "null")
    if kind is None:
        kind = "object" if "properties" in schema else "array" if "items" in schema else "string"
    return str(kind)


def _text(schema: Mapping[str, Any], words: str) -> str:
    text = _FORMATS.get(str(schema.get("format")), words)
    shortest = int(schema.get("minLength", 0))
    if len(text) < shortest:
        text = (f"{text} " * (shortest // (len(text) + 1) + 1))[:shortest]
    return text[: int(schema.get("maxLength", len(text)))]


def _number(schema: Mapping[str, Any], *, whole: bool) -> float | int:
    step = schema.get("multipleOf") or 1
    value = 1.0 if "multipleOf" not in schema else float(step)
    low = max(schema.get("minimum", value), schema.get("exclusiveMinimum", value - step) + step)
    if value < low:
        value = float(-(-low // step) * step) if whole or "multipleOf" in schema else float(low)
    high = min(schema.get("maximum", value), schema.get("exclusiveMaximum", value + step) - step)
    if value > high:
        value = float(high // step * step) if whole else float(high)
    return int(value) if whole else value


def _resolve(reference: str, root: Mapping[str, Any]) -> Any:
    place: Any = root
    for name in reference.removeprefix("#").strip("/").split("/"):
        if name:
            place = place.get(name.replace("~1", "/").replace("~0", "~")) if isinstance(place, Mapping) else None
    return place


def _merged(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    properties = dict(merged.get("properties") or {})
    required = list(merged.get("required") or ())
    for part in schema["allOf"]:
        whole = _resolve(str(part["$ref"]), root) if isinstance(part, Mapping) and "$ref" in part else part
        if isinstance(whole, Mapping):
            properties |= whole.get("properties") or {}
            required += whole.get("required") or ()
            merged = {**whole, **merged}
    if properties:
        merged |= {"properties": properties, "required": required}
    return merged


def _first_real(choices: Sequence[Any]) -> Any:
    real = (choice for choice in choices if not (isinstance(choice, Mapping) and choice.get("type") == "null"))
    return next(real, choices[0] if choices else None)
