"""From LiteLLM's configuration to ours. Every key of the source is either used or noted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.cli.litellm_import.budgets import read_budgets
from orchestrator.cli.litellm_import.ledger import Ledger, Note
from orchestrator.cli.litellm_import.models import Model, Providers, named, read_model
from orchestrator.cli.litellm_import.routing import Settings, read_settings, routes
from orchestrator.cli.litellm_import.tables import REASONS, SECTIONS
from orchestrator.cli.writing import block, flow
from orchestrator.config import load_mapping
from orchestrator.config.files import FileReader
from orchestrator.config.tree import KeyPath, Tree, raise_all
from orchestrator.errors import ConfigError

__all__ = ["Imported", "convert"]

_PLACEHOLDER = "https://address.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Our file's text, what of the source is in it (leaf paths), and notes on the rest."""

    text: str
    config: Mapping[str, Any]
    used: frozenset[KeyPath]
    notes: tuple[Note, ...]


def convert(file: Path) -> Imported:
    """Convert one file.

    Raises:
        ConfigError: it cannot be read, or holds no model that can be called here.
    """
    tree = FileReader().read(file)
    if tree.problems:
        raise_all(tree.problems)
    ledger = Ledger(tree)
    providers = Providers()
    models = list(_models(tree, providers, ledger))
    named(models)
    settings = read_settings(_section(tree, "router_settings"), _section(tree, "litellm_settings"), ledger)
    budgets = read_budgets(_section(tree, "router_settings"), _section(tree, "litellm_settings"), models, ledger)
    config = _config(models, providers, settings, ledger) | _money(budgets)
    for path in ledger.open:
        ledger.note(path, _reason(path))
    if not models:
        reasons = "; ".join(note.reason for note in ledger.notes()[:3])
        raise ConfigError(f"no model of `model_list` can be called here ({reasons or 'it is empty'})", file=str(file))
    _load(config)
    text = _text(config, file.name)
    return Imported(text=text, config=config, used=frozenset(ledger.used), notes=ledger.notes())


def _section(tree: Tree, name: str) -> Mapping[str, Any]:
    found = tree.value.get(name) if isinstance(tree.value, dict) else None
    return found if isinstance(found, dict) else {}


def _models(tree: Tree, providers: Providers, ledger: Ledger) -> Iterator[Model]:
    entries = tree.value.get("model_list") if isinstance(tree.value, dict) else None
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        model = read_model(entry, index, providers, ledger) if isinstance(entry, dict) else None
        if model is not None:
            yield model


def _config(models: list[Model], providers: Providers, settings: Settings, ledger: Ledger) -> dict[str, Any]:
    config: dict[str, Any] = {"version": 1, "providers": providers.entries}
    config["deployments"] = {model.name: model.data for model in models}
    config["routes"] = routes(models, settings, ledger)
    return config | settings.top


def _money(budgets: list[dict[str, Any]]) -> dict[str, Any]:
    """Budgets, and the log from which a new process learns what was spent."""
    return {"budgets": budgets, "log": {"path": "logs/calls.jsonl"}} if budgets else {}


def _reason(path: KeyPath) -> str:
    keys = [step for step in path if isinstance(step, str)]
    known = next((REASONS[key] for key in reversed(keys) if key in REASONS), None)
    # The proxy's own keys mean something else than those of the router that share their names.
    if keys and keys[0] in {"general_settings", "environment_variables"}:
        known = None
    return known or SECTIONS.get(keys[0] if keys else "", "it is a setting of LiteLLM that nothing here corresponds to")


def _load(config: Mapping[str, Any]) -> None:
    """See that the result is right, whatever its variables will hold."""
    load_mapping(config, environ=_Any(), check_secrets=False)


class _Any(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return _PLACEHOLDER

    def get(self, name: str, default: Any = None) -> str:
        return _PLACEHOLDER


def _text(config: Mapping[str, Any], source: str) -> str:
    lines = [f"# Made from LiteLLM's {source}; what could not come along was said when it was made.\n", "version: 1\n"]
    lines += [block(name, config[name]) for name in ("providers", "deployments", "routes")]
    rest = {key: value for key, value in config.items() if key not in {"version", "providers", "deployments", "routes"}}
    lines += [_entry(key, value) for key, value in rest.items()]
    return "".join(lines)


def _entry(key: str, value: Any) -> str:
    if isinstance(value, list):
        return f"{key}:\n" + "".join(f"  - {flow(item)}\n" for item in value)
    return f"{key}: {flow(value)}\n"
