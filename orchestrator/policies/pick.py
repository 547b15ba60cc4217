"""Rules that pick by what is known of the deployments (how busy, how fast, how dear), or by who calls.

Pure choosers over numbers that the pipeline keeps up to date: nothing here measures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial
from hashlib import blake2b
from math import log
from typing import Any

from orchestrator.spec.events import CallContext
from orchestrator.spec.routing import Candidate, Chooser, TokenMix

__all__ = ["Case", "Cheapest", "Conditional", "Fastest", "LeastBusy", "Sticky"]

_REPRICE_S = 10.0
_REMEMBERED_KEYS = 4096


class _Lineup(Sequence[Candidate]):
    """Candidates, best first. The others are put in order when somebody asks for them: few calls get past the first.

    So choosing among hundreds costs a call little more than choosing between two.
    """

    __slots__ = ("_first", "_others", "_size", "_whole")

    def __init__(self, first: Candidate, size: int, others: Callable[[], Sequence[Candidate]]) -> None:
        self._first = first
        self._size = size
        self._others = others
        self._whole: tuple[Candidate, ...] = ()

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Candidate]:
        yield self._first
        yield from self._all()[1:]

    def __getitem__(self, index: Any) -> Any:
        return self._first if index == 0 else self._all()[index]

    def _all(self) -> tuple[Candidate, ...]:
        self._whole = self._whole or (self._first, *self._others())
        return self._whole


class LeastBusy:
    """The pick with the fewest calls in flight; among equals, any."""

    __slots__ = ("_healths", "_picks", "_then")

    def __init__(self, picks: Sequence[Candidate], then: Sequence[Candidate]) -> None:
        self._picks = tuple(picks)
        self._then = tuple(then)
        self._healths = [pick.health for pick in picks]

    def order(self, draw: Callable[[], float], context: CallContext, now: float) -> Sequence[Candidate]:
        """See `Chooser.order`."""
        busy = [health.in_flight for health in self._healths]
        start = int(draw() * len(busy))  # the first of the least busy from anywhere on
        turned = busy[start:] + busy[:start]
        first = (start + turned.index(min(turned))) % len(busy)
        return _Lineup(self._picks[first], len(busy) + len(self._then), partial(self._others, first))

    def _others(self, first: int) -> Sequence[Candidate]:
        rest = self._picks[first + 1 :] + self._picks[:first]
        return (*sorted(rest, key=lambda candidate: candidate.health.in_flight), *self._then)


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
        return _Lineup(picks[first], len(picks) + len(self._then), partial(self._others, first, second, now))

    def _others(self, first: int, second: int, now: float) -> Sequence[Candidate]:
        rest = [pick for i, pick in enumerate(self._picks) if i not in {first, second}]
        rest.sort(key=lambda candidate: _expected_s(candidate, now))
        return (self._picks[second], *rest, *self._then)


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
    call without the key is chosen by the rule underneath. The picks of the keys that called last are remembered.
    """

    __slots__ = ("_favourite", "_key", "_picks", "_then", "_under")

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
        self._favourite = lru_cache(maxsize=_REMEMBERED_KEYS)(self._best)

    def order(self, draw: Callable[[], float], context: CallContext, now: float) -> Sequence[Candidate]:
        """See `Chooser.order`."""
        value = self._value(context)
        if value is None:
            return self._under.order(draw, context, now)
        return _Lineup(self._favourite(value), len(self._picks) + len(self._then), partial(self._others, value))

    def _best(self, value: str) -> Candidate:
        return max(self._picks, key=lambda pick: _score(value, pick[0].name, pick[1]))[0]

    def _others(self, value: str) -> Sequence[Candidate]:
        ranked = sorted(self._picks, key=lambda pick: _score(value, pick[0].name, pick[1]), reverse=True)
        return (*[candidate for candidate, _ in ranked[1:]], *self._then)

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
