"""Token counts of Google's APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.types.usage import Usage
from orchestrator_providers.shared.reading import integer, mapping

__all__ = ["read_embed_usage", "read_usage"]


def read_usage(raw: Any) -> Usage | None:
    """Usage in our convention, None if `raw` is no object.

    The vendor counts what its own tools read and what the model thought beside prompt and candidates; ours contain
    them. It leaves zeros out: a missing count of candidates is what the total leaves for it.
    """
    if not isinstance(raw, Mapping):
        return None
    prompt = integer(raw.get("promptTokenCount"))
    input_tokens = None if prompt is None else prompt + (integer(raw.get("toolUsePromptTokenCount")) or 0)
    thoughts = integer(raw.get("thoughtsTokenCount"))
    return Usage(
        input_tokens=input_tokens,
        output_tokens=_output_tokens(raw, input_tokens, thoughts),
        cache_read_tokens=integer(raw.get("cachedContentTokenCount")),
        reasoning_tokens=thoughts,
        input_audio_tokens=_of(raw, "AUDIO", "promptTokensDetails", "toolUsePromptTokensDetails"),
        input_image_tokens=_of(raw, "IMAGE", "promptTokensDetails", "toolUsePromptTokensDetails"),
        output_audio_tokens=_of(raw, "AUDIO", "candidatesTokensDetails"),
        raw=raw,
    )


def _output_tokens(raw: Mapping[str, Any], input_tokens: int | None, thoughts: int | None) -> int | None:
    answer = integer(raw.get("candidatesTokenCount"))
    if answer is not None:
        return answer + (thoughts or 0)
    total = integer(raw.get("totalTokenCount"))
    if total is None or input_tokens is None:
        return thoughts
    return max(total - input_tokens, thoughts or 0)


def _of(raw: Mapping[str, Any], modality: str, *fields: str) -> int | None:
    """Tokens of one modality; None where the vendor names none of it."""
    counts = [
        integer(detail.get("tokenCount")) or 0
        for field in fields
        for detail in _list(raw.get(field))
        if mapping(detail).get("modality") == modality
    ]
    return sum(counts) if counts else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def read_embed_usage(body: Mapping[str, Any]) -> Usage | None:
    """Usage of an embedding reply: one count for all, or Vertex's count per text, if the model's API tells any."""
    whole = body.get("usageMetadata")
    if isinstance(whole, Mapping):
        return Usage(input_tokens=integer(whole.get("promptTokenCount")), raw=whole)
    statistics = [mapping(mapping(one).get("embeddings")).get("statistics") for one in _list(body.get("predictions"))]
    counts = [integer(mapping(one).get("token_count")) for one in statistics]
    known = [count for count in counts if count is not None]
    metadata = mapping(body.get("metadata"))
    if not known and not metadata:
        return None
    whole_count = sum(known) if known and len(known) == len(counts) else None
    return Usage(input_tokens=whole_count, raw={"statistics": statistics, **metadata})
