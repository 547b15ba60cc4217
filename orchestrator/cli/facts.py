"""`orchestrator chat --model-info`: who would answer a route, and what is known of their models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from datetime import date
from typing import Any

import typer

from orchestrator.blocking import Orchestrator
from orchestrator.cli.calling import check_route, json_text
from orchestrator.cli.naming import named
from orchestrator.snapshot import Deployment
from orchestrator.spec.models import ModelProfile

__all__ = ["show_models"]


def show_models(llm: Orchestrator, route: str, *, as_json: bool) -> None:
    """Print the route's deployments in the order of the file, each with the facts that are known."""
    check_route(llm, route)
    snapshot = llm.aio._core.snapshot
    deployments = [snapshot.deployments[name] for name in named(snapshot.config.routes[route])]
    if as_json:
        typer.echo(json_text({one.name: {"model": one.model, **_facts(one.known)} for one in deployments}))
        return
    for one in deployments:
        for line in _lines(one):
            typer.echo(line)


def _lines(deployment: Deployment) -> Iterator[str]:
    region = f", region {deployment.region}" if deployment.region else ""
    yield f"{deployment.name}: {deployment.model} at {deployment.provider} ({deployment.kind}{region})"
    facts = _facts(deployment.known)
    for name, value in facts.items():
        yield f"  {name.replace('_', ' '):22} {_worded(value)}"
    if not facts:
        yield "  nothing is known of this model; `profile:` in the file can say it"


def _facts(known: ModelProfile) -> dict[str, Any]:
    """What is known, as JSON values."""
    found = {field.name: getattr(known, field.name) for field in fields(known)}
    return {name: _plain(value) for name, value in found.items() if value not in (None, "", ())}


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset | tuple):
        return sorted(value) if isinstance(value, frozenset) else list(value)
    return value.isoformat() if isinstance(value, date) else value


def _worded(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
