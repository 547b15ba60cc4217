"""Addresses and bodies of requests."""

from __future__ import annotations

from urllib.parse import urlsplit

from orchestrator_providers.shared.writing import write_json

__all__ = ["endpoint", "write_json"]


def endpoint(base_url: str, default_path: str, path: str) -> str:
    """The address of a task. A query in the base URL, such as `api-version`, stays at the end."""
    base, mark, query = base_url.partition("?")
    base = base.rstrip("/")
    if default_path and not urlsplit(base).path:
        base += default_path
    return f"{base}{path}{mark}{query}"
