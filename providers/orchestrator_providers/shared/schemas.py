"""JSON Schemas made fit for a vendor that takes only part of the language, with a report of what that cost.

The client checks every answer against the caller's own schema. So leaving a keyword out costs the guarantee while the
model writes, not the check after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from orchestrator.types.chat import OutputSchema

__all__ = [
    "NAMED",
    "OUTPUT_TOOL",
    "Dialect",
    "Fitted",
    "children",
    "choice_with_output_tool",
    "fit",
    "output_tool",
    "schema_text",
]

OUTPUT_TOOL = "orchestrator_output"
"""Name of the tool that stands in for an output schema; its call is read as the answer's text."""

NAMED = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
"""Keywords that hold schemas by name."""

_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = ("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then")
_DEFINITIONS = ("$defs", "definitions")


def _refuses_nothing(_keyword: str, _value: Any) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """What a vendor takes.

    Attributes:
        refuses: of a keyword and its value, whether it must not be sent.
        closes: every object must say `additionalProperties: false`.
        any_of_only: alternatives are written as `anyOf`.
        lone_references: nothing may stand beside a `$ref`.
        inlines: there is no `$ref`: its target is written in its place.
    """

    refuses: Callable[[str, Any], bool] = _refuses_nothing
    closes: bool = False
    any_of_only: bool = False
    lone_references: bool = False
    inlines: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A schema to send, and how it relates to the one that was given.

    Attributes:
        schema: what to send.
        left_out: keywords it lost, sorted; with `$ref` if it contains itself, which cannot be written in its place.
        is_open: the one given has objects with properties that it does not name, which no closed object can say.
        requires_all: all properties that the one given names are required.
    """

    schema: dict[str, Any]
    left_out: tuple[str, ...] = ()
    is_open: bool = False
    requires_all: bool = True


def fit(schema: Mapping[str, Any], dialect: Dialect) -> Fitted:
    """The schema in the vendor's dialect. Changes nothing in the one given."""
    fitting = _Fitting(schema, dialect)
    written = fitting.write(schema, ())
    return Fitted(
        schema=written,
        left_out=tuple(sorted(fitting.left_out)),
        is_open=fitting.is_open,
        requires_all=fitting.requires_all,
    )


def children(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The schemas directly inside one. By keyword: a property may itself be called `items` or `properties`."""
    for keyword in NAMED:
        yield from _schemas(_values(schema.get(keyword)))
    for keyword in _LISTED:
        yield from _schemas(schema.get(keyword))
    for keyword in _SINGLE:
        value = schema.get(keyword)
        yield from _schemas(value if isinstance(value, list) else [value])


def output_tool(output: OutputSchema, parameters: str) -> dict[str, Any]:
    """That tool, with the schema under the vendor's name for a tool's parameters."""
    return {"name": OUTPUT_TOOL, "description": "Gives the final answer.", parameters: output.schema}


def choice_with_output_tool(choice: str | None, *, alone: bool) -> str:
    """The `tool_choice` to send beside the output tool, which may be `alone`."""
    if alone or choice == "none":
        return OUTPUT_TOOL
    # With other tools around, the model picks which comes first; the answer itself must be a call in any case.
    return choice if choice and choice != "auto" else "required"


def schema_text(schema: Mapping[str, Any]) -> str:
    """An instruction for models of vendors that have neither output schemas nor forced tools."""
    import orjson  # noqa: PLC0415 - one form of one feature

    written = orjson.dumps(schema, default=dict).decode()
    return f"Answer with one JSON value and nothing else. It must fit this JSON Schema:\n{written}"


def _values(value: Any) -> Any:
    return value.values() if isinstance(value, Mapping) else ()


def _schemas(values: Any) -> Iterator[Mapping[str, Any]]:
    return (value for value in values or () if isinstance(value, Mapping))


class _Fitting:
    """One schema on its way into the dialect. `within` holds the references that lead to where it is."""

    def __init__(self, root: Mapping[str, Any], dialect: Dialect) -> None:
        self._root = root
        self._dialect = dialect
        self.left_out: set[str] = set()
        self.is_open = False
        self.requires_all = True

    def write(self, schema: Mapping[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
        if self._dialect.inlines and isinstance(schema.get("$ref"), str):
            return self._inlined(schema, within)
        written = {key: value for key, value in schema.items() if not self._refused(key, value)}
        if self._dialect.any_of_only and "oneOf" in written and "anyOf" not in written:
            written["anyOf"] = written.pop("oneOf")
        if self._dialect.inlines:
            for keyword in _DEFINITIONS:
                written.pop(keyword, None)
        self._write_children(written, within)
        if self._dialect.lone_references and "$ref" in written and len(written) > 1:
            written["anyOf"] = [{"$ref": written.pop("$ref")}, *written.get("anyOf", ())]
        if "object" in _types(written) or "properties" in written:
            self._object(schema, written)
        return written

    def _refused(self, keyword: str, value: Any) -> bool:
        refused = self._dialect.refuses(keyword, value)
        if refused:
            self.left_out.add(keyword)
        return refused

    def _write_children(self, written: dict[str, Any], within: tuple[str, ...]) -> None:
        for keyword in NAMED:
            if isinstance(written.get(keyword), Mapping):
                written[keyword] = {name: self._any(value, within) for name, value in written[keyword].items()}
        for keyword in (*_LISTED, *_SINGLE):
            value = written.get(keyword)
            if isinstance(value, list):
                written[keyword] = [self._any(one, within) for one in value]
            elif isinstance(value, Mapping):
                written[keyword] = self.write(value, within)

    def _any(self, schema: Any, within: tuple[str, ...]) -> Any:
        return self.write(schema, within) if isinstance(schema, Mapping) else schema

    def _object(self, given: Mapping[str, Any], written: dict[str, Any]) -> None:
        named = given.get("properties")
        names = named if isinstance(named, Mapping) else {}
        # Objects that name their properties are taken to have no others, as people mean them.
        self.is_open |= given.get("additionalProperties", not names) is not False or "patternProperties" in given
        self.requires_all &= set(given.get("required") or ()) >= set(names)
        if self._dialect.closes:
            written["additionalProperties"] = False

    def _inlined(self, schema: Mapping[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
        reference = schema["$ref"]
        target = self._target(reference)
        if reference in within or target is None:
            self.left_out.add("$ref")
            return self.write({key: value for key, value in schema.items() if key != "$ref"}, within)
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return self.write({**target, **beside}, (*within, reference))

    def _target(self, reference: str) -> Mapping[str, Any] | None:
        found: Any = self._root if reference.startswith("#") else None
        for step in unquote(reference[1:]).split("/")[1:]:
            found = found.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
        return found if isinstance(found, Mapping) else None


def _types(schema: Mapping[str, Any]) -> list[Any]:
    value = schema.get("type")
    return value if isinstance(value, list) else [value]
