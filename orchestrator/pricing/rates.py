"""Price sets: what one token or unit of each bucket costs, for one period of one row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

__all__ = ["CONTEXT_SIZES", "TOKEN_BUCKETS", "UNIT_BUCKETS", "PriceSet", "Rates", "Unpriced"]

TOKEN_BUCKETS = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "input_audio",
    "input_image",
    "input_video",
    "cache_read_audio",
    "cache_read_image",
    "output",
    "reasoning",
    "output_audio",
    "output_image",
    "output_video",
    "citation",
)
"""Priced in USD per million tokens."""

CONTEXT_SIZES = ("low", "medium", "high")
"""Perplexity's fee per request depends on how much of the web was read: buckets `request_low` and so on."""

UNIT_BUCKETS = (
    "search_unit",
    "request",
    *(f"request_{size}" for size in CONTEXT_SIZES),
    "web_search",
    "web_search_request",
    "map_search",
    "map_search_request",
    "file_search",
    "audio_hour",
)
"""Priced in USD each. A `_request` is one that searched, however often."""

Rates: TypeAlias = Mapping[str, Decimal]
"""USD per token or unit, by bucket. A bucket that is absent has no known price."""

_ZERO = Decimal(0)


class Unpriced(Exception):
    """The cost cannot be known; the message is the reason, fit for a log."""


@dataclass(frozen=True, slots=True)
class PriceSet:
    """Rates by prompt size: `steps` holds (tokens, rates), largest first; the first step whose tokens are exceeded
    prices the whole request, `base` if none is. All vendors in both sources bill whole requests this way.
    """

    base: Rates
    steps: tuple[tuple[int, Rates], ...] = ()

    @classmethod
    def parse(cls, prices: Mapping[str, Any]) -> PriceSet:
        """Read `{"input": "1.25", "output": ["10", 200000, "15"], ...}`: a price, or a price followed by pairs of a
        threshold and the price above it (None where the price above is not known).
        """
        starts = sorted({start for price in prices.values() if isinstance(price, list) for start in price[1::2]})
        steps = tuple((start, _flatten(prices, start)) for start in reversed(starts))
        return cls(_flatten(prices, -1), steps)

    def rates(self, input_tokens: int | None) -> Rates:
        """Rates for a prompt of that many tokens.

        Raises:
            Unpriced: the rates depend on the prompt's size, and that is not known.
        """
        if not self.steps:
            return self.base
        if input_tokens is None:
            raise Unpriced("input_tokens is unknown, and prices depend on it")
        return next((rates for start, rates in self.steps if input_tokens > start), self.base)


def _flatten(prices: Mapping[str, Any], start: int) -> Rates:
    rates: dict[str, Decimal] = {}
    for bucket, price in prices.items():
        text = _price_above(price, start) if isinstance(price, list) else price
        if text is not None:
            amount = Decimal(text)
            rates[bucket] = amount.scaleb(-6) if bucket in TOKEN_BUCKETS else amount
    _fill_free(rates)
    return rates


def _price_above(price: list[Any], start: int) -> str | None:
    found: str | None = price[0]
    for threshold, above in zip(price[1::2], price[2::2], strict=True):
        if threshold <= start:
            found = above
    return found


def _fill_free(rates: dict[str, Decimal]) -> None:
    """Write down the zeros that a row implies, so that later an absent bucket always means "no known price".

    A model that is free both ways is free from cache, too. One sold by search unit or by request bills no tokens unless
    it says so, and one sold by request alone bills no search units.
    """
    by_token = not rates.keys().isdisjoint(TOKEN_BUCKETS)
    if not by_token and rates.keys() == {"request"}:
        rates["search_unit"] = _ZERO
    if not by_token or (rates.get("input") == 0 and rates.get("output") == 0):
        for bucket in TOKEN_BUCKETS:
            rates.setdefault(bucket, _ZERO)
