"""Groups, fallbacks and the router's settings as routes and the keys of the top."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.cli.litellm_import.ledger import Ledger
from orchestrator.cli.litellm_import.models import Model, reference
from orchestrator.cli.litellm_import.tables import STRATEGIES

__all__ = ["Settings", "read_settings", "routes"]

_DAY_S = 86_400
_MOST_ATTEMPTS = 10


@dataclass(slots=True)
class Settings:
    """Keys of the top, and what routes are made by."""

    top: dict[str, Any] = field(default_factory=dict)
    rule: str = "weighted"
    then: dict[str, list[str]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)


def read_settings(router: Mapping[str, Any], module: Mapping[str, Any], ledger: Ledger) -> Settings:
    """Both sections of LiteLLM that set the router; where both say a thing, the router's holds."""
    settings = Settings()
    for section, values in (("router_settings", router), ("litellm_settings", module)):
        reader = _Reader(section, values, settings, ledger)
        reader.timeouts()
        reader.retries()
        reader.breaker()
        reader.fallbacks()
        reader.rest()
    return settings


class _Reader:
    """One section."""

    def __init__(self, section: str, values: Mapping[str, Any], settings: Settings, ledger: Ledger) -> None:
        self._section = section
        self._values = values
        self._settings = settings
        self._ledger = ledger

    def _number(self, key: str) -> float | None:
        value = self._values.get(key)
        return value if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None

    def _put(self, key: str, where: str, value: Any, inner: str | None = None) -> None:
        """Take it over, unless the section before has said it."""
        top = self._settings.top
        known = top.setdefault(where, {}) if inner else top
        if (inner or where) in known:
            self._ledger.note((self._section, key), "router_settings says it too, and that holds")
            return
        known[inner or where] = value
        self._ledger.use(self._section, key)

    def timeouts(self) -> None:
        for key in ("timeout", "request_timeout"):
            if (seconds := self._number(key)) and seconds <= _DAY_S:
                self._put(key, "deadline", seconds)
        if (seconds := self._number("stream_timeout")) and seconds <= _DAY_S:
            self._put("stream_timeout", "timeouts", seconds, "stall")

    def retries(self) -> None:
        for key in ("num_retries", "max_retries"):
            value = self._values.get(key)
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_ATTEMPTS:
                self._put(key, "retry", value + 1, "attempts")

    def breaker(self) -> None:
        if self._values.get("disable_cooldowns") is True:
            self._settings.top["breaker"] = "off"
            self._ledger.use(self._section, "disable_cooldowns")
            for key in ("allowed_fails", "cooldown_time"):
                if key in self._values:
                    self._ledger.note((self._section, key), "no effect: disable_cooldowns")
            return
        if self._settings.top.get("breaker") == "off":
            return
        if (fails := self._number("allowed_fails")) is not None:
            self._put("allowed_fails", "breaker", int(fails) + 1, "failures")
        if (seconds := self._number("cooldown_time")) is not None and seconds <= _DAY_S:
            self._put("cooldown_time", "breaker", seconds, "open")

    def fallbacks(self) -> None:
        for key in ("fallbacks", "context_window_fallbacks"):
            entries = self._values.get(key)
            for index, entry in enumerate(entries if isinstance(entries, list) else []):
                if isinstance(entry, dict):
                    self._fallback(entry, (self._section, key, index))
        default = self._values.get("default_fallbacks")
        if isinstance(default, list) and all(isinstance(one, str) for one in default):
            self._add("*", default)
            self._ledger.use(self._section, "default_fallbacks")

    def _fallback(self, entry: Mapping[str, Any], path: tuple[str | int, ...]) -> None:
        for group, others in entry.items():
            names = [others] if isinstance(others, str) else others
            if isinstance(names, list) and all(isinstance(one, str) for one in names):
                self._add(group, names)
                self._ledger.use(*path, group)

    def _add(self, group: str, others: Sequence[str]) -> None:
        known = self._settings.then.setdefault(group, [])
        known += [one for one in others if one not in known]

    def rest(self) -> None:
        strategy = self._values.get("routing_strategy")
        if isinstance(strategy, str) and strategy in STRATEGIES:
            self._settings.rule = STRATEGIES[strategy]
            if strategy.startswith("usage-based"):
                reason = "there is no such rule; `least_busy` comes nearest, and limits are kept by every rule"
                self._ledger.note((self._section, "routing_strategy"), reason)
            else:
                self._ledger.use(self._section, "routing_strategy")
        if isinstance(self._values.get("drop_params"), bool):
            self._put("drop_params", "unsupported", "warn" if self._values["drop_params"] else "error")
        aliases = self._values.get("model_group_alias")
        for alias, target in aliases.items() if isinstance(aliases, dict) else ():
            group = target.get("model") if isinstance(target, dict) else target
            if isinstance(group, str):
                self._settings.aliases[alias] = group
                path = (alias, "model") if isinstance(target, dict) else (alias,)
                self._ledger.use(self._section, "model_group_alias", *path)
        self._redis()

    def _redis(self) -> None:
        url, host = reference(self._values.get("redis_url")), reference(self._values.get("redis_host"))
        if self._section != "router_settings" or not (url or host):
            return
        password = self._values.get("redis_password") is not None
        plain = isinstance(host, str) and not password and not isinstance(self._values.get("redis_port"), str)
        if isinstance(url, dict):
            self._ledger.use(self._section, "redis_url")
        elif not url and plain:
            url = f"redis://{host}:{self._values.get('redis_port', 6379)}"
            for key in ("redis_host", "redis_port"):
                self._ledger.use(self._section, key)
        else:
            url = {"env": "REDIS_URL"}
        for key in ("redis_url", "redis_host", "redis_port", "redis_password", "redis_db"):
            if key in self._values and (url == {"env": "REDIS_URL"} or key in {"redis_db", "redis_password"}):
                self._ledger.note((self._section, key), "put the whole address into the variable REDIS_URL") if (
                    reference(self._values[key]) != url
                ) else None
        self._settings.top["store"] = {"redis": {"url": url}}


def routes(models: Sequence[Model], settings: Settings, ledger: Ledger) -> dict[str, Any]:
    """One route per group, and one per alias."""
    groups: dict[str, list[Model]] = {}
    for model in models:
        groups.setdefault(model.group, []).append(model)
    found = {group: _route(group, groups, settings) for group in groups}
    for alias, group in settings.aliases.items():
        if group in found and alias not in found:
            found[alias] = found[group]
    _note_lost(groups, settings, ledger)
    return found


def _note_lost(groups: Mapping[str, Sequence[Model]], settings: Settings, ledger: Ledger) -> None:
    """Fallbacks and aliases of groups that are not there."""
    for section in ("router_settings", "litellm_settings"):
        for path in [path for path in ledger.used if path[0] == section and len(path) > 2]:
            named = [step for step in path if isinstance(step, str)][2:3]
            lost = named and named[0] != "*" and named[0] not in groups
            if path[1] in {"fallbacks", "context_window_fallbacks"} and lost:
                ledger.used.discard(path)
                ledger.note(path, f"no model of `model_list` that is called here is named {named[0]!r}")
    for alias, group in settings.aliases.items():
        if group not in groups:
            path = next(path for path in sorted(ledger.used, key=str) if path[1:3] == ("model_group_alias", alias))
            ledger.used.discard(path)
            ledger.note(path, f"no model of `model_list` that is called here is named {group!r}")


def _route(group: str, groups: Mapping[str, Sequence[Model]], settings: Settings) -> dict[str, Any]:
    models = groups[group]
    first = min(model.order for model in models)
    picks = [model for model in models if model.order == first and model.weight != 0] or list(models)
    later = sorted((model for model in models if model not in picks), key=lambda model: model.order)
    fitting = [model for model in _fallbacks(group, groups, settings) if model.task == models[0].task]
    route: dict[str, Any] = {"task": models[0].task, "pick": _pick(picks, settings.rule)}
    then = dict.fromkeys(model.name for model in (*later, *fitting) if model not in picks)
    return route | ({"then": list(then)} if then else {})


def _fallbacks(group: str, groups: Mapping[str, Sequence[Model]], settings: Settings) -> Iterator[Model]:
    for other in settings.then.get(group) or settings.then.get("*", []):
        yield from groups.get(settings.aliases.get(other, other), ())


def _pick(models: Sequence[Model], rule: str) -> Any:
    names = [model.name for model in models]
    if len(names) == 1:
        return names[0]
    return {rule: _weights(models)} if rule == "weighted" else {rule: names}


def _weights(models: Sequence[Model]) -> dict[str, float]:
    """As LiteLLM draws: by weight, else by requests per minute, else by tokens per minute, else evenly."""
    for weigh in (lambda model: model.weight, _limit("rpm"), _limit("tpm")):
        found = {model.name: weigh(model) for model in models}
        if all(found.values()):
            return {name: int(weight) if weight == int(weight) else weight for name, weight in found.items()}
    return dict.fromkeys((model.name for model in models), 1)


def _limit(key: str) -> Any:
    return lambda model: model.data.get("limits", {}).get(key)
