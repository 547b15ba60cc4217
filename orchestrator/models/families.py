"""Families of models: facts that hold for a generation, found by a model's name whoever serves it.

`families.json` is written by hand, each line of models with its source. A line has `words` that a canonical name
contains (or begins with, after `^`), facts that all of it shares, and its `generations`, of which the first that fits
counts: `if` and `unless` are patterns searched in the name, `from` is the least version. Where a name states no version
it counts as the newest, and so does a version that is newer than all known ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

__all__ = ["Families", "Version"]

Version: TypeAlias = tuple[int, ...]

_NEWEST: Version = (10**6,)
_RULE_KEYS = frozenset({"family", "from", "if", "unless"})


class Families:
    """All lines of models. Patterns are compiled when a name comes near them: most processes need few."""

    def __init__(self, lines: Sequence[Mapping[str, Any]]) -> None:
        self._lines = lines

    def find(self, name: str) -> tuple[str, Mapping[str, Any]]:
        """The family of a canonical name and its facts; empty ones for a name of no known line."""
        for line in self._lines:
            if any(_begins_or_has(name, word) for word in line["words"]):
                return _generation(line, name)
        return "", {}


def _begins_or_has(name: str, word: str) -> bool:
    return name.startswith(word[1:]) if word[0] == "^" else word in name


def _generation(line: Mapping[str, Any], name: str) -> tuple[str, Mapping[str, Any]]:
    version = _version(line.get("version"), name)
    for rule in line["generations"]:
        if _fits(rule, name, version):
            facts = {key: value for key, value in rule.items() if key not in _RULE_KEYS}
            # A rule without a name marks what only looks like a member of the line.
            return rule["family"], {**line.get("facts", {}), **facts} if rule["family"] else {}
    return "", {}


def _version(pattern: str | None, name: str) -> Version:
    found = re.search(pattern, name, re.ASCII) if pattern else None
    return tuple([int(part or 0) for part in found.groups()]) if found else _NEWEST


def _fits(rule: Mapping[str, Any], name: str, version: Version) -> bool:
    if version < tuple(rule.get("from", ())):
        return False
    wanted, unwanted = rule.get("if"), rule.get("unless")
    return (wanted is None or re.search(wanted, name) is not None) and not (unwanted and re.search(unwanted, name))
