"""The cases of a route: `when`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from orchestrator.config.picking import MAX_CASES, WhenConfig
from orchestrator.config.picks import Choice, read_pick, read_then
from orchestrator.config.tree import KeyPath, Problems, shown
from orchestrator.config.validating import validated

__all__ = ["Case", "read_when"]

_Conditions: TypeAlias = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Case:
    """A case as far as it could be read: its model, and where it names each deployment."""

    config: WhenConfig | None = None
    names: dict[str, KeyPath] = field(default_factory=dict)


def read_when(value: Any, path: KeyPath, then: Choice, problems: Problems) -> list[Case]:
    """The cases in their order. `then` is the route's own, for those that have none.

    An empty list is fine: it takes away a base file's.
    """
    if not isinstance(value, list):
        problems.add(path, f"expected a list of cases such as {{tenant: acme, pick: …}}, found {shown(value)}")
        return []
    if len(value) > MAX_CASES:
        problems.add(path, f"expected at most {MAX_CASES} cases, since each call tries them in order")
        return []
    cases = [_case(raw, (*path, index), then, problems) for index, raw in enumerate(value)]
    _check_reachable([case.config for case in cases], path, problems)
    return cases


def _case(value: Any, path: KeyPath, inherited: Choice, problems: Problems) -> Case:
    if not isinstance(value, dict):
        problems.add(path, f"expected a case such as {{tenant: acme, pick: …}}, found {shown(value)}")
        return Case()
    pick = read_pick(value["pick"], (*path, "pick"), problems) if "pick" in value else Choice()
    own = read_then(value.get("then", []), (*path, "then"), pick, problems)
    then = own if "then" in value else inherited.without(pick)
    chosen = {"pick": pick.data()} if "pick" in value else {}
    config = validated(WhenConfig, value | chosen | {"then": tuple(then.paths)}, path, problems)
    if config is not None and not (config.tenant or config.tags or problems.within(path)):
        problems.add(path, "no condition; give tenant, tags or both (without one it is the route's own pick)")
    return Case(config, pick.paths | own.paths)


def _check_reachable(cases: Sequence[WhenConfig | None], path: KeyPath, problems: Problems) -> None:
    earlier = _Earlier()
    for index, case in enumerate(cases):
        if case is None or problems.within((*path, index)):
            continue
        conditions = _conditions(case)
        covering = earlier.covering(conditions)
        if covering is not None:
            problems.add((*path, index), f"no effect: when[{covering}] takes every call that this is for")
        earlier.add(index, conditions)


class _Earlier:
    """Cases so far. Found by one of their values, so that long lists of them do not take quadratic time."""

    def __init__(self) -> None:
        self._by_value: defaultdict[tuple[str, str], list[tuple[int, _Conditions]]] = defaultdict(list)

    def add(self, index: int, conditions: _Conditions) -> None:
        name = min(conditions, key=lambda name: sum(len(self._by_value[name, value]) for value in conditions[name]))
        for value in conditions[name]:
            self._by_value[name, value].append((index, conditions))

    def covering(self, conditions: _Conditions) -> int | None:
        # A case that covers these conditions has all of their values, so any one finds it.
        keys = [(name, next(iter(values))) for name, values in conditions.items()]
        found = (case for key in keys if key in self._by_value for case in self._by_value[key])
        return min((index for index, weaker in found if _covers(weaker, conditions)), default=None)


def _conditions(case: WhenConfig) -> _Conditions:
    tags = {f"tags.{name}": frozenset(values) for name, values in case.tags.items()}
    return tags | ({"tenant": frozenset(case.tenant)} if case.tenant else {})


def _covers(weaker: _Conditions, conditions: _Conditions) -> bool:
    # A condition that the later case does not make lets calls through that the earlier one does not take.
    return all(name in conditions and conditions[name] <= values for name, values in weaker.items())
