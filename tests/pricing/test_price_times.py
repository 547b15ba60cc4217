"""Prices hold from a moment on, or in hours of the day: none a minute or a day too early or too late."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orchestrator.pricing import PriceRow, book, bundled
from orchestrator.types.usage import Usage

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
ROWS: dict[str, dict[str, Any]] = json.loads(Path(book.__file__).with_name("book.json").read_bytes())["rows"]
DATED = {name: row for name, row in ROWS.items() if any(when and when[4] == "-" for when, _ in row.get("periods", ()))}
DAILY = {name: row for name, row in ROWS.items() if any(when and when[2] == ":" for when, _ in row.get("periods", ()))}


def paid(row: PriceRow, at: datetime) -> Decimal | None:
    """What one token of input cost then."""
    return row.cost(Usage(input_tokens=1, output_tokens=0), at=at).buckets.get("input")


def written(prices: dict[str, Any]) -> Decimal:
    """The price of one token of input in a small prompt, as the book writes it."""
    price = prices["input"]
    return Decimal(price[0] if isinstance(price, list) else price).scaleb(-6)


def moment(when: str) -> datetime:
    """When a dated price begins."""
    return datetime.fromisoformat(when).replace(tzinfo=UTC)


def test_the_book_has_dates_and_hours() -> None:
    """The claims below are about something."""
    assert len(DATED) > 30
    assert len(DAILY) >= 5


@pytest.mark.parametrize("name", DATED)
def test_a_dated_price_begins_at_its_moment(name: str) -> None:
    """A second before its date the price before it holds, at its date it does, at any time of a day without hours."""
    row = bundled().find(*name.split("/", 1))
    assert row is not None
    dated = [one for one in ROWS[name]["periods"] if one[0] is None or one[0][4] == "-"]
    hours = [one for one in ROWS[name]["periods"] if one not in dated]
    for (_, before), (when, since) in pairwise(dated):
        if when is None or "input" not in before or "input" not in since:
            continue
        assert paid(row, moment(when) - SECOND) == written(before)
        assert paid(row, moment(when)) == written(since)
        if not hours:
            assert paid(row, moment(when) - DAY + SECOND) == written(before)
            assert paid(row, moment(when) + DAY) in {written(prices) for _, prices in dated}


def test_a_price_of_tomorrow_is_not_used_today() -> None:
    """Prices announced for a later day wait for it."""
    to_come = [
        (name, when, prices)
        for name, row in DATED.items()
        for when, prices in row["periods"]
        if when and when[4] == "-" and when > "2026-11-23"
    ]
    assert to_come
    for name, when, prices in to_come:
        row = bundled().find(*name.split("/", 1))
        assert row is not None
        today = paid(row, datetime(2026, 11, 23, 12, tzinfo=UTC))
        assert today != written(prices)
        assert paid(row, moment(when)) == written(prices)


def windows(name: str) -> list[tuple[str, dict[str, Any]]]:
    """The hours in force now: those after the last date, of rows whose last date has passed."""
    periods = ROWS[name]["periods"]
    last = max((at for at, (when, _) in enumerate(periods) if when and when[4] == "-"), default=-1)
    return [(when, prices) for when, prices in periods[last + 1 :] if when]


@pytest.mark.parametrize("name", DAILY)
def test_hours_begin_and_end_on_the_minute(name: str) -> None:
    """In each window of each weekday its price holds from its first second to the last before its end, no longer."""
    row = bundled().find(*name.split("/", 1))
    assert row is not None
    for when, prices in windows(name):
        hours, _, days = when.partition(" ")
        start, end = (datetime.fromisoformat(f"2026-11-23T{text}:00+00:00") for text in hours.split("-"))
        length = (end - start) % DAY
        if not length:
            continue  # a whole day
        for day in range(7):  # 2026-11-23 is a Monday
            first = start + day * DAY
            holds = not days or str(day + 1) in days
            assert (paid(row, first) == written(prices)) is holds, (when, first)
            assert (paid(row, first + length / 2) == written(prices)) is (holds and length < DAY), (when, first)
            if holds:
                assert paid(row, first - MINUTE) != paid(row, first), (when, first)
                assert paid(row, first + length - SECOND) == paid(row, first), (when, first)
                assert paid(row, first + length) != paid(row, first), (when, first)


@pytest.mark.parametrize("hours", [-11, -7, 0, 5.5, 8, 14])
def test_hours_are_those_of_utc_whatever_clock_tells_them(hours: float) -> None:
    """The same moment told by another clock, a day earlier or later there, has the same price."""
    row = bundled().find("deepseek", "deepseek-flash")
    assert row is not None
    zone = timezone(timedelta(hours=hours))
    for at in (datetime(2026, 11, 23, 1, tzinfo=UTC), datetime(2026, 11, 20, 23, 59, tzinfo=UTC)):
        assert paid(row, at.astimezone(zone)) == paid(row, at)
    assert paid(row, datetime(2026, 11, 23, 1)) == paid(row, datetime(2026, 11, 23, 1, tzinfo=UTC))


def test_before_the_first_date_there_is_no_price() -> None:
    """A tier whose price is known from a day on is unknown the day before, not at that price."""
    row = bundled().find("openai", "gpt-5")
    assert row is not None
    usage = Usage(input_tokens=1, output_tokens=0, raw={"service_tier": "priority"})
    assert (
        row.cost(usage, at=datetime(2026, 10, 11, 23, 59, 59, tzinfo=UTC)).unknown
        == "no price for service tier priority"
    )
    assert row.cost(usage, at=datetime(2026, 10, 12, tzinfo=UTC)).total is not None


@pytest.mark.parametrize(
    ("model", "day", "dear", "cheap"),
    [
        ("deepseek-v4-flash", "2026-08-17", "0.44", "0.22"),
        ("deepseek-v4-flash", "2026-08-22", "0.44", "0.22"),  # a Saturday
        ("deepseek-v4-flash", "2026-08-24", "0.44", "0.22"),
        ("deepseek-v4-flash", "2026-09-10", "0.3", "0.15"),
        ("deepseek-v4-flash", "2026-11-23", "0.3", "0.15"),
        ("deepseek-v4-pro", "2026-08-17", "1.32", "0.66"),
        ("deepseek-v4-pro", "2026-08-22", "1.32", "0.66"),
        ("deepseek-v4-pro", "2026-08-24", "1.32", "0.66"),
        ("deepseek-v4-pro", "2026-11-23", "1.32", "0.66"),
        ("deepseek-flash", "2026-11-23", "0.3", "0.15"),
    ],
)
def test_peak_hours_are_the_vendors(model: str, day: str, dear: str, cheap: str) -> None:
    """The vendor's page has peaks from 01:00 to 04:00 and from 06:00 to 10:00 UTC, to the second."""
    row = bundled().find("deepseek", model)
    assert row is not None
    for text in ("01:00:00", "03:59:59", "06:00:00", "09:59:59"):
        assert paid(row, moment(f"{day}T{text}")) == Decimal(dear).scaleb(-6), text
    for text in ("00:59:59", "04:00:00", "05:59:59", "10:00:00"):
        assert paid(row, moment(f"{day}T{text}")) == Decimal(cheap).scaleb(-6), text


@pytest.mark.parametrize("day", ["2026-08-23", "2026-08-29", "2026-11-21", "2026-11-22"])
@pytest.mark.parametrize("model", ["deepseek-v4-flash", "deepseek-v4-pro"])
def test_weekends_have_no_peak(model: str, day: str) -> None:
    """From 2026-08-23 on, a Sunday, all hours of Saturdays and Sundays cost the same."""
    row = bundled().find("deepseek", model)
    assert row is not None
    assert len({paid(row, moment(f"{day}T{hour:02}:30")) for hour in range(24)}) == 1
