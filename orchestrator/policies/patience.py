"""When an attempt has been silent for so long that somebody else should be asked.

A deployment that hangs gives no error: a call would learn of it from its own deadline, when it is too late to ask
another. How long is too long depends on what is asked, so it is measured against the slowest answer there was lately:

- three times that, where this deployment has answered nobody since the attempt began, and another one has;
- ten times that, where it has answered nobody and there is nothing to compare it with;
- else the last moment at which somebody else can still answer within the deadline.

A deployment that goes on answering others does not hang: it is this request that takes long. That is also why a time of
which answers are known to take is never cut short, and why a deadline too tight for two attempts belongs to the first.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.spec.routing import Slowest

__all__ = ["Wait", "patient_until"]

_LEAST_S = 1.0
_COMPARED = 3.0
_ALONE = 10.0
_KNOWN_AFTER = 10
"""Answers before the slowest of them says anything."""

_UNKNOWN_S = 30.0
"""What is left to somebody else as long as nothing is known."""


@dataclass(frozen=True, slots=True)
class Wait:
    """An attempt without an answer. Monotonic seconds.

    `heard_at` is when its deployment last answered anybody, `others_heard_at` when another candidate did.
    """

    started: float
    deadline: float
    heard_at: float
    others_heard_at: float


def patient_until(wait: Wait, slowest: Slowest) -> float:
    """The monotonic second at which to ask somebody else, as far as is known now; `inf` for never.

    `slowest` is of the route: what is asked is the same, whoever answers.
    """
    longest_s = slowest.seconds
    known = slowest.count >= _KNOWN_AFTER
    time_s = wait.deadline - wait.started
    needed_s = max(_LEAST_S, 2.0 * longest_s) if known else max(_UNKNOWN_S, longest_s)
    last = wait.deadline - min(needed_s, time_s / 2.0)
    if last - wait.started <= longest_s:
        return float("inf")
    if not known or wait.heard_at > wait.started:
        return last
    times = _COMPARED if wait.others_heard_at > wait.started else _ALONE
    return min(last, wait.started + max(_LEAST_S, times * longest_s))
