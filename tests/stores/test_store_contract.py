"""What every store of limits keeps to, in this process and over a real Redis alike, in real time."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis_server import concurrency, most_in_a_window, requests, tokens

from orchestrator.spec.stores import Limit
from orchestrator.stores.memory import MemoryLimits
from orchestrator.stores.redis import RedisLimits


class Store:
    """Slots of these limits in one store, read and written by their order."""

    def __init__(self, limits, *kinds):
        self.limits = limits
        self.slots = [limits.slot(limit) for limit in kinds]

    def take(self, *amounts):
        return self.limits.reserve(self.slots, [float(amount) for amount in amounts], time.monotonic())

    def settle(self, *changes, age_s=0.0):
        now = time.monotonic()
        self.limits.settle(self.slots, [float(change) for change in changes], now, now - age_s)


@pytest.fixture(params=["memory", "redis"])
def make(request):
    """Build a store with these limits."""
    if request.param == "memory":
        yield lambda *kinds: Store(MemoryLimits(), *kinds)
        return
    server = request.getfixturevalue("redis")
    made = []

    def build(*kinds):
        # A round trip may take long on a machine that does something else: here it must not count as an outage.
        made.append(RedisLimits(server.url, prefix=f"test{len(made)}", timeout_s=2.0))
        return Store(made[-1], *kinds)

    yield build
    for limits in made:
        limits.close()


def test_burst_then_pace(make):
    """Of 600 requests a minute 30 go at once; the next has to wait for the pace."""
    store = make(requests(600))
    assert [store.take(1) for _ in range(30)] == [0.0] * 30
    assert 0.0 < store.take(1) <= 60 / 540


def test_the_wait_is_enough(make):
    """After the time that a refusal gave there is room, and not long before."""
    store = make(requests(20, period_s=2.0), tokens(1_000, period_s=2.0))
    assert store.take(1, 50) == 0.0
    wait = store.take(1, 50)
    assert 0.0 < wait < 0.2
    time.sleep(wait + 0.005)
    assert store.take(1, 50) == 0.0


def test_a_large_request_waits_for_an_empty_bucket(make):
    """More than the burst goes when nothing stands in the bucket, and delays those after by its size."""
    store = make(tokens(60_000))
    assert store.take(9_700) == 0.0
    assert store.take(9_700) == pytest.approx(10.0, abs=0.5)


def test_oversize_never_fits(make):
    """More than a whole period allows is refused for good; all of it goes at once when nothing was used."""
    store = make(tokens(1_000))
    assert math.isnan(store.take(1_001))
    assert store.take(1_000) == 0.0
    assert 50 < store.take(1_000) < 70


def test_all_or_nothing(make):
    """A refusal by one limit takes nothing from the others, wherever it stands."""
    store = make(requests(600), tokens(60_000), concurrency(1))
    assert store.take(1, 3_000, 1) == 0.0
    for _ in range(40):
        assert store.take(1, 900, 0) > 0
        assert store.take(1, 0, 1) > 0
    alone = store.slots[:1]
    assert [store.limits.reserve(alone, [1.0], time.monotonic()) for _ in range(29)] == [0.0] * 29
    assert store.limits.reserve(alone, [1.0], time.monotonic()) > 0


def test_refund_makes_room(make):
    """What an estimate took too much is free for the next."""
    store = make(tokens(60_000))
    assert store.take(30_000) == 0.0
    assert store.take(900) > 25
    store.settle(-29_500)
    assert store.take(900) == 0.0


def test_refund_makes_no_credit(make):
    """A refund of more than stands in the bucket allows nothing beyond the burst."""
    store = make(tokens(60_000))
    store.take(3_000)
    store.settle(-60_000)
    assert store.take(3_000) == 0.0
    assert store.take(900) > 0


def test_a_refund_of_the_past_frees_no_present_room(make):
    """What is given back belongs to the period in which it was taken."""
    store = make(tokens(1_000, period_s=7_200.0))
    assert store.take(900) == 0.0
    store.settle(-900, age_s=8_000.0)
    assert store.take(900) > 0
    store.settle(-900)
    assert store.take(900) == 0.0


def test_debt_is_paid(make):
    """What an estimate took too little delays those after."""
    store = make(tokens(60_000))
    assert store.take(100) == 0.0
    store.settle(9_000)
    assert store.take(900) == pytest.approx((9_100 + 900 - 3_000) / 970, abs=0.5)


def test_a_days_budget_may_be_used_at_once(make):
    """Daily limits are not spread: 95 % go at once, the rest when the first have left the day."""
    store = make(requests(100, period_s=86_400.0), tokens(10_000, period_s=86_400.0))
    assert [store.take(1, 50) for _ in range(95)] == [0.0] * 95
    assert 86_000 <= store.take(1, 50) <= 86_400 * 61 / 60


def test_concurrency_counts(make):
    """As many as allowed at once, another after a release; a surplus release makes no room."""
    store = make(concurrency(2))
    assert [store.take(1), store.take(1)] == [0.0, 0.0]
    assert store.take(1) > 0
    store.settle(-1)
    assert store.take(1) == 0.0
    for _ in range(5):
        store.settle(-1)
    assert [store.take(1), store.take(1)] == [0.0, 0.0]
    assert store.take(1) > 0


def test_new_amounts_keep_what_was_used(make):
    """A reload changes the amount and forgets nothing."""
    store = make(tokens(10_000, period_s=86_400.0), concurrency(1))
    assert store.take(5_000, 1) == 0.0
    for limit in (tokens(20_000, period_s=86_400.0), concurrency(2)):
        assert store.limits.slot(limit).limit == limit
    assert store.take(10_000, 1) == 0.0
    store.limits.slot(tokens(15_000, period_s=86_400.0))
    assert store.take(1, 0) > 0


def test_limits_of_one_key_are_one(make):
    """The same key, dimension and period is the same state; another is another."""
    limits = make().limits
    assert limits.slot(tokens(5)) is limits.slot(tokens(7))
    other = [tokens(5, key="o"), tokens(5, period_s=86_400.0), requests(5), Limit("a/m", "input_tokens", 5, 60.0)]
    assert len({id(limits.slot(limit)) for limit in [tokens(5), *other]}) == 5


STEPS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.06, 0.2]), st.integers(1, 400), st.floats(0, 1.3)),
    min_size=5,
    max_size=40,
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_no_window_sees_more_than_the_limit(make, steps):
    """Any sizes at any times, waiting or giving up, corrected or not: no window holds more than the limit."""
    store, taken = make(tokens(1_000, period_s=0.5)), []
    for pause, size, share in steps:
        time.sleep(pause)
        begin = time.monotonic()
        wait = store.take(size)
        if 0.0 < wait < 0.15:
            time.sleep(wait)
            begin = time.monotonic()
            wait = store.take(size)
        if wait == 0.0:
            back = max(round(size * (1 - share)), 0)
            taken.append((begin, size - back))
            store.settle(-back)
    assert most_in_a_window(taken, 0.5 - 0.005) <= 1_000
