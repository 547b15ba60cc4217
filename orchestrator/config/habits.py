"""What to tell of a key that is not known where it stands: where it belongs, or what does its work here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from orchestrator.config.features import ProfileConfig
from orchestrator.config.resilience import RetryConfig, TimeoutsConfig
from orchestrator.config.schema import (
    DefaultsConfig,
    DeploymentConfig,
    LimitsConfig,
    ProviderConfig,
    RouteConfig,
    Settings,
)
from orchestrator.config.tree import KeyPath, shown
from orchestrator.config.words import such_as

__all__ = ["advice", "mapping_expected"]

_FOR = "write for: {{{key}: …}}"
_ARGUMENT = "it is an argument of the call: llm.chat(…, {key}=…)"
_OF_VENDOR = "write provider_options: {{KIND: {{{key}: …}}}}, with the kind of the provider"
_PRICE = "write price: {input: …, output: …}, in USD per million tokens"
_REDIS = "write url: redis://HOST:PORT"
_TIMES = "write deadline: 30s for the whole call, or timeouts: {first_token: 30s}"
_TRUST = "certificates are always checked; ca_file names one of your own to trust"

_WITH_KEY = (_ARGUMENT, _FOR, _OF_VENDOR)

_HABITS: Mapping[str, str] = {
    **dict.fromkeys(("tools", "tool_choice", "output"), _ARGUMENT),
    **dict.fromkeys(("response_format", "output_schema"), "it is an argument of the call: llm.chat(…, output=…)"),
    **dict.fromkeys(
        ("frequency_penalty", "logit_bias", "logprobs", "min_p", "n", "presence_penalty", "stream_options", "top_k"),
        _OF_VENDOR,
    ),
    **dict.fromkeys(("input_cost_per_token", "output_cost_per_token", "cost", "prices"), _PRICE),
    **dict.fromkeys(("host", "port"), _REDIS),
    **dict.fromkeys(("system", "system_prompt", "messages"), "prompts are the application's: they come with the call"),
    **dict.fromkeys(("timeout", "request_timeout"), _TIMES),
    **dict.fromkeys(("verify", "verify_ssl", "ssl_verify"), _TRUST),
    **dict.fromkeys(("max_retries", "num_retries", "retries"), "write retry: {attempts: 3}"),
    **dict.fromkeys(("eur", "euros", "currency"), "budgets are in US dollars: usd: 5"),
    **dict.fromkeys(("tenant", "user", "route", "provider", "tags"), _FOR),
    "api_version": "it is a setting of kind: azure",
    "if": "conditions are tenant: NAME and tags: {TAG: VALUE}",
    "organization": "write headers: {openai-organization: …}",
    "redis": "write store: {redis: {url: {env: REDIS_URL}}}",
    "rps": "write rpm: requests per minute",
    "tenants": "calls name their tenant; a route tells them apart with `when`, a budget with `per` and `for`",
}

_UNDER_DEPLOYMENT: Mapping[str, type[BaseModel]] = {
    "defaults": DefaultsConfig,
    "limits": LimitsConfig,
    "profile": ProfileConfig,
}
_UNDER_ROUTE: Mapping[str, type[BaseModel]] = {
    "defaults": DefaultsConfig,
    "timeouts": TimeoutsConfig,
    "retry": RetryConfig,
}
_SECTIONS: Mapping[str, type[BaseModel]] = {
    "providers": ProviderConfig,
    "deployments": DeploymentConfig,
    "routes": RouteConfig,
}
_NO = (False, 0, "off", "no", "none", "false")
_OFF = {"retry": "; {attempts: 1} is no retry", "log": "; {to: none} is no log"}
_WHOLE_ENTRIES = {
    "providers": "{kind: openai, api_key: {env: OPENAI_API_KEY}}",
    "deployments": "{provider: openai, model: gpt-4o-mini}",
}


def advice(path: KeyPath) -> str:
    """`; …` for the key at the end of this path; empty where nothing is known of it."""
    key = str(path[-1])
    found = _place(key, path) or _HABITS.get(key.replace("-", "_").lower(), "")
    return f"; {found.format(key=key) if found in _WITH_KEY else found}" if found else ""


def _place(key: str, path: KeyPath) -> str:
    if len(path) == 1:
        return _elsewhere(key, ("routes", "deployments", "providers"))
    if len(path) != 3 or path[0] not in _SECTIONS:
        return ""
    section = str(path[0])
    if section == "routes":
        return _of_route(key)
    if section == "deployments":
        return _under(key, _UNDER_DEPLOYMENT) or _elsewhere(key, ("providers", "routes"))
    return _under(key, {"limits": LimitsConfig}) or _elsewhere(key, ("deployments", "routes"))


def _of_route(key: str) -> str:
    if key in {"model", "provider", "models", "deployment", "deployments"}:
        return "write pick: vendor/model, or a deployment's name"
    if key in Settings.model_fields:
        return "it is a key of the whole file: write it at the beginning of a line"
    return _under(key, _UNDER_ROUTE) or _elsewhere(key, ("deployments", "providers"))


def _under(key: str, models: Mapping[str, type[BaseModel]]) -> str:
    return next((f"write {name}: {{{key}: …}}" for name, model in models.items() if key in model.model_fields), "")


def _elsewhere(key: str, sections: tuple[str, ...]) -> str:
    for section in sections:
        if key in _SECTIONS[section].model_fields:
            return _of(section)
        if section != "routes" and key in LimitsConfig.model_fields:
            return f"write limits: {{{key}: …}} in an entry of `{section}`"
    return ""


def _of(section: str) -> str:
    return f"it is a key of an entry of `{section}`"


def mapping_expected(path: KeyPath, value: Any) -> str:
    """That there is no mapping at this path where one belongs, and what one looks like."""
    whole = _WHOLE_ENTRIES.get(str(path[0])) if len(path) == 2 else None
    example = f" such as {whole}" if whole else such_as(str(path[-1])) if path else ""
    off = _OFF.get(str(path[-1]), "") if path and value in _NO else ""
    return f"expected a mapping{example}, found {shown(value)}{off}"
