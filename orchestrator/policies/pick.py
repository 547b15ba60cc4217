"""Rules that pick by what is known of the deployments (how busy, how fast, how dear), or by who calls.

Pure choosers over numbers that the pipeline keeps up to date: nothing here measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b
from math import log

from orchestrator.spec.events import CallContext
from orchestrator.spec.routing import Candidate, Chooser, TokenMix

__all__ = ["Case", "Cheapest", "Conditional", "Fastest", "LeastBusy", "Sticky"]

_REPRICE_S = 10.0


class LeastBusy:
    """The pick with the fewest calls in flight; among equals, any."""

    __slots__ = ("_picks", "_then")

    def __init__(self, picks: Sequence[Candidate], then: Sequence[Candidate]) -> None:
        self._picks = tuple(picks)
        self._then = tuple(then)

    def order(self, draw: Callable[[], float], context: CallContext, now: float) -> Sequence[Candidate]:
        """See `Chooser.order`."""
        turned = _turned(self._picks, draw)  # a sort keeps the order of equals, so begin anywhere
        return (*sorted(turned, key=lambda candidate: candidate.health.in_flight), *self._then)


class Fastest:
    """Two picks drawn at random, the one with the lower expected wait first: power of two choices.

    Expected is the average latency, times one more than the calls in flight. An average that is not renewed sinks with
    time (see `Health.latency_s`), so a deployment that was slow once is tried again; one never tried costs nothing.
    """

    __slots__ = ("_picks", "_then")

    def __init__(self, picks: Sequence[Candidate], then: Sequence[Candidate]) -> None:
        self._picks = tuple(picks)
        self._then = tuple(then)

    def order(self, draw: Callable[[], float], context: CallContext, now: float) -> Sequence[Candidate]:
        """See `Chooser.order`."""
        picks = self._picks
        if len(picks) == 1:
            return (*picks, *self._then)
        first = int(draw() * len(picks))
        second = (first + 1 + int(draw() * (len(picks) - 1))) % len(picks)
        if _expected_s(picks[second], now) < _expected_s(picks[first], now):
            first, second = second, first
        rest = [pick for i, pick in enumerate(picks) if i not in {first, second}]
        rest.sort(key=lambda candidate: _expected_s(candidate, now))
        return (picks[first], picks[second], *rest, *self._then)


def _expected_s(candidate: Candidate, now: float) -> float:
    health = candidate.health
    return health.latency_s(now) * (health.in_flight + 1)


class Cheapest:
    """The pick that costs least for the tokens this route really uses; picks without a known price come last.

    `price` gives dollars for a mix, None if unknown. The order is worked out anew every ten seconds, not per call.
    """

    __slots__ = ("_due", "_mix", "_order", "_picks", "_price", "_then")

    def __init__(
        self,
        picks: Sequence[Candidate],
        then: Sequence[Candidate],
        mix: TokenMix,
        price: Callable[[Candidate, TokenMix], Decimal | None],
    ) -> None:
        self._picks = tuple(picks)
        self._then = tuple(then)
        self._mix = mix
        self._price = price
        self._order: Sequence[Candidate] = ()
        self._due = float("-inf")

    def order(self, draw: Callable[[], float], context: CallContext, now: float) -> Sequence[Candidate]:
        """See `Chooser.order`."""
        if now >= self._due:
            self._due = now + _REPRICE_S
            prices = {pick.name: self._price(pick, self._mix) for pick in self._picks}
            ranked = sorted(self._picks, key=lambda pick: (prices[pick.name] is None, prices[pick.name] or 0))
            self._order = (*ranked, *self._then)
        return self._order


class Sticky:
    """Keeps the calls of one key (a tenant, a user, a tag) on one pick, so that the vendor's prompt cache stays warm.

    Rendezvous hashing: every process agrees without talking, and when a pick goes or comes only its own keys move. A
    call without the key is chosen by the rule underneath.
    """

    __slots__ = ("_key", "_picks", "_then", "_under")

    def __init__(
        self,
        under: Chooser,
        key: str,
        picks: Sequence[Candidate],
        weights: Sequence[float],
        then: Sequence[Candidate],
    ) -> None:
        self._under = under
        self._key = key
        self._picks = tuple(zip(picks, weights or [1.0] * len(picks), strict=True))
        self._then = tuple(then)

    def order(self, draw: Callable[[], float], context: CallContext, now: float) -> Sequence[Candidate]:
        """See `Chooser.order`."""
        value = self._value(context)
        if value is None:
            return self._under.order(draw, context, now)
        ranked = sorted(self._picks, key=lambda pick: _score(value, pick[0].name, pick[1]), reverse=True)
        return (*[candidate for candidate, _ in ranked], *self._then)

    def _value(self, context: CallContext) -> str | None:
        if self._key.startswith("tags."):
            return context.tags.get(self._key.removeprefix("tags."))
        return context.tenant if self._key == "tenant" else context.user


def _score(value: str, name: str, weight: float) -> float:
    digest = blake2b(f"{name}\0{value}".encode(), digest_size=8).digest()
    uniform = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return -weight / log(uniform)


@dataclass(frozen=True, slots=True)
class Case:
    """Picks for some callers: all conditions hold. Empty `tenants` means any."""

    tenants: frozenset[str]
    tags: Mapping[str, frozenset[str]]
    chooser: Chooser

    def holds(self, context: CallContext) -> bool:
        """Whether this call is one of them."""
        if self.tenants and context.tenant not in self.tenants:
            return False
        return all(context.tags.get(name) in values for name, values in self.tags.items())


class Conditional:
    """The first case that holds decides, else the route's own rule."""

    __slots__ = ("_cases", "_otherwise")

    def __init__(self, cases: Sequence[Case], otherwise: Chooser) -> None:
        self._cases = tuple(cases)
        self._otherwise = otherwise

    def order(self, draw: Callable[[], float], context: CallContext, now: float) -> Sequence[Candidate]:
        """See `Chooser.order`."""
        for case in self._cases:
            if case.holds(context):
                return case.chooser.order(draw, context, now)
        return self._otherwise.order(draw, context, now)


def _turned(picks: tuple[Candidate, ...], draw: Callable[[], float]) -> tuple[Candidate, ...]:
    start = int(draw() * len(picks))
    return picks[start:] + picks[:start]
