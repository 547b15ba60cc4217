"""Sums over lines, the same whichever engine read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from decimal import Context, Decimal
from math import ceil
from typing import TypeAlias

__all__ = [
    "AMOUNTS",
    "COUNTS",
    "Call",
    "Faults",
    "Findings",
    "Key",
    "Latency",
    "Measures",
    "Percentiles",
    "Spread",
    "plain_decimal",
    "rounded_us",
    "summed",
]

Key: TypeAlias = tuple[str | None, ...]

_EXACT = Context(prec=60)
_add = _EXACT.add
_ZERO = Decimal(0)


def plain_decimal(amount: Decimal) -> str:
    """The amount's digits, without exponent or zeros at the end."""
    text = format(amount, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


@dataclass(slots=True)
class Measures:
    """What can be added up over attempts.

    Attributes:
        calls: calls; each counts where its last attempt ran.
        attempts: exchanges with a vendor.
        failed: calls that the application got no answer to.
        errors: attempts that failed.
        input_tokens, ...: as in `Usage`: parents contain their parts. Unknown counts add nothing.
        search_units: rerank units, exact.
        items: texts embedded or documents ranked.
        cost_usd: dollars that are known, exact.
        estimated_usd: the part of `cost_usd` that rests on our own estimate of the usage.
        lost_usd: the part of `cost_usd` that went to attempts that failed.
        unpriced: attempts that used something whose price is not known. Never counted as zero dollars.
        unpriced_tokens: input and output of those.
        retries: attempts at the same deployment as the one before; `failovers`: at another; `repairs`: to correct
            an answer.
    """

    calls: int = 0
    attempts: int = 0
    failed: int = 0
    errors: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    items: int = 0
    unpriced: int = 0
    unpriced_tokens: int = 0
    retries: int = 0
    failovers: int = 0
    repairs: int = 0
    # Amounts come after counts: DuckDB's rows are in this order.
    search_units: Decimal = _ZERO
    cost_usd: Decimal = _ZERO
    estimated_usd: Decimal = _ZERO
    lost_usd: Decimal = _ZERO

    def add(self, other: Measures) -> None:
        """Add another part."""
        # Most parts of most attempts are zero, and this runs for each attempt.
        for name in COUNTS:
            if more := getattr(other, name):
                setattr(self, name, getattr(self, name) + more)
        for name in AMOUNTS:
            if amount := getattr(other, name):
                setattr(self, name, _add(getattr(self, name), amount))

    def as_json(self) -> dict[str, int | str]:
        """Counts as numbers, money and units as exact text."""
        amounts = {name: plain_decimal(getattr(self, name)) for name in AMOUNTS}
        return {name: getattr(self, name) for name in COUNTS} | amounts


AMOUNTS = ("search_units", "cost_usd", "estimated_usd", "lost_usd")
COUNTS = tuple(one.name for one in fields(Measures) if one.name not in AMOUNTS)


def rounded_us(duration_ms: float) -> int:
    """Microseconds to three digits, so that any number of durations needs a bounded number of counters."""
    us = max(0, int(duration_ms * 1000 + 0.5))
    step: int = 10 ** max(0, len(str(us)) - 3)
    return (us + step // 2) // step * step


@dataclass(slots=True)
class Spread:
    """Durations, counted by their value to three digits."""

    counts: dict[int, int] = field(default_factory=dict)

    def add(self, us: int, count: int = 1) -> None:
        """Count a duration as given by `rounded_us`."""
        self.counts[us] = self.counts.get(us, 0) + count

    def merge(self, other: Spread) -> None:
        """Add another's."""
        for us, count in other.counts.items():
            self.add(us, count)

    def percentiles_ms(self, *shares: float) -> tuple[float | None, ...]:
        """By nearest rank: the smallest duration that at least this share of the calls did not exceed."""
        total = sum(self.counts.values())
        ranks = [max(1, ceil(round(share * total, 6))) for share in shares]
        return tuple(self._at(rank) if total else None for rank in ranks)

    def _at(self, rank: int) -> float:
        seen = 0
        for us in sorted(self.counts):
            seen += self.counts[us]
            if seen >= rank:
                return us / 1000
        raise AssertionError


@dataclass(slots=True)
class Latency:
    """Of answered calls: until the answer was whole, and for streams until its first token."""

    whole: Spread = field(default_factory=Spread)
    first: Spread = field(default_factory=Spread)

    def merge(self, other: Latency) -> None:
        """Add another's."""
        self.whole.merge(other.whole)
        self.first.merge(other.first)

    def percentiles(self) -> Percentiles:
        """Of all of them."""
        shares = (0.5, 0.95, 0.99)
        answered, streamed = (sum(spread.counts.values()) for spread in (self.whole, self.first))
        return Percentiles.of(
            answered, self.whole.percentiles_ms(*shares), streamed, self.first.percentiles_ms(*shares)
        )


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds to three digits, by nearest rank. `answered` and `streamed` count what they are of."""

    answered: int = 0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    streamed: int = 0
    first_p50_ms: float | None = None
    first_p95_ms: float | None = None
    first_p99_ms: float | None = None

    @classmethod
    def of(
        cls, answered: int, whole: Sequence[float | None], streamed: int, first: Sequence[float | None]
    ) -> Percentiles:
        """From the 50th, 95th and 99th of whole answers and of first tokens."""
        p50, p95, p99 = whole
        first_p50, first_p95, first_p99 = first
        return cls(answered, p50, p95, p99, streamed, first_p50, first_p95, first_p99)

    def as_json(self) -> dict[str, float | None]:
        """By name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(slots=True)
class Faults:
    """Lines that are no calls of ours, by kind. Blank lines are not counted.

    Attributes:
        truncated: begin like an object and are cut off, as a full disk or a kill leaves them.
        foreign: no line of ours.
        other_events: notices: a reload, lost lines, a budget.
        newer: written by a later version in another shape.
        duplicates: the same bytes a second time; counted once. Lines of calls refused before they had an id are
            no duplicates of each other.
    """

    truncated: int = 0
    foreign: int = 0
    other_events: int = 0
    newer: int = 0
    duplicates: int = 0

    def as_json(self) -> dict[str, int]:
        """By kind."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """One call by its id, and what may be known about it without its content."""

    cost_usd: Decimal
    ts: str
    call_id: str
    route: str
    model: str
    deployment: str
    tenant: str
    tokens: int
    attempts: int

    def as_json(self) -> dict[str, int | str]:
        """Money as exact text."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return values | {"cost_usd": plain_decimal(self.cost_usd)}


@dataclass(slots=True)
class Findings:
    """All that was read.

    Attributes:
        cells: sums by the query's `by`.
        latencies: percentiles by each of the query's `latency_by`.
        reasons: unpriced attempts by reason.
        notices: lines of other events by name, with the time of the last.
        dearest: the dearest calls, dearest first.
        tags: calls by the names of their tags, if they were asked for.
        first, last: time stamps of the earliest and latest call.
        whole: the sum, if an attempt may be in several cells.
    """

    cells: dict[Key, Measures] = field(default_factory=dict)
    latencies: dict[tuple[str, ...], dict[Key, Percentiles]] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    notices: dict[str, tuple[int, str]] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    dearest: list[Call] = field(default_factory=list)
    tags: dict[str, int] = field(default_factory=dict)
    first: str | None = None
    last: str | None = None
    whole: Measures | None = None

    def total(self) -> Measures:
        """The sum over all attempts, each once."""
        return summed(self.cells.values()) if self.whole is None else self.whole

    def cell(self, key: Key) -> Measures:
        """The cell, made when first asked for."""
        found = self.cells.get(key)
        if found is None:
            found = self.cells[key] = Measures()
        return found

    def span(self, first: str | None, last: str | None) -> None:
        """Widen the period."""
        if first is not None and (self.first is None or first < self.first):
            self.first = first
        if last is not None and (self.last is None or last > self.last):
            self.last = last

    def dear(self, calls: Iterable[Call], keep: int) -> None:
        """Keep the dearest of these and those so far."""
        self.dearest = sorted([*self.dearest, *calls], reverse=True)[:keep]


def summed(parts: Iterable[Measures]) -> Measures:
    """Their sum, exact."""
    total = Measures()
    for part in parts:
        total.add(part)
    return total
