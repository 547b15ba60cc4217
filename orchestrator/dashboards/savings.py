"""What reading from caches saved: the tokens' price as plain input, less what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Context, Decimal

from orchestrator.dashboards.tally import Key, Measures
from orchestrator.pricing import Book, bundled
from orchestrator.types.usage import Usage

__all__ = ["Savings"]

_EXACT = Context(prec=60)
_ZERO = Decimal(0)
_MANY = 1000


class Savings:
    """Works with the prices of the book's rows on each day, for prompts of ordinary size and the standard tier.

    A row that the book does not have (`config`, a row of another version) saves nothing that is known.
    """

    def __init__(self, book: Book | None = None) -> None:
        self._book = book
        self._rates: dict[tuple[str, str], Decimal] = {}
        self.total = _ZERO

    def of(self, cells: Mapping[Key, Measures], by: Sequence[str]) -> dict[Key, Decimal]:
        """Dollars saved per cell; `by` has the time first and `price_row` somewhere."""
        place = by.index("price_row")
        found: dict[Key, Decimal] = {}
        for key, part in cells.items():
            row, day = key[place], key[0]
            tokens = part.cache_read_tokens
            found[key] = _EXACT.multiply(self._rate(row, day), Decimal(tokens)) if tokens and row and day else _ZERO
            self.total = _EXACT.add(self.total, found[key])
        return found

    def _rate(self, row: str, day: str) -> Decimal:
        """Dollars saved per token."""
        known = self._rates.get((row, day[:10]))
        if known is None:
            known = self._rates[row, day[:10]] = self._looked_up(row, day[:10])
        return known

    def _looked_up(self, row: str, day: str) -> Decimal:
        vendor, _, rest = row.partition("/")
        model, _, place = rest.partition("#")
        found = (self._book or bundled()).find(vendor, model, place or None)
        try:
            at = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC)
        except ValueError:
            return _ZERO
        if found is None:
            return _ZERO
        plain = found.cost(Usage(input_tokens=_MANY, output_tokens=0), at=at).total
        cached = found.cost(Usage(input_tokens=_MANY, output_tokens=0, cache_read_tokens=_MANY), at=at).total
        if plain is None or cached is None:
            return _ZERO
        return _EXACT.divide(_EXACT.subtract(plain, cached), Decimal(_MANY))
