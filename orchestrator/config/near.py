"""What a name that is not defined may have meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.config.tree import nearest, shown

__all__ = ["no_deployment", "no_provider"]


def no_deployment(name: str, deployments: Mapping[str, Any], providers: Mapping[str, Any]) -> str:
    """That there is no such deployment.

    Args:
        name: what a route picks.
        deployments: what the file says of each.
        providers: likewise.
    """
    parts = [part.strip() for part in name.split(",")]
    if len(parts) > 1:
        return f"no deployment {shown(name)}; a list is written [{', '.join(parts)}]"
    vendor, colon, model = name.partition(":")
    if colon and vendor and model and name not in deployments:
        return f"no deployment {shown(name)}; the one-line form is {vendor}/{model}"
    if name in providers:
        its = [one for one, raw in deployments.items() if _said(raw, "provider") == name]
        told = f"its deployments: {', '.join(sorted(its))}" if its else f"or {name}/MODEL for one of its models"
        return f"{shown(name)} is a provider, and a route picks deployments; {told}"
    same = next((one for one, raw in deployments.items() if _said(raw, "model") == name), None)
    if same is not None:
        return f"no deployment {shown(name)}; did you mean {same!r}, which is that model?"
    return f"no deployment {shown(name)}{nearest(name, deployments, what='deployments')}"


def no_provider(name: str, providers: Mapping[str, Any]) -> str:
    """That there is no such provider; `providers` is what the file says of each."""
    same = next((one for one, raw in providers.items() if _said(raw, "kind") == name), None)
    near = nearest(name, providers, what="providers")
    return f"no provider {shown(name)}{f'; did you mean {same!r}, which is of that kind?' if same else near}"


def _said(raw: Any, key: str) -> Any:
    return raw.get(key) if isinstance(raw, dict) else None
