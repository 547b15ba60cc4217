"""What the route and attempt policies know: of a deployment, of a route's usage, and how far one call has come."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Protocol

from orchestrator.errors import OrchestratorError
from orchestrator.spec.events import CallContext
from orchestrator.types.usage import Usage

__all__ = ["Candidate", "Chooser", "Health", "Pace", "Progress", "Slowest", "TokenMix"]

_SMOOTHING = 0.2
_FORGET_S = 30.0
_SLOWEST_S = 300.0


class Slowest:
    """The longest that an answer took lately: in the last five to ten minutes, or the last ones there were.

    `count`: how many it has seen. Single writes of plain values need no lock.
    """

    __slots__ = ("_before", "_current", "_turned_at", "count")

    def __init__(self) -> None:
        self.count = 0
        self._current = 0.0
        self._before = 0.0
        self._turned_at = 0.0

    def add(self, seconds: float, now: float) -> None:
        """An answer took so long."""
        self.count += 1
        if now - self._turned_at >= _SLOWEST_S:
            self._before, self._current, self._turned_at = self._current, 0.0, now
        self._current = max(self._current, seconds)

    @property
    def seconds(self) -> float:
        """0.0 before the first."""
        return max(self._current, self._before)


class Pace:
    """How long answers to one route take, whoever gives them: whole answers, and the first events of streams.

    Kept per route, because what is asked decides: a report takes longer than a label, at the same deployment.
    """

    __slots__ = ("_answers", "_beginnings")

    def __init__(self) -> None:
        self._answers = Slowest()
        self._beginnings = Slowest()

    def slowest(self, *, stream: bool) -> Slowest:
        """Of whole answers, or of first events."""
        return self._beginnings if stream else self._answers


class Health:
    """What all calls know of one deployment. Outlives reloads.

    `not_before`: monotonic seconds before which the vendor asked not to be called again. `in_flight`: attempts under
    way.
    """

    __slots__ = ("_average_s", "_lock", "_measured_at", "in_flight", "not_before")

    def __init__(self) -> None:
        self.not_before = 0.0
        self.in_flight = 0
        self._lock = Lock()
        self._average_s = 0.0
        self._measured_at = 0.0

    def begin(self) -> None:
        """An attempt is on its way."""
        with self._lock:
            self.in_flight += 1

    def end(self) -> None:
        """An attempt has ended."""
        with self._lock:
            self.in_flight -= 1

    def measured(self, seconds: float, now: float) -> None:
        """An attempt was answered after so long (a stream: its first event came)."""
        known = self._average_s
        self._average_s = known + _SMOOTHING * (seconds - known) if known else seconds
        self._measured_at = now

    @property
    def heard_at(self) -> float:
        """Monotonic seconds of the last answer, 0.0 before the first."""
        return self._measured_at

    @property
    def average_s(self) -> float:
        """The moving average of answers' latency, 0.0 before the first."""
        return self._average_s

    def latency_s(self, now: float) -> float:
        """What to expect: the average, believed less the older it is, so that a slow deployment is tried again."""
        if self._average_s == 0.0:
            return 0.0
        return self._average_s * math.exp(-max(0.0, now - self._measured_at) / _FORGET_S)


class TokenMix:
    """The average call of a route, for comparing prices. Begins as three parts of input to one of output."""

    __slots__ = ("cache_read", "input", "output")

    def __init__(self) -> None:
        self.input = 750.0
        self.output = 250.0
        self.cache_read = 0.0

    def add(self, usage: Usage) -> None:
        """Take a call's usage into the average."""
        self.input += _SMOOTHING * ((usage.input_tokens or 0) - self.input)
        self.output += _SMOOTHING * ((usage.output_tokens or 0) - self.output)
        self.cache_read += _SMOOTHING * ((usage.cache_read_tokens or 0) - self.cache_read)

    def usage(self) -> Usage:
        """The average as whole tokens."""
        cached = round(self.cache_read)
        return Usage(
            input_tokens=max(round(self.input), cached),
            output_tokens=round(self.output),
            cache_read_tokens=cached or None,
            source="estimate",
        )


class Candidate(Protocol):
    """A deployment, as far as choosing one goes."""

    @property
    def name(self) -> str:
        """Unique within the configuration."""
        ...

    @property
    def health(self) -> Health:
        """Shared by all calls."""
        ...


class Chooser(Protocol):
    """Puts a route's candidates in order for one call: the first by the route's rule, the other picks, then `then`."""

    def order(self, draw: Callable[[], float], context: CallContext, now: float) -> Sequence[Candidate]:
        """Candidates, best first. `draw` gives numbers in [0, 1), `now` is monotonic seconds."""
        ...


@dataclass(slots=True)
class Progress:
    """The state of one call's attempts.

    Attributes:
        order: candidates, best first, fixed for the call.
        failures: one error per failed attempt, in order.
        tries: attempts per deployment name.
        not_before: this call's own back-off per deployment name, monotonic seconds.
        barred: deployments this call never asks again, with the reason.
    """

    order: Sequence[Candidate]
    failures: list[OrchestratorError] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=dict)
    not_before: dict[str, float] = field(default_factory=dict)
    barred: dict[str, OrchestratorError] = field(default_factory=dict)
