"""Where limiter state lives, and what a limit is."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

__all__ = ["Dimension", "Gauge", "Limit", "LimitStore", "SeenLimit", "Slot"]

Dimension = Literal["requests", "tokens", "input_tokens", "output_tokens", "concurrency"]


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` of `dimension` per `period_s` seconds (for concurrency: at once, `period_s` is 0).

    `key` names the shared state: the account, or the account and model. Two limits with one key and dimension share it.
    `largest` is what a single reservation may still take when `amount` has been lowered for a while; None: `amount`.
    """

    key: str
    dimension: Dimension
    amount: float
    period_s: float
    largest: float | None = None

    @property
    def ceiling(self) -> float:
        """A larger reservation never fits."""
        return self.amount if self.largest is None else max(self.largest, self.amount)


@dataclass(frozen=True, slots=True)
class SeenLimit:
    """What a vendor's answer says about one of its limits; None for what it does not say.

    `limit` is per `period_s` seconds, `remaining` what is left of it, `reset_s` the seconds until all of it is there
    again.
    """

    dimension: Dimension
    limit: float | None
    remaining: float | None
    reset_s: float | None
    period_s: float


class Slot(Protocol):
    """State of one limit in a store. Opaque to everyone else."""

    limit: Limit


@runtime_checkable
class Gauge(Protocol):
    """A slot that knows what it would let through without asking anybody. Not every store has such slots."""

    def room(self, now: float) -> float:
        """How much it would let through at once. Read without a lock: as good as a glance."""
        ...


class LimitStore(Protocol):
    """Atomic reserve and settle over several limits. Safe from any thread. `now` is `Clock.monotonic()`."""

    def slot(self, limit: Limit) -> Slot:
        """The state for this limit, made if new. An existing state is kept and takes over the new amount."""
        ...

    def reserve(self, slots: Sequence[Slot], amounts: Sequence[float], now: float) -> float | Awaitable[float]:
        """Take all of it or nothing. A store that has to ask elsewhere gives an awaitable; cancelling it takes nothing.

        Returns 0.0 when taken, else the seconds after which it could be; `inf` if only a release can make room. A
        request larger than what a whole period allows never fits: it is `nan`.
        """
        ...

    def settle(self, slots: Sequence[Slot], changes: Sequence[float], now: float, since: float | None = None) -> None:
        """Correct what was reserved at `since` (None: just now): negative gives back, positive is debt.

        Never waits for a lock, as it may run in a finalizer; whoever reserves afterwards sees it.
        """
        ...
