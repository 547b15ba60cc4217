"""One entry under `routes`, with what the top of the file says for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestrator.config.cases import Case, read_when
from orchestrator.config.fields import Implied
from orchestrator.config.picks import Choice, read_pick, read_then
from orchestrator.config.references import MISSING, References
from orchestrator.config.schema import RouteConfig, Settings
from orchestrator.config.tree import KeyPath, Problems, shown
from orchestrator.config.validating import validated

__all__ = ["Route", "read_route"]

_INHERITED = {"deadline", "unsupported", "timeouts", "retry"}
_WAITS = ("base", "throttled_base", "cap")


@dataclass(frozen=True, slots=True)
class Route:
    """A route as far as it could be read: its model, and where it names each deployment."""

    config: RouteConfig | None = None
    names: dict[str, KeyPath] = field(default_factory=dict)


def read_route(name: str, raw: Any, settings: Settings, references: References, problems: Problems) -> Route:
    """The route; without a model after mistakes were noted."""
    path: KeyPath = ("routes", name)
    value = references.resolve(raw, path, reached=True)
    if value is MISSING:
        return Route()
    if isinstance(value, str):
        return _route({"task": "chat", "pick": value}, path, path, settings, problems)
    if not isinstance(value, dict):
        problems.add(path, f"expected a mapping or vendor/model, found {shown(value)}")
        return Route()
    return _route(value, path, (*path, "pick"), settings, problems)


def _route(data: dict[str, Any], path: KeyPath, pick_path: KeyPath, settings: Settings, problems: Problems) -> Route:
    pick = read_pick(data["pick"], pick_path, problems) if "pick" in data else Choice()
    then = read_then(data.get("then", []), (*path, "then"), pick, problems)
    cases = read_when(data.get("when", []), (*path, "when"), then, problems)
    chosen: dict[str, Any] = {"pick": pick.data()} if "pick" in data else {}
    chosen["then"] = tuple(then.paths)
    chosen["when"] = tuple(case.config for case in cases if case.config is not None)
    config = validated(RouteConfig, _under(settings, data) | chosen, path, problems)
    if config is not None:
        _check(config, data, path, problems)
    return Route(config, _names(pick, then, cases))


def _names(pick: Choice, then: Choice, cases: list[Case]) -> dict[str, KeyPath]:
    found = dict(pick.paths)
    for paths in (then.paths, *(case.names for case in cases)):
        for name, path in paths.items():
            found.setdefault(name, path)
    return found


def _under(settings: Settings, own: dict[str, Any]) -> dict[str, Any]:
    """The route's keys over those of the top; `timeouts` and `retry` are merged key by key."""
    top = settings.model_dump(include=_INHERITED, exclude_none=True)
    top["retry"]["per_deployment"] = Implied(settings.retry.per_deployment)
    both = {key: top[key] | own[key] for key in ("timeouts", "retry") if isinstance(own.get(key), dict)}
    return top | own | both


def _check(config: RouteConfig, own: dict[str, Any], path: KeyPath, problems: Problems) -> None:
    """Keys that can have no effect on this route."""
    for key in own.get("timeouts", ()):
        where = (*path, "timeouts", key)
        if key == "connect":
            problems.add(where, "routes share connections; give connect under `timeouts` at the top")
        elif config.task != "chat":
            problems.add(where, f"no effect on {config.task}, which has no stream; it is an option of chat")
    if config.retry.per_deployment == 1:
        for key in own.get("retry", {}).keys() & _WAITS:
            problems.add((*path, "retry", key), "no effect: no deployment is asked twice (per_deployment is 1)")
    if "repair" in own and config.task != "chat":
        problems.add((*path, "repair"), f"no effect on {config.task}, which has no output=; it is an option of chat")
    picks = (config.pick, *(case.pick for case in config.when))
    if config.sticky and all(len(pick.names) == 1 for pick in picks) and not problems.within(path):
        problems.add((*path, "sticky"), "no effect: every pick of this route is one deployment")
