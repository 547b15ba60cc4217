"""Stops asking a deployment that fails, finds out with one call at a time whether it is back, and returns to it slowly.

Closed until five failures in a row, or half of at least ten calls within thirty seconds; then open, twice as long each
time; then half-open: one probe at a time, and two good ones close it. After that its share of the calls grows from a
tenth to all of them over thirty seconds, so that what was down is not knocked over again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Literal, TypeAlias

from orchestrator.errors import (
    CallTimeout,
    ConnectionFailed,
    MalformedReply,
    OrchestratorError,
    Overloaded,
    ServerError,
    StreamInterrupted,
)

__all__ = ["Breaker", "BreakerPolicy", "Pass", "blames"]

Pass: TypeAlias = Literal["call", "probe"]
"""What an attempt got from `Breaker.begin`."""

_SLICES = 6
_JITTER = 0.2
_EARLY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a breaker opens and how it closes. Seconds and counts.

    `failures` in a row open it, or a share of `ratio` among at least `least_calls` within `window_s`. It stays open for
    `open_s`, doubled each time up to `longest_open_s`, each time ±20 %. `probes` good ones in a row close it; then it
    takes `ramp_s` to get all of its calls back, beginning with `ramp_from` of them.
    """

    failures: int = 5
    ratio: float = 0.5
    least_calls: int = 10
    window_s: float = 30.0
    open_s: float = 15.0
    longest_open_s: float = 300.0
    probes: int = 2
    ramp_s: float = 30.0
    ramp_from: float = 0.1


class Breaker:
    """The state of one deployment. Thread-safe. `now` is monotonic seconds; `draw` gives numbers in [0, 1)."""

    __slots__ = (
        "_calls",
        "_failed",
        "_lock",
        "_openings",
        "_probed_at",
        "_probing",
        "_ramp_since",
        "_slice",
        "_successes",
        "calm",
        "in_a_row",
        "open_until",
        "policy",
    )

    def __init__(self, policy: BreakerPolicy | None = None) -> None:
        self.policy = policy or BreakerPolicy()
        self._lock = Lock()
        self._calls = [0] * _SLICES
        self._failed = [0] * _SLICES
        self._slice = 0
        self._openings = 0
        self._successes = 0
        self._probing = False
        self._probed_at = 0.0
        self._ramp_since = 0.0
        self.in_a_row = 0
        self.open_until = 0.0
        self.calm = True
        """Closed, and all of its calls given back: there is nothing to ask."""

    @property
    def closed(self) -> bool:
        """Calls go through, all of them or the share that the ramp allows."""
        return self._openings == 0

    def ready_at(self, now: float) -> float:
        """0.0 if it may be asked now; else the time at which it may, `inf` while a probe is under way."""
        if self._openings == 0:
            return 0.0
        if now < self.open_until:
            return self.open_until
        return float("inf") if self._probing else 0.0

    def early_at(self) -> float:
        """The time at which an early attempt may begin, `inf` while a probe is under way. Only for one that is open."""
        return float("inf") if self._probing else min(self.open_until, self._probed_at + _EARLY_S)

    def favoured(self, now: float, draw: Callable[[], float]) -> bool:
        """Whether this call counts among the share that the deployment gets while it returns. True when it is well."""
        if self._ramp_since == 0.0 or self._openings:
            return True
        policy = self.policy
        progress = (now - self._ramp_since) / policy.ramp_s if policy.ramp_s else 1.0
        if progress >= 1.0:
            with self._lock:
                if self._openings == 0:  # it may have opened meanwhile
                    self._ramp_since = 0.0
                    self.calm = True
            return True
        return draw() < policy.ramp_from + (1.0 - policy.ramp_from) * progress

    def begin(self, now: float, *, early: bool = False) -> Pass | None:
        """An attempt begins; None if it may not. What comes back is handed to the method that ends it.

        `early` asks although the time has not come, because nobody else is left to ask: granted once a second.
        """
        if self._openings == 0:
            return "call"
        with self._lock:
            if self._openings == 0:
                return "call"
            if now < (self.early_at() if early else self.open_until) or self._probing:
                return None
            self._probing, self._probed_at = True, now
            return "probe"

    def neutral(self, granted: Pass) -> None:
        """The attempt says nothing about the deployment: refused by a limit, cancelled, or the request's own fault."""
        if granted == "probe":
            with self._lock:
                self._probing = False

    def succeeded(self, granted: Pass, now: float) -> None:
        """The attempt was answered."""
        with self._lock:
            self._turn(now)
            self._calls[self._slice % _SLICES] += 1
            if self._openings == 0:
                self.in_a_row = 0
            elif granted == "probe":
                self._probing = False
                self._successes += 1
                self.open_until = now  # the next probe may follow at once
                if self._successes >= self.policy.probes:
                    self._close(now)

    def failed(self, granted: Pass, now: float, draw: Callable[[], float]) -> bool:
        """The attempt failed by the deployment's fault; True if that opened the breaker."""
        with self._lock:
            self._turn(now)
            index = self._slice % _SLICES
            self._calls[index] += 1
            self._failed[index] += 1
            self.in_a_row += 1
            if self._openings and granted != "probe":
                return False  # a straggler from before it opened
            if now < self.open_until:  # an early probe: what is known already must not lengthen the wait
                self._probing, self._successes = False, 0
                return False
            if self._openings == 0 and not self._too_many():
                return False
            self._open(now, draw)
            return True

    def _too_many(self) -> bool:
        policy = self.policy
        calls = sum(self._calls)
        return self.in_a_row >= policy.failures or (
            calls >= policy.least_calls and sum(self._failed) >= policy.ratio * calls
        )

    def _open(self, now: float, draw: Callable[[], float]) -> None:
        policy = self.policy
        length_s = min(policy.open_s * 2.0**self._openings, policy.longest_open_s)
        self.open_until = now + length_s * (1.0 + _JITTER * (2.0 * draw() - 1.0))
        self._openings += 1
        self.calm = False
        self._successes = 0
        self._probing = False
        self._probed_at = now
        self._ramp_since = 0.0

    def _close(self, now: float) -> None:
        self._openings = 0
        self._successes = 0
        self.open_until = 0.0
        self.in_a_row = 0
        self._calls = [0] * _SLICES
        self._failed = [0] * _SLICES
        self._ramp_since = now

    def _turn(self, now: float) -> None:
        """Forget what has left the window."""
        current = int(now / self.policy.window_s * _SLICES)
        if current > self._slice:
            for past in range(max(self._slice + 1, current - _SLICES + 1), current + 1):
                self._calls[past % _SLICES] = 0
                self._failed[past % _SLICES] = 0
            self._slice = current


def blames(error: OrchestratorError | None) -> bool:
    """Whether an error speaks against the deployment: it, or the way to it, failed.

    Not: limits, refused requests and credentials, filters, and a call's own deadline.
    """
    if isinstance(error, StreamInterrupted):
        return blames(error.cause)
    if isinstance(error, CallTimeout):
        return error.kind != "deadline"
    return isinstance(error, ConnectionFailed | MalformedReply | Overloaded | ServerError)
