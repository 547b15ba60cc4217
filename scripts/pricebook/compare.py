"""Where both sources know a model: what the second adds, and where it disagrees."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pricebook.forms import Prices, Row, plain

__all__ = ["adopt_search_fees", "adopt_weekdays", "differences"]

_COMPARED = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "input_audio", "search_unit", "request")
_CONTEXT_SIZES = ("low", "medium", "high")


def differences(row: Row, other: Row | None, date: str) -> dict[str, list[Any]]:
    """Buckets that both price, differently, on that day and outside daily windows: [ours, theirs]."""
    if other is None:
        return {}
    prices = _in_force(row, date)
    return {
        bucket: [prices[bucket], other[bucket]]
        for bucket in _COMPARED
        if bucket in prices and bucket in other and prices[bucket] != other[bucket]
    }


def _in_force(row: Row, date: str) -> Prices:
    """Prices on that day outside daily windows, whose times contain a colon."""
    found: Prices = row
    for when, prices in row.get("periods", ()):
        if when is None or (":" not in when and when <= date):
            found = prices
    return found


def adopt_weekdays(row: Row, windows: list[Mapping[str, Any]]) -> None:
    """Keep the dear hours off the days on which the second source says that all hours are cheap.

    genai-prices cannot say "on weekdays", so it has DeepSeek's peak price on Saturdays and Sundays too.
    """
    cheap = {day for window in windows if window["hours_utc"] == "00:00-00:00" for day in window["weekdays"]}
    if not cheap:
        return
    days = "".join(str(day) for day in range(1, 8) if day not in cheap)
    for period in row.get("periods", ()):
        if period[0] and ":" in period[0] and " " not in period[0]:
            period[0] = f"{period[0]} {days}"


def adopt_search_fees(row: Row, entry: Mapping[str, Any]) -> None:
    """Add the fees for smaller search contexts, where both sources agree on the one for the largest."""
    fees = entry.get("search_context_cost_per_query")
    if fees and "request_high" in row:
        by_size = {f"request_{size}": plain(Decimal(fees[f"search_context_size_{size}"])) for size in _CONTEXT_SIZES}
        if by_size["request_high"] == row["request_high"]:
            row.update(by_size)
