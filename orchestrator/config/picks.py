"""The forms of `pick` and `then`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestrator.config import checks
from orchestrator.config.tree import KeyPath, Problems, nearest, shown

__all__ = ["Choice", "read_pick", "read_then"]

_RULES_NOT_YET = frozenset({"fastest", "least_busy", "cheapest"})


@dataclass(frozen=True, slots=True)
class Choice:
    """Names in order with the path at which each is written, and their weights if they have any."""

    paths: dict[str, KeyPath] = field(default_factory=dict)
    weights: tuple[float, ...] = ()

    def data(self) -> dict[str, Any]:
        """What `PickConfig` is made of."""
        rule = "weighted" if self.weights else "ordered"
        return {"rule": rule, "names": tuple(self.paths), "weights": self.weights}


def read_pick(value: Any, path: KeyPath, problems: Problems) -> Choice:
    """A name, a list of names, or `{weighted: {name: weight}}`. Names without mistakes are in the result."""
    if not isinstance(value, dict):
        return _names(value, path, problems)
    if len(value) != 1:
        problems.add(path, f"expected one rule, found {len(value)}")
        return Choice()
    ((rule, body),) = value.items()
    if rule == "weighted":
        return _weighted(body, (*path, rule), problems)
    if rule in _RULES_NOT_YET:
        problems.add((*path, rule), f"{rule!r} is not supported yet")
    else:
        problems.add((*path, rule), f"unknown rule {shown(rule)}{nearest(rule, ['weighted'], what='known here')}")
    return Choice()


def read_then(value: Any, path: KeyPath, pick: Choice, problems: Problems) -> Choice:
    """Names in order, none of them picked already. An empty list is fine: it takes away a base file's."""
    if value == []:
        return Choice()
    found = _names(value, path, problems)
    for name, where in found.paths.items():
        if name in pick.paths:
            problems.add(where, f"{shown(name)} is in pick too; a deployment is tried in one place")
    return found


def _names(value: Any, path: KeyPath, problems: Problems) -> Choice:
    if isinstance(value, str):
        return Choice({str(value): path})
    if not isinstance(value, list):
        problems.add(path, f"expected the name of a deployment, or a list of them, found {shown(value)}")
        return Choice()
    if not value:
        problems.add(path, "the list is empty; name at least one deployment")
    paths: dict[str, KeyPath] = {}
    for index, item in enumerate(value):
        where = (*path, index)
        if not isinstance(item, str):
            problems.add(where, f"expected the name of a deployment, found {shown(item)}")
        elif item in paths:
            problems.add(where, f"{shown(item)} is named twice")
        else:
            paths[str(item)] = where
    return Choice(paths)


def _weighted(value: Any, path: KeyPath, problems: Problems) -> Choice:
    if not isinstance(value, dict) or not value:
        found = "none" if value in ({}, None) else shown(value)
        problems.add(path, f"expected weights by deployment, such as {{a: 9, b: 1}}, found {found}")
        return Choice()
    weights = {name: _weight(weight, (*path, name), problems) for name, weight in value.items()}
    if len(weights) == 1:
        problems.add(path, f"a weight has no effect on one deployment; write pick: {next(iter(weights))}")
    # Heaviest first, then by name: the order of keys in a mapping means nothing.
    names = sorted(weights, key=lambda name: (-weights[name], name))
    return Choice({name: (*path, name) for name in names}, tuple(weights[name] for name in names))


def _weight(value: Any, path: KeyPath, problems: Problems) -> float:
    try:
        weight = checks.number(value)
        if weight <= 0:
            raise ValueError(f"expected a weight above 0, found {shown(value)}")
    except ValueError as error:
        problems.add(path, str(error))
        return 1.0
    return weight
