"""Reads the file and the base that it extends into one tree."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from orchestrator.config.tree import KeyPath, Place, Problem, Tree, dotted, is_reference, raise_all
from orchestrator.config.yaml import MAX_BYTES, MAX_DEPTH, parse_yaml

__all__ = ["FileReader", "content_hash", "from_python", "merged", "read_bytes"]


class FileReader:
    """Reads one file with its base. `files` are the paths it read or sought, also after an error.

    `places` tells where each key of the file that was read last is written.
    """

    def __init__(self) -> None:
        self.places: Mapping[KeyPath, Place] = {}
        self.files: list[Path] = []
        self.contents: list[bytes] = []

    def read(self, path: Path) -> Tree:
        """The effective tree of the file.

        Raises:
            ConfigError: unreadable, or not the YAML that `parse_yaml` takes.
        """
        tree = self._parse(path, Place(str(path)))
        if isinstance(tree.value, dict) and "extends" in tree.value:
            tree = merged(self._base(tree.value.pop("extends"), path.parent, tree.place(("extends",))), tree)
        self.places = tree.places
        return tree

    def read_base(self, name: Any, directory: Path) -> Tree:
        """The base that a mapping made in code extends."""
        return self._base(name, directory, Place())

    def _base(self, name: Any, directory: Path, place: Place) -> Tree:
        if not isinstance(name, str) or not name:
            raise_all([Problem(place, "extends", "expected the path of one file")])
        base = self._parse(directory / name, place, key="extends")
        if isinstance(base.value, dict) and "extends" in base.value:
            where = base.place(("extends",))
            same = (directory / name).absolute() == self.files[0]
            message = "a file cannot extend itself" if same else "a base file may not extend another one"
            raise_all([Problem(where, "extends", message)])
        return base

    def _parse(self, path: Path, place: Place, *, key: str = "") -> Tree:
        self.files.append(path.absolute())
        try:
            data = read_bytes(path)
        except OSError as error:
            lead = f"{path}: " if key else ""
            beside = _beside(path, key) if isinstance(error, FileNotFoundError) else ""
            raise_all([Problem(place, key, f"{lead}cannot be read: {error.strerror or error}{beside}")])
        self.contents.append(data)
        return parse_yaml(data, str(path))


def _beside(path: Path, key: str) -> str:
    """What may have been meant by a file that is not there."""
    names = [one.name for one in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    near = get_close_matches(path.name, names, n=1, cutoff=0.7)
    begin = "" if key else "; `orchestrator init` writes a file to begin with"
    return f"; did you mean {near[0]!r}?" if near else begin


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file, one more than the allowed size at most.

    Raises:
        OSError: missing, unreadable, or a directory, pipe or device (whose reading may never end).
    """
    if path.exists() and not path.is_file():
        raise OSError("it is a directory; name the file in it" if path.is_dir() else "it is not a regular file")
    with path.open("rb") as handle:
        return handle.read(MAX_BYTES + 1)


def content_hash(contents: Sequence[bytes | None]) -> str:
    """16 hex digits that stand for what the files hold, in their order; None for one that is not there."""
    digest = hashlib.sha256()
    for content in contents:
        digest.update(b"-" if content is None else b"%d:" % len(content))
        digest.update(content or b"")
    return digest.hexdigest()[:16]


def from_python(mapping: Mapping[str, Any]) -> Tree:
    """A tree of a mapping made in code: mappings and sequences copied, paths as text, no lines."""
    problems: list[Problem] = []
    value = _copied(mapping, (), problems)
    return Tree(value, {}, tuple(problems))


def _copied(value: Any, path: KeyPath, problems: list[Problem]) -> Any:
    if len(path) > MAX_DEPTH:
        raise_all([Problem(Place(), "", f"nested deeper than {MAX_DEPTH} levels")])
    if isinstance(value, Mapping):
        return {_name(key, path, problems): _copied(item, (*path, str(key)), problems) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(item, (*path, index), problems) for index, item in enumerate(value)]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _name(key: Any, path: KeyPath, problems: list[Problem]) -> str:
    if not isinstance(key, str):
        problems.append(Problem(Place(), dotted(path), f"keys are text, found one of type {type(key).__name__}"))
    return str(key)


def merged(base: Tree, over: Tree) -> Tree:
    """`over` on top of `base`: mappings merge deeply, scalars and lists replace."""
    replaced: set[KeyPath] = set()
    value = _merge(base.value, over.value, (), replaced)
    kept = {path: place for path, place in base.places.items() if not _within(path, replaced)}
    return Tree(value, kept | dict(over.places), base.problems + over.problems)


def _merge(base: Any, over: Any, path: KeyPath, replaced: set[KeyPath]) -> Any:
    if not isinstance(base, dict) or not isinstance(over, dict) or _other_choice(base, over, path):
        replaced.add(path)
        return over
    both = {key: _merge(base[key], item, (*path, key), replaced) for key, item in over.items() if key in base}
    return base | over | both


def _other_choice(base: dict[str, Any], over: dict[str, Any], path: KeyPath) -> bool:
    # A reference stands for a scalar, and of `log` and `pick` only one key may be given: another one replaces it.
    is_choice = path == ("log",) or (len(path) == 3 and path[0] == "routes" and path[2] == "pick")
    return is_reference(base) or is_reference(over) or (is_choice and base.keys() != over.keys())


def _within(path: KeyPath, tops: set[KeyPath]) -> bool:
    return any(path[:end] in tops for end in range(len(path) + 1))
