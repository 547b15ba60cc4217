"""Old lines priced again: by another book, or by prices of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from orchestrator.dashboards.records import Reason, Repricer, as_money
from orchestrator.errors import ConfigError
from orchestrator.pricing import Book, PriceRow, bundled, config_row
from orchestrator.types.usage import Usage

__all__ = ["repricer"]

_COUNTS = (
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens",
    "reasoning_tokens", "input_audio_tokens", "input_image_tokens", "output_audio_tokens",
)  # fmt: skip


def repricer(source: str) -> Repricer:
    """Prices lines by `book` (the bundled one), by a book's file, or by a file of own prices.

    Own prices are YAML or JSON, `vendor/model: {input: 0.15, output: 0.6}`, as in a deployment's `price`; what they do
    not name is priced by the bundled book. The discount that a line was written with is off a book's prices, not off
    own ones. A line keeps its dollars if they never came from a book (prices of the configuration, models that cost
    nothing) or if nothing was used.

    Raises:
        ConfigError: the file cannot be read, or is neither.
    """
    if source == "book":
        return _Prices(bundled(), {})
    text = _read(source)
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError:
        data = _yaml(text, source)
    if isinstance(data, dict) and {"version", "rows"} <= data.keys():
        return _Prices(Book.read(source), {})
    if not isinstance(data, dict) or not all(isinstance(value, dict) for value in data.values()):
        raise ConfigError("neither a price book nor prices as `vendor/model: {input: ...}`", file=source)
    return _Prices(bundled(), {str(name).lower(): config_row(row, key=str(name)) for name, row in data.items()})


def _read(source: str) -> bytes:
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise ConfigError(f"the prices cannot be read: {error.strerror}", file=source) from error


def _yaml(text: bytes, source: str) -> Any:
    import yaml  # noqa: PLC0415

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError("neither JSON nor YAML", file=source) from error


class _Prices:
    """See `Repricer`."""

    def __init__(self, book: Book, own: Mapping[str, PriceRow]) -> None:
        self._book = book
        self._own = own

    def __call__(
        self, line: Mapping[str, Any], one: Mapping[str, Any]
    ) -> tuple[Decimal | None, Reason | None, str | None]:
        asked = one.get("price_asked") or _asked_before(one)
        kept = as_money(one.get("cost_usd")), one.get("cost_unknown") or line.get("cost_unknown"), one.get("price_row")
        if one.get("usage_source") is None or not isinstance(asked, str):
            return kept
        served = one.get("response_model")
        row = self._find(asked, served if isinstance(served, str) else None)
        if row is None:
            return None, f"the price book has no row for {asked}", None
        factor = as_money(one.get("price_factor"))
        if factor is not None and row.source != "config":
            row = row.scaled(factor)
        cost = row.cost(_usage(one), at=_time(one.get("priced_at") or line.get("ts")))
        return cost.total, cost.unknown, asked if cost.price_row == "config" else cost.price_row

    def _find(self, asked: str, served: str | None) -> PriceRow | None:
        vendor, _, rest = asked.partition("/")
        model, _, place = rest.partition("#")
        names = [served, model] if served else [model]
        own = (self._own.get(f"{vendor}/{name}".lower()) for name in names)
        found = next((row for row in own if row is not None), None)
        return found or next(
            (row for name in names if (row := self._book.find(vendor, name, place or None)) is not None), None
        )


def _asked_before(one: Mapping[str, Any]) -> str | None:
    """Of lines older than `price_asked`: the row that was used names vendor and model."""
    row = one.get("price_row")
    return row if isinstance(row, str) and "/" in row else None


def _usage(one: Mapping[str, Any]) -> Usage:
    counts = {name: value for name in _COUNTS if type(value := one.get(name)) is int}
    units, terms = one.get("search_units"), one.get("price_terms")
    return Usage(
        **counts,
        extras=_extras(terms),
        search_units=units if isinstance(units, int | float) else None,
        source="estimate" if one.get("usage_source") == "estimate" else "vendor",
        raw=terms if isinstance(terms, dict) else {},
    )


def _extras(terms: Any) -> dict[str, int] | None:
    extras = terms.get("extras") if isinstance(terms, dict) else None
    return {name: n for name, n in extras.items() if type(n) is int} if isinstance(extras, dict) else None


def _time(value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return datetime.now(UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
