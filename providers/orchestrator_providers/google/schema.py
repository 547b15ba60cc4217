"""JSON Schema as the vendor takes it: the keywords it knows of today's fields, or the OpenAPI subset of its older ones.

What it does not know is left out: it ignores some keywords and refuses others, differently from model to model. The
client checks an answer against the caller's own schema, so only the guarantee while generating is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["WrittenSchema", "write_schema"]

_Schema = dict[str, Any]

_KNOWN = frozenset(
    {
        "$anchor", "$id", "$ref", "additionalProperties", "anyOf", "description", "enum", "items", "maxItems",
        "maximum", "minItems", "minimum", "oneOf", "prefixItems", "properties", "propertyOrdering", "required",
        "title", "type",
    }
)  # fmt: skip
_SUBSET = frozenset(
    {
        "anyOf", "description", "enum", "items", "maxItems", "maximum", "minItems", "minimum", "nullable", "properties",
        "propertyOrdering", "required", "title", "type",
    }
)  # fmt: skip
_ANNOTATIONS = frozenset(
    {
        "$comment", "$defs", "$schema", "default", "definitions", "deprecated", "discriminator", "example", "examples",
        "readOnly", "writeOnly",
    }
)  # fmt: skip
"""Say nothing about which values are valid, or (definitions) are written elsewhere."""

_FORMATS = frozenset({"date", "date-time", "double", "enum", "float", "int32", "int64", "time"})
_DEFINITIONS = ("#/$defs/", "#/definitions/")


class WrittenSchema:
    """A schema made fit to send.

    Attributes:
        schema: what to send.
        left_out: keywords that it lost, sorted.
    """

    __slots__ = ("_definitions", "_left_out", "_path", "_subset", "schema")

    def __init__(self, schema: Mapping[str, Any], *, subset: bool) -> None:
        self._subset = subset
        self._left_out: set[str] = set()
        self._path: list[str] = []
        self._definitions = {**_mapping(schema.get("definitions")), **_mapping(schema.get("$defs"))}
        self.schema = self._write(schema)
        if self._definitions and not subset:
            self.schema["$defs"] = {name: self._write(value) for name, value in self._definitions.items()}

    @property
    def left_out(self) -> tuple[str, ...]:
        """See the class."""
        return tuple(sorted(self._left_out))

    @property
    def names(self) -> str:
        """`left_out` for a message."""
        return ", ".join(self.left_out)

    def _write(self, schema: Any) -> _Schema:
        if not isinstance(schema, Mapping):
            return {}  # true: anything goes
        schema = _with_bounds(_with_enum(self._without_all_of(schema)))
        name = _definition(schema)
        if name is not None:
            return self._refer(name, schema)
        written = {key: value for key, value in schema.items() if self._takes(key, value)}
        self._descend(written)
        return self._as_subset(written) if self._subset else _nullable_as_type(written, schema)

    def _takes(self, key: str, value: Any) -> bool:
        if key in (_SUBSET if self._subset else _KNOWN) or (key == "format" and value in _FORMATS):
            return not (key == "enum" and any(isinstance(one, bool | dict | list) for one in value))
        if key in ("oneOf", "nullable"):
            return key == "oneOf"  # read below
        closes = key == "additionalProperties" and value is False
        if key not in _ANNOTATIONS and not closes:
            self._left_out.add(key)
        return False

    def _refer(self, name: str, schema: Mapping[str, Any]) -> _Schema:
        # Beside a reference the vendor takes nothing else.
        if not self._subset or name not in self._definitions:
            return {"$ref": f"#/$defs/{name}"}
        if name in self._path:
            self._left_out.add("$ref")  # a schema that holds itself has no form without references
            return {"type": "OBJECT"}
        self._path.append(name)
        written = self._write(self._definitions[name])
        self._path.pop()
        described = schema.get("description")
        return written | ({"description": described} if described else {})

    def _descend(self, written: _Schema) -> None:
        if isinstance(written.get("properties"), Mapping):
            written["properties"] = {name: self._write(value) for name, value in written["properties"].items()}
        for key in ("anyOf", "oneOf", "prefixItems"):
            if isinstance(written.get(key), list):
                written[key] = [self._write(value) for value in written[key]]
        for key in ("additionalProperties", "items"):
            if isinstance(written.get(key), Mapping):
                written[key] = self._write(written[key])
        if isinstance(written.get("items"), bool):
            del written["items"]

    def _without_all_of(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """All of several schemas as one: their properties together."""
        members = schema.get("allOf")
        if not isinstance(members, list):
            return schema
        rest = {key: value for key, value in schema.items() if key != "allOf"}
        if len(members) == 1 and _definition(members[0]) is not None:
            return {**rest, **members[0]}
        together: _Schema = {}
        for member in [*members, rest]:
            name = _definition(member)
            known = self._definitions.get(name, {}) if name else member
            _add_schema(together, self._without_all_of(known) if known is not schema else {})
        return together

    def _as_subset(self, written: _Schema) -> _Schema:
        if "oneOf" in written:
            written.setdefault("anyOf", written.pop("oneOf"))
        if not all(isinstance(value, str) for value in written.get("enum", ())):
            self._left_out.add("enum")
            del written["enum"]
        types = written.get("type")
        names = [str(name).upper() for name in (types if isinstance(types, list) else [types] if types else [])]
        options = [option for option in written.get("anyOf", ()) if option != {"nullable": True}]
        if "NULL" in names or len(options) < len(written.get("anyOf", ())):
            written["nullable"] = True
        return _with_types(written, [name for name in names if name != "NULL"], options)


def write_schema(schema: Mapping[str, Any], *, json_schema: bool) -> WrittenSchema:
    """A JSON Schema for a field that takes such (`responseJsonSchema`, `parametersJsonSchema`), or for one that takes
    the vendor's older subset (`responseSchema`, `parameters`): no references, types in capitals.
    """
    return WrittenSchema(schema, subset=not json_schema)


def _with_types(written: _Schema, names: list[str], options: list[_Schema]) -> _Schema:
    """One type, or one of several schemas: the subset has no lists of types."""
    written.pop("type", None)
    written.pop("anyOf", None)
    if len(names) == 1:
        written["type"] = names[0]
    elif names:
        options = [*options, *({"type": name} for name in names)]
    if len(options) == 1:
        return options[0] | written
    return written | {"anyOf": options} if options else written


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _definition(schema: Any) -> str | None:
    reference = schema.get("$ref") if isinstance(schema, Mapping) else None
    if isinstance(reference, str):
        for prefix in _DEFINITIONS:
            if reference.startswith(prefix):
                return reference[len(prefix) :]
    return None


def _add_schema(together: _Schema, member: Any) -> None:
    for key, value in _mapping(member).items():
        before = together.get(key)
        if key == "properties" and isinstance(before, Mapping):
            together[key] = {**before, **value}
        elif key == "required" and isinstance(before, list):
            together[key] = [*before, *(name for name in value if name not in before)]
        else:
            together[key] = value


def _with_enum(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A constant as the only value of an enumeration; null as a type, beside the values."""
    if "const" in schema:
        schema = {key: value for key, value in schema.items() if key != "const"} | {"enum": [schema["const"]]}
    values = schema.get("enum")
    if not isinstance(values, list) or not values:
        return schema
    rest = {key: value for key, value in schema.items() if key != "enum"}
    kept = [value for value in values if value is not None]
    if all(isinstance(value, bool) for value in kept) and kept:
        return rest | {"type": "boolean" if len(kept) == len(values) else ["boolean", "null"]}
    if len(kept) == len(values):
        return rest | {"type": schema.get("type") or _type_of(kept), "enum": kept}
    if not kept:
        return rest | {"type": "null"}
    return {**_described(rest), "anyOf": [{"type": _type_of(kept), "enum": kept}, {"type": "null"}]}


def _described(schema: Mapping[str, Any]) -> _Schema:
    return {key: schema[key] for key in ("description", "title") if key in schema}


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


def _nullable_as_type(written: _Schema, schema: Mapping[str, Any]) -> _Schema:
    type_ = written.get("type")
    if schema.get("nullable") is True and isinstance(type_, str):
        written["type"] = [type_, "null"]
    return written
