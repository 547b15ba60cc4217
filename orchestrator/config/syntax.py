"""Says in a reader's words why a text is no YAML: what the parser reports is where it gave up, seldom what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Explained", "explained"]

_REFERENCE = re.compile(r"\$\{(\w+)")
_FIRST_ONLY_QUOTED = frozenset("@`%")
_NO_BREAK_SPACE = "\u00a0"


class Explained(NamedTuple):
    """What is wrong; `line` and `column` count from 1, None where nothing is known."""

    message: str
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class _Report:
    """The parser's error; rows and columns count from 0. `begun` is where the construct began that it could not end."""

    lines: list[str]
    problem: str
    row: int
    column: int
    begun: tuple[int, int] | None

    @property
    def line(self) -> str:
        return self.lines[self.row] if self.row < len(self.lines) else ""

    @property
    def char(self) -> str:
        return self.line[self.column : self.column + 1]

    def before(self) -> int | None:
        """The row of the last line above that says something."""
        rows = range(min(self.row, len(self.lines)) - 1, -1, -1)
        return next((row for row in rows if self.lines[row].split("#")[0].strip()), None)


def explained(text: str, error: Any) -> Explained:
    """What to tell of a `yaml.YAMLError` in this text."""
    mark, start = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or "it holds characters that YAML does not allow"
    if mark is None:
        return Explained(f"not YAML: {problem}")
    report = _Report(text.split("\n"), problem, mark.line, mark.column, (start.line, start.column) if start else None)
    for rule in _RULES:
        found = rule(report)
        if found is not None:
            return found
    return _at(f"not YAML: {problem}", report.row, report.column)


def _at(message: str, row: int, column: int) -> Explained:
    return Explained(message, row + 1, column + 1)


def _tab(report: _Report) -> Explained | None:
    indent = report.line[: len(report.line) - len(report.line.lstrip())]
    if "\t" not in indent:
        return None
    return _at("a tab; YAML is indented by spaces only", report.row, indent.index("\t"))


def _copied_space(report: _Report) -> Explained | None:
    first = report.before() if report.begun is None else report.begun[0]
    for row in range(first or 0, min(report.row + 1, len(report.lines))):
        if _NO_BREAK_SPACE in report.lines[row]:
            message = "a no-break space (U+00A0), which looks like a space and is none; type a plain one"
            return _at(message, row, report.lines[row].index(_NO_BREAK_SPACE))
    return None


def _dollar(report: _Report) -> Explained | None:
    found = _REFERENCE.match(report.line, max(0, report.column - 1))
    if found is None:
        return None
    return _at(f"variables are not filled in like this; write {{env: {found[1]}}}", report.row, found.start())


def _first_character(report: _Report) -> Explained | None:
    if report.char not in _FIRST_ONLY_QUOTED or not report.char:
        return None
    return _at(f"a value cannot begin with {report.char!r}; put it in quotes", report.row, report.column)


def _open_quote(report: _Report) -> Explained | None:
    if report.begun is None or not report.problem.startswith("found unexpected"):
        return None
    return _at("this quote is not closed", *report.begun)


def _bracket(report: _Report) -> Explained | None:
    if report.begun is not None and "expected ','" in report.problem:
        if report.char == ":":
            return _at("a colon within a value; put the value in quotes", report.row, report.column)
        if report.row > report.begun[0]:
            opened = report.lines[report.begun[0]][report.begun[1]]
            return _at(f"{opened!r} is not closed", *report.begun)
        return _at("a comma, or what closes the bracket, is missing before this", report.row, report.column)
    if report.char and report.char in "}]":
        return _at(f"{report.char!r} closes nothing, or another bracket is open", report.row, report.column)
    return None


def _indent(report: _Report) -> Explained | None:
    above = report.before()
    if report.problem != "did not find expected key" or above is None:
        return None
    here, there = (len(line) - len(line.lstrip(" ")) for line in (report.line, report.lines[above]))
    message = f"indented by {here} spaces, and line {above + 1} by {there}; keys of one mapping begin in one column"
    return _at(message, report.row, report.column)


def _second_value(report: _Report) -> Explained | None:
    above = report.before()
    if not report.problem.startswith("mapping values are not allowed") or above is None:
        return None
    if ": " in report.line[: report.column]:
        return _at("a colon within a value; put the value in quotes", report.row, report.column)
    upper = report.lines[above]
    start = len(upper) - len(upper.lstrip(" "))
    if ":" not in upper:
        return _at("no colon after the key; write key: value", above, start)
    message = f"this is indented under line {above + 1}, which has a value already"
    return _at(message, report.row, len(report.line) - len(report.line.lstrip(" ")))


def _no_colon(report: _Report) -> Explained | None:
    if report.problem != "could not find expected ':'" or report.begun is None:
        return None
    row, column = report.begun
    colon = report.lines[row].find(":", column)
    if colon >= 0:
        return _at("a space is missing after the colon", row, colon)
    return _at("no colon after the key; write key: value", row, column)


def _list(report: _Report) -> Explained | None:
    if "'-' indicator" not in report.problem or report.begun is None:
        return None
    message = f"names and items of a list are mixed: line {report.begun[0] + 1} begins with '-', this one does not"
    return _at(f"{message}; write name: value in both", report.row, report.column)


def _other_format(report: _Report) -> Explained | None:
    if "<document start>" not in report.problem:
        return None
    first = report.lines[0].strip()
    if first.startswith("{"):
        return _at("every line is a value of its own, as in a log; expected YAML such as version: 1", 0, 0)
    if first.startswith("["):
        return _at("this looks like TOML; expected YAML such as version: 1", 0, 0)
    return _at("expected YAML such as version: 1", report.row, report.column)


_RULES: tuple[Callable[[_Report], Explained | None], ...] = (
    _tab,
    _copied_space,
    _dollar,
    _first_character,
    _open_quote,
    _bracket,
    _indent,
    _second_value,
    _no_colon,
    _list,
    _other_format,
)
