"""The rule of patience, as numbers."""

from __future__ import annotations

import math

from orchestrator.policies.patience import Wait, patient_until
from orchestrator.spec.routing import Slowest


def experience(*seconds: float, answers: int = 10) -> Slowest:
    """A route whose last answers took so long, the rest of them nothing."""
    slowest = Slowest()
    for took in (*seconds, *[0.0] * (answers - len(seconds))):
        slowest.add(took, 100.0)
    return slowest


def until(slowest: Slowest, *, deadline: float = 120.0, heard: float = 0.0, others: float = 0.0) -> float:
    """Seconds that an attempt begun at 1000 gets; `heard` and `others` in seconds since its beginning, 0 for before."""
    wait = Wait(1000.0, 1000.0 + deadline, 1000.0 + heard, 1000.0 + others)
    return round(patient_until(wait, slowest) - 1000.0, 6)


def test_compared_with_others():
    """Silence while another deployment answers ends after three times the slowest answer."""
    assert until(experience(2.0), others=0.5) == 6.0


def test_alone():
    """Silence without anything to compare it with ends after ten times the slowest answer."""
    assert until(experience(2.0)) == 20.0


def test_never_less_than_a_second():
    """Where answers take milliseconds, a hiccup of less than a second is no silence."""
    assert until(experience(0.01), others=0.5) == until(experience(0.01)) == 1.0


def test_deployment_that_answers_others_is_not_silent():
    """A long request at a deployment that goes on answering is left to it while somebody else can still take over."""
    assert until(experience(2.0), heard=0.5, others=0.5) == 120.0 - 2 * 2.0


def test_last_moment_comes_first():
    """However patient, what somebody else needs is left."""
    assert until(experience(2.0), deadline=15.0) == 15.0 - 2 * 2.0


def test_tight_deadline_is_not_split():
    """Where answers are known to take more than half of the time, the first attempt gets all of it."""
    assert until(experience(12.0), deadline=20.0) == math.inf
    assert until(experience(9.0), deadline=20.0) == 10.0


def test_without_experience():
    """Before ten answers nothing is known: half a minute is left to somebody else, half of a short deadline."""
    few = experience(0.5, answers=9)
    assert until(few, deadline=120.0, others=0.5) == 90.0
    assert until(few, deadline=20.0, others=0.5) == 10.0


def test_the_slowest_is_forgotten():
    """A slow answer counts for five to ten minutes, and without new answers as long as it takes."""
    slowest = Slowest()
    slowest.add(9.0, 0.0)
    assert slowest.seconds == 9.0
    slowest.add(1.0, 299.0)
    slowest.add(1.0, 301.0)
    assert slowest.seconds == 9.0
    slowest.add(1.0, 602.0)
    assert slowest.seconds == 1.0
