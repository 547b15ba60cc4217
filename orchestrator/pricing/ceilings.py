"""The most that a row can charge for a request, by whole numbers alone: asked before every attempt under a budget."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from orchestrator.pricing.charging import EXACT
from orchestrator.pricing.rates import CONTEXT_SIZES, Rates, Unpriced

__all__ = ["Ceiling"]

_FEMTO = 15
_PER_NANO = 10**6


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The dearest prices of a row, in femto-dollars per token or unit, rounded up; None where the row has no price.

    Any token of the input may be written to a cache (`media`: or be sound or part of a picture), and any of the output
    may be reasoning, or whatever else the model makes.
    """

    input: int | None
    media: int | None
    output: int | None
    search_unit: int | None
    request: int

    @classmethod
    def of(cls, rates: Rates, factor: Decimal | None = None) -> Ceiling:
        """The ceiling of these rates, times a factor."""
        prices = {bucket: _femto(rate, factor) for bucket, rate in rates.items()}

        def dearest(needed: str, *others: str) -> int | None:
            return max(prices.get(bucket, 0) for bucket in (needed, *others)) if needed in prices else None

        cached = ("cache_write", "cache_write_1h")
        return cls(
            input=dearest("input", *cached),
            media=dearest("input", *cached, "input_audio", "input_image", "input_video"),
            output=dearest("output", "reasoning", "output_audio", "output_image", "output_video"),
            search_unit=dearest("search_unit"),
            request=max(prices.get(one, 0) for one in ("request", *(f"request_{size}" for size in CONTEXT_SIZES))),
        )

    @property
    def is_free(self) -> bool:
        """Whether nothing that a chat reads or writes costs anything, however much it is."""
        return (self.input, self.media, self.output, self.request) == (0, 0, 0, 0)

    def nano_dollars(
        self, input_tokens: int, output_tokens: int = 0, *, search_units: int = 0, media: bool = False
    ) -> int:
        """What so much can cost at most.

        Raises:
            Unpriced: some of it has no price.
        """
        read = self.media if media else self.input
        if read is None and input_tokens:
            raise Unpriced("no price for input")
        if self.output is None and output_tokens:
            raise Unpriced("no price for output")
        if self.search_unit is None and search_units:
            raise Unpriced("no price for search_unit")
        femto = input_tokens * (read or 0) + output_tokens * (self.output or 0)
        femto += search_units * (self.search_unit or 0) + self.request
        return -(-femto // _PER_NANO)


def _femto(rate: Decimal, factor: Decimal | None) -> int:
    exact = rate if factor is None else EXACT.multiply(rate, factor)
    return int(exact.scaleb(_FEMTO, EXACT).to_integral_value(ROUND_CEILING, EXACT))
