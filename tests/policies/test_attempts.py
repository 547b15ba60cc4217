"""Stop, go elsewhere, or come back later."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import (
    AllDeploymentsFailed,
    AuthenticationFailed,
    CallTimeout,
    ConnectionFailed,
    ContextTooLong,
    InvalidRequest,
    MalformedReply,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerError,
    UnsupportedFeature,
)
from orchestrator.policies.attempts import RetryPolicy, failed, final_error, next_step
from orchestrator.policies.route import eligible, ready_at
from orchestrator.spec.routing import Health, Progress

POLICY = RetryPolicy()


@dataclass
class Deployment:
    name: str = "a"
    health: Health = field(default_factory=Health)


def most(low, high):
    return high


def least(low, high):
    return low


def after(error, *, tries=1, uniform=most, policy=POLICY):
    """Back-off and progress after the same error came `tries` times, at second 100."""
    candidate = Deployment()
    progress = Progress([candidate])
    for _ in range(tries):
        failed(progress, candidate, error, policy=policy, now=100.0, uniform=uniform)
    return progress.not_before.get("a", 100.0) - 100.0, progress, candidate


@pytest.mark.parametrize(
    ("error", "ceilings"),
    [
        (RateLimited("x"), [1, 2, 4, 8, 16, 20, 20]),
        (Overloaded("x"), [1, 2, 4, 8, 16, 20, 20]),
        (ServerError("x"), [0.25, 0.5, 1, 2, 4, 8, 16, 20]),
        (ConnectionFailed("x"), [0.25, 0.5]),
        (MalformedReply("x"), [0.25, 0.5]),
    ],
)
def test_backoff_doubles_to_its_cap(error, ceilings):
    """The ceiling of the back-off doubles with each try on the same deployment, from the base of its kind to 20 s."""
    assert [after(error, tries=tries)[0] for tries in range(1, len(ceilings) + 1)] == pytest.approx(ceilings)
    assert after(error, tries=3, uniform=least)[0] == 0.0


def test_hint_is_never_undercut():
    """With a Retry-After the wait begins where the vendor said, and ends a tenth or a second later at most."""
    assert after(RateLimited("x", retry_after=5.0), uniform=least)[0] == 5.0
    assert after(RateLimited("x", retry_after=5.0))[0] == pytest.approx(5.5)
    assert after(RateLimited("x", retry_after=25.0), tries=5)[0] == pytest.approx(26.0)
    assert after(RateLimited("x", retry_after=0.1))[0] == pytest.approx(1.0)  # the back-off is longer


def test_hint_rests_the_deployment_for_all():
    """The vendor's hint holds for every call; a shorter one later does not shorten it."""
    _, _, candidate = after(RateLimited("x", retry_after=5.0))
    assert candidate.health.not_before == 105.0
    failed(Progress([candidate]), candidate, RateLimited("x", retry_after=1.0), policy=POLICY, now=101.0)
    assert candidate.health.not_before == 105.0


def test_own_backoff_is_the_calls_own():
    """Without a hint, nobody else is kept from the deployment."""
    assert after(ServerError("x"))[2].health.not_before == 0.0


@pytest.mark.parametrize("error", [AuthenticationFailed("x"), QuotaExhausted("x"), ContextTooLong("x")])
def test_no_use_asking_again(error):
    """What waiting does not mend bars the deployment for the rest of the call, and the call goes on."""
    _, progress, _ = after(error)
    assert progress.barred == {"a": error}
    assert list(eligible(progress, 2)) == []
    assert next_step(progress, POLICY) is None


def test_request_faults_end_the_call():
    """An error that is the request's own is raised as it is."""
    for error in (InvalidRequest("x"), CallTimeout("x", kind="deadline")):
        assert next_step(Progress([], failures=[ServerError("y"), error]), POLICY) is error


def test_attempts_are_counted():
    """The fourth failed attempt is the last."""
    errors = [ServerError(str(number)) for number in range(4)]
    assert next_step(Progress([], failures=errors[:3]), POLICY) is None
    assert next_step(Progress([], failures=errors), POLICY) is errors[-1]


def test_two_ambiguous_attempts_are_enough():
    """Two attempts that may have been billed without an answer end the call; one does not."""
    maybe = ConnectionFailed("reset", maybe_billed=True)
    assert next_step(Progress([], failures=[maybe]), POLICY) is None
    assert isinstance(next_step(Progress([], failures=[maybe, ServerError("x"), maybe]), POLICY), AllDeploymentsFailed)


def test_shared_class_wins():
    """Causes of one class end as that class, the last of them."""
    errors = [ServerError("1"), ServerError("2")]
    assert final_error(Progress([], failures=errors)) is errors[1]


def test_all_refusals_are_a_refusal():
    """If every deployment refused the request in its way, the last refusal is the answer."""
    errors = [ContextTooLong("1"), UnsupportedFeature("2")]
    assert final_error(Progress([], failures=errors[:1], barred={"b": errors[1]})) is errors[1]


def test_different_causes_are_grouped():
    """Otherwise every cause is kept, in order, each once, with what follows from them."""
    first = RateLimited("slow down", deployment="a", retry_after=9.0)
    second = AuthenticationFailed("no key", deployment="b", maybe_billed=True)
    third = Overloaded("busy", deployment="c", retry_after=3.0)
    error = final_error(Progress([], failures=[first, second, third], barred={"b": second}))
    assert isinstance(error, AllDeploymentsFailed)
    assert error.causes == (first, second, third)
    assert (error.retryable, error.retry_after, error.maybe_billed) == (True, 3.0, True)
    assert error.message == (
        "all deployments failed: a: RateLimited: slow down; b: AuthenticationFailed: no key; c: Overloaded: busy"
    )


def test_hopeless_group_is_not_retryable():
    """If no cause is worth a retry, the group is not either, and has no hint."""
    error = final_error(Progress([], failures=[AuthenticationFailed("x"), QuotaExhausted("y")]))
    assert (error.retryable, error.retry_after, error.maybe_billed) == (False, None, False)


ERRORS = st.one_of(
    st.builds(RateLimited, st.just("x"), retry_after=st.none() | st.floats(0, 100)),
    st.builds(ServerError, st.just("x"), maybe_billed=st.booleans()),
    st.builds(Overloaded, st.just("x"), retry_after=st.none() | st.floats(0, 100)),
    st.builds(AuthenticationFailed, st.just("x")),
    st.builds(InvalidRequest, st.just("x")),
)


@given(
    st.lists(ERRORS, min_size=30, max_size=30),
    st.integers(1, 5),
    st.builds(RetryPolicy, attempts=st.integers(1, 6), per_deployment=st.integers(1, 3), cap_s=st.floats(0.1, 30)),
    st.randoms(use_true_random=False),
)
def test_bounds_hold_for_any_failures(errors, deployments, policy, random):
    """Whatever fails however: bounds on attempts hold, nobody comes before the hint or after the back-off's ceiling."""
    candidates = [Deployment(str(number)) for number in range(deployments)]
    progress, now, asked = Progress(candidates), 0.0, []
    for error in errors:
        candidate = next(iter(eligible(progress, policy.per_deployment)), None)
        if candidate is None:
            assert final_error(progress) is not None
            break
        now = max(now, ready_at(candidate, progress))
        assert now >= candidate.health.not_before
        if len(set(asked)) < deployments and candidate.name in asked:
            assert set(asked) | set(progress.barred) == {one.name for one in candidates}
        asked.append(candidate.name)
        failed(progress, candidate, error, policy=policy, now=now, uniform=random.uniform)
        hint = error.retry_after or 0.0
        if error.retryable:
            wait = progress.not_before[candidate.name] - now
            assert hint - 1e-9 <= wait <= max(policy.cap_s, hint + 1.0) + 1e-9
        if next_step(progress, policy) is not None:
            break
    assert 1 <= len(asked) <= policy.attempts
    assert max(asked.count(name) for name in asked) <= policy.per_deployment
    assert sum(error.maybe_billed for error in progress.failures) <= 2
