"""A vendor's rate limits: three ways to count, over requests and tokens."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from orchestrator.testing.simulator.asks import Dimension, Level

__all__ = ["Limiter", "Limits", "Reservation", "TooMuch", "Window"]

Window = Literal["bucket", "sliding", "fixed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a vendor admits; None is no limit.

    A request is charged its input plus its output limit when it is admitted, and what it really used as soon as that
    is known. Without an output limit in the request, output is charged afterwards, as a debt.

    Attributes:
        rpm, tpm, input_tpm, output_tpm: requests, tokens, input tokens, output tokens per period.
        concurrency: requests at the same time.
        window: `bucket` refills continuously and starts full; `sliding` looks back over one period; `fixed` starts
            anew with each period, the first one beginning with the first request.
        period_s: seconds in the "minute" above; shorter ones make shorter tests.
        advertise: send the vendor's rate-limit headers, and retry-after with a 429.
    """

    rpm: int | None = None
    tpm: int | None = None
    input_tpm: int | None = None
    output_tpm: int | None = None
    concurrency: int | None = None
    window: Window = "sliding"
    period_s: float = 60.0
    advertise: bool = True


class _Counter(Protocol):
    def wait_s(self, amount: int, now: float) -> float: ...
    def take(self, amount: int, now: float) -> list[float]: ...
    def correct(self, taken: list[float], by: int) -> None: ...
    def level(self, now: float) -> Level: ...


class _Bucket:
    """Drips back continuously. `used` may exceed the limit by what was only known afterwards."""

    def __init__(self, limit: int, period_s: float) -> None:
        self._limit, self._rate = limit, limit / period_s
        self._used, self._at = 0.0, -math.inf

    def _drip(self, now: float) -> None:
        self._used = max(0.0, self._used - (now - self._at) * self._rate)
        self._at = now

    def wait_s(self, amount: int, now: float) -> float:
        self._drip(now)
        return max(0.0, self._used + amount - self._limit) / self._rate

    def take(self, amount: int, now: float) -> list[float]:
        self._used += amount
        return [now, amount]

    def correct(self, taken: list[float], by: int) -> None:
        self._used = max(0.0, self._used + by)

    def level(self, now: float) -> Level:
        self._drip(now)
        return Level(self._limit, max(0, math.floor(self._limit - self._used)), self._used / self._rate)


class _Sliding:
    """Remembers each amount for one period."""

    def __init__(self, limit: int, period_s: float) -> None:
        self._limit, self._period_s = limit, period_s
        self._taken: deque[list[float]] = deque()
        self._used = 0.0

    def _forget(self, now: float) -> None:
        while self._taken and self._taken[0][0] <= now - self._period_s:
            entry = self._taken.popleft()
            self._used -= entry[1]
            # A correction that comes later must not count against the present window.
            entry[0] = -math.inf

    def wait_s(self, amount: int, now: float) -> float:
        self._forget(now)
        excess = self._used + amount - self._limit
        if excess <= 0:
            return 0.0
        for time, taken in self._taken:
            excess -= taken
            if excess <= 0:
                return time + self._period_s - now
        return self._period_s

    def take(self, amount: int, now: float) -> list[float]:
        entry = [now, float(amount)]
        self._taken.append(entry)
        self._used += amount
        return entry

    def correct(self, taken: list[float], by: int) -> None:
        if taken[0] != -math.inf:
            taken[1] += by
            self._used += by

    def level(self, now: float) -> Level:
        self._forget(now)
        reset_s = self._taken[-1][0] + self._period_s - now if self._taken else 0.0
        return Level(self._limit, max(0, int(self._limit - self._used)), reset_s)


class _Fixed:
    """Counts from zero in each period."""

    def __init__(self, limit: int, period_s: float) -> None:
        self._limit, self._period_s = limit, period_s
        self._start, self._used = -math.inf, 0

    def _turn(self, now: float) -> None:
        if now >= self._start + self._period_s:
            passed = (now - self._start) // self._period_s if self._start != -math.inf else 0
            self._start = self._start + passed * self._period_s if passed else now
            self._used = 0

    def wait_s(self, amount: int, now: float) -> float:
        self._turn(now)
        return 0.0 if self._used + amount <= self._limit else self._start + self._period_s - now

    def take(self, amount: int, now: float) -> list[float]:
        self._used += amount
        return [self._start, amount]

    def correct(self, taken: list[float], by: int) -> None:
        if taken[0] == self._start:
            self._used += by

    def level(self, now: float) -> Level:
        self._turn(now)
        reset_s = self._start + self._period_s - now if self._used else 0.0
        return Level(self._limit, max(0, self._limit - self._used), reset_s)


_COUNTERS: dict[Window, type[_Bucket | _Sliding | _Fixed]] = {"bucket": _Bucket, "sliding": _Sliding, "fixed": _Fixed}


class TooMuch(Exception):
    """Not admitted. `wait_s` seconds until it would be; infinite if the request exceeds the limit by itself."""

    def __init__(self, dimension: Dimension, limit: int, wait_s: float) -> None:
        super().__init__(dimension)
        self.dimension: Dimension = dimension
        self.limit = limit
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Reservation:
    """What was taken from each counter."""

    taken: Mapping[Dimension, list[float]]
    amounts: Mapping[Dimension, int]


class Limiter:
    """All limits of one vendor; admits all or nothing. Used on the simulator's thread only."""

    def __init__(self, limits: Limits) -> None:
        rates: dict[Dimension, int | None] = {
            "requests": limits.rpm,
            "tokens": limits.tpm,
            "input-tokens": limits.input_tpm,
            "output-tokens": limits.output_tpm,
        }
        counter = _COUNTERS[limits.window]
        self._limits: dict[Dimension, int] = {name: rate for name, rate in rates.items() if rate is not None}
        self._counters: dict[Dimension, _Counter] = {
            name: counter(rate, limits.period_s) for name, rate in self._limits.items()
        }

    def admit(self, input_tokens: int, output_tokens: int, now: float) -> Reservation:
        """Take a request in.

        Raises:
            TooMuch: it does not fit now, or never will.
        """
        amounts = _amounts(input_tokens, output_tokens)
        worst: TooMuch | None = None
        for name, counter in self._counters.items():
            limit = self._limits[name]
            wait_s = counter.wait_s(amounts[name], now) if amounts[name] <= limit else math.inf
            if wait_s > 0 and (worst is None or wait_s > worst.wait_s):
                worst = TooMuch(name, limit, wait_s)
        if worst is not None:
            raise worst
        taken = {name: counter.take(amounts[name], now) for name, counter in self._counters.items()}
        return Reservation(taken, amounts)

    def settle(self, reservation: Reservation, input_tokens: int, output_tokens: int) -> None:
        """Replace what was reserved by what was used."""
        used = _amounts(input_tokens, output_tokens)
        for name, taken in reservation.taken.items():
            self._counters[name].correct(taken, used[name] - reservation.amounts[name])

    def levels(self, now: float) -> dict[Dimension, Level]:
        """How full each limit is."""
        return {name: counter.level(now) for name, counter in self._counters.items()}


def _amounts(input_tokens: int, output_tokens: int) -> dict[Dimension, int]:
    return {
        "requests": 1,
        "tokens": input_tokens + output_tokens,
        "input-tokens": input_tokens,
        "output-tokens": output_tokens,
    }
