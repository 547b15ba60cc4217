"""Usage times rates, bucket by bucket, exact."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal
from functools import reduce
from typing import Any

from orchestrator.pricing.rates import CONTEXT_SIZES, Rates, Unpriced
from orchestrator.pricing.terms import FEES, PARTS, billed, fees
from orchestrator.types.usage import Usage

__all__ = ["EXACT", "charge", "total"]

EXACT = Context(prec=60)
"""Wide enough that no product or sum of money is ever rounded, whatever the application set for its own thread."""

_multiply = EXACT.multiply
_add = EXACT.add
_ZERO = Decimal(0)
_ABSURD = 1e18
_HOUR_S = 3600
_FEES = frozenset(FEES)
_NO_EXTRAS: Mapping[str, int] = {}


def charge(rates: Rates, usage: Usage, requests: int, terms: Mapping[str, Any] | None) -> dict[str, Decimal]:
    """Dollars per bucket that was used. `terms` is the raw usage if it may hold charges beyond the counts.

    Raises:
        Unpriced: a count that is needed is unknown or contradicts another, or a used bucket has no price.
    """
    buckets: dict[str, Decimal] = {}
    raw = usage.raw
    if terms is not None:
        usage = billed(usage, terms)
    _charge_input(buckets, rates, usage)
    _charge_output(buckets, rates, usage)
    if "search_unit" in rates or (usage.search_units and usage.source == "vendor"):  # estimates have all that may count
        _charge_search_units(buckets, rates, usage)
    if "request" in rates:
        _bill(buckets, rates, "request", requests)
    elif "request_high" in rates:
        _bill(buckets, rates, _sized_request(raw or {}), requests)
    if usage.extras or (terms is not None and not _FEES.isdisjoint(terms)):
        _charge_fees(buckets, rates, {**dict(fees(terms or {})), **(usage.extras or {})}, requests)
    return buckets


def total(buckets: dict[str, Decimal]) -> Decimal:
    """The sum, exact."""
    return reduce(_add, buckets.values()) if buckets else _ZERO


def _bill(buckets: dict[str, Decimal], rates: Rates, bucket: str, count: float) -> None:
    rate = rates.get(bucket)
    if rate is None:
        raise Unpriced(f"no price for {bucket}")
    if type(count) is bool or not 0 <= count < _ABSURD:
        raise Unpriced(f"the vendor's count for {bucket} is not a count")
    buckets[bucket] = _multiply(rate, count if type(count) is int else Decimal(repr(count)))


def _charge_input(buckets: dict[str, Decimal], rates: Rates, usage: Usage) -> None:
    tokens = usage.input_tokens
    if tokens is None:
        if rates.get("input") == 0:
            return
        raise Unpriced("input_tokens is unknown")
    if usage.cache_read_tokens or usage.cache_write_tokens or usage.cache_write_1h_tokens:
        tokens -= _charge_cached(buckets, rates, usage)
    if usage.input_audio_tokens or usage.input_image_tokens or usage.extras:
        tokens -= _charge_media(buckets, rates, usage)
    if tokens:
        if tokens < 0:
            raise Unpriced("parts of input_tokens exceed it")
        _bill(buckets, rates, "input", tokens)


def _charge_cached(buckets: dict[str, Decimal], rates: Rates, usage: Usage) -> int:
    read = usage.cache_read_tokens or 0
    long_write = usage.cache_write_1h_tokens or 0
    write = usage.cache_write_tokens if usage.cache_write_tokens is not None else long_write
    if write < long_write:
        raise Unpriced("cache_write_1h_tokens exceeds cache_write_tokens")
    media = _charge_cached_media(buckets, rates, usage.extras) if usage.extras else 0
    counts = (("cache_read", read - media), ("cache_write", write - long_write), ("cache_write_1h", long_write))
    for bucket, count in counts:
        if count:
            _bill(buckets, rates, bucket, count)
    return read + write


def _charge_cached_media(buckets: dict[str, Decimal], rates: Rates, extras: Mapping[str, int]) -> int:
    """Cached sound and images at prices of their own; at that of cached text if fresh ones cost what text does."""
    billed_apart = 0
    for kind in ("audio", "image"):
        count = extras.get(f"cache_read_{kind}")
        plain = rates.get("input")
        fresh = rates.get(f"input_{kind}", None if kind == "audio" else plain)
        if count and (f"cache_read_{kind}" in rates or fresh != plain):
            _bill(buckets, rates, f"cache_read_{kind}", count)
            billed_apart += count
    return billed_apart


def _charge_media(buckets: dict[str, Decimal], rates: Rates, usage: Usage) -> int:
    """Sound always has a price of its own; images and video are plain input unless the row prices them apart."""
    extras = usage.extras or _NO_EXTRAS
    counts = {"audio": usage.input_audio_tokens, "image": usage.input_image_tokens, "video": extras.get("input_video")}
    charged = 0
    for kind, count in counts.items():
        if not count or (kind != "audio" and f"input_{kind}" not in rates):
            continue
        cached = extras.get(f"cache_read_{kind}")
        if cached is None and usage.cache_read_tokens and rates.get("cache_read") != 0:
            raise Unpriced("cached audio or image tokens are not told apart")
        fresh = count - (cached or 0)
        if fresh:
            _bill(buckets, rates, f"input_{kind}", fresh)
        charged += fresh
    return charged


def _charge_output(buckets: dict[str, Decimal], rates: Rates, usage: Usage) -> None:
    tokens = usage.output_tokens
    if tokens is None:
        if rates.get("output", _ZERO) == 0:  # embeddings and reranking have no output price
            return
        raise Unpriced("output_tokens is unknown")
    if usage.output_audio_tokens:
        tokens -= usage.output_audio_tokens
        _bill(buckets, rates, "output_audio", usage.output_audio_tokens)
    if usage.extras or (tokens and ("output_image" in rates or "output_video" in rates)):
        tokens -= _charge_pictures(buckets, rates, usage)
    if "reasoning" in rates and tokens:
        tokens -= _charge_reasoning(buckets, rates, usage)
    if tokens:
        if tokens < 0:
            raise Unpriced("parts of output_tokens exceed it")
        _bill(buckets, rates, "output", tokens)


def _charge_pictures(buckets: dict[str, Decimal], rates: Rates, usage: Usage) -> int:
    """Images and video in the answer, which nobody bills as text. A usage that no vendor sent has none unless told."""
    extras = usage.extras or _NO_EXTRAS
    charged = 0
    for bucket in ("output_image", "output_video"):
        count = extras.get(bucket)
        unknown = count is None and usage.raw is not None and usage.output_tokens
        if unknown and bucket in rates and rates[bucket] != rates.get("output"):
            raise Unpriced(f"{bucket} tokens are not told apart, and priced apart")
        if count:
            _bill(buckets, rates, bucket, count)
            charged += count
    return charged


def _charge_reasoning(buckets: dict[str, Decimal], rates: Rates, usage: Usage) -> int:
    tokens = usage.reasoning_tokens
    if tokens is None:
        if rates["reasoning"] == rates.get("output"):
            return 0
        raise Unpriced("reasoning_tokens is unknown, and priced apart")
    if tokens:
        _bill(buckets, rates, "reasoning", tokens)
    return tokens


def _charge_search_units(buckets: dict[str, Decimal], rates: Rates, usage: Usage) -> None:
    if usage.search_units is None:
        if rates["search_unit"] == 0:
            return
        raise Unpriced("search_units is unknown")
    _bill(buckets, rates, "search_unit", usage.search_units)


def _charge_fees(buckets: dict[str, Decimal], rates: Rates, counts: Mapping[str, float], requests: int) -> None:
    """What the vendor bills besides tokens: searches, and sound by its length."""
    for bucket, count in counts.items():
        if not count or bucket in PARTS:
            continue
        if bucket in rates or f"{bucket}_request" not in rates:
            if bucket != "web_search" or "request_high" not in rates:  # that fee has its searches in it
                _bill(buckets, rates, bucket, count)
        else:
            _bill(buckets, rates, f"{bucket}_request", requests)
    if "audio_hour" in buckets:  # its count is in seconds
        buckets["audio_hour"] = EXACT.divide(buckets["audio_hour"], _HOUR_S)


def _sized_request(raw: Mapping[str, Any]) -> str:
    size = raw.get("search_context_size")
    if size not in CONTEXT_SIZES:
        raise Unpriced("search_context_size is unknown, and the fee per request depends on it")
    return f"request_{size}"
