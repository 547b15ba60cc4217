"""Where both sources know a model: what the second adds, and where it disagrees."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from orchestrator.pricing.sources.forms import Prices, Row

__all__ = ["adopt_weekdays", "complete", "differences"]

_NOT_PRICES = frozenset({"ids", "periods", "places", "rules", "source", "unpriced", "variants"})
_NOT_COMPARED = frozenset({"output_audio", "reasoning"}) | _NOT_PRICES
# Not added: whoever prices reasoning apart does so in every source; units decide how a row is billed at all.
_NOT_ADDED = frozenset({"reasoning", "request", "search_unit"}) | _NOT_PRICES
_SIZED = ("request_low", "request_medium", "request_high")


def differences(row: Row, other: Row | None, date: str) -> dict[str, list[Any]]:
    """Buckets that both price, differently, on that day and outside daily windows: [ours, theirs]."""
    if other is None:
        return {}
    prices, others = _in_force(row, date), _in_force(other, date)
    return {
        bucket: [price, others[bucket]]
        for bucket, price in prices.items()
        if bucket not in _NOT_COMPARED and bucket in others and price != others[bucket]
    }


def _in_force(row: Row, date: str) -> Prices:
    """Prices on that day outside daily windows. A row without a date has its windows beside its usual price."""
    found: Prices = row
    for when, prices in row.get("periods", ()):
        if when is None or (_is_date(when) and when <= date):
            found = prices
    return found


def _is_date(when: str) -> bool:
    return when[4:5] == "-"


def complete(row: Row, other: Row | None, date: str, known_tiers: Collection[str]) -> None:
    """Add what the second source prices beyond the first, if the two agree on plain input and output.

    Zeros are not added: that source writes them for "unknown", too. Nor are `known_tiers`, those that the first source
    has for other models of this vendor: it would have them for this one, if it were sold so.
    """
    if other is None or row.get("unpriced"):
        return
    if places := other.get("places"):
        row.setdefault("places", places)
    prices, others = _in_force(row, date), _in_force(other, date)
    if _agree(prices, others):
        _add(prices, others)
        for tier, periods in other.get("variants", {}).items():
            if tier not in known_tiers:
                row.setdefault("variants", {}).setdefault(tier, periods)


def _agree(prices: Prices, others: Prices) -> bool:
    return "input" in prices and all(prices.get(bucket) == others.get(bucket) for bucket in ("input", "output"))


def _add(prices: Prices, others: Prices) -> None:
    sized = prices.get("request_high") == others.get("request_high")
    for bucket, price in others.items():
        wanted = bucket not in _NOT_ADDED and (bucket not in _SIZED or sized)
        if wanted and price != "0" and not _clashes(bucket, prices):
            prices.setdefault(bucket, price)


def _clashes(bucket: str, prices: Prices) -> bool:
    """A search is billed by the query or by the prompt, not both."""
    twin = bucket.removesuffix("_request") if bucket.endswith("_request") else f"{bucket}_request"
    return twin in prices


def adopt_weekdays(row: Row, windows: list[Mapping[str, Any]]) -> None:
    """Keep the dear hours off the days on which the second source says that all hours are cheap.

    genai-prices cannot say "on weekdays", so it has DeepSeek's peak price on Saturdays and Sundays too.
    """
    cheap = {day for window in windows if window["hours_utc"] == "00:00-00:00" for day in window.get("weekdays", ())}
    if not cheap:
        return
    days = "".join(str(day) for day in range(1, 8) if day not in cheap)
    for period in row.get("periods", ()):
        if period[0] and not _is_date(period[0]) and " " not in period[0]:
            period[0] = f"{period[0]} {days}"
