"""Addresses and bodies of requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from orchestrator.errors import InvalidRequest

__all__ = ["endpoint", "write_json"]


def endpoint(base_url: str, default_path: str, path: str) -> str:
    """The address of a task. A query in the base URL, such as `api-version`, stays at the end."""
    base, mark, query = base_url.partition("?")
    base = base.rstrip("/")
    if default_path and not urlsplit(base).path:
        base += default_path
    return f"{base}{path}{mark}{query}"


def write_json(body: Mapping[str, Any]) -> bytes:
    """The body's bytes.

    Raises:
        InvalidRequest: something in it is not JSON, such as an object in `provider_options` or a lone surrogate.
    """
    try:
        return orjson.dumps(body, default=_plain)
    except orjson.JSONEncodeError as error:
        raise InvalidRequest(f"the request cannot be written as JSON: {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError
