"""Retries are paid for out of successes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policies.retry_budget import BudgetPolicy, RetryBudget


def spent(failures: int, policy: BudgetPolicy | None = None) -> RetryBudget:
    """The budget of an account after so many failures, nothing under way."""
    budget = RetryBudget(policy)
    for _ in range(failures):
        budget.begin(retry=False)
        budget.end(retry=False, failed=True)
    return budget


def test_full_bucket_allows() -> None:
    """Nine failures leave more than half of twenty tokens: retries go on without touching the free ones."""
    budget = spent(9)
    assert all(budget.allows(100.0) for _ in range(50))


def test_half_empty_bucket_leaves_the_free_ones() -> None:
    """At half of the bucket only three retries per ten seconds are left."""
    budget = spent(10)
    assert [budget.allows(100.0) for _ in range(5)] == [True, True, True, False, False]
    assert not budget.allows(109.9)
    assert [budget.allows(110.0) for _ in range(4)] == [True, True, True, False]


def test_successes_give_it_back() -> None:
    """A success gives a tenth: after eleven of them a budget at its half allows retries again."""
    budget = spent(10)
    for _ in range(3):
        budget.allows(100.0)
    for _ in range(11):
        assert not budget.allows(100.0) or budget.tokens > 10.0
        budget.begin(retry=False)
        budget.end(retry=False, failed=False)
    assert all(budget.allows(100.0) for _ in range(20))


def test_neutral_ends_change_nothing() -> None:
    """A cancelled attempt neither costs nor pays."""
    budget = spent(5)
    budget.begin(retry=True)
    budget.end(retry=True, failed=None)
    assert (budget.tokens, budget.in_flight, budget.retrying) == (15.0, 0, 0)


def test_the_bucket_has_two_ends() -> None:
    """It never holds less than nothing nor more than its capacity, so an outage of hours is over soon."""
    budget = spent(1_000)
    assert budget.tokens == 0.0
    for _ in range(1_000):
        budget.begin(retry=False)
        budget.end(retry=False, failed=False)
    assert budget.tokens == 20.0


def test_retries_under_way_stay_few() -> None:
    """With a hundred calls under way a fifth of them may be retries, with few calls three; a full bucket or not."""
    for calls, most in ((0, 3), (5, 3), (100, 20)):
        budget = RetryBudget()
        for _ in range(calls):
            budget.begin(retry=False)
        retries = 0
        while budget.allows(100.0):
            budget.begin(retry=True)
            retries += 1
        assert most <= retries <= most + most // 4  # retries are under way themselves


@given(st.lists(st.tuples(st.floats(0.0, 3.0), st.sampled_from(["fail", "ok", "retry"])), max_size=300))
def test_free_retries_are_bounded(steps: list[tuple[float, str]]) -> None:
    """Whatever happens, an account in trouble gets at most three retries in any ten seconds from its first on."""
    budget = spent(20, BudgetPolicy(per_success=0.0))
    now, granted = 1_000.0, []
    for pause, step in steps:
        now += pause
        if step == "retry" and budget.allows(now):
            granted.append(now)
        elif step != "retry":
            budget.begin(retry=False)
            budget.end(retry=False, failed=step == "fail")
    for first in granted:
        assert sum(first <= at < first + 10.0 for at in granted) <= 6  # two of its periods meet in one window
    assert len(granted) <= 3 * ((now - 1_000.0) // 10.0 + 1)
