"""Limits that learn, in virtual time: never above the file's, never stuck below it."""

from __future__ import annotations

import math
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policies.learning import Learner
from orchestrator.spec.stores import Limit, SeenLimit
from orchestrator.stores.memory import MemoryLimits

KEY = "openai/gpt"
DAY = 86_400.0


def limit(amount, dimension="requests", period_s=60.0, key=KEY):
    return Limit(key, dimension, float(amount), 0.0 if dimension == "concurrency" else period_s)


def stated(amount=None, remaining=None, dimension="requests", period_s=60.0, reset_s=None):
    return SeenLimit(dimension, amount, remaining, reset_s, period_s)


def learner(*limits, store=None, account=None):
    made = Learner(store or MemoryLimits(), KEY, account)
    made.configure(limits, 0.0)
    return made


def amounts(made):
    return {(one.dimension, one.period_s): one.amount for one in made.limits}


def amount(made):
    (only,) = made.limits
    return only.amount


class Recorder:
    """A store whose slots know nothing, as one that keeps its state elsewhere; remembers what it was told."""

    def __init__(self):
        self.slots = {}
        self.told = []

    def slot(self, limit):
        slot = self.slots.setdefault((limit.key, limit.dimension, limit.period_s), type("Slot", (), {})())
        slot.limit = limit
        self.told.append(limit)
        return slot

    def reserve(self, slots, amounts, now):
        return 0.0

    def settle(self, slots, changes, now, since=None):
        self.told.append((slots, changes))


def test_lower_limit_of_the_vendor():
    """A stated limit below the file's is adopted at 95 %; a larger one later, up to the file's."""
    made = learner(limit(500))
    for said, expected in [(500, 500.0), (400, 380.0), (450, 427.5), (10_000, 500.0)]:
        assert made.seen([stated(said)], 1.0) is False
        assert amount(made) == expected


def test_limit_that_the_file_does_not_have():
    """A limit only the vendor knows is adopted at 95 % and announced once, so that the gate can take it up."""
    made = learner(limit(500))
    assert made.seen([stated(90_000, dimension="tokens")], 1.0) is True
    assert made.seen([stated(80_000, dimension="tokens")], 2.0) is False
    assert amounts(made) == {("requests", 60.0): 500.0, ("tokens", 60.0): 76_000.0}


def test_day_beside_minute():
    """A limit per day is another limit than the one per minute, even of the same kind."""
    made = learner(limit(500))
    made.seen([stated(200, 0.0, period_s=DAY)], 1.0)
    assert amounts(made) == {("requests", 60.0): 500.0, ("requests", DAY): 190.0}


def test_what_is_left():
    """With less left at the vendor than here, the difference is taken as used; with more, nothing changes."""
    store = MemoryLimits()
    made = learner(limit(1_200), store=store)
    slot = store.slot(limit(1_200))
    room = slot.room(100.0)
    made.seen([stated(1_200, 1_199.0)], 100.0)
    assert slot.room(100.0) == room == 60.0
    made.seen([stated(1_200, 10.0)], 100.0)
    assert slot.room(100.0) == pytest.approx(10.0)
    made.seen([stated(1_200, 50.0)], 100.0)
    assert slot.room(100.0) == pytest.approx(10.0)  # forward only


def test_nothing_left_waits_as_long_as_it_must():
    """An empty vendor holds the next request back, and the pace, not a whole period, lets it in again."""
    store = MemoryLimits()
    made = learner(limit(60_000, "tokens"), store=store)
    made.seen([stated(60_000, 0.0, dimension="tokens")], 100.0)
    slots = [store.slot(made.limits[0])]
    wait = store.reserve(slots, [970.0], 100.0)
    assert wait == pytest.approx(1.0)  # 970 tokens at 970 a second
    assert store.reserve(slots, [900.0], 100.0 + wait) == 0.0


def test_day_budgets_are_not_used_up():
    """What is left of a day is not taken over: it would stay used for a day here, and refill at the vendor."""
    store = MemoryLimits()
    made = learner(limit(14_400, period_s=DAY), store=store)
    made.seen([stated(14_400, 3.0, period_s=DAY)], 100.0)
    assert store.slot(made.limits[0]).room(100.0) == pytest.approx(0.95 * 14_400)


def test_store_that_cannot_tell():
    """A store without gauges gets the limits, and no debt that nobody could know."""
    store = Recorder()
    made = learner(limit(500), store=store)
    made.seen([stated(400, 0.0)], 1.0)
    assert [one.amount for one in store.told] == [500.0, 380.0]


def test_refusals_lower_the_rate():
    """Each second with refusals takes 30 % off, a burst of them counts once, and 5 % is left at the least."""
    made = learner(limit(1_000))
    for _ in range(50):
        made.throttled([], 10.0)
    assert amount(made) == 700.0
    made.throttled([], 10.9)
    assert amount(made) == pytest.approx(710.0)  # too soon to cut again, and some has come back
    for second in range(11, 60):
        made.throttled([], float(second))
    assert 50.0 <= amount(made) <= 60.0


def test_refusals_with_a_reason():
    """A refusal whose answer states a lower limit lowers nothing else; one that states what we held to anyway lowers
    the rate, also while it recovers.
    """
    made = learner(limit(1_200))
    assert made.throttled([stated(1_000, 0.0), stated(90_000, dimension="tokens")], 0.0) is True
    assert amounts(made) == {("requests", 60.0): 950.0, ("tokens", 60.0): 85_500.0}
    for now, share in [(2.0, 0.70), (4.0, 0.518), (6.0, 0.39)]:
        made.throttled([stated(1_000, 0.0)], now)
        assert amounts(made)[("requests", 60.0)] == pytest.approx(share * 950.0, abs=9.5)


def test_recovery():
    """Two per cent of the whole come back each second, and after that nothing is left to refresh."""
    made = learner(limit(1_000))
    made.throttled([], 0.0)
    for now, expected in [(1.0, 720.0), (5.0, 800.0), (14.9, 990.0), (15.0, 1_000.0)]:
        assert made.recovering
        made.refresh(now)
        assert amount(made) == pytest.approx(expected)
    assert not made.recovering


def test_overload_lowers_concurrency_only():
    """Overload and timeouts take a tenth of the concurrency, one call at the least, and leave the rate alone."""
    made = learner(limit(1_000), limit(10, "concurrency"))
    made.overloaded(0.0)
    assert amounts(made) == {("requests", 60.0): 1_000.0, ("concurrency", 0.0): 9.0}
    for second in range(1, 100):
        made.overloaded(float(second))
    assert amounts(made)[("concurrency", 0.0)] >= 1.0
    made.throttled([], 200.0)
    assert amounts(made) == {("requests", 60.0): 700.0, ("concurrency", 0.0): 10.0}


def test_day_limits_are_not_lowered():
    """A refusal is about the last minute, not about the day."""
    made = learner(limit(1_000), limit(10_000, period_s=DAY))
    made.throttled([], 0.0)
    assert amounts(made) == {("requests", 60.0): 700.0, ("requests", DAY): 10_000.0}


def test_account_takes_what_the_model_cannot():
    """Where only the account has a limit, refusals of its models lower that; else they lower the model's only."""
    store = MemoryLimits()
    account = Learner(store, "openai")
    account.configure([limit(1_000, key="openai")], 0.0)
    bare, own = learner(store=store, account=account), learner(limit(500), store=store, account=account)
    own.throttled([], 0.0)
    assert (amount(own), amount(account)) == (350.0, 1_000.0)
    bare.throttled([], 0.0)
    assert amount(account) == 700.0
    assert bare.recovering
    bare.refresh(60.0)
    assert amount(account) == 1_000.0
    assert not bare.recovering


def test_large_requests_wait_instead_of_failing():
    """A request that fits the file's limit still fits while the rate is lowered, or the vendor's is just below it."""
    store = MemoryLimits()
    made = learner(limit(10_000, "tokens"), store=store)
    for second in range(60):
        made.throttled([], float(second))
    slots = [store.slot(made.limits[0])]
    assert made.limits[0].amount < 1_000.0
    assert store.reserve(slots, [9_000.0], 60.0) == 0.0
    assert 0.0 < store.reserve(slots, [9_000.0], 60.0) < math.inf
    assert math.isnan(store.reserve(slots, [10_001.0], 60.0))
    made.seen([stated(8_000, dimension="tokens")], 61.0)
    assert not math.isnan(store.reserve(slots, [8_000.0], 62.0))
    assert math.isnan(store.reserve(slots, [8_001.0], 62.0))


def test_reload():
    """What was learnt outlives a reload: the vendor's limit, what was lowered, and what the file does not have."""
    made = learner(limit(500))
    made.seen([stated(400), stated(90_000, dimension="tokens")], 1.0)
    made.throttled([], 1.0)
    found = {(one.dimension): one.amount for one in made.configure([limit(300), limit(9, key="openai")], 1.0)}
    assert found == {"requests": pytest.approx(210.0), "tokens": pytest.approx(0.7 * 85_500)}
    found = {(one.dimension): one.amount for one in made.configure([], 100.0)}
    assert found == {"requests": 380.0, "tokens": 85_500.0}


def test_limit_taken_out_of_the_file():
    """A limit that neither the file nor the vendor has any more is gone."""
    made = learner(limit(500), limit(10, "concurrency"))
    (kept,) = made.configure([limit(500)], 1.0)
    assert (kept.dimension, kept.amount) == ("requests", 500.0)
    assert made.configure([], 2.0) == ()
    assert made.seen([stated(None, 5.0)], 3.0) is False


def test_amount_put_back_by_another():
    """When a reload has put the file's amount into the store, the next answer puts the vendor's back."""
    store = MemoryLimits()
    made = learner(limit(500), store=store)
    made.seen([stated(400)], 1.0)
    store.slot(limit(500))
    made.seen([stated(400)], 2.0)
    assert store.slot(made.limits[0]).limit.amount == 380.0


def test_vendor_with_endless_periods():
    """An answer that names another period each time adds sixteen limits and no more."""
    made = learner()
    for number in range(1, 100):
        made.seen([stated(100, period_s=float(number))], 1.0)
    assert len(made.limits) == 16


def test_many_threads():
    """Answers, refusals and refreshes from eight threads at once leave limits that are whole again a minute later."""
    store = MemoryLimits()
    made = learner(limit(1_000), limit(50, "concurrency"), store=store)

    def work(number):
        for step in range(200):
            now = step / 10.0
            made.seen([stated(2_000, float(step)), stated(9_000.0, dimension="tokens")], now)
            made.throttled([], now) if step % 20 == number else made.overloaded(now)
            made.refresh(now)

    threads = [Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made.refresh(80.0)
    assert amounts(made) == {("requests", 60.0): 1_000.0, ("concurrency", 0.0): 50.0, ("tokens", 60.0): 8_550.0}
    assert not made.recovering


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["answer", "refused", "overloaded", "refresh"]),
        st.floats(0.0, 20.0),
        st.integers(1, 2_000),
        st.integers(0, 2_000),
    ),
    max_size=40,
)


@given(configured=st.integers(1, 1_000), steps=STEPS)
def test_never_above_never_stuck(configured, steps):
    """After anything at all, each limit lies between a twentieth and the whole of what file and vendor allow, and a
    minute without refusals brings all of it back.
    """
    made = learner(limit(configured), limit(configured, "concurrency"))
    now, vendor = 0.0, math.inf
    for what, after, said, remaining in steps:
        now += after
        if what == "answer":
            made.seen([stated(float(said), float(min(said, remaining)))], now)
            vendor = float(said)
        elif what == "refused":
            made.throttled([], now)
        elif what == "overloaded":
            made.overloaded(now)
        else:
            made.refresh(now)
        whole = configured if vendor >= configured else 0.95 * vendor
        found = amounts(made)
        assert min(whole, max(0.05 * whole, 1.0)) - 1e-9 <= found[("requests", 60.0)] <= whole
        assert min(configured, 1.0) <= found[("concurrency", 0.0)] <= configured
    made.refresh(now + 60.0)
    assert amounts(made)[("requests", 60.0)] == pytest.approx(configured if vendor >= configured else 0.95 * vendor)
    assert amounts(made)[("concurrency", 0.0)] == configured
    assert not made.recovering


@given(configured=st.integers(20, 500), steps=STEPS)
def test_no_window_over_the_configured_limit(configured, steps):
    """A greedy client that reserves whatever it gets, through cuts and recoveries, stays within the file's limit in
    every minute.
    """
    store = MemoryLimits()
    made = learner(limit(configured), store=store)
    slots, now, taken = [store.slot(made.limits[0])], 0.0, []
    for what, after, said, remaining in steps:
        now += after
        if what == "refused":
            made.throttled([], now)
        elif what == "answer":
            made.seen([stated(float(said), float(min(said, remaining)))], now)
        else:
            made.refresh(now)
        while store.reserve(slots, [1.0], now) == 0.0:
            taken.append(now)
    for end in taken:
        assert sum(end - 60.0 < at <= end for at in taken) <= configured
