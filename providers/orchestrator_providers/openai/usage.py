"""From the vendors' token counts to ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.types.usage import Usage
from orchestrator_providers.openai.profile import Quirks
from orchestrator_providers.shared.reading import counted, integer, integers, mapping

__all__ = ["inclusive_output", "raw_usage", "read_usage"]

_CACHED = ("prompt_cache_hit_tokens", "num_cached_tokens", "cache_read_input_tokens")
_SEARCHES = "-search-"
"""In the names of OpenAI's models that search the web before every answer, for a fee, and count no searches."""
_STANDARD_TIERS = frozenset({"default", "auto", "standard", "on_demand"})


def read_usage(body: Mapping[str, Any], quirks: Quirks) -> Usage | None:
    """Usage of a reply or of a stream's chunk, wherever the vendor puts it; None where it says nothing."""
    raw = raw_usage(body)
    if raw is None:
        return None
    model = body.get("model") if quirks.openai_models else None
    return _usage(raw, quirks, searches=int(type(model) is str and _SEARCHES in model))


def raw_usage(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The vendor's own counts, with the service tier that decides what they cost; None where there are none."""
    raw = body.get("usage") or mapping(body.get("x_groq")).get("usage")
    if not isinstance(raw, dict):
        return None
    tier = body.get("service_tier")
    if isinstance(tier, str) and tier not in _STANDARD_TIERS:
        return {**raw, "service_tier": tier}  # stands outside the counts
    return raw


def _usage(raw: Mapping[str, Any], quirks: Quirks, *, searches: int) -> Usage:
    prompt = mapping(raw.get("prompt_tokens_details"))
    completion = mapping(raw.get("completion_tokens_details"))
    given, output, total = integers(raw, "prompt_tokens", "completion_tokens", "total_tokens")
    cache_write, sound_in, images_in = integers(prompt, "cache_write_tokens", "audio_tokens", "image_tokens")
    reasoning = _first(completion, raw, "reasoning_tokens")
    video, images = prompt.get("video_tokens"), completion.get("image_tokens")
    few = video or images or searches
    # Perplexity counts reasoning beside the sums, and its total may leave it out.
    silent = quirks.output_excludes_reasoning and "reasoning_tokens" in raw
    return Usage(
        # Embedding vendors that count nothing else send the total alone.
        input_tokens=total if given is None and output is None else given,
        output_tokens=inclusive_output(
            given, output, reasoning, None if silent else total, excludes_reasoning=quirks.output_excludes_reasoning
        ),
        cache_read_tokens=_first(prompt, raw, "cached_tokens", *_CACHED),
        cache_write_tokens=cache_write,
        reasoning_tokens=reasoning,
        input_audio_tokens=sound_in,
        input_image_tokens=images_in,
        output_audio_tokens=integer(completion.get("audio_tokens")),
        extras=counted(input_video=video, output_image=images, web_search=searches) if few else None,
        raw=raw,
    )


def inclusive_output(
    given: int | None,
    output: int | None,
    reasoning: int | None,
    total: int | None,
    *,
    excludes_reasoning: bool = False,
) -> int | None:
    """Output tokens with reasoning inside. A total tells whether the vendor counts reasoning on top of them; without
    one, `excludes_reasoning` does.
    """
    if output is None or not reasoning:
        return output
    if given is None or total is None:
        return output + reasoning if excludes_reasoning else output
    return output + reasoning if total == given + output + reasoning else output


def _first(details: Mapping[str, Any], raw: Mapping[str, Any], *names: str) -> int | None:
    """The first of these counts: in the details where the vendor has them, else under its own name beside the sums."""
    number = integer(details.get(names[0])) if details else None
    for name in names:
        if number is not None:
            break
        number = integer(raw.get(name))
    return number
