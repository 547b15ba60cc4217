"""Token counts of the Responses API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.types.usage import Usage
from orchestrator_providers.openai.usage import inclusive_output, raw_usage
from orchestrator_providers.shared.reading import integer, mapping

__all__ = ["read_usage"]


def read_usage(body: Mapping[str, Any]) -> Usage | None:
    """Usage of a response, None where it says nothing. Its counts contain their parts, as ours do."""
    raw = raw_usage(body)
    if raw is None:
        return None
    given = mapping(raw.get("input_tokens_details"))
    made = mapping(raw.get("output_tokens_details"))
    input_tokens, output_tokens = integer(raw.get("input_tokens")), integer(raw.get("output_tokens"))
    reasoning = integer(made.get("reasoning_tokens"))
    return Usage(
        input_tokens=input_tokens,
        output_tokens=inclusive_output(input_tokens, output_tokens, reasoning, integer(raw.get("total_tokens"))),
        cache_read_tokens=integer(given.get("cached_tokens")),
        cache_write_tokens=integer(given.get("cache_write_tokens")),
        reasoning_tokens=reasoning,
        input_audio_tokens=integer(given.get("audio_tokens")),
        input_image_tokens=integer(given.get("image_tokens")),
        output_audio_tokens=integer(made.get("audio_tokens")),
        raw=raw,
    )
