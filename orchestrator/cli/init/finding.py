"""What this machine has: credentials in the environment, by name alone, and model servers on its loopback."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from orchestrator import registry

__all__ = ["Door", "Key", "Server", "find_keys", "find_servers"]

_TIMEOUT_S = 0.3
_MOST_BYTES = 1_000_000
_SECOND = ("azure_openai", "openai_responses", "xai_responses")
"""Kinds that speak another protocol of a vendor that is found already."""


@dataclass(frozen=True, slots=True)
class Key:
    """A vendor's usual variable that is set."""

    kind: str
    variable: str


@dataclass(frozen=True, slots=True)
class Server:
    """A model server that answered."""

    kind: str
    base_url: str
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Door:
    """Where a kind of server listens if nobody told it otherwise, and what tells its models."""

    kind: str
    port: int
    path: str


_DOORS = (
    Door("ollama", 11434, "/api/tags"),
    Door("vllm", 8000, "/v1/models"),
    Door("lmstudio", 1234, "/v1/models"),
    Door("llamacpp", 8080, "/v1/models"),
    Door("infinity", 7997, "/models"),
    Door("tei", 8080, "/info"),
    Door("tei", 3000, "/info"),
)


def find_keys(environ: Mapping[str, str]) -> tuple[Key, ...]:
    """Vendors that can be called with what is set and nothing else; the first variable of each. No value is kept."""
    found = []
    for kind in registry.kinds():
        profile = registry.find(kind).profile
        variable = next((name for name in profile.api_key_env if environ.get(name, "").strip()), None)
        if variable and profile.base_url and kind not in _SECOND:
            found.append(Key(kind, variable))
    return tuple(found)


def find_servers(doors: Sequence[Door] = _DOORS) -> tuple[Server, ...]:
    """Servers on 127.0.0.1, asked all at once, for 300 ms each. Nothing else is asked."""
    with ThreadPoolExecutor(len(doors) or 1) as pool:
        return tuple(server for server in pool.map(_knock, doors) if server is not None)


def _knock(door: Door) -> Server | None:
    try:
        with closing(HTTPConnection("127.0.0.1", door.port, timeout=_TIMEOUT_S)) as connection:
            connection.request("GET", door.path)
            reply = connection.getresponse()
            told = json.loads(reply.read(_MOST_BYTES)) if reply.status == 200 else None
    except (OSError, HTTPException, ValueError, RecursionError):
        return None
    models = _models(told)
    root = f"http://127.0.0.1:{door.port}"
    base_url = f"{root}/v1" if door.path == "/v1/models" else root
    return None if models is None else Server(door.kind, base_url, models)


def _models(told: Any) -> tuple[str, ...] | None:
    """Names in any of the forms in which servers list them; None if this is no such list."""
    if not isinstance(told, dict):
        return None
    if isinstance(told.get("model_id"), str):
        return (told["model_id"],)
    entries = told.get("data", told.get("models"))
    if not isinstance(entries, list):
        return None
    names = [entry.get("id", entry.get("name")) for entry in entries if isinstance(entry, dict)]
    return tuple(name for name in names if isinstance(name, str) and name.strip() and name.isprintable())
