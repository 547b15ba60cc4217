"""Keeps account of a source's keys, so that each is either used or reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.config.tree import KeyPath, Tree, dotted

__all__ = ["Ledger", "Note", "leaves"]


@dataclass(frozen=True, slots=True)
class Note:
    """What did not come along, or came in another form. `line` counts from 1."""

    line: int | None
    key: str
    reason: str


def leaves(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The paths of all scalars, and of what is empty."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


class Ledger:
    """Which leaves of the source are used, and notes on the others."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._open = dict.fromkeys(leaves(tree.value))
        self.used: set[KeyPath] = set()
        self._notes: dict[KeyPath, str] = {}

    def use(self, *path: str | int) -> None:
        """Everything at or below the path is in the result."""
        self.used |= self._settle(path)

    def note(self, path: KeyPath, reason: str) -> None:
        """Everything at or below the path is not, or not as it was."""
        self._settle(path)
        self._notes.setdefault(path, reason)

    def _settle(self, path: KeyPath) -> set[KeyPath]:
        found = {leaf for leaf in self._open if leaf[: len(path)] == path}
        for leaf in found:
            del self._open[leaf]
        return found

    @property
    def open(self) -> tuple[KeyPath, ...]:
        """Leaves that nothing was said of."""
        return tuple(self._open)

    def notes(self) -> tuple[Note, ...]:
        """In the order of the source."""
        found = [Note(self._tree.place(path).line, dotted(path), reason) for path, reason in self._notes.items()]
        return tuple(sorted(found, key=lambda note: (note.line or 0, note.key)))
