"""Rates, windows and concurrency in this process: exact waits, and never more than a vendor's window allows."""

from __future__ import annotations

import gc
import math
import sys
from threading import Thread

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limit_store import Store, concurrency, requests, tokens

from orchestrator.spec.stores import Limit
from orchestrator.stores.memory import MemoryLimits


def test_burst_then_pace():
    """600 requests a minute: 30 at once (5 %), then one each 1/9 s, so that no minute sees more than 570."""
    store = Store(requests(600))
    assert [store.take(1) for _ in range(30)] == [0.0] * 30
    wait = store.take(1)
    assert wait == pytest.approx(60 / 540)
    assert store.take(1, now=1000.0 + wait - 1e-3) > 0
    assert store.take(1, now=1000.0 + wait) == 0.0


@pytest.mark.parametrize(("amount", "pause"), [(1, 60.0), (2, 60 / 0.9), (5, 16.0)])
def test_small_limits(amount, pause):
    """Limits of a few requests a minute let one in, then the next after the exact pause."""
    store = Store(requests(amount))
    assert store.take(1) == 0.0
    assert store.take(1) == pytest.approx(pause)
    assert store.take(1, now=1000.0 + pause) == 0.0


def test_tokens_wait_exactly():
    """A refusal says to the microsecond when there is room; then there is."""
    store = Store(tokens(60_000))
    assert store.take(3_000) == 0.0
    assert store.take(970) == pytest.approx(1.0)
    assert store.take(970, now=1000.999) == pytest.approx(0.001)
    assert store.take(970, now=1001.0) == 0.0


@pytest.mark.parametrize("now", [0.0, 3.7, 1_000.0, 7_654_321.123])
def test_the_wait_is_enough(now):
    """After the time a refusal gave, on any machine's clock, there is room: no call spins on rounding."""
    store = Store(requests(60), tokens(10_000))
    for _ in range(40):
        wait = store.take(1, 700, now=now)
        now += wait
        if wait:
            assert store.take(1, 700, now=now) == 0.0


def test_larger_than_the_burst_waits_for_an_empty_bucket():
    """A request of more than 5 % of the limit goes when the bucket is empty, and then takes its time to drain."""
    store = Store(tokens(60_000))
    assert store.take(9_700) == 0.0
    assert store.take(9_700) == pytest.approx(10.0)
    assert store.take(9_700, now=1010.0) == 0.0


def test_a_large_request_waits_for_the_window():
    """Half a minute's tokens at once do not go on top of half a minute's steady use."""
    store = Store(tokens(60_000))
    for second in range(40):
        assert store.take(900, now=1000.0 + second) == 0.0
    wait = store.take(30_000, now=1040.0)
    assert store.take(30_000, now=1040.0 + wait - 0.01) > 0
    assert 1060.0 < 1040.0 + wait <= 1080.0  # once 15 of the 40 have left the minute
    assert store.take(30_000, now=1040.0 + wait) == 0.0


def test_oversize_never_fits():
    """More than a whole period allows is refused for good; the whole of it goes when the window is empty."""
    store = Store(tokens(1_000))
    assert math.isnan(store.take(1_001))
    assert store.take(1_000) == 0.0
    assert store.take(1_000) == pytest.approx(60 / 0.97)


def test_refund_makes_room():
    """What an estimate took too much is free at once."""
    store = Store(tokens(60_000))
    assert store.take(30_000) == 0.0
    assert store.take(900, now=1001.0) > 25
    store.settle(-29_000, now=1001.0, since=1000.0)
    assert store.take(900, now=1001.0) == 0.0


def test_refund_makes_no_credit():
    """A refund of what the bucket has long forgotten allows nothing beyond the burst."""
    store = Store(tokens(60_000))
    store.take(30_000)
    store.settle(-30_000, now=2000.0, since=1000.0)
    assert store.take(3_000, now=2000.0) == 0.0
    assert store.take(1, now=2000.0) > 0


def test_refund_counts_where_it_was_taken():
    """What is given back belongs to the minute in which it was taken, not to the present one."""
    store = Store(tokens(60_000))
    assert store.take(50_000, now=1000.0) == 0.0
    assert store.take(27_000, now=1066.0) == 0.0
    store.settle(-50_000, now=1066.0, since=1000.0)
    assert store.take(32_000, now=1110.0) > 0


def test_debt_is_paid():
    """What an estimate took too little delays those after."""
    store = Store(tokens(60_000))
    assert store.take(100) == 0.0
    store.settle(9_000, now=1050.0, since=1000.0)
    assert store.take(900, now=1050.0) == pytest.approx(6_900 / 970)
    store.settle(0.0)  # an estimate that was right changes nothing
    assert store.take(900, now=1057.7) == 0.0


def test_a_days_budget_may_be_used_in_an_hour():
    """Daily limits are not spread over the day: 95 % go at once, the rest when the first have left the day."""
    store = Store(requests(100, period_s=86_400.0), tokens(10_000, period_s=86_400.0))
    assert [store.take(1, 50) for _ in range(95)] == [0.0] * 95
    assert 86_400 <= store.take(1, 50) <= 86_400 * 61 / 60
    assert store.take(1, 50, now=1000.0 + 86_400 * 61 / 60) == 0.0


def test_concurrency_counts():
    """As many as allowed at once; another only after a release; a surplus release makes no room."""
    store = Store(concurrency(2))
    assert [store.take(1), store.take(1), store.take(1)] == [0.0, 0.0, math.inf]
    store.settle(-1)
    assert [store.take(1), store.take(1)] == [0.0, math.inf]
    for _ in range(5):
        store.settle(-1)
    assert [store.take(1), store.take(1), store.take(1)] == [0.0, 0.0, math.inf]


def test_all_or_nothing():
    """A refusal by one limit takes nothing from the others, wherever it stands; the longest wait is given."""
    store = Store(requests(600), tokens(60_000), concurrency(1))
    assert store.take(1, 3_000, 1) == 0.0
    assert store.take(1, 970, 0) == pytest.approx(1.0)
    assert store.take(1, 970, 1) == math.inf
    assert math.isnan(store.take(1, 60_001, 1))
    assert [store.limits.reserve(store.slots[:1], [1], 1000.0) for _ in range(29)] == [0.0] * 29
    assert store.limits.reserve(store.slots[:1], [1], 1000.0) > 0


def test_new_amounts_keep_what_was_used():
    """A reload changes the amount and forgets nothing: a raised limit has room, a lowered one none."""
    for period_s in (60.0, 86_400.0):
        store = Store(tokens(10_000, period_s=period_s), requests(20, period_s=period_s), concurrency(1))
        assert store.take(5_000, 1, 1) == 0.0
        for limit in (tokens(100_000, period_s=period_s), requests(40, period_s=period_s), concurrency(3)):
            assert store.limits.slot(limit).limit == limit
        assert store.take(1, 1, 1) == 0.0 or period_s == 60.0
        store.limits.slot(tokens(2_000, period_s=period_s))
        assert store.take(1_000, 0, 0, now=1001.0) > 0
        store.limits.slot(concurrency(1))
        assert store.take(0, 0, 1, now=1001.0) == math.inf


def test_limits_of_one_key_are_one():
    """The same key, dimension and period is the same state; another is another."""
    limits = MemoryLimits()
    assert limits.slot(tokens(5)) is limits.slot(tokens(7))
    other = [tokens(5, key="o"), tokens(5, period_s=86_400.0), requests(5), Limit("k", "input_tokens", 5, 60.0)]
    assert len({id(limits.slot(limit)) for limit in [tokens(5), *other]}) == 5


def most_in_a_window(taken, period_s):
    """The sliding-window reference: the largest sum that any window of a period holds, and the largest single one."""
    best = 0.0
    for end, (last, _) in enumerate(taken):
        best = max(best, sum(amount for at, amount in taken[: end + 1] if at > last - period_s + 1e-3))
    return best


ARRIVALS = st.lists(
    st.tuples(st.floats(0, 20), st.integers(1, 1_000), st.floats(0, 1.5), st.floats(0, 30)), min_size=1, max_size=120
)


@settings(max_examples=150, deadline=None)
@given(ARRIVALS, st.sampled_from([60.0, 86_400.0]), st.booleans())
def test_no_window_sees_more_than_the_limit(arrivals, period_s, patient):
    """Any arrivals of any sizes, waiting or giving up, corrected later or not: no window holds more than the limit."""
    store, now, taken = Store(tokens(1_000, period_s=period_s)), 1000.0, []
    open_settles = []
    for pause, size, share, latency in arrivals:
        now += pause * period_s / 60
        for due in [one for one in open_settles if one[0] <= now]:
            open_settles.remove(due)
            _, place, change = due
            store.settle(change, now=now, since=taken[place][0])
            taken[place] = (taken[place][0], taken[place][1] + min(change, 0))
        wait = store.take(size, now=now)
        if wait and patient:
            now += wait
            wait = store.take(size, now=now)
            assert wait == 0.0
        if not wait:
            taken.append((now, size))
            if share < 1.0:
                open_settles.append((now + latency, len(taken) - 1, -size * (1 - share)))
    assert most_in_a_window(taken, period_s) <= 1_000 + 1e-6


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 8), min_size=1, max_size=200), st.integers(2, 60))
def test_no_window_sees_more_requests(pauses, limit):
    """Requests at any times, each waiting as long as it is told: no minute sees more than the limit."""
    store, now, taken = Store(requests(limit)), 1000.0, []
    for pause in pauses:
        now += pause
        now += store.take(1, now=now)
        if not taken or taken[-1][0] != now:
            store.take(1, now=now)
        taken.append((now, 1))
    assert most_in_a_window(taken, 60.0) <= limit


def test_full_speed_is_reached():
    """Waiting callers get at least 94 % of a limit, with small and with large requests."""
    for size in (100, 2_500, 15_000):
        store, now, total = Store(tokens(60_000)), 1000.0, 0
        while now < 1600.0:
            wait = store.take(size, now=now)
            now += wait
            total += 0 if wait else size
        assert total >= 10 * 60_000 * (0.94 if size < 10_000 else 0.73)


def test_threads_never_exceed_the_limit():
    """Eight threads at one store: what is in use never exceeds the limits, and nothing is lost or left over."""
    store = Store(concurrency(5), tokens(1_000_000))
    in_use, seen, granted = [], [], []

    def work():
        for _ in range(400):
            if store.take(1, 100, now=1000.0) == 0.0:
                in_use.append(1)
                seen.append(len(in_use))
                granted.append(100)
                in_use.pop()
                store.settle(-1, 0, now=1000.0)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert max(seen) <= 5
    assert sum(granted) == 50_000  # the burst, to the last token
    assert [store.take(1, 0) for _ in range(6)] == [0.0] * 5 + [math.inf]


def test_settling_in_a_finalizer_does_not_deadlock():
    """A finalizer that settles while its own thread is inside the store is let through, and counted."""
    store = Store(concurrency(10))

    class Forgotten:
        def __init__(self):
            self.itself = self

        def __del__(self):
            store.settle(-1)

    class Amounts(list):
        def __iter__(self):
            gc.collect()  # as it may happen at any allocation
            return super().__iter__()

    assert [store.take(1) for _ in range(10)] == [0.0] * 10
    Forgotten()
    done = []
    thread = Thread(target=lambda: done.append(store.limits.reserve(store.slots, Amounts([1.0]), 1000.0)), daemon=True)
    thread.start()
    thread.join(5)
    assert len(done) == 1
    assert [store.take(1), store.take(1)] == ([0.0, math.inf] if done == [math.inf] else [math.inf, math.inf])
