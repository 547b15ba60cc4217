"""LiteLLM's budgets as ours: of the whole, of providers, deployments, tags, teams, users and models."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from orchestrator.cli.litellm_import.ledger import Ledger
from orchestrator.cli.litellm_import.models import Model
from orchestrator.config.tree import KeyPath

__all__ = ["read_budgets"]

_USD_KEYS = ("max_budget", "budget_limit")
_TIME_KEYS = ("budget_duration", "time_period")
_USERS = (("max_internal_user_budget",), ("internal_user_budget_duration",))
_MOST_USD, _LEAST_USD = Decimal(9_000_000), Decimal("1e-9")
_WORDS = {"hourly": "1h", "daily": "1d", "weekly": "7d", "monthly": "1mo"}
_TIME = re.compile(r"(\d{1,6})(s|mo|m|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_WINDOWS = {3_600: "hour", 86_400: "day"}
_ABOUT_A_MONTH_S = range(28 * 86_400, 31 * 86_400 + 1)

_NO_WINDOW = "a budget here is for an hour, a day or a month of the calendar: write what may be spent in one of them"
_NO_AMOUNT = "it is no amount of dollars that a budget could have"
_MONTH = "it became the calendar's month"
_KEYS = "nobody is given keys here; give each `tenant`, `user` or tag its budget instead, with `per`"

_DEFAULTS: Mapping[str, str] = {"default_internal_user_params": "user", "default_team_params": "tenant"}
"""Sections of `litellm_settings` on whom people are, and whom our budgets call so."""


def read_budgets(
    router: Mapping[str, Any], module: Mapping[str, Any], models: Sequence[Model], ledger: Ledger
) -> list[dict[str, Any]]:
    """All budgets of the source that have a counterpart, each with a name of its own."""
    reader = _Reader(models, ledger)
    reader.add("all", module, ("litellm_settings",), {})
    reader.add("user", module, ("litellm_settings",), {"per": "user"}, _USERS)
    reader.providers(router.get("provider_budget_config"))
    reader.deployments()
    reader.tags(module.get("tag_budget_config"))
    for section, per in _DEFAULTS.items():
        reader.people(section, per, module.get(section))
    reader.teams(module.get("default_team_settings"))
    for section in ("default_key_generate_params", "upperbound_key_generate_params"):
        if isinstance(module.get(section), dict):
            reader.refuse(module[section], ("litellm_settings", section))
    return reader.found


class _Reader:
    """Collects them. What is no budget here is noted at its key."""

    def __init__(self, models: Sequence[Model], ledger: Ledger) -> None:
        self._models = models
        self._ledger = ledger
        self.found: list[dict[str, Any]] = []

    def add(
        self,
        name: str,
        values: Any,
        path: KeyPath,
        whose: Mapping[str, Any],
        keys: tuple[Sequence[str], Sequence[str]] = (_USD_KEYS, _TIME_KEYS),
        *,
        told: str = "",
    ) -> None:
        """One budget, if there is one under these keys; `told` is said of it at its path."""
        usd_keys, time_keys = keys
        usd_key = _first(usd_keys, values)
        if usd_key is None:
            return
        usd, time_key = _usd(values[usd_key]), _first(time_keys, values)
        window = _window(values[time_key]) if time_key else None
        if usd is None or window is None:
            self._ledger.note((*path, usd_key), _NO_AMOUNT if usd is None else _NO_WINDOW)
            if time_key:
                self._ledger.note((*path, time_key), "it belongs to that budget")
            return
        if told:
            self._ledger.note(path, told)
        self._ledger.use(*path, usd_key)
        if time_key and window == "month" and not str(values[time_key]).endswith(("mo", "monthly")):
            self._ledger.note((*path, time_key), _MONTH)
        elif time_key:
            self._ledger.use(*path, time_key)
        self.found.append({"name": self._free(f"{name}-{window}"), "usd": usd, "window": window, **whose})

    def _free(self, name: str) -> str:
        taken = {budget["name"] for budget in self.found}
        number, found = 1, name
        while found in taken:
            number += 1
            found = f"{name}-{number}"
        return found

    def providers(self, config: Any) -> None:
        """Of LiteLLM's providers, each of which may be several accounts here."""
        for vendor, values in _entries(config):
            path = ("router_settings", "provider_budget_config", vendor)
            names = dict.fromkeys(model.data["provider"] for model in self._models if model.vendor == vendor)
            if names:
                self.add(vendor, values, path, {"for": {"provider": list(names)}})
            else:
                self._ledger.note(path, f"no model of `model_list` that is called here is of {vendor}")

    def deployments(self) -> None:
        """Of one deployment: it has a provider of its own here."""
        for model in self._models:
            path = (*model.path, "litellm_params")
            self.add(model.name, model.params, path, {"for": {"provider": [model.data["provider"]]}})

    def tags(self, config: Any) -> None:
        """Of tags, which are words there, and names with values here."""
        for tag, values in _entries(config):
            name, colon, value = tag.partition(":")
            pair = {name: value} if colon and name and value else {"tag": tag}
            path = ("litellm_settings", "tag_budget_config", tag)
            words = ", ".join(f'"{key}": "{item}"' for key, item in pair.items())
            told = f"it is for calls with tags={{{words}}}"
            self.add(f"tag-{tag}".replace(":", "-"), values, path, {"for": {"tags": pair}}, told=told)

    def people(self, section: str, per: str, values: Any) -> None:
        """Of each user or team, in all and for single models."""
        path = ("litellm_settings", section)
        if isinstance(values, dict):
            self.add(per, values, path, {"per": per})
            for group, its in _entries(values.get("model_max_budget")):
                its_path = (*path, "model_max_budget", group)
                if any(model.group == group for model in self._models):
                    self.add(f"{per}-{group}", its, its_path, {"per": per, "for": {"route": group}})
                else:
                    self._ledger.note(its_path, f"no model of `model_list` that is called here is named {group!r}")

    def teams(self, config: Any) -> None:
        """Of named teams, which are tenants here."""
        for index, values in enumerate(config if isinstance(config, list) else []):
            if isinstance(values, dict) and isinstance(values.get("team_id"), str):
                path = ("litellm_settings", "default_team_settings", index)
                team = values["team_id"]
                self.add(f"tenant-{team}", values, path, {"for": {"tenant": team}})
                if any(budget.get("for") == {"tenant": team} for budget in self.found):
                    self._ledger.use(*path, "team_id")

    def refuse(self, values: Mapping[str, Any], path: KeyPath) -> None:
        """Budgets of the proxy's keys."""
        for key in (*_USD_KEYS, *_TIME_KEYS, "model_max_budget"):
            if key in values:
                self._ledger.note((*path, key), _KEYS)


def _entries(config: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, values in config.items() if isinstance(config, dict) else ():
        if isinstance(values, dict):
            yield str(name), values


def _first(keys: Sequence[str], values: Any) -> str | None:
    return next((key for key in keys if isinstance(values, dict) and values.get(key) is not None), None)


def _usd(value: Any) -> Decimal | None:
    try:
        found = Decimal(str(value)) if not isinstance(value, bool) else Decimal(0)
    except InvalidOperation:
        return None
    return found if found.is_finite() and _LEAST_USD <= found <= _MOST_USD else None


def _window(value: Any) -> str | None:
    text = str(value).strip().lower()
    found = _TIME.fullmatch(_WORDS.get(text, text))
    if found is None:
        return None
    if found[2] == "mo":
        return "month" if found[1] == "1" else None
    seconds = int(found[1]) * _SECONDS[found[2]]
    return "month" if seconds in _ABOUT_A_MONTH_S else _WINDOWS.get(seconds)
