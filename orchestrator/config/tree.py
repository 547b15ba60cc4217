"""Raw configuration with the place of every key, and the errors found in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NoReturn, TypeAlias

from orchestrator.config.words import meant
from orchestrator.errors import ConfigError

__all__ = [
    "FromEnv",
    "KeyPath",
    "Place",
    "Problem",
    "Problems",
    "Tree",
    "dotted",
    "is_reference",
    "nearest",
    "raise_all",
    "shown",
]

KeyPath: TypeAlias = tuple[str | int, ...]

_MAX_REPORTED = 50
_MAX_COMPARED = 2000
_MAX_SHOWN = 80
# A long run with digits in it, or a word that goes with credentials. Names of models have separators.
_TOKEN_LIKE = re.compile(r"(?=\w*[0-9])\w{16,}|(?i:\bsk-|bearer|secret|passw)")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key is written; `line` and `column` count from 1."""

    file: str | None = None
    line: int | None = None
    column: int | None = None


class FromEnv(str):
    """Text from an environment variable. It takes the type of the field it stands in, and is never shown."""

    __slots__ = ("variable",)
    variable: str

    @classmethod
    def of(cls, variable: str, value: str) -> FromEnv:
        """The value of `variable`."""
        made = cls(value)
        made.variable = variable
        return made


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where, which key, and what is wrong."""

    place: Place
    key: str
    message: str

    def line(self) -> str:
        """As one line of a report, in the form that `ConfigError` has too."""
        return str(ConfigError(self.message, file=self.place.file, line=self.place.line, key=self.key or None))


@dataclass(frozen=True, slots=True)
class Tree:
    """Plain mappings, lists and scalars, and where each key path is written."""

    value: Any
    places: Mapping[KeyPath, Place] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def place(self, path: KeyPath) -> Place:
        """The place of the path, or of the nearest key above it that is written somewhere."""
        for end in range(len(path), -1, -1):
            found = self.places.get(path[:end])
            if found is not None:
                return found
        return Place()


class Problems:
    """Collects mistakes, one per key path, so that a reader sees all of them at once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._found = list(tree.problems)
        self._settled = {problem.key for problem in tree.problems}

    def add(self, path: KeyPath, message: str) -> None:
        """Note a mistake, unless one is known at this very path. Fifty end the load: more would help nobody."""
        key = dotted(path)
        if key not in self._settled:
            self._settled.add(key)
            self._found.append(Problem(self._tree.place(path), key, message))
            if len(self._found) >= _MAX_REPORTED:
                self.raise_any()

    def mute(self, path: KeyPath) -> None:
        """Expect no more of this path: its value is not known, and that is no mistake."""
        self._settled.add(dotted(path))

    def within(self, path: KeyPath) -> bool:
        """Whether a mistake is known at this path or below, so that what was read of it may lack something."""
        key = dotted(path)
        return any(known == key or known.startswith((f"{key}.", f"{key}[")) for known in self._settled)

    def raise_any(self) -> None:
        """Raise one error that lists everything found."""
        if self._found:
            raise_all(self._found)


def raise_all(problems: Iterable[Problem]) -> NoReturn:
    """Raise one `ConfigError` for all of them, in the order in which they are written."""
    ordered = sorted(problems, key=lambda p: (p.place.file or "", p.place.line or 0, p.place.column or 0))
    first, rest = ordered[0], ordered[1:_MAX_REPORTED]
    lines = [first.message, *(problem.line() for problem in rest)]
    if len(ordered) >= _MAX_REPORTED:
        lines.append("there may be more")
    error = ConfigError("\n".join(lines), file=first.place.file, line=first.place.line, key=first.key or None)
    error.problems = tuple(ordered[:_MAX_REPORTED])
    raise error


def is_reference(value: Any) -> bool:
    """Whether this mapping stands for one scalar: `{env: NAME}`, `{env: NAME, default: …}` or `{file: path}`."""
    if not isinstance(value, dict) or not value.keys() <= {"env", "default", "file"}:
        return False
    return isinstance(value.get("env"), str) or isinstance(value.get("file"), str)


def dotted(path: KeyPath) -> str:
    """The path as people write it: `routes.answer.pick[1]`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{_key(step)}" if text else _key(step)
    return text


def _key(key: str) -> str:
    shortened = key if len(key) <= 80 else key[:77] + "…"
    return shortened if shortened.isprintable() and shortened else repr(shortened)


def shown(value: Any) -> str:
    """What was found, in words. Text that may be a credential, or is long, is described and not repeated."""
    if isinstance(value, FromEnv):
        return f"the value of variable {value.variable}"
    if isinstance(value, str):
        hidden = len(value) > _MAX_SHOWN or _TOKEN_LIKE.search(value)
        return f"text of {len(value)} characters" if hidden else repr(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "nothing"
    return "a mapping" if isinstance(value, Mapping) else "a list" if isinstance(value, list | tuple) else str(value)


def nearest(name: str, known: Iterable[str], *, what: str = "known") -> str:
    """`; did you mean 'x'?`, or the known names if none is near and they are few, or nothing."""
    names = sorted(set(known))
    same = meant(name, names)
    close = [same] if same else get_close_matches(name, names, n=1) if len(names) <= _MAX_COMPARED else ()
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; {what}: {', '.join(names)}" if 0 < len(names) <= 20 else ""
