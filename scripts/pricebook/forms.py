"""What both readers share: how a price is written down."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeAlias

__all__ = ["Price", "Prices", "Row", "drop_redundant", "plain"]

Price: TypeAlias = "str | list[Any]"
"""`"0.15"`, or `["1.25", 200000, "2.5"]` with the price above that many input tokens."""

Prices: TypeAlias = dict[str, Price]
Row: TypeAlias = dict[str, Any]


def plain(amount: Decimal) -> str:
    """The digits without exponent or trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def drop_redundant(prices: Mapping[str, Price]) -> Prices:
    """Reasoning that costs what output costs is not priced apart."""
    return {bucket: price for bucket, price in prices.items() if bucket != "reasoning" or price != prices.get("output")}
