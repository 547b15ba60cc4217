"""Reads YAML with the 1.2 core meaning of scalars, and remembers the line of every key.

Built on PyYAML's event stream, not on its loaders: those take `no` for false, let the last of two equal keys win,
follow aliases (a few hundred bytes can stand for billions of nodes) and recurse as deep as the file says.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from orchestrator.config.syntax import explained
from orchestrator.config.tree import KeyPath, Place, Problem, Tree, dotted, raise_all

__all__ = ["MAX_BYTES", "MAX_DEPTH", "parse_yaml", "plain"]

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 32

_MAX_DIGITS = 40
_TYPOGRAPHIC = frozenset("\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb")

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_HALF = re.compile("[\ud800-\udfff]")
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


def plain(text: str) -> Any:
    """An unquoted scalar by YAML 1.2's core schema: None, bool, int, float, or else the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789" or len(text) > _MAX_DIGITS:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEX.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def parse_yaml(data: bytes, file: str) -> Tree:
    """Parse one document whose top is a mapping.

    Raises:
        ConfigError: not UTF-8, control characters, not YAML, empty, too large or too deep. Duplicate keys, aliases,
            anchors and tags are returned as the tree's problems, so that they are reported with those found later.
    """
    if len(data) > MAX_BYTES:
        raise_all([Problem(Place(file), "", "the file is larger than 1 MiB")])
    return _Reader(_decode(data, file), file).read()


def _decode(data: bytes, file: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = "UTF-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "not UTF-8"
        raise_all([Problem(Place(file, line), "", f"the file is {found}; save it as UTF-8")])
    control = _CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        raise_all([Problem(Place(file, line), "", f"control character {ord(control[0]):#04x}; delete it")])
    return text


class _Reader:
    """Builds a tree from the events of one document."""

    def __init__(self, text: str, file: str) -> None:
        self._text = text
        self._file = file
        self._places: dict[KeyPath, Place] = {}
        self._problems: list[Problem] = []

    def read(self) -> Tree:
        try:
            self._loader = _Loader(self._text)
            return Tree(self._document(), self._places, tuple(self._problems))
        except yaml.YAMLError as error:
            message, line, column = explained(self._text, error)
            raise_all([*self._problems, Problem(Place(self._file, line, column), "", message)])

    def _document(self) -> Any:
        self._next()
        start = self._next()
        if isinstance(start, StreamEndEvent):
            self._stop(start, "the file is empty; `orchestrator init` writes one to begin with")
        value = self._node(self._next(), ())
        end = self._next()
        while isinstance(end, DocumentEndEvent):
            end = self._next()
        if not isinstance(end, StreamEndEvent):
            self._stop(end, "more than one document; take out the line ---")
        return value

    def _next(self) -> Any:
        return self._loader.get_event()

    def _place(self, event: Event) -> Place:
        mark = event.start_mark
        return Place(self._file, mark.line + 1, mark.column + 1) if mark else Place(self._file)

    def _problem(self, event: Event, path: KeyPath, message: str) -> None:
        self._problems.append(Problem(self._place(event), dotted(path), message))

    def _stop(self, event: Event, message: str, path: KeyPath = ()) -> None:
        self._problem(event, path, message)
        raise_all(self._problems)

    def _node(self, event: Any, path: KeyPath) -> Any:
        self._places.setdefault(path, self._place(event))
        if isinstance(event, AliasEvent):
            return self._problem(event, path, "aliases (*) are not supported; write it out, or use `extends`")
        if event.anchor is not None:
            self._problem(event, path, "anchors (&) are not supported; write it out, or use `extends`")
        if event.tag is not None:
            self._problem(event, path, "tags (!) are not supported; write the value alone, or {env: NAME}")
        if isinstance(event, ScalarEvent):
            self._refuse_halves(event, event.value)
            return self._scalar(event, path)
        if len(path) >= MAX_DEPTH:
            self._stop(event, f"nested deeper than {MAX_DEPTH} levels", path[:4])
        return self._mapping(path) if isinstance(event, MappingStartEvent) else self._sequence(path)

    def _scalar(self, event: Any, path: KeyPath) -> Any:
        if not event.style and event.value[:1] in _TYPOGRAPHIC:
            self._problem(event, path, "typographic quotes would be part of the value; write ' or \"")
        return plain(event.value) if event.implicit[0] else event.value

    def _refuse_halves(self, event: Event, text: str) -> None:
        # PyYAML's own loader reads the escapes of JSON for one character as two halves, which no vendor can be sent.
        if not text.isascii() and _HALF.search(text):
            self._stop(event, "half of a character, from an escape such as \\ud83d; write the character itself")

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := self._next(), MappingEndEvent):
            if isinstance(event, SequenceStartEvent | MappingStartEvent | AliasEvent) or event.tag or event.anchor:
                self._stop(
                    event, "a key must be plain text; if these are braces of a template, fill it in before", path
                )
            # Keys are names here: `404`, `no` and `1e3` stay as they are written.
            key = event.value
            self._refuse_halves(event, key)
            if key in found:
                self._problem(event, (*path, key), f"duplicate key; it is in line {self._places[*path, key].line} too")
            if key == "<<" and event.implicit[0]:
                self._problem(event, (*path, key), "merge keys (<<) are not supported; use `extends`")
            self._places[(*path, key)] = self._place(event)
            found[key] = self._node(self._next(), (*path, key))
        return found

    def _sequence(self, path: KeyPath) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            found.append(self._node(event, (*path, len(found))))
        return found
