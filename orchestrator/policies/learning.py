"""Limits as the vendor states them in its answers, and as its refusals show them where it states none.

A stated limit is adopted at 95 % where it is below the configured one or none is configured; the configured limit is
never exceeded. A refusal that no statement explains lowers the rate by 30 %, at most once a second, to no less than
5 %; overload and timeouts lower concurrency by 10 % in the same way. Both recover by 2 % a second: from the floor to
the whole in 48 seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from threading import Lock

from orchestrator.spec.stores import Dimension, Gauge, Limit, LimitStore, SeenLimit, Slot

__all__ = ["Learner"]

_HEADROOM = 0.95
_CUT = 0.7
_CUT_IN_FLIGHT = 0.9
_CUT_EVERY_S = 1.0
_FLOOR = 0.05
_RECOVERY = 0.02
_STEPS = 100
"""A recovering limit moves in steps of 1 %, so that not every answer makes a new one."""

_PACED_S = 3_600.0
"""Longer periods are budgets. Refusals do not lower them, and what is left of them is not taken over: the store could
not give it back before the period is over, while many vendors' own refill all the time."""

_MOST_LIMITS = 16
"""Of one key. Vendors have five or six; an answer that names new periods every time must not grow this without end."""


class _Adjusted:
    """One limit: as configured, as stated by the vendor, and the share of it that is in use at the moment."""

    __slots__ = ("_at", "_cut_at", "_share", "configured", "dimension", "period_s", "stated")

    def __init__(self, dimension: Dimension, period_s: float) -> None:
        self.dimension = dimension
        self.period_s = period_s
        self.configured: float | None = None
        self.stated: float | None = None
        self._share = 1.0
        self._at = 0.0
        self._cut_at = -math.inf

    def share(self, now: float) -> float:
        """Of the whole, 0.05 to 1."""
        if self._share >= 1.0:
            return 1.0
        return min(self._share + _RECOVERY * max(now - self._at, 0.0), 1.0)

    def cut(self, by: float, now: float) -> None:
        """Use less, at most once a second: a burst of refusals is one piece of news."""
        if now - self._cut_at >= _CUT_EVERY_S:
            self._share = max(self.share(now) * by, _FLOOR)
            self._at = self._cut_at = now

    @property
    def whole(self) -> float:
        """What holds while nobody refuses; `inf` while nobody said how much it is."""
        configured, stated = self.configured, self.stated
        if stated is None or (configured is not None and configured <= stated):
            return math.inf if configured is None else configured
        return _HEADROOM * stated

    def limit(self, key: str, now: float) -> Limit:
        """What to hold calls to."""
        whole = self.whole
        share = math.floor(self.share(now) * _STEPS + 1e-6) / _STEPS
        # At least one request, and a large one still fits as a whole: a low rate makes it wait, not fail.
        amount = max(whole * share, min(whole, 1.0))
        largest = min([known for known in (self.configured, self.stated) if known is not None])
        return Limit(key, self.dimension, amount, self.period_s, largest)


class Learner:
    """What is learnt about the limits of one key: the account's, or those of a model of the account.

    Outlives reloads. Safe from any thread; not for finalizers, as it may wait for a lock. `now` is monotonic seconds.
    `account` gets the refusals where the model itself has no limit that could be lowered.
    """

    def __init__(self, store: LimitStore, key: str, account: Learner | None = None) -> None:
        self.key = key
        self._store = store
        self._account = account
        self._lock = Lock()
        self._rules: dict[tuple[Dimension, float], _Adjusted] = {}
        self._slots: dict[tuple[Dimension, float], Slot] = {}
        self._gauges: dict[tuple[Dimension, float], Gauge] = {}
        self._lowered = False

    def configure(self, limits: Iterable[Limit], now: float) -> tuple[Limit, ...]:
        """Take over the limits of the file, and give those to hold calls to: with what was learnt so far.

        Those of other keys are left out.
        """
        own = {(one.dimension, one.period_s): one.amount for one in limits if one.key == self.key}
        with self._lock:
            for place in [*own, *self._rules]:
                self._rule(place).configured = own.get(place)
            for place in [place for place, rule in self._rules.items() if rule.whole == math.inf]:
                for kept in (self._rules, self._slots, self._gauges):
                    kept.pop(place, None)
            self._apply(now)
        return self.limits

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Those in force."""
        return tuple([slot.limit for slot in [*self._slots.values()]])

    def seen(self, limits: Sequence[SeenLimit], now: float) -> bool:
        """An answer stated these. True if one is new, so that the gates have to adopt `limits`."""
        if not limits:
            return False
        with self._lock:
            before = len(self._slots)
            self._learn(limits, now)
            return len(self._slots) > before

    def throttled(self, limits: Sequence[SeenLimit], now: float) -> bool:
        """The vendor refused for the rate, and its answer stated these. True as for `seen`.

        A limit that turns out to be lower explains the refusal. If it is what we held to anyway, somebody else uses it
        too, or it is not all there is: then the rate is lowered, as if nothing had been stated.
        """
        with self._lock:
            before = len(self._slots)
            explained = self._learn(limits, now)
            new = len(self._slots) > before
        if not explained:
            self._cut(_CUT, now, lambda rule: 0.0 < rule.period_s <= _PACED_S)
        return new

    def overloaded(self, now: float) -> None:
        """The vendor has no capacity, or did not answer in time."""
        self._cut(_CUT_IN_FLIGHT, now, lambda rule: rule.dimension == "concurrency")

    def _learn(self, limits: Sequence[SeenLimit], now: float) -> bool:
        """True if a limit is lower than we thought."""
        lower = False
        for one in limits:
            place = (one.dimension, one.period_s)
            if one.limit and (place in self._rules or len(self._rules) < _MOST_LIMITS):
                rule = self._rule(place)
                before, rule.stated = rule.whole, one.limit
                lower = lower or rule.whole < before
        self._apply(now)
        for one in limits:
            self._take_over(one, now)
        return lower

    def _rule(self, place: tuple[Dimension, float]) -> _Adjusted:
        rule = self._rules.get(place)
        if rule is None:
            rule = self._rules[place] = _Adjusted(*place)
        return rule

    def _apply(self, now: float) -> None:
        for place, rule in self._rules.items():
            limit = rule.limit(self.key, now)
            slot = self._slots.get(place)
            if slot is None or slot.limit != limit:  # also when a reload has put the file's own amount back
                self._slots[place] = slot = self._store.slot(limit)
                if isinstance(slot, Gauge):
                    self._gauges[place] = slot

    def _take_over(self, one: SeenLimit, now: float) -> None:
        """What the vendor does not have any more was used by somebody else, or counted higher than we did."""
        place = (one.dimension, one.period_s)
        gauge = self._gauges.get(place)
        if gauge is None or one.remaining is None or one.period_s > _PACED_S:
            return
        missing = gauge.room(now) - one.remaining
        if missing > 0.0:
            self._store.settle([self._slots[place]], [missing], now)

    def _cut(self, by: float, now: float, concerns: Callable[[_Adjusted], bool]) -> None:
        with self._lock:
            found = [rule for rule in self._rules.values() if concerns(rule)]
            for rule in found:
                rule.cut(by, now)
            self._lowered = self._lowered or bool(found)
            self._apply(now)
        if not found and self._account is not None:
            self._account._cut(by, now, concerns)

    @property
    def recovering(self) -> bool:
        """A limit is lower than it should be; until it is not, whoever waits should `refresh` every second."""
        return self._lowered or (self._account is not None and self._account.recovering)

    def refresh(self, now: float) -> None:
        """Let what was lowered recover. Cheap when nothing was."""
        if self._account is not None:
            self._account.refresh(now)
        if self._lowered:
            with self._lock:
                self._apply(now)
                self._lowered = any(rule.share(now) < 1.0 for rule in self._rules.values())
