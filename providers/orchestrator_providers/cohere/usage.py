"""Counts of Cohere's replies: `usage` in v2 chats, `meta` elsewhere and in v1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.types.usage import Usage
from orchestrator_providers.shared.reading import integer, mapping

__all__ = ["read_chat_usage", "read_embed_usage", "read_rerank_usage"]


def read_chat_usage(raw: Any) -> Usage | None:
    """Tokens that the model processed; what the vendor bills for (`billed_units`) is another count, kept in `raw`.

    Cached tokens are part of the vendor's input, image tokens come on top of it: ours contains both.
    """
    if not isinstance(raw, Mapping):
        return None
    tokens = mapping(raw.get("tokens"))
    text, images = integer(tokens.get("input_tokens")), integer(tokens.get("image_tokens"))
    return Usage(
        input_tokens=None if text is None else text + (images or 0),
        output_tokens=integer(tokens.get("output_tokens")),
        cache_read_tokens=integer(raw.get("cached_tokens")),
        reasoning_tokens=integer(tokens.get("reasoning_tokens")),
        input_image_tokens=images,
        raw=raw,
    )


def read_embed_usage(meta: Any) -> Usage | None:
    """Input tokens, as billed: the only count there is."""
    if not isinstance(meta, Mapping):
        return None
    return Usage(input_tokens=integer(mapping(meta.get("billed_units")).get("input_tokens")), raw=meta)


def read_rerank_usage(meta: Any) -> Usage | None:
    """Search units; there are no tokens."""
    if not isinstance(meta, Mapping):
        return None
    units = mapping(meta.get("billed_units")).get("search_units")
    return Usage(search_units=float(units) if isinstance(units, int | float) else None, raw=meta)
