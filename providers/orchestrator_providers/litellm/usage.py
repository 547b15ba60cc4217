"""litellm's counts, which are inclusive like ours; who counted is lost on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.types.usage import Usage, UsageSource
from orchestrator_providers.shared.reading import integer, mapping

__all__ = ["read_usage", "rerank_usage"]


def read_usage(usage: Any, source: UsageSource, *, output: bool = True) -> Usage | None:
    """The counts of a reply, None if there are none: litellm then says zero."""
    raw = _plain(usage)
    found = {name: integer(raw.get(key)) for name, key in (("input", "prompt_tokens"), ("output", "completion_tokens"))}
    if not any(found.values()):
        return None
    inside, made = _plain(raw.get("prompt_tokens_details")), _plain(raw.get("completion_tokens_details"))
    written = integer(inside.get("cache_creation_tokens"))
    raw.pop("cost", None)  # its price is not ours
    return Usage(
        input_tokens=found["input"],
        output_tokens=found["output"] if output else None,
        cache_read_tokens=integer(inside.get("cached_tokens")),
        cache_write_tokens=integer(raw.get("cache_creation_input_tokens")) if written is None else written,
        cache_write_1h_tokens=integer(
            _plain(inside.get("cache_creation_token_details")).get("ephemeral_1h_input_tokens")
        ),
        reasoning_tokens=integer(made.get("reasoning_tokens")),
        input_audio_tokens=integer(inside.get("audio_tokens")),
        input_image_tokens=integer(inside.get("image_tokens")),
        output_audio_tokens=integer(made.get("audio_tokens")),
        source=source,
        raw=raw,
    )


def rerank_usage(meta: Mapping[str, Any]) -> Usage | None:
    """The units or tokens of a rerank, None if there are none."""
    billed, tokens = mapping(meta.get("billed_units")), mapping(meta.get("tokens"))
    units = billed.get("search_units")
    found = tokens.get("input_tokens") or billed.get("input_tokens") or billed.get("total_tokens")
    if not units and not found:
        return None
    return Usage(
        input_tokens=integer(found),
        search_units=float(units) if units else None,
        raw=dict(meta),
    )


def _plain(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return dict(value)
    return {} if value is None else dict(value.model_dump(exclude_none=True))
