"""JSON Schema as the vendor takes it: the keywords that its present fields know, or the OpenAPI subset of older ones.

Some of the keywords it does not know are ignored and some refused, differently from model to model: none is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orchestrator_providers.shared.schemas import Dialect, Fitted, fit

__all__ = ["write_schema"]

_Schema = dict[str, Any]

_KNOWN = frozenset(
    {
        "$anchor", "$defs", "$id", "$ref", "additionalProperties", "anyOf", "description", "enum", "format", "items",
        "maxItems", "maximum", "minItems", "minimum", "oneOf", "prefixItems", "properties", "propertyOrdering",
        "required", "title", "type",
    }
)  # fmt: skip
_UNKNOWN_TO_SUBSET = frozenset({"$anchor", "$id", "prefixItems"})
_ANNOTATIONS = frozenset(
    {
        "$comment", "$schema", "default", "deprecated", "discriminator", "example", "examples", "readOnly", "writeOnly",
    }
)  # fmt: skip
"""Say nothing about which values are valid."""

_FORMATS = frozenset({"date", "date-time", "double", "float", "int32", "int64", "time"})
_NAMED = ("$defs", "properties")
_LISTED = ("anyOf", "oneOf", "prefixItems")
_SINGLE = ("additionalProperties", "items")


def write_schema(schema: Mapping[str, Any], *, json_schema: bool) -> Fitted:
    """A schema for a field that takes JSON Schema (`responseJsonSchema`, `parametersJsonSchema`), or for one that takes
    the vendor's older subset (`responseSchema`, `parameters`): no references, types in capitals.
    """
    plain = _Plain(schema).schema
    if json_schema:
        return fit(plain, Dialect(refuses=_refused, lone_references=True))
    fitted = fit(plain, Dialect(refuses=_refused_by_subset, any_of_only=True, inlines=True))
    return replace(fitted, schema=_as_subset(fitted.schema))


def _refused(keyword: str, value: Any) -> bool:
    if keyword == "format":
        return value not in _FORMATS
    if keyword == "enum":
        return not all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in value)
    return keyword not in _KNOWN


def _refused_by_subset(keyword: str, value: Any) -> bool:
    if keyword == "enum":
        return not all(isinstance(one, str) for one in value)
    if keyword == "additionalProperties":
        return value is not False  # which is how the subset means all objects
    return keyword in _UNKNOWN_TO_SUBSET or _refused(keyword, value)


class _Plain:
    """The schema said in fewer words, of the same meaning: no `allOf`, constants, open bounds or annotations."""

    __slots__ = ("_root", "_within", "schema")

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._within: list[Any] = []
        self.schema = self._write(root)

    def _write(self, schema: Mapping[str, Any]) -> _Schema:
        schema = _with_type_null(_with_bounds(_with_enum(self._without_all_of(schema))))
        written = {key: value for key, value in schema.items() if key not in _ANNOTATIONS}
        if isinstance(written.get("definitions"), Mapping):
            written["$defs"] = {**written.pop("definitions"), **written.get("$defs", {})}
        if isinstance(written.get("$ref"), str):
            written["$ref"] = written["$ref"].replace("#/definitions/", "#/$defs/", 1)
        for key in _NAMED:
            if isinstance(written.get(key), Mapping):
                written[key] = {name: self._any(value) for name, value in written[key].items()}
        for key in _LISTED:
            if isinstance(written.get(key), list):
                written[key] = [self._any(value) for value in written[key]]
        for key in _SINGLE:
            if isinstance(written.get(key), Mapping):
                written[key] = self._write(written[key])
        if isinstance(written.get("items"), bool):
            del written["items"]
        return written

    def _any(self, schema: Any) -> _Schema:
        return self._write(schema) if isinstance(schema, Mapping) else {}

    def _without_all_of(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """All of several schemas as one: their properties together."""
        members = schema.get("allOf")
        if not isinstance(members, list):
            return schema
        rest = {key: value for key, value in schema.items() if key != "allOf"}
        if len(members) == 1 and _reference(members[0]):
            return {**rest, **members[0]}
        together: _Schema = {}
        for member in (*members, rest):
            _add(together, self._resolved(member))
        return together

    def _resolved(self, member: Any) -> Mapping[str, Any]:
        """A member of `allOf` as it stands, or what it refers to; nothing where it holds itself."""
        if not _reference(member):
            return self._without_all_of(member) if isinstance(member, Mapping) else {}
        reference = member["$ref"]
        target = self._target(reference)
        if reference in self._within or not isinstance(target, Mapping):
            return {}
        self._within.append(reference)
        found = self._without_all_of(target)
        self._within.pop()
        return found

    def _target(self, reference: str) -> Any:
        found: Any = self._root
        for step in reference.split("/")[1:]:
            found = found.get(step) if isinstance(found, Mapping) else None
        return found


def _reference(schema: Any) -> bool:
    return isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str)


def _add(together: _Schema, member: Mapping[str, Any]) -> None:
    for key, value in member.items():
        before = together.get(key)
        if key == "properties" and isinstance(before, Mapping):
            together[key] = {**before, **value}
        elif key == "required" and isinstance(before, list):
            together[key] = [*before, *(name for name in value if name not in before)]
        else:
            together[key] = value


def _with_enum(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A constant as the only value of an enumeration; true and false by their type; null beside the values."""
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(values, list) or not values:
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("const", "enum")}
    kept = [value for value in values if value is not None]
    nullable = len(kept) < len(values)
    if not kept:
        return rest | {"type": "null"}
    if all(isinstance(value, bool) for value in kept):
        return rest | {"type": ["boolean", "null"] if nullable else "boolean"}
    if not nullable:
        return {"type": _type_of(kept), **rest, "enum": kept}
    rest.pop("type", None)
    return rest | {"anyOf": [{"type": _type_of(kept), "enum": kept}, {"type": "null"}]}


def _type_of(values: list[Any]) -> str:
    if all(isinstance(value, str) for value in values):
        return "string"
    return "integer" if all(isinstance(value, int) for value in values) else "number"


def _with_bounds(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Open bounds of integers as closed ones."""
    if schema.get("type") != "integer":
        return schema
    bounded = dict(schema)
    for open_, closed, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
        bound = bounded.get(open_)
        if isinstance(bound, int) and not isinstance(bound, bool):
            bounded[closed] = bound + step
            del bounded[open_]
    return bounded


def _with_type_null(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """OpenAPI's `nullable` as JSON Schema says it."""
    if "nullable" not in schema:
        return schema
    rest = {key: value for key, value in schema.items() if key != "nullable"}
    type_ = schema.get("type")
    return rest | {"type": [type_, "null"]} if schema["nullable"] is True and isinstance(type_, str) else rest


def _as_subset(schema: Mapping[str, Any]) -> _Schema:
    """Types in capitals, one each; null as `nullable`."""
    written = {key: value for key, value in schema.items() if key != "additionalProperties"}
    if isinstance(written.get("properties"), Mapping):
        written["properties"] = {name: _as_subset(value) for name, value in written["properties"].items()}
    if isinstance(written.get("items"), Mapping):
        written["items"] = _as_subset(written["items"])
    options = [_as_subset(option) for option in written.pop("anyOf", ())]
    types = written.pop("type", None)
    names = [str(name).upper() for name in (types if isinstance(types, list) else [types] if types else [])]
    solid = [option for option in options if option != {"nullable": True}]
    if "NULL" in names or len(solid) < len(options):
        written["nullable"] = True
    return _with_types(written, [name for name in names if name != "NULL"], solid)


def _with_types(written: _Schema, names: list[str], options: list[_Schema]) -> _Schema:
    """One type, or any of several schemas: the subset has no lists of types."""
    if len(names) == 1:
        written["type"] = names[0]
    elif names:
        options = [*options, *({"type": name} for name in names)]
    if len(options) == 1:
        return options[0] | written
    return written | {"anyOf": options} if options else written
