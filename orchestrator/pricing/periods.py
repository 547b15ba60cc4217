"""When a price is in force: from a date on, or in a window of each day. All times are UTC.

A window that follows a date in a row doubles or halves the prices of that date, so it begins with it: hours before the
date were billed by what was in force then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any, TypeAlias

from orchestrator.pricing.rates import PriceSet

__all__ = ["Period", "parse_periods", "price_set_at"]


@dataclass(frozen=True, slots=True)
class _Since:
    start: datetime

    def holds(self, at: datetime) -> bool:
        return at >= self.start


@dataclass(frozen=True, slots=True)
class _Daily:
    """From `start` up to but not at `end`, over midnight if `end` is earlier; `days` are ISO weekdays, 1 is Monday.

    `since` is the first moment of the first day with such a window, None if there always was one.
    """

    start: time
    end: time
    days: frozenset[int]
    since: datetime | None

    def holds(self, at: datetime) -> bool:
        if at.isoweekday() not in self.days or (self.since is not None and at < self.since):
            return False
        now = at.time()
        if self.end <= self.start:
            return now >= self.start or now < self.end
        return self.start <= now < self.end


Period: TypeAlias = tuple[_Since | _Daily | None, PriceSet]


def parse_periods(rows: Sequence[tuple[str | None, Mapping[str, Any]]]) -> tuple[Period, ...]:
    """Read `[[when, prices], ...]`.

    `when` is None, `2026-03-13`, `2026-08-16T16:00`, `16:30-00:30`, or `01:00-04:00 12345`.
    """
    periods: list[Period] = []
    since: datetime | None = None
    for text, prices in rows:
        when = _parse_when(text, since)
        if isinstance(when, _Since):
            since = when.start
        periods.append((when, PriceSet.parse(prices)))
    return tuple(periods)


def _parse_when(when: str | None, since: datetime | None) -> _Since | _Daily | None:
    if when is None:
        return None
    if when[4:5] == "-":
        return _Since(datetime.fromisoformat(when).replace(tzinfo=UTC))
    hours, _, days = when.partition(" ")
    start, _, end = hours.partition("-")
    return _Daily(time.fromisoformat(start), time.fromisoformat(end), frozenset(map(int, days or "1234567")), since)


def price_set_at(periods: Sequence[Period], at: datetime) -> PriceSet | None:
    """The last period that holds at that moment, None if none does. A naive `at` is UTC."""
    if at.tzinfo is not UTC:
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    for when, prices in reversed(periods):
        if when is None or when.holds(at):
            return prices
    return None
