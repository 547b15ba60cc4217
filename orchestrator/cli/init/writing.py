"""The text of the file to begin with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from orchestrator.cli.init.finding import Key, Server
from orchestrator.cli.writing import block
from orchestrator.registry import find

__all__ = ["MODELS", "schema_path", "starting_file"]

MODELS: Mapping[str, Mapping[str, str]] = {
    "anthropic": {"chat": "claude-haiku-4-5"},
    "cohere": {"chat": "command-a-03-2025", "embed": "embed-v4.0", "rerank": "rerank-v3.5"},
    "deepseek": {"chat": "deepseek-chat"},
    "google": {"chat": "gemini-2.5-flash", "embed": "gemini-embedding-001"},
    "groq": {"chat": "llama-3.3-70b-versatile"},
    "mistral": {"chat": "mistral-small-latest", "embed": "mistral-embed"},
    "openai": {"chat": "gpt-4o-mini", "embed": "text-embedding-3-small"},
    "openrouter": {"chat": "openai/gpt-4o-mini"},
    "voyage": {"embed": "voyage-3.5", "rerank": "rerank-2.5"},
    "xai": {"chat": "grok-3-mini"},
}
"""A small model of each task at vendors whose key is often found. The user is told to choose."""

_LOCAL = {"embed": "wordllama/l2_supercat_256", "rerank": "wordllama/l2_supercat_256"}
_EXAMPLE = "  # answer: openai/gpt-4o-mini  # a chat: set OPENAI_API_KEY, and take the first # away\n"
_ROUTES = {"chat": "answer", "embed": "search", "rerank": "rank"}
_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


def schema_path() -> Path:
    """Where the schema lies in the installed package."""
    return Path(str(files("orchestrator.config").joinpath("orchestrator.schema.json")))


def starting_file(keys: Sequence[Key], servers: Sequence[Server], schema: str) -> tuple[str, str]:
    """The text, and the variable that must be set before it can be used (empty if none)."""
    providers: dict[str, dict[str, Any]] = {}
    deployments: dict[str, dict[str, Any]] = {}
    tasks: dict[str, list[str]] = {}
    for key in keys:
        if key.kind in MODELS:
            providers[key.kind] = {"kind": key.kind, "api_key": {"env": key.variable}}
            _deploy(key.kind, MODELS[key.kind], deployments, tasks)
    for server in servers:
        served = _served(server)
        if served:
            name = _free(server.kind, providers)
            providers[name] = {"kind": server.kind, "base_url": server.base_url}
            _deploy(name, served, deployments, tasks, free=True)
    if "embed" not in tasks and find_spec("wordllama") is not None:
        providers["local"] = {"kind": "local"}
        _deploy("local", _LOCAL, deployments, tasks)
    missing = ""
    if not tasks:
        missing = "OPENAI_API_KEY"
        providers["openai"] = {"kind": "openai", "api_key": {"env": missing}}
        _deploy("openai", {"chat": MODELS["openai"]["chat"]}, deployments, tasks)
    others = [key for key in keys if key.kind not in MODELS]
    return _text(schema, providers, deployments, tasks, others), missing


def _served(server: Server) -> dict[str, str]:
    """The first model of each task, by what the kind can do and the model is called."""
    can = find(server.kind).profile.tasks
    found: dict[str, str] = {}
    for model in server.models:
        name = model.lower()
        task = "rerank" if "rerank" in name else "embed" if "embed" in name or "bge" in name else "chat"
        if task not in can:
            task = "embed" if task == "chat" and "embed" in can and "chat" not in can else ""
        if task:
            found.setdefault(task, model)
    return found


def _deploy(
    provider: str,
    models: Mapping[str, str],
    deployments: dict[str, dict[str, Any]],
    tasks: dict[str, list[str]],
    *,
    free: bool = False,
) -> None:
    for task, model in models.items():
        name = _free(_NAME.sub("-", model.rsplit("/", 1)[-1]).strip("-") or provider, deployments)
        if provider == "local":
            name = f"local-{task}"
        price = {"price": {"input": 0, "output": 0} if task == "chat" else {"input": 0}} if free else {}
        deployments[name] = {"provider": provider, "model": model} | price
        tasks.setdefault(task, []).append(name)


def _free(name: str, taken: Mapping[str, Any]) -> str:
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    return found


def _spare(keys: Sequence[Key]) -> str:
    return "".join(
        f"  # {key.kind}: {{kind: {key.kind}, api_key: {{env: {key.variable}}}}}  # its key is set too\n"
        for key in keys
    )


def _text(
    schema: str,
    providers: Mapping[str, Any],
    deployments: Mapping[str, Any],
    tasks: Mapping[str, list[str]],
    others: Sequence[Key],
) -> str:
    routes: dict[str, dict[str, Any]] = {}
    for task in (task for task in _ROUTES if task in tasks):
        names = tasks[task]
        # Vectors of two models cannot be compared, and rankings need no second one to begin with.
        one = task != "chat" or len(names) == 1
        routes[_ROUTES[task]] = {"task": task, "pick": names[0]} | ({} if one else {"then": names[1:]})
        if task == "chat":
            routes[_ROUTES[task]] |= {"deadline": "30s"}
    spare = [name for task in tasks if task != "chat" for name in tasks[task][1:]]
    kept = {name: entry for name, entry in deployments.items() if name not in spare}
    used = {entry["provider"] for entry in kept.values()}
    lines = [
        f"# yaml-language-server: $schema={schema}",
        "# Which models answer an application's calls. After an edit: orchestrator check",
        "version: 1",
        "",
        "# Accounts at vendors, and servers of your own. Keys stand in the environment or in files, never here.",
        block("providers", {name: entry for name, entry in providers.items() if name in used}) + _spare(others),
        "# One model at one provider each. Choose yours; limits and prices may stand here as well.",
        block("deployments", kept),
        "# The names that the application calls: the picked model answers, and the next one if it fails.",
        block("routes", routes) + ("" if "chat" in tasks else _EXAMPLE),
        "# One JSON line per call, with tokens, cost and latency. See: orchestrator costs",
        "log: {path: logs/calls.jsonl}",
        "",
    ]
    return "\n".join(lines)
