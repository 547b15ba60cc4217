"""What a shell offers when one presses Tab: the names that the configuration has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

__all__ = ["chat_routes", "deployments", "embed_routes", "rerank_routes", "routes"]

Offer = list[tuple[str, str]]
"""Names, each with a word on it for shells that show one."""


def routes(ctx: typer.Context, incomplete: str) -> Offer:
    """Routes of the file that `--file` names."""
    return list(_routes(ctx, incomplete, None))


def chat_routes(ctx: typer.Context, incomplete: str) -> Offer:
    """Likewise, chats only."""
    return list(_routes(ctx, incomplete, "chat"))


def embed_routes(ctx: typer.Context, incomplete: str) -> Offer:
    """Likewise, embeddings only."""
    return list(_routes(ctx, incomplete, "embed"))


def rerank_routes(ctx: typer.Context, incomplete: str) -> Offer:
    """Likewise, rankings only."""
    return list(_routes(ctx, incomplete, "rerank"))


def deployments(ctx: typer.Context, incomplete: str) -> Offer:
    """Deployments of the file that `--file` names."""
    found = _section(ctx, "deployments")
    return [(name, str(_get(one, "model"))) for name, one in found.items() if name.startswith(incomplete)]


def _routes(ctx: typer.Context, incomplete: str, task: str | None) -> Iterator[tuple[str, str]]:
    for name, route in _section(ctx, "routes").items():
        its = _get(route, "task")
        if name.startswith(incomplete) and (task is None or its in (None, task)):
            yield name, its or "route"


def _section(ctx: typer.Context, name: str) -> Mapping[str, Any]:
    """A section of the file and of its base. Nobody has a use for an error while he types: then there is nothing."""
    file = Path(ctx.params.get("file") or "orchestrator.yaml")
    top = _read(file)
    base = top.get("extends")
    under = _read(file.parent / base) if isinstance(base, str) else {}
    both = (under.get(name), top.get(name))
    return {str(key): value for one in both if isinstance(one, dict) for key, value in one.items()}


def _read(file: Path) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - the configuration's own reader takes five times as long to load

    try:
        found = yaml.load(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def _get(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None
