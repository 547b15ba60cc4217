"""What the readers share: how a price is written down, and how a compiled book is."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Any, TypeAlias

__all__ = ["Price", "Prices", "Row", "as_meant", "compact", "drop_redundant", "plain", "versioned"]

Price: TypeAlias = "str | list[Any]"
"""`"0.15"`, or `["1.25", 200000, "2.5"]` with the price above that many input tokens."""

Prices: TypeAlias = dict[str, Price]
Row: TypeAlias = dict[str, Any]

_AS_MEANT = Context(prec=12)


def plain(amount: Decimal) -> str:
    """The digits without exponent or trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def as_meant(amount: Decimal) -> str:
    """The digits of a price that went through floats before it was published: 0.40000000000000003 was meant as 0.4."""
    return plain(_AS_MEANT.plus(amount))


def drop_redundant(prices: Mapping[str, Price]) -> Prices:
    """Reasoning that costs what output costs is not priced apart."""
    return {bucket: price for bucket, price in prices.items() if bucket != "reasoning" or price != prices.get("output")}


def compact(value: Any) -> bytes:
    """JSON without a needless byte."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def versioned(date: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body under its head: `version` (date and digest) and `digest` (of all that follows)."""
    digest = hashlib.sha256(compact(body)).hexdigest()
    return {"version": f"{date}-{digest[:8]}", "digest": f"sha256:{digest}", **body}
