"""Checks values against a JSON Schema of draft 7.

fastjsonschema writes Python code from a schema and runs it, follows references to files and addresses, and passes over
keywords that it does not know. So it never sees the caller's schema, only a copy in which every keyword is one of
draft 7 and of the right shape, and every reference is one that was written here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import unquote

from orchestrator.errors import InvalidRequest

__all__ = ["Path", "checker"]

Path = tuple[str | int, ...]
"""Names and indexes from the top of a value to a place in it."""

_LATER = frozenset(
    {
        "$dynamicRef", "$recursiveRef", "dependentRequired", "dependentSchemas", "maxContains", "minContains",
        "prefixItems", "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
_DEFINITIONS = frozenset({"$defs", "definitions"})
_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_UNRUNNABLE = (re.error, ArithmeticError, RecursionError, MemoryError, SyntaxError, TypeError, ValueError)
"""What compiling brings up for a wrong pattern and for nesting beyond what Python runs."""


def checker(schema: Mapping[str, Any]) -> Callable[[Any], Path | None]:
    """A function that gives the place where a value does not fit, None if it does. `format` is taken as a remark.

    Patterns are Python's, and as slow as whoever wrote them lets them be.

    Raises:
        InvalidRequest: no schema, a keyword of a later draft, or a reference to something outside the schema.
    """
    from fastjsonschema import JsonSchemaValueException, compile  # noqa: A004, PLC0415 - only some calls need it

    written = _Copy(schema).written()
    try:
        validate = compile(written, handlers=_Nowhere(), use_default=False, use_formats=False)
    except _UNRUNNABLE:
        _refuse("a pattern is wrong, a required name is forbidden, or it is nested too deeply")

    def misfit(value: Any) -> Path | None:
        try:
            validate(value)
        except JsonSchemaValueException as error:
            return tuple(_steps(value, str(error.name).removeprefix("data")))
        except (ArithmeticError, RecursionError):
            return ()
        return None

    return misfit


def _refuse(why: str) -> NoReturn:
    raise InvalidRequest(f"output: not a valid JSON Schema: {why}") from None


def _steps(value: Any, name: str) -> Iterator[str | int]:
    """The path that the validator writes as `.name[0]`. Names may hold any of these signs, so the value is asked."""
    step: str | int
    while name:
        if isinstance(value, list):
            index, _, name = name[1:].partition("]")
            step = int(index)
        elif isinstance(value, dict):
            fitting = [key for key in value if name.startswith(f".{key}")]
            if not fitting:
                return
            step = longest = max(fitting, key=len)
            name = name[len(longest) + 1 :]
        else:
            return
        value = value[step]
        yield step


class _Nowhere(Mapping[str, Callable[[str], Any]]):
    """Handlers for every scheme there is: none opens anything."""

    def __contains__(self, scheme: object) -> bool:
        return True

    def __getitem__(self, scheme: str) -> Callable[[str], Any]:
        raise ValueError(scheme)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Copy:
    """Writes the copy. Targets of references get names of ours: the validator confuses `Item` and `item`."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._names: dict[str, str] = {}
        self._targets: dict[str, Any] = {}

    def written(self) -> dict[str, Any]:
        """The whole schema."""
        try:
            return {**self._object(self._root, top=True), "definitions": self._targets}
        except RecursionError:
            _refuse("it is nested too deeply")

    def _schema(self, schema: Any) -> Any:
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            _refuse("a schema is an object, true or false")
        return self._object(schema)

    def _object(self, schema: Mapping[str, Any], *, top: bool = False) -> dict[str, Any]:
        later = sorted(_LATER & schema.keys())
        if later:
            _refuse(f"{later[0]} is not supported, the keywords are those of draft 7")
        if "$id" in schema and not top:
            _refuse("$id is supported at the top only")
        copy = {name: write(self, name, schema[name]) for name, write in _WRITERS.items() if name in schema}
        for definitions in _DEFINITIONS & schema.keys():
            self._by_name(definitions, schema[definitions])  # what is referred to comes into the copy, none escapes
        if "$ref" in schema:
            copy["allOf"] = [{"$ref": self._reference(schema["$ref"])}, *copy.get("allOf", ())]
        return copy

    def _reference(self, reference: Any) -> str:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            _refuse("$ref refers to nothing outside the schema, and by a path such as #/$defs/name")
        if reference not in self._names:
            name = self._names[reference] = f"d{len(self._names)}"
            self._targets[name] = self._schema(self._target(reference))
        return f"#/definitions/{self._names[reference]}"

    def _target(self, reference: str) -> Any:
        found: Any = self._root
        for step in unquote(reference[1:]).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            elif isinstance(found, dict) and name in found:
                found = found[name]
            else:
                _refuse("a $ref leads nowhere")
        return found

    def _as_is(self, _: str, value: Any) -> Any:
        return value

    def _one(self, _: str, value: Any) -> Any:
        return self._schema(value)

    def _several(self, keyword: str, value: Any) -> list[Any]:
        if not isinstance(value, list) or not value:
            _refuse(f"{keyword} is a list of schemas")
        return [self._schema(one) for one in value]

    def _one_or_several(self, _: str, value: Any) -> Any:
        return [self._schema(one) for one in value] if isinstance(value, list) else self._schema(value)

    def _by_name(self, keyword: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            _refuse(f"{keyword} is an object")
        return {name: self._schema(one) for name, one in value.items()}

    def _dependencies(self, keyword: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            _refuse(f"{keyword} is an object")
        return {
            name: self._names_list(keyword, one) if isinstance(one, list) else self._schema(one)
            for name, one in value.items()
        }

    def _names_list(self, keyword: str, value: Any) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            _refuse(f"{keyword} is a list of names")
        return sorted(set(value))

    def _required(self, keyword: str, value: Any) -> Any:
        return self._names_list(keyword, value)

    def _type(self, _: str, value: Any) -> Any:
        types = value if isinstance(value, list) else [value]
        if not types or not all(isinstance(one, str) and one in _TYPES for one in types):
            _refuse(f"type is one of {', '.join(sorted(_TYPES))}, or a list of them")
        return types

    def _number(self, keyword: str, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float) or (keyword == "multipleOf" and value <= 0):
            _refuse(f"{keyword} is a number")
        return value

    def _count(self, keyword: str, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0 or value != int(value):
            _refuse(f"{keyword} is a count")
        return int(value)

    def _list(self, keyword: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            _refuse(f"{keyword} is a list")
        return value

    def _text(self, keyword: str, value: Any) -> str:
        if not isinstance(value, str):
            _refuse(f"{keyword} is a text")
        return value


_WRITERS: Mapping[str, Callable[[_Copy, str, Any], Any]] = {
    **dict.fromkeys(("additionalItems", "additionalProperties", "contains", "propertyNames"), _Copy._one),
    **dict.fromkeys(("not", "if", "then", "else"), _Copy._one),
    **dict.fromkeys(("allOf", "anyOf", "oneOf"), _Copy._several),
    **dict.fromkeys(("properties", "patternProperties"), _Copy._by_name),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"), _Copy._number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _Copy._count),
    "const": _Copy._as_is,
    "dependencies": _Copy._dependencies,
    "enum": _Copy._list,
    "items": _Copy._one_or_several,
    "pattern": _Copy._text,
    "required": _Copy._required,
    "type": _Copy._type,
    "uniqueItems": _Copy._as_is,
}
"""The keywords that check something. All others are remarks."""
