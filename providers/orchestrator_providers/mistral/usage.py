"""From Mistral's token counts to ours. Thinking is part of the output and not counted by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.types.usage import Usage
from orchestrator_providers.shared.reading import integer, mapping

__all__ = ["read_usage"]


def read_usage(body: Mapping[str, Any]) -> Usage | None:
    """Usage of a reply or of a stream's chunk; None where it says nothing.

    Sound is counted in seconds (`prompt_audio_seconds`), which are in `raw`.
    """
    raw = body.get("usage")
    if not isinstance(raw, dict):
        return None
    details = mapping(raw.get("prompt_tokens_details") or raw.get("prompt_token_details"))
    cached = integer(details.get("cached_tokens"))
    return Usage(
        input_tokens=integer(raw.get("prompt_tokens")),
        output_tokens=integer(raw.get("completion_tokens")),
        cache_read_tokens=integer(raw.get("num_cached_tokens")) if cached is None else cached,
        input_audio_tokens=integer(details.get("audio_tokens")),
        raw=raw,
    )
