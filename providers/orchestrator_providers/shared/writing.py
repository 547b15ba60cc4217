"""Writes request bodies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from orchestrator.errors import InvalidRequest

__all__ = ["write_json"]


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
