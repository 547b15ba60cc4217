"""Which deployment is asked first, and who follows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

from orchestrator.errors import InvalidRequest, ServerError
from orchestrator.policies.route import Ordered, Weighted, eligible, ready_at
from orchestrator.spec.events import CallContext
from orchestrator.spec.routing import Health, Progress


@dataclass
class Deployment:
    name: str
    health: Health = field(default_factory=Health)


A, B, C, D = (Deployment(name) for name in "abcd")


def names(candidates):
    return "".join(candidate.name for candidate in candidates)


def order(chooser, draw):
    return chooser.order(draw if callable(draw) else lambda: draw, CallContext(), 0.0)


def test_ordered_keeps_the_list():
    """Picks come as listed, then the fallbacks, whatever chance says."""
    chooser = Ordered([B, A], [C])
    assert {names(order(chooser, number)) for number in (0.0, 0.5, 0.999)} == {"bac"}


def test_weights_decide_the_first():
    """9 to 1 means nine calls in ten begin with the first pick, within chance."""
    chooser, random = Weighted([A, B], [9, 1], []), Random(7)
    first = Counter(order(chooser, random.random)[0].name for _ in range(20_000))
    assert abs(first["a"] - 18_000) < 4 * (20_000 * 0.9 * 0.1) ** 0.5


def test_weights_at_their_bounds():
    """A number at a boundary belongs to the next pick, and the largest number below one to the last."""
    chooser = Weighted([A, B, C], [1, 2, 1], [])
    drawn = [order(chooser, number)[0].name for number in (0.0, 0.2499, 0.25, 0.7499, 0.75)]
    assert "".join(drawn) == "aabbc"
    assert order(chooser, 1 - 2**-53)[0].name == "c"


def test_weight_nought_is_never_first():
    """A pick of weight 0 is never drawn, but still takes over from the others."""
    chooser, random = Weighted([A, B], [0, 1], [C]), Random(1)
    assert {names(order(chooser, random.random)) for _ in range(500)} == {"bac"}
    assert order(chooser, 0.0)[0].name == "b"


def test_others_follow_as_listed():
    """Behind the pick that was drawn come the other picks in the file's order, then `then`."""
    chooser = Weighted([A, B, C], [1, 1, 1], [D])
    orders = {names(order(chooser, number)) for number in (0.1, 0.5, 0.9)}
    assert orders == {"abcd", "bacd", "cabd"}


def test_untried_before_tried():
    """Candidates not asked yet come first, then those asked, the least asked first."""
    progress = Progress([A, B, C, D], failures=[ServerError("x")], tries={"a": 2, "b": 1})
    assert names(eligible(progress, 3)) == "cdba"


def test_barred_and_spent_are_left_out():
    """Who is barred, or was asked often enough, is not asked again."""
    progress = Progress([A, B, C], tries={"a": 2}, barred={"b": InvalidRequest("x")})
    assert names(eligible(progress, 2)) == "c"


def test_fresh_call_may_ask_all():
    """Nothing has failed: the route's order as it is."""
    assert names(eligible(Progress([B, A]), 2)) == "ba"


def test_ready_is_the_later_of_both():
    """A deployment rests until the vendor's time and until this call's own back-off."""
    resting = Deployment("r")
    resting.health.not_before = 7.0
    assert ready_at(resting, Progress([resting])) == 7.0
    assert ready_at(resting, Progress([resting], not_before={"r": 9.0})) == 9.0
    assert ready_at(resting, Progress([resting], not_before={"r": 5.0})) == 7.0
    assert ready_at(A, Progress([A], not_before={"r": 5.0})) == 0.0
