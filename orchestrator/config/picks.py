"""The forms of `pick` and `then`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestrator.config import checks
from orchestrator.config.picking import Rule
from orchestrator.config.tree import KeyPath, Problems, nearest, shown

__all__ = ["Choice", "read_pick", "read_then"]

_MEASURED = ("cheapest", "fastest", "least_busy")
_RULES = ("weighted", *_MEASURED)


@dataclass(frozen=True, slots=True)
class Choice:
    """Names in order with the path at which each is written, the rule, and their weights if they have any."""

    paths: dict[str, KeyPath] = field(default_factory=dict)
    weights: tuple[float, ...] = ()
    rule: Rule = "ordered"

    def data(self) -> dict[str, Any]:
        """What `PickConfig` is made of."""
        return {"rule": self.rule, "names": tuple(self.paths), "weights": self.weights}

    def without(self, other: Choice) -> Choice:
        """The names that the other one does not have, in their order."""
        return Choice({name: path for name, path in self.paths.items() if name not in other.paths})


def read_pick(value: Any, path: KeyPath, problems: Problems) -> Choice:
    """A name, a list of names, or or one rule with its deployments. Names without mistakes are in the result."""
    if not isinstance(value, dict):
        return _names(value, path, problems)
    if (
        not any(rule in value for rule in _RULES)
        and value
        and all(isinstance(one, int | float) for one in value.values())
    ):
        weights = ", ".join(f"{name}: {weight}" for name, weight in value.items())
        problems.add(path, f"weights stand under their rule; write {{weighted: {{{weights}}}}}")
        return Choice()
    if len(value) != 1:
        problems.add(path, f"expected one rule, found {len(value)}; keep one of {', '.join(value)}")
        return Choice()
    ((rule, body),) = value.items()
    if rule == "weighted":
        return _weighted(body, (*path, rule), problems)
    if rule in _MEASURED:
        return _measured(rule, body, (*path, rule), problems)
    problems.add((*path, rule), f"unknown rule {shown(rule)}{nearest(rule, _RULES, what='known here')}")
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


def _measured(rule: Rule, value: Any, path: KeyPath, problems: Problems) -> Choice:
    if isinstance(value, dict):
        problems.add(path, "expected a list of deployments, found a mapping")
        return Choice()
    found = _names(value, path, problems)
    if value and len(found.paths) == 1 and len(value if isinstance(value, list) else [value]) == 1:
        problems.add(path, f"{rule!r} has no effect on one deployment; write pick: {next(iter(found.paths))}")
    return Choice(found.paths, rule=rule)


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
    return Choice({name: (*path, name) for name in names}, tuple(weights[name] for name in names), "weighted")


def _weight(value: Any, path: KeyPath, problems: Problems) -> float:
    try:
        weight = checks.number(value)
        if weight <= 0:
            raise ValueError(f"expected a weight above 0, found {shown(value)}")
    except ValueError as error:
        problems.add(path, str(error))
        return 1.0
    return weight
