"""Token counts of Google's APIs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from orchestrator.types.usage import Usage
from orchestrator_providers.google.profile import BY_QUERY, version
from orchestrator_providers.shared.reading import counted, integer, mapping

__all__ = ["read_embed_usage", "read_usage", "with_searches"]

_PICTURES = frozenset({"IMAGE", "DOCUMENT"})
"""Pages of a document are counted, and billed, as pictures."""


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
    given = _by_modality(raw, "promptTokensDetails", "toolUsePromptTokensDetails")
    cached = _by_modality(raw, "cacheTokensDetails")
    made = _by_modality(raw, "candidatesTokensDetails")
    return Usage(
        input_tokens=input_tokens,
        output_tokens=_output_tokens(raw, input_tokens, thoughts),
        cache_read_tokens=integer(raw.get("cachedContentTokenCount")),
        reasoning_tokens=thoughts,
        input_audio_tokens=given.get("AUDIO"),
        input_image_tokens=given.get("IMAGE"),
        output_audio_tokens=made.get("AUDIO"),
        extras=counted(
            cache_read_audio=cached.get("AUDIO"),
            cache_read_image=cached.get("IMAGE"),
            input_video=given.get("VIDEO"),
            output_image=made.get("IMAGE"),
            output_video=made.get("VIDEO"),
        ),
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


def _by_modality(raw: Mapping[str, Any], *fields: str) -> dict[str, int]:
    """Tokens by modality, of those that the vendor names."""
    found: dict[str, int] = {}
    for field in fields:
        for detail in _list(raw.get(field)):
            name = mapping(detail).get("modality")
            if isinstance(name, str):
                kind = "IMAGE" if name in _PICTURES else name
                found[kind] = found.get(kind, 0) + (integer(detail.get("tokenCount")) or 0)
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def with_searches(usage: Usage | None, grounding: Any, model: str | None) -> Usage | None:
    """The usage with the searches that an answer's grounding metadata names.

    Up to Gemini 2.5 a prompt is billed once if its answer rests on what was found. From Gemini 3 on each query is,
    those asked twice once, and empty ones never. Source: Google's guide to grounding with its search, October 2026.
    """
    if usage is None or not isinstance(grounding, Mapping):
        return usage
    places = [mapping(chunk) for chunk in _list(grounding.get("groundingChunks"))]
    searches = int(any("web" in place for place in places))
    if version(model or "") >= BY_QUERY:
        searches = len(set(_queries(grounding))) or searches
    found = counted(web_search=searches, map_search=int(any("maps" in place for place in places)))
    return replace(usage, extras={**(usage.extras or {}), **found}) if found else usage


def _queries(grounding: Mapping[str, Any]) -> Iterator[str]:
    for query in _list(grounding.get("webSearchQueries")):
        if isinstance(query, str) and query.strip():
            yield query


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
