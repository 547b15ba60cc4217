"""Which deployments may answer, in what order. Pure: state in, choice out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate

from orchestrator.spec.events import CallContext
from orchestrator.spec.routing import Candidate, Progress

__all__ = ["Ordered", "Weighted", "eligible", "ready_at"]


class Ordered:
    """The picks as listed."""

    __slots__ = ("_order",)

    def __init__(self, picks: Sequence[Candidate], then: Sequence[Candidate]) -> None:
        self._order = (*picks, *then)

    def order(self, draw: Callable[[], float], context: CallContext, now: float) -> Sequence[Candidate]:
        """See `Chooser.order`."""
        return self._order


class Weighted:
    """The first pick drawn by weight, the others as listed. An order is made when first drawn, not per call."""

    __slots__ = ("_bounds", "_orders", "_picks", "_then")

    def __init__(self, picks: Sequence[Candidate], weights: Sequence[float], then: Sequence[Candidate]) -> None:
        total = sum(weights)
        self._bounds = [bound / total for bound in accumulate(weights)][:-1]
        self._picks = tuple(picks)
        self._then = tuple(then)
        self._orders: list[tuple[Candidate, ...]] = [()] * len(self._picks)

    def order(self, draw: Callable[[], float], context: CallContext, now: float) -> Sequence[Candidate]:
        """See `Chooser.order`."""
        drawn = bisect_right(self._bounds, draw())
        return self._orders[drawn] or self._make(drawn)

    def _make(self, drawn: int) -> tuple[Candidate, ...]:
        picks = self._picks
        order = self._orders[drawn] = (picks[drawn], *picks[:drawn], *picks[drawn + 1 :], *self._then)
        return order


def eligible(progress: Progress, per_deployment: int) -> Iterable[Candidate]:
    """Candidates that this call may still ask, untried ones first, each group in the route's order."""
    if not progress.failures and not progress.barred:
        return progress.order
    return _left(progress, per_deployment)


def _left(progress: Progress, per_deployment: int) -> Iterator[Candidate]:
    tried = []
    for candidate in progress.order:
        tries = progress.tries.get(candidate.name, 0)
        if candidate.name in progress.barred or tries >= per_deployment:
            continue
        if tries:
            tried.append(candidate)
        else:
            yield candidate
    yield from sorted(tried, key=lambda candidate: progress.tries[candidate.name])


def ready_at(candidate: Candidate, progress: Progress) -> float:
    """Monotonic seconds before which the candidate must not be asked: the vendor's word, or this call's back-off."""
    if not progress.not_before:
        return candidate.health.not_before
    return max(candidate.health.not_before, progress.not_before.get(candidate.name, 0.0))
