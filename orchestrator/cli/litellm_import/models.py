"""One entry of `model_list` as a deployment and the provider behind it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from orchestrator.cli.litellm_import.ledger import Ledger
from orchestrator.cli.litellm_import.tables import BEGINNINGS, KINDS, OPTIONS, PRICES, SETTINGS, TASKS, VARIABLES
from orchestrator.config.checks import SECRET_HEADERS
from orchestrator.config.tree import KeyPath
from orchestrator.registry import find

__all__ = ["Model", "Providers", "named", "read_model", "reference"]

_REFERENCE = "os.environ/"
_LIMITS = {
    "rpm": "rpm",
    "tpm": "tpm",
    "itpm": "input_tpm",
    "otpm": "output_tpm",
    "max_parallel_requests": "concurrency",
}
_SECRETS = {"aws_access_key_id", "aws_secret_access_key", "aws_session_token", "client_secret"}
_NAME = re.compile(r"[^A-Za-z0-9_.:-]+")
_PER_TOKEN = Decimal(1_000_000)


@dataclass(slots=True)
class Model:
    """A deployment to be, and how its group picks it. `vendor` and `params` are LiteLLM's own."""

    group: str
    vendor: str
    params: Mapping[str, Any]
    task: str
    data: dict[str, Any]
    path: KeyPath
    weight: float | None = None
    order: int = 0
    name: str = ""


@dataclass(slots=True)
class Providers:
    """Accounts, each written once whatever the number of its models."""

    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    _alone: set[str] = field(default_factory=set)

    def name(self, entry: dict[str, Any], *, alone: bool = False) -> str:
        """The name of that account, which is a new one if there was none like it; `alone` is never shared."""
        for known, its in self.entries.items():
            if its == entry and not alone and known not in self._alone:
                return known
        kind, number = entry["kind"], 1 + sum(its["kind"] == entry["kind"] for its in self.entries.values())
        name = kind if number == 1 else f"{kind}-{number}"
        self.entries[name] = entry
        self._alone |= {name} if alone else set()
        return name


def reference(value: Any) -> Any:
    """`os.environ/NAME` as our reference, anything else as it is."""
    if isinstance(value, str) and value.startswith(_REFERENCE):
        return {"env": value.removeprefix(_REFERENCE)}
    return value


def read_model(entry: Mapping[str, Any], index: int, providers: Providers, ledger: Ledger) -> Model | None:
    """The deployment, or None for what is no model of its own (a wildcard, a task that is not had here)."""
    path: KeyPath = ("model_list", index)
    params = entry.get("litellm_params")
    group = entry.get("model_name")
    if not isinstance(params, dict) or not isinstance(params.get("model"), str) or not isinstance(group, str):
        ledger.note(path, "it names no model")
        return None
    raw_info = entry.get("model_info")
    info: Mapping[str, Any] = raw_info if isinstance(raw_info, dict) else {}
    task = TASKS.get(str(info.get("mode", _mode(params["model"]))))
    if task is None:
        ledger.note(path, "chats, embeddings and rankings are called here, and nothing else")
        return None
    if "*" in params["model"] or "*" in group:
        ledger.note(path, "a route names its models; write one route per task, with `vendor/model` in `pick`")
        return None
    return _Reader(params, info, path, providers, ledger).read(group, task)


def _mode(model: str) -> str:
    name = model.lower()
    return "rerank" if "rerank" in name else "embedding" if "embed" in name else "chat"


class _Reader:
    """Takes the parameters of one model apart."""

    def __init__(
        self,
        params: Mapping[str, Any],
        info: Mapping[str, Any],
        path: KeyPath,
        providers: Providers,
        ledger: Ledger,
    ) -> None:
        self._params = params
        self._info = info
        self._path = path
        self._providers = providers
        self._ledger = ledger
        self._vendor = ""

    def read(self, group: str, task: str) -> Model:
        kind, model = self._kind(task)
        # A budget is for a provider: a deployment that has one needs a provider of its own.
        alone = self._params.get("max_budget") is not None
        data: dict[str, Any] = {"provider": self._providers.name(self._provider(kind), alone=alone), "model": model}
        data |= {"limits": limits} if (limits := self._limits()) else {}
        data |= {"defaults": defaults} if (defaults := self._defaults(kind, task)) else {}
        data |= self._price(kind)
        data |= {"profile": profile} if (profile := self._profile(task)) else {}
        self._ledger.use(*self._path, "model_name")
        self._info_used("mode")
        weight, order = self._params.get("weight"), self._params.get("order")
        for key, value in (("weight", weight), ("order", order)):
            if isinstance(value, int | float):
                self._use(key)
        return Model(
            group=group,
            vendor=self._vendor,
            params=self._params,
            task=task,
            data=data,
            path=self._path,
            weight=float(weight) if isinstance(weight, int | float) else None,
            order=int(order) if isinstance(order, int | float) else 0,
        )

    def _use(self, key: str) -> None:
        self._ledger.use(*self._path, "litellm_params", key)

    def _note(self, key: str, reason: str) -> None:
        self._ledger.note((*self._path, "litellm_params", key), reason)

    def _info_used(self, key: str) -> None:
        if key in self._info:
            self._ledger.use(*self._path, "model_info", key)

    def _kind(self, task: str) -> tuple[str, str]:
        """The kind that speaks to it, and the vendor's name of the model."""
        self._use("model")
        whole: str = self._params["model"]
        vendor, slash, model = whole.partition("/")
        told = self._params.get("custom_llm_provider")
        if isinstance(told, str):
            self._use("custom_llm_provider")
            vendor, model = told, model if slash and vendor == told else whole
        elif not slash:
            known = (kind for start, kind in BEGINNINGS.items() if whole.startswith(start))
            vendor, model = next(known, ""), whole
        self._vendor = vendor
        kind = KINDS.get(vendor, "")
        if not kind or task not in find(kind).profile.tasks or (kind == "vertex" and not _googles(model)):
            return "litellm", whole if told is None else f"{told}/{model}"
        if kind == "openai" and ("api_base" in self._params or "base_url" in self._params):
            kind = "openai_compatible"
        if kind == "bedrock":
            model = model.removeprefix("converse/").removeprefix("invoke/")
        return kind, model

    def _provider(self, kind: str) -> dict[str, Any]:
        entry: dict[str, Any] = {"kind": kind}
        for key in ("api_base", "base_url"):
            if self._params.get(key) and "base_url" not in entry:
                self._use(key)
                entry["base_url"] = reference(self._params[key])
        entry |= self._credential(kind)
        names = SETTINGS.get(kind, {})
        if kind == "litellm":
            names = {key: key for key in find(kind).profile.settings if key != "custom_llm_provider"}
        for key, ours in names.items():
            if self._params.get(key) is not None:
                self._setting(key, ours, entry)
        headers = self._headers(kind)
        return entry | ({"headers": headers} if headers else {})

    def _credential(self, kind: str) -> dict[str, Any]:
        profile = find(kind).profile
        usual = VARIABLES.get(kind) or next(iter(profile.api_key_env), f"{kind.upper()}_API_KEY")
        given = self._params.get("api_key")
        if given is None:
            # Azure's client credentials take the key's place; without either LiteLLM reads its variable.
            needed = profile.key_required or (kind == "azure" and not self._params.get("client_id"))
            return {"api_key": {"env": usual}} if needed else {}
        found = reference(given)
        if isinstance(found, dict):
            self._use("api_key")
            return {"api_key": found}
        self._note("api_key", f"a key that stands in the file is not copied; put it into the variable {usual}")
        return {"api_key": {"env": usual}}

    def _setting(self, key: str, ours: str, entry: dict[str, Any]) -> None:
        found = reference(self._params[key])
        if key in _SECRETS and not isinstance(found, dict):
            self._note(key, f"a secret that stands in the file is not copied; put it into the variable {key.upper()}")
            entry[ours] = {"env": key.upper()}
        elif key == "vertex_credentials" and isinstance(found, str) and found.lstrip().startswith("{"):
            self._note(key, "credentials that stand in the file are not copied; name their file in `credentials_file`")
        else:
            self._use(key)
            entry[ours] = found

    def _headers(self, kind: str) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        if kind in {"openai", "openai_compatible"} and self._params.get("organization"):
            self._use("organization")
            headers["openai-organization"] = reference(self._params["organization"])
        given = self._params.get("extra_headers")
        for name, value in given.items() if isinstance(given, dict) and kind != "litellm" else ():
            found = reference(value)
            if name.lower() in SECRET_HEADERS and not isinstance(found, dict):
                self._ledger.note(
                    (*self._path, "litellm_params", "extra_headers", name),
                    "a secret that stands in the file is not copied; write the header with {env: NAME}",
                )
                continue
            self._ledger.use(*self._path, "litellm_params", "extra_headers", name)
            headers[name] = found
        return headers

    def _limits(self) -> dict[str, Any]:
        both = "tpm" in self._params and ("itpm" in self._params or "otpm" in self._params)
        found: dict[str, Any] = {}
        for key, ours in _LIMITS.items():
            value = self._params.get(key)
            if value is None or (both and key == "tpm"):
                continue
            if isinstance(value, int) and value > 0:
                self._use(key)
                found[ours] = value
        if both:
            self._note("tpm", "beside limits of input and output tokens there is none of their sum")
        return found

    def _defaults(self, kind: str, task: str) -> dict[str, Any]:
        fitting = {"dimensions"} if task == "embed" else set(OPTIONS) - {"dimensions"} if task == "chat" else set()
        found: dict[str, Any] = {}
        for key in sorted(fitting):
            if self._params.get(key) is not None and OPTIONS[key] not in found:
                self._use(key)
                found[OPTIONS[key]] = reference(self._params[key])
        extra = self._params.get("extra_body")
        if isinstance(extra, dict) and extra:
            self._use("extra_body")
            found["provider_options"] = {kind: json.loads(json.dumps(extra))}
        return found

    def _price(self, kind: str) -> dict[str, Any]:
        price: dict[str, Decimal] = {}
        for source, where in ((self._params, "litellm_params"), (self._info, "model_info")):
            for key, ours in PRICES.items():
                value = source.get(key)
                if isinstance(value, int | float) and ours not in price:
                    self._ledger.use(*self._path, where, key)
                    price[ours] = Decimal(str(value)) * _PER_TOKEN
        base = self._info.get("base_model")
        if price or not isinstance(base, str):
            return {"price": price} if price else {}
        self._info_used("base_model")
        return {"priced_as": self._priced_as(base, kind)}

    def _priced_as(self, base: str, kind: str) -> str:
        vendor, slash, model = base.partition("/")
        if not slash:
            return f"{kind if kind != 'litellm' else 'openai'}/{base}"
        return f"{KINDS.get(vendor, vendor)}/{model}"

    def _profile(self, task: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, ours in (("max_input_tokens", "max_input_tokens"), ("max_output_tokens", "max_output_tokens")):
            if task == "chat" and isinstance(self._info.get(key), int):
                self._info_used(key)
                found[ours] = self._info[key]
        if task == "chat" and isinstance(self._info.get("supports_function_calling"), bool):
            self._info_used("supports_function_calling")
            found["tools"] = self._info["supports_function_calling"]
        return found


def _googles(model: str) -> bool:
    """Vertex serves other makers' models by other protocols."""
    return model.startswith(("gemini", "text-embedding", "text-multilingual-embedding"))


def named(models: list[Model]) -> None:
    """Give each a name: its group's, numbered where the group has several."""
    taken: set[str] = set()
    for model in models:
        base = _NAME.sub("-", model.group).strip("-") or "model"
        number, name = 1, base
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name)
        model.name = name
