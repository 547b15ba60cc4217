"""Rows of the price book."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from orchestrator.pricing.ceilings import Ceiling
from orchestrator.pricing.charging import EXACT, charge, total
from orchestrator.pricing.periods import Period, parse_periods, price_set_at
from orchestrator.pricing.rates import TOKEN_BUCKETS, UNIT_BUCKETS, PriceSet, Rates, Unpriced
from orchestrator.pricing.terms import NOTABLE, PLACE, region, variant
from orchestrator.types.usage import Cost, Usage

__all__ = ["PriceRow"]

_ROW_KEYS = frozenset({"at", "ids", "periods", "places", "rules", "source", "variants"})
_TOKENS = frozenset(TOKEN_BUCKETS)


class PriceRow:
    """The prices of one model at one vendor, over time, by prompt size, service tier and place. Immutable.

    Attributes:
        name: `vendor/model`, `vendor/model#place` where tokens cost more there, or `config` for prices written in the
            file.
        book: version of the book it came from, None for `config`.
        source: the package the figures came from, or `config`.
    """

    __slots__ = (
        "_ceilings", "_factor", "_flat", "_periods", "_places", "_uplift", "_variants", "book", "name", "source"
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        row: Mapping[str, Any],
        *,
        book: str | None,
        source: str,
        factor: Decimal | None = None,
        place: str | None = None,
    ) -> None:
        self._places = {where: Decimal(times) for where, times in row.get("places", {}).items()}
        self._uplift = _uplift(self._places, place)
        self.name = name if self._uplift is None else f"{name}#{place}"
        self.book = book
        self.source = source
        periods = row.get("periods") or [(None, {key: value for key, value in row.items() if key not in _ROW_KEYS})]
        self._periods = parse_periods(periods)
        self._variants = {name: parse_periods(rows) for name, rows in row.get("variants", {}).items()}
        self._flat = _constant(self._periods)
        self._factor = factor
        self._ceilings: dict[int, Ceiling] = {}

    def scaled(self, factor: Decimal) -> PriceRow:
        """The same row with every price times `factor`: `Decimal("0.85")` for 15 % off."""
        twin = copy(self)
        twin._factor = factor if self._factor is None else EXACT.multiply(self._factor, factor)
        twin._ceilings = {}
        return twin

    @property
    def uplift(self) -> Decimal | None:
        """What tokens cost where the row holds, as a factor of the list price; None if they cost just that."""
        return self._uplift

    def __repr__(self) -> str:
        return f"PriceRow({self.name!r}, book={self.book!r}, source={self.source!r})"

    def cost(self, usage: Usage, *, at: datetime, requests: int = 1, asked: str | None = None) -> Cost:
        """Dollars for that usage.

        Args:
            usage: counts of one attempt. `raw` is read for the service tier, the region and tools run by the vendor.
            at: when the request was made; naive means UTC.
            requests: how many requests the usage covers, for rows with a fee per request.
            asked: what the book was asked for, kept with the cost.

        Returns:
            A `Cost` with `total` None and the reason in `unknown` when a needed count is unknown, a bucket that was
            used has no price, or the vendor's terms for this answer are not in the row.
        """
        estimated = usage.source == "estimate"
        raw = usage.raw
        terms = raw if raw and not NOTABLE.isdisjoint(raw) else None
        try:
            buckets = charge(self._rates(usage, at, terms), usage, requests, terms)
            uplift = self._uplift if terms is None or PLACE not in terms else self._uplift_by(terms)
            if uplift is not None:
                buckets = {
                    name: EXACT.multiply(paid, uplift if name in _TOKENS else 1) for name, paid in buckets.items()
                }
            if self._factor is not None:
                buckets = {bucket: EXACT.multiply(amount, self._factor) for bucket, amount in buckets.items()}
        except Unpriced as reason:
            return Cost(
                unknown=str(reason),
                price_row=self.name,
                price_book=self.book,
                asked=asked,
                factor=self._factor,
                estimated=estimated,
            )
        return Cost(
            total=total(buckets),
            buckets=buckets,
            price_row=self.name,
            price_book=self.book,
            asked=asked,
            factor=self._factor,
            estimated=estimated,
        )

    def ceiling(self, input_tokens: int, *, at: float) -> Ceiling:
        """The dearest prices for a prompt of that size at that Unix time, on the vendor's standard terms.

        Raises:
            Unpriced: there were none then.
        """
        rates = self._flat or self._standard(datetime.fromtimestamp(at, UTC)).rates(input_tokens)
        known = self._ceilings.get(id(rates))  # rates live as long as their row
        if known is None:
            known = self._ceilings[id(rates)] = Ceiling.of(rates, self._dearest())
        return known

    def _dearest(self) -> Decimal | None:
        """The discount, at the dearest of the places: which one it was, some vendors only tell afterwards."""
        if not self._places:
            return self._factor
        return EXACT.multiply(max(self._places.values()), 1 if self._factor is None else self._factor)

    def _uplift_by(self, terms: Mapping[str, Any]) -> Decimal | None:
        """By where the vendor says that it processed the request, or else by where it was asked."""
        told = region(terms[PLACE])
        if told is None:
            return self._uplift
        if told not in self._places:
            raise Unpriced(f"no price for inference in {told[:40]}")
        return self._places[told]

    def _rates(self, usage: Usage, at: datetime, terms: Mapping[str, Any] | None) -> Rates:
        tier = variant(terms) if terms else None
        if tier is not None:
            return self._variant_rates(tier, usage, at)
        return self._flat or self._standard(at).rates(usage.input_tokens)

    def _standard(self, at: datetime) -> PriceSet:
        prices = price_set_at(self._periods, at)
        if prices is None:
            raise Unpriced("no price was in force at that time")
        return prices

    def _variant_rates(self, tier: str, usage: Usage, at: datetime) -> Rates:
        """The tier's own token prices, never topped up from the standard ones; fees per unit are the same in all."""
        prices = price_set_at(self._variants.get(tier, ()), at)
        if prices is None:
            raise Unpriced(f"no price for service tier {tier[:40]}")
        standard = self._standard(at)
        long_prompt = standard.rates(usage.input_tokens) is not standard.base
        if long_prompt and not prices.steps:
            raise Unpriced(f"no price for service tier {tier[:40]} at that prompt size")
        units = {bucket: standard.base[bucket] for bucket in UNIT_BUCKETS if bucket in standard.base}
        return {**units, **prices.rates(usage.input_tokens)}


def _uplift(places: Mapping[str, Decimal], place: str | None) -> Decimal | None:
    if place is None or place == "global":
        return None
    return places.get(place, places.get("*"))


def _constant(periods: tuple[Period, ...]) -> Rates | None:
    """The rates of a row that depend on neither time nor size, which most do: they are looked up once."""
    if len(periods) != 1 or periods[0][0] is not None or periods[0][1].steps:
        return None
    return periods[0][1].base
