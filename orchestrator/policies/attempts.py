"""What happens after an attempt failed: stop, go elsewhere, or come back later.

The first attempt of a call runs bare. tenacity's strategies decide when to stop and how long to wait once something has
failed; this is the only module that imports it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tenacity import RetryCallState, stop_after_attempt, wait_exponential

from orchestrator.errors import (
    AllDeploymentsFailed,
    InvalidRequest,
    MalformedReply,
    OrchestratorError,
    Overloaded,
    RateLimited,
    ServerError,
)
from orchestrator.spec.routing import Candidate, Progress

__all__ = ["RetryPolicy", "failed", "final_error", "may_give_up", "next_step"]

_AMBIGUOUS_TRIES = 2
"""At most so many attempts of one call may end without an answer that might have been billed."""

_POISONED_DEPLOYMENTS = 2

_LATENESS = 0.1
_LATEST_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Bounds of one call's attempts.

    A different deployment is always tried before the same one is asked again. The same one is asked again after full
    jitter: uniform between 0 and `base * 2**n`, at most `cap_s`. Where the vendor gave a `retry_after`, that much later
    than it, by a tenth or a second at most: never before, and not everybody at the same instant.
    `max_wait_s` is the longest a vendor's hint is waited for when nobody else can answer.
    """

    attempts: int = 4
    per_deployment: int = 2
    throttled_base_s: float = 1.0
    transient_base_s: float = 0.25
    cap_s: float = 20.0
    max_wait_s: float = 30.0


def failed(
    progress: Progress,
    candidate: Candidate,
    error: OrchestratorError,
    *,
    policy: RetryPolicy,
    now: float,
    uniform: Callable[[float, float], float] = random.uniform,
) -> None:
    """Take note of a failed attempt: who is barred for the rest of the call, who rests until when."""
    name = candidate.name
    progress.failures.append(error)
    tries = progress.tries[name] = progress.tries.get(name, 0) + 1
    if error.retry_after is not None:
        candidate.health.not_before = max(candidate.health.not_before, now + error.retry_after)
    if not error.retryable:
        progress.barred[name] = error
        return
    throttled = isinstance(error, RateLimited | Overloaded)
    base = policy.throttled_base_s if throttled else policy.transient_base_s
    ceiling = wait_exponential(multiplier=base, max=policy.cap_s)(_state(tries))
    pause, hint = uniform(0.0, ceiling), error.retry_after or 0.0
    progress.not_before[name] = now + max(pause, hint + min(pause, _LATENESS * hint, _LATEST_S))


def next_step(progress: Progress, policy: RetryPolicy) -> OrchestratorError | None:
    """None to go on, else the error to raise: the request's own fault, or enough attempts."""
    last = progress.failures[-1]
    if last.scope == "request":
        return last
    if stop_after_attempt(policy.attempts)(_state(len(progress.failures))):
        return final_error(progress)
    if sum(error.maybe_billed for error in progress.failures) >= _AMBIGUOUS_TRIES or _is_poison(progress):
        return final_error(progress)
    return None


def may_give_up(progress: Progress, policy: RetryPolicy) -> bool:
    """Whether the call could go on after one more attempt that ends without an answer and might have been billed."""
    ambiguous = sum(error.maybe_billed for error in progress.failures)
    return len(progress.failures) + 1 < policy.attempts and ambiguous + 1 < _AMBIGUOUS_TRIES


def _is_poison(progress: Progress) -> bool:
    """Two deployments choked on it: it is more likely the request than both of them."""
    choked = {error.deployment for error in progress.failures if isinstance(error, MalformedReply | ServerError)}
    return len(choked) >= _POISONED_DEPLOYMENTS


def final_error(progress: Progress) -> OrchestratorError:
    """The error of a call whose candidates are spent.

    Where all causes share a class, the last of them. A refusal of the request as such wins over others' outages only
    if every deployment refused it.
    """
    causes = (*progress.failures, *(e for e in progress.barred.values() if e not in progress.failures))
    first = type(causes[0])
    if all(type(error) is first for error in causes):
        return causes[-1]
    if all(isinstance(error, InvalidRequest) for error in causes):
        return causes[-1]
    listed = "; ".join(f"{error.deployment}: {type(error).__name__}: {error.message}" for error in causes)
    waits = [error.retry_after for error in causes if error.retry_after is not None]
    return AllDeploymentsFailed(
        f"all deployments failed: {listed}",
        causes=causes,
        retryable=any(error.retryable for error in causes),
        retry_after=min(waits, default=None),
        maybe_billed=any(error.maybe_billed for error in causes),
    )


def _state(attempt_number: int) -> RetryCallState:
    nothing: Any = None  # tenacity's strategies read the attempt number only
    state = RetryCallState(retry_object=nothing, fn=None, args=(), kwargs={})
    state.attempt_number = attempt_number
    return state
