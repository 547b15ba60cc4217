"""Prices written in the file."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.pricing.rows import PriceRow

__all__ = ["PRICE_KEYS", "config_row"]

PRICE_KEYS: Mapping[str, str] = {
    "input": "input tokens that came from no cache, USD per million",
    "output": "output tokens, USD per million",
    "cache_read": "input tokens read from a cache, USD per million",
    "cache_write": "input tokens written to a cache, USD per million",
    "cache_write_1h": "input tokens written to a cache for an hour, USD per million",
    "reasoning": "reasoning tokens, where they cost something else than output, USD per million",
    "input_audio": "input tokens that are sound, USD per million",
    "input_image": "input tokens that are images, where they cost something else than text, USD per million",
    "cache_read_audio": "cached input tokens that are sound, USD per million",
    "output_audio": "output tokens that are sound, USD per million",
    "output_image": "output tokens that are images, USD per million",
    "output_video": "output tokens that are video, USD per million",
    "search_unit": "rerank search unit, USD each",
    "request": "request, USD each",
    "web_search": "search of the web that the vendor runs, USD each",
    "map_search": "query of maps that the vendor runs, USD each",
    "file_search": "search of stored files that the vendor runs, USD each",
}
"""Keys of a `price:` mapping and what they price."""


def config_row(price: Mapping[str, Any], *, key: str = "price") -> PriceRow:
    """A row from the file's `price:` mapping: numbers or their text, USD per million tokens, or USD each for units.

    A bucket that is left out has no price: usage in it makes the cost unknown. `{input: 0, output: 0}` is free.

    Raises:
        ConfigError: `key` says which entry is unknown, negative or no number.
    """
    if not price:
        raise ConfigError(f"no price given; known keys: {', '.join(PRICE_KEYS)}", key=key)
    return PriceRow(
        "config", {bucket: _amount(bucket, price[bucket], key) for bucket in price}, book=None, source="config"
    )


def _amount(bucket: str, value: Any, key: str) -> str:
    if bucket not in PRICE_KEYS:
        near = get_close_matches(str(bucket), PRICE_KEYS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(PRICE_KEYS)}"
        raise ConfigError(f"unknown price {str(bucket)[:40]!r}{hint}", key=f"{key}.{str(bucket)[:40]}")
    amount = _decimal(value)
    if amount is None or not amount.is_finite() or amount < 0:
        raise ConfigError("a price must be a number of dollars, 0 or more", key=f"{key}.{bucket}")
    return str(abs(amount))


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    try:
        return Decimal(repr(value) if isinstance(value, float) else value)  # repr: 0.15 is meant as it was written
    except InvalidOperation:
        return None
