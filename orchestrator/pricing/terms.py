"""What a vendor's raw usage says about the price beyond the counts: service tier, region, tools run by the vendor.

A figure computed without these would look right and be wrong, so whatever a row does not price is a reason to have no
figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orchestrator.pricing.rates import Unpriced
from orchestrator.types.usage import Usage

__all__ = ["FEES", "NOTABLE", "PARTS", "PLACE", "billed", "fees", "region", "variant"]

_STANDARD = frozenset({"", "auto", "default", "not_available", "on_demand", "standard", "traffic_type_unspecified"})
_WORLDWIDE = _STANDARD | {"global"}


def _tier(value: Any) -> str | None:
    name = str(value).lower()
    return None if name in _STANDARD else name.removeprefix("on_demand_")  # Vertex: ON_DEMAND_FLEX


def _speed(value: Any) -> str | None:
    return None if str(value).lower() in _STANDARD else f"speed-{str(value).lower()}"


def _own_key(value: Any) -> str | None:
    if not value:
        return None
    raise Unpriced("billed through the customer's own key at another vendor")


def _iterations(value: Any) -> str | None:
    """Anthropic lists its own turns (`message`) and those of other models, billed at other prices."""
    if isinstance(value, list) and any(isinstance(item, dict) and item.get("type") != "message" for item in value):
        raise Unpriced("the vendor ran further models for this answer")
    return None


_TERMS: Mapping[str, Callable[[Any], str | None]] = {
    "service_tier": _tier,
    "serviceTier": _tier,
    "traffic_type": _tier,
    "trafficType": _tier,
    "speed": _speed,
    "is_byok": _own_key,
    "iterations": _iterations,
}

PLACE = "inference_geo"

FEES: Mapping[str, tuple[str | None, str]] = {
    "server_tool_use": ("web_search_requests", "web_search"),
    "server_tool_use_details": ("web_search_requests", "web_search"),
    "num_search_queries": (None, "web_search"),
    "citation_tokens": (None, "citation"),
    "num_sources_used": (None, "web_source"),
    "prompt_audio_seconds": (None, "audio_hour"),
}
"""Keys of a raw usage with counts of what is billed besides tokens: the key inside it, and the bucket."""

PARTS = frozenset({"cache_read_audio", "cache_read_image", "input_video", "output_image", "output_video"})
"""Those of `Usage.extras` that are tokens, and part of other counts; the rest is billed besides tokens."""

_BILLED = "billed_units"

NOTABLE = frozenset({_BILLED, PLACE, *_TERMS, *FEES})
"""Keys of a raw usage that this module reads; a usage without any needs no further look."""


def variant(raw: Mapping[str, Any]) -> str | None:
    """Name of the price variant the vendor served under (`flex`, `priority`, `batch`, `speed-fast`), None for standard.

    Raises:
        Unpriced: terms that no row prices, or two variants at once.
    """
    found: str | None = None
    for key in _TERMS.keys() & raw.keys():
        value = raw[key]
        name = _TERMS[key](value) if value is not None else None
        if name is not None and found not in {None, name}:
            raise Unpriced("no price for two service tiers at once")
        found = name or found
    return found


def region(told: Any) -> str | None:
    """Where the vendor says that it processed the request, None if anywhere or if it does not say."""
    name = str(told or "").lower()
    return None if name in _WORLDWIDE else name


def billed(usage: Usage, raw: Mapping[str, Any]) -> Usage:
    """The counts that are billed: Cohere's models process more tokens than it bills for, and it sends both counts."""
    units = raw.get(_BILLED)
    if not isinstance(units, dict) or not any(units.values()):
        return usage
    images = _whole(units.get("image_tokens")) or 0
    text = _whole(units.get("input_tokens"))
    return Usage(
        input_tokens=images or None if text is None else text + images,
        input_image_tokens=images,
        output_tokens=_whole(units.get("output_tokens")),
        search_units=units.get("search_units"),
        extras=usage.extras,
        source=usage.source,
    )


def _whole(count: Any) -> int | None:
    return int(count) if isinstance(count, int | float) else None


def fees(raw: Mapping[str, Any]) -> Iterator[tuple[str, int | float]]:
    """Buckets and counts of charges outside the token counts, where the vendor's usage has any; sound in seconds."""
    for key in FEES.keys() & raw.keys():
        inner, bucket = FEES[key]
        count = raw[key]
        if inner is not None:
            count = count.get(inner) if isinstance(count, dict) else None
        if isinstance(count, int | float) and count > 0:
            yield bucket, count
