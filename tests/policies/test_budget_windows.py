"""Which window a budget is in: months of every length, days of 23 and 25 hours, zones that change, windows that end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.policies.budgets import Budget, Budgets, Payer, window
from orchestrator.spec.budgets import NANO, Hold, Refusal
from orchestrator.spec.events import CallContext
from orchestrator.stores.budgets import MemoryBudgets

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",  # clocks change at midnight
    "America/Havana",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Apia",  # one day of 2011 was left out
    "Pacific/Chatham",
)
FROM, TO = datetime(2010, 1, 1, tzinfo=UTC).timestamp(), datetime(2032, 1, 1, tzinfo=UTC).timestamp()


def at(zone: str, *when: int) -> float:
    """Unix time of a wall clock."""
    return datetime(*when, tzinfo=ZoneInfo(zone)).timestamp()


@settings(max_examples=300)
@given(st.floats(FROM, TO), st.sampled_from(ZONES), st.sampled_from(["hour", "day", "month"]), st.floats(0, 1))
def test_a_window_holds_its_times(now, zone, kind, share):
    """A window contains the time it was asked for, and every other time in it gives the same one."""
    label, begins, ends = window(kind, now, ZoneInfo(zone))
    assert begins <= now < ends
    same = min(max(begins, begins + share * (ends - begins)), ends - 0.001)
    if kind != "hour" or zone != "Australia/Lord_Howe":  # there an hour overlaps the next when clocks change
        assert window(kind, same, ZoneInfo(zone)) == (label, begins, ends)
        assert window(kind, ends, ZoneInfo(zone))[1] == ends


@pytest.mark.parametrize(
    ("year", "month", "days"),
    [(2026, 1, 31), (2026, 2, 28), (2028, 2, 29), (2026, 4, 30), (2026, 12, 31)],
)
def test_months_have_their_own_length(year, month, days):
    """A month ends when the next begins, whatever its length."""
    label, begins, ends = window("month", at("UTC", year, month, 17, 5), ZoneInfo("UTC"))
    assert (label, ends - begins) == (f"{year}-{month:02}", days * 86_400)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", (2026, 3, 29), 23),
        ("Europe/Berlin", (2026, 10, 25), 25),
        ("Europe/Berlin", (2026, 7, 1), 24),
        ("America/Santiago", (2026, 9, 6), 23),
        ("America/Santiago", (2026, 4, 4), 25),
        ("Australia/Lord_Howe", (2026, 4, 5), 24.5),
    ],
)
def test_days_on_which_clocks_change(zone, day, hours):
    """A day is from midnight to midnight there, when clocks change too, and a month is as long as its days."""
    label, begins, ends = window("day", at(zone, *day, 12), ZoneInfo(zone))
    assert label == datetime(*day).date().isoformat()
    assert ends - begins == hours * 3600


def test_a_day_that_was_left_out():
    """The day before a left-out day ends where the day after it begins."""
    apia = ZoneInfo("Pacific/Apia")
    before = window("day", at("Pacific/Apia", 2011, 12, 29, 12), apia)
    after = window("day", at("Pacific/Apia", 2011, 12, 31, 12), apia)
    assert before[2] == after[1]
    assert (before[0], after[0]) == ("2011-12-29", "2011-12-31")


class Purse:
    """Budgets over a store in memory, and a clock to be set."""

    def __init__(self, *rules: Budget) -> None:
        self.now = at("UTC", 2026, 11, 30, 23, 59)
        self.notices: list[str] = []
        self.budgets = Budgets(lambda: self.now, lambda name, message, **details: self.notices.append(name))
        self.budgets.adopt(rules)
        self.store = MemoryBudgets(self.budgets.spent)

    def charges(self, **who):
        payer = Payer(CallContext(**who), "answer", "openai", "call", 5.0)
        return self.budgets.charges(self.budgets.at("answer", "openai"), payer, self.now)

    def hold(self, dollars, **who):
        made = Hold(self.charges(**who), round(dollars * NANO), 5.0)
        refusal = self.store.reserve(made, self.now)
        return refusal if isinstance(refusal, Refusal) else made


def budget(**changes) -> Budget:
    """One dollar a day for all."""
    return Budget(**{"name": "b", "per": "all", "limit": NANO, "window": "day"} | changes)


def test_a_window_that_ends_while_calls_are_in_flight():
    """Money is settled in the window in which it was held; the next begins with nothing held or spent."""
    purse = Purse(budget())
    late = purse.hold(0.9)
    purse.now += 120
    early = purse.hold(1.0)
    purse.store.settle(late, NANO // 2)
    assert [purse.store.spent(one.charges[0].key) for one in (late, early)] == [NANO // 2, 0]
    assert isinstance(purse.hold(0.1), Refusal)
    purse.store.settle(early, 0)
    assert purse.store.held(early.charges[0].key) == 0


def test_another_time_zone_is_another_day():
    """A reload that moves the budget to another zone counts in that zone's day from then on."""
    purse = Purse(budget())
    assert purse.charges()[0].key.split("\x1f")[3] == "2026-11-30"
    purse.budgets.adopt([budget(zone=ZoneInfo("Asia/Tokyo"))])
    assert purse.charges()[0].key.split("\x1f")[3] == "2026-12-01"
    assert purse.charges()[0].ends == at("Asia/Tokyo", 2026, 12, 2)


def test_a_clock_set_back_finds_the_old_window():
    """After the clock was set back over midnight, the day before is counted on, not begun anew."""
    purse = Purse(budget())
    spent = purse.hold(0.9)
    purse.store.settle(spent, 9 * NANO // 10)
    purse.now += 120
    purse.hold(0.9)
    purse.now -= 120
    assert isinstance(purse.hold(0.2), Refusal)


@pytest.mark.parametrize(("dollars", "fits"), [(2, True), (0.5, False)])
def test_a_reload_that_moves_the_amount(dollars, fits):
    """Raised or lowered, what was spent stays; what no longer fits is refused."""
    purse = Purse(budget())
    purse.store.settle(purse.hold(0.6), 6 * NANO // 10)
    purse.budgets.adopt([budget(limit=round(dollars * NANO))])
    assert isinstance(purse.hold(0.9), Refusal) is not fits


def test_a_budget_that_is_taken_out_and_put_back():
    """Without the budget nothing is counted; what was in flight is settled, and what was spent is found again."""
    purse = Purse(budget())
    held = purse.hold(0.6)
    purse.budgets.adopt([])
    assert purse.charges() == []
    purse.store.settle(held, 6 * NANO // 10)
    purse.budgets.adopt([budget()])
    assert isinstance(purse.hold(0.5), Refusal)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(-90_000, 90_000), st.sampled_from(["acme", "bolt", None]), st.booleans()), max_size=30)
)
def test_what_is_kept_is_what_would_be_made_anew(steps):
    """Charges that are kept for a window are those that a look at the calendar gives, whenever and whoever asks."""
    rules = [
        budget(name="h", window="hour", per="tenant"),
        budget(name="d", zone=ZoneInfo("America/Santiago"), only={"tags.feature": frozenset({"faq"})}),
        budget(name="m", window="month", per="tags.feature", only={"route": frozenset({"answer"})}),
        budget(name="r", only={"route": frozenset({"other"})}),
        budget(name="c", window="call", per="provider"),
    ]
    purse = Purse(*rules)
    for step, tenant, tagged in steps:
        purse.now += step
        who = {"tenant": tenant, "tags": {"feature": "faq"} if tagged else {}}
        fresh = Purse(*rules)
        fresh.now = purse.now
        assert purse.charges(**who) == fresh.charges(**who)
        assert [one.budget for one in purse.charges(**who)] == ["h", *(["d"] if tagged else []), "m", "c"]


def test_cheapest_candidates_pass_a_cheaper_budget():
    """`freely` takes the cap off a budget that only prefers cheaper models, and off no other."""
    purse = Purse(budget(on_exceed="cheaper"), budget(name="hard"))
    rules = purse.budgets.at("answer", "openai")
    charges = purse.budgets.charges(rules, Payer(CallContext(), "answer", "openai"), purse.now, freely=True)
    assert [(one.budget, one.capped) for one in charges] == [("b", False), ("hard", True)]
    assert [one.capped for one in purse.charges()] == [True, True]


def test_a_day_is_found_in_the_log_of_yesterday():
    """What was spent earlier today counts, what was spent yesterday does not."""
    purse = Purse(budget())
    now = datetime.fromtimestamp(purse.now, UTC)
    for at_, found in ((now - timedelta(hours=20), 1), (now - timedelta(hours=25), 0)):
        past = purse.budgets.past(CallContext(), "answer", "openai", at=at_.timestamp(), now=purse.now)
        assert len(past) == found
