"""Token counts of the Messages API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.types.usage import Usage
from orchestrator_providers.shared.reading import integer, mapping

__all__ = ["read_usage"]


def read_usage(raw: Any) -> Usage | None:
    """Usage in our convention, None if `raw` is no object.

    The vendor's `input_tokens` leave out what the cache held or took; ours contain both.
    """
    if not isinstance(raw, Mapping):
        return None
    fresh = integer(raw.get("input_tokens"))
    cache_read = integer(raw.get("cache_read_input_tokens"))
    cache_write = integer(raw.get("cache_creation_input_tokens"))
    return Usage(
        input_tokens=None if fresh is None else fresh + (cache_read or 0) + (cache_write or 0),
        output_tokens=integer(raw.get("output_tokens")),
        cache_read_tokens=cache_read,
        cache_write_tokens=cache_write,
        cache_write_1h_tokens=integer(mapping(raw.get("cache_creation")).get("ephemeral_1h_input_tokens")),
        reasoning_tokens=integer(mapping(raw.get("output_tokens_details")).get("thinking_tokens")),
        raw=raw,
    )
