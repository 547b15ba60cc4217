"""litellm's counts, which are inclusive like ours, and who counted: the vendor, or litellm with a tokenizer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.types.usage import Usage, UsageSource
from orchestrator_providers.shared.reading import integer, mapping

__all__ = ["SELF_COUNTED", "counted_by_vendor", "read_usage", "rerank_usage"]

SELF_COUNTED = frozenset(
    {
        "a2a", "aleph_alpha", "huggingface", "langflow", "langgraph", "ollama", "ollama_chat", "petals", "predibase",
        "replicate", "sagemaker", "triton",
    }
)  # fmt: skip
"""Vendors for which litellm counts by itself where they say nothing, and does not tell which it was."""


def counted_by_vendor(chunks: Iterable[Any]) -> bool:
    """Whether the vendor's own chunks hold a count of both sides; what is missing litellm adds from a tokenizer.

    `chunks` is what litellm's stream has received: the counts it makes up are in no chunk.
    """
    found = [_plain(getattr(chunk, "usage", None)) for chunk in chunks]
    return all(any(integer(one.get(name)) for one in found) for name in ("prompt_tokens", "completion_tokens"))


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


def rerank_usage(meta: Mapping[str, Any], source: UsageSource) -> Usage | None:
    """The units or tokens of a rerank, None if there are none."""
    billed, tokens = mapping(meta.get("billed_units")), mapping(meta.get("tokens"))
    units = billed.get("search_units")
    found = tokens.get("input_tokens") or billed.get("input_tokens") or billed.get("total_tokens")
    if not units and not found:
        return None
    return Usage(
        input_tokens=integer(found),
        search_units=float(units) if units else None,
        source=source,
        raw=dict(meta),
    )


def _plain(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return dict(value)
    return {} if value is None else dict(value.model_dump(exclude_none=True))
