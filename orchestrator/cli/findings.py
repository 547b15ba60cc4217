"""Mistakes of a file as one screen: what, where, the line itself with a mark under the key, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from orchestrator.config.tree import Place, Problem
from orchestrator.errors import ConfigError

__all__ = ["as_json", "problems_of", "refusing", "show_findings"]

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
_MOST_SHOWN = 20
# A literal credential is itself a mistake, whose line is shown: what may be one is left out of it.
_MAY_BE_SECRET = re.compile(
    r"""(?ix) (?P<key> [\w-]*
    (?:api[_-]?key|secret|passw\w*|token|credential\w*|authorization|cookie) [\w-]* ["']? \s*:\s*)
    (?! [\s{&*|>] | \Z) (?P<value> "[^"]*"? | '[^']*'? | [^,}\#]+ )""",
)
_IN_URL = re.compile(r"//[^/@\s]+@")
_LONG_WORD = re.compile(r"(?=\w*[0-9])\w{16,}|(?i:\bsk-)[\w-]+|(?i:\bbearer )\S+")
_COUNTS = ("max_output_tokens", "context_tokens", "max_input_tokens", "default_output_tokens", "first_token")


def problems_of(error: ConfigError) -> tuple[Problem, ...]:
    """Its mistakes one by one."""
    return error.problems or (Problem(Place(error.file, error.line), error.key or "", error.message),)


@contextmanager
def refusing() -> Iterator[None]:
    """A `ConfigError` within becomes one screen on standard error, and exit code 2."""
    try:
        yield
    except ConfigError as error:
        show_findings(Console(stderr=True, highlight=False), problems_of(error), "error")
        raise typer.Exit(2) from None


def as_json(problem: Problem, severity: str) -> dict[str, Any]:
    """As a JSON object."""
    place = problem.place
    return {
        "severity": severity,
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "key": problem.key or None,
        "message": problem.message,
    }


def show_findings(console: Console, problems: Sequence[Problem], severity: str) -> None:
    """Print them in the order in which they are written; of very many, the first."""
    lines: dict[str, list[str]] = {}
    for problem in problems[:_MOST_SHOWN]:
        _show(console, problem, severity, lines)
    if len(problems) > _MOST_SHOWN:
        console.print(f"and {len(problems) - _MOST_SHOWN} more", style="dim")


def _show(console: Console, problem: Problem, severity: str, files: dict[str, list[str]]) -> None:
    colour = _COLOURS[severity]
    head = Text.assemble((severity, f"bold {colour}"), ": ")
    if problem.key:
        head.append(f"{problem.key}: ", "bold")
    console.print(head.append(problem.message))
    place = problem.place
    if place.file is None:
        console.print()
        return
    where = ":".join(str(part) for part in (place.file, place.line, place.column) if part is not None)
    lines = files.setdefault(place.file, _lines(place.file))
    gutter = " " * (len(str(place.line or "")) + 1)
    console.print(Text.assemble((f"{gutter[:-1]}--> ", "blue"), where), soft_wrap=True)
    if place.line is not None and place.line <= len(lines):
        for row in _excerpt(lines[place.line - 1], place, problem.key, console.width, colour):
            console.print(row, no_wrap=True, overflow="ellipsis", crop=True)
    console.print()


def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text("utf-8-sig", "replace").split("\n")
    except OSError:
        return []


def _excerpt(line: str, place: Place, key: str, width: int, colour: str) -> Iterable[Text]:
    number = str(place.line)
    start = (place.column or 1) - 1
    # Tabs would move the mark, and what is left out of the line too.
    before, after = _without_secrets(line[:start]), _without_secrets(line[start:])
    room = max(20, width - len(number) - 4)
    cut = max(0, len(before) + min(len(after), 20) - room)
    before = f"…{before[cut + 1 :]}" if cut else before
    yield Text.assemble((f"{number} | ", "blue"), before, after)
    if place.column is not None:
        mark = "^" * _marked(after, key)
        yield Text.assemble((f"{' ' * len(number)} | ", "blue"), " " * len(before), (mark, f"bold {colour}"))


def _marked(text: str, key: str) -> int:
    """How much of the text is to be marked: the key, or the word that begins there."""
    last = re.split(r"[.\[]", key)[-1]
    if last and text.startswith(last):
        return len(last)
    word = re.match(r"[^\s:,{}\[\]#]+", text)
    return len(word[0]) if word else 1


def _without_secrets(text: str) -> str:
    text = "".join(char if char.isprintable() else " " for char in text)
    text = _MAY_BE_SECRET.sub(_masked, text)
    return _LONG_WORD.sub("…", _IN_URL.sub("//…@", text))


def _masked(found: re.Match[str]) -> str:
    is_count = found["key"].strip(" :\"'").lower() in _COUNTS
    return found[0] if is_count else f"{found['key']}…"
