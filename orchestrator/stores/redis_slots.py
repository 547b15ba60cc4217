"""One limit as a process sees it that shares it: where it is kept, what is still to be told, what was there last."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from orchestrator.spec.stores import Limit
from orchestrator.stores.memory import MemoryLimits

__all__ = ["Command", "Connection", "LinkFailed", "SharedSlot", "SlotState", "redis_key"]

Command: TypeAlias = tuple[str, tuple[str, ...], tuple[Any, ...]]
"""Script and mode (`limits.reserve`), keys, arguments after those that all modes have."""

_GRID = 4
_KEEP_PERIODS = 2.0
_LEASED_MS = 10_000


class LinkFailed(Exception):
    """Redis did not do what it was asked, for whatever reason. Holds neither address nor credential."""


class Connection(Protocol):
    """What the worker needs of a connection; `open` and `run` raise `LinkFailed`. One thread uses it."""

    server: str
    """Names the server since its last start; empty if it does not say."""

    def open(self, timeout_s: float) -> None:
        """Connect anew."""
        ...

    def run(self, commands: Sequence[Command]) -> list[Any]:
        """Send all in one round trip; answers in the same order."""
        ...

    def close(self) -> None:
        """Let the connection go. Never fails."""
        ...


class SharedSlot:
    """A limit kept in Redis. Survives reloads, outages and fork: it holds nothing but the limit."""

    __slots__ = ("key", "limit", "numbers", "part_s", "rate")

    def __init__(self, limit: Limit, prefix: str) -> None:
        self.key = redis_key(limit, prefix)
        self.adopt(limit)

    def adopt(self, limit: Limit) -> None:
        """Take another amount. The numbers of the rules are those of the in-process store, so that both agree."""
        rule: Any = MemoryLimits().slot(limit)
        pace, window = getattr(rule, "pace", rule), getattr(rule, "window", rule)
        self.limit = limit
        self.rate = getattr(pace, "rate", 0.0)
        self.part_s = getattr(window, "part_s", 0.0)
        burst, usable = getattr(pace, "burst", 0.0), getattr(window, "usable", 0.0)
        ttl_ms = math.ceil(limit.period_s * _KEEP_PERIODS * 1000) or _LEASED_MS
        self.numbers = (burst, self.rate, usable, self.part_s, limit.amount, ttl_ms)

    @property
    def counts_in_flight(self) -> bool:
        """What is taken is held, not used."""
        return self.limit.dimension == "concurrency"

    def share(self, share: float) -> Limit:
        """One process's part of the limit. It lets single requests through, one at a time, however small it is."""
        amount = self.limit.amount * share
        if self.counts_in_flight:
            amount = math.floor(amount)
        if self.limit.dimension in {"requests", "concurrency"}:
            amount = max(1.0, amount)
        return Limit(self.limit.key, self.limit.dimension, amount, self.limit.period_s)


def redis_key(limit: Limit, prefix: str) -> str:
    """Where a limit is kept. The account is the hash tag: one claim's limits lie on one node of a cluster."""
    account, _, rest = limit.key.replace("{", "(").replace("}", ")").partition("/")
    return f"{prefix}:{{{account or '-'}}}:{rest}:{limit.dimension}:{limit.period_s:g}"


@dataclass(slots=True, eq=False)
class SlotState:
    """What one process knows of a slot. Only the worker's thread touches it. Times are the client's monotonic ones."""

    slot: SharedSlot
    held: float = 0.0
    """In flight here, by this process's own count: the truth that Redis is told, again and again."""
    told_held: float = 0.0
    level: float = 0.0
    level_at: float = 0.0
    changes: dict[float, float] = field(default_factory=dict)
    """Corrections not yet told, by when they count, in quarters of a part."""
    image: Mapping[str, str] = field(default_factory=dict)
    offset: float = 0.0
    """The server's clock minus ours, when the image was taken."""

    def correct(self, change: float, now: float, since: float) -> None:
        """Note what has to be told: a refund counts where it was taken, a debt from now on."""
        slot = self.slot
        if slot.counts_in_flight:
            self.held = max(0.0, self.held + change)
        if slot.rate:
            self._drain(now)
            self.level += change
        if slot.part_s:
            cell = (since if change < 0.0 else now) * _GRID // slot.part_s
            self.changes[cell] = self.changes.get(cell, 0.0) + change
            if len(self.changes) > 64 * _GRID:
                self._forget(now)

    def took(self, amount: float) -> None:
        """Redis has granted so much, and counted it."""
        if self.slot.counts_in_flight:
            self.held += amount
            self.told_held += amount

    def _drain(self, now: float) -> None:
        if self.level > 0.0:
            self.level = max(0.0, self.level - (now - self.level_at) * self.slot.rate)
        self.level_at = now

    def _forget(self, now: float) -> None:
        oldest = (now - self.slot.limit.period_s) * _GRID // self.slot.part_s
        self.changes = {cell: change for cell, change in self.changes.items() if cell >= oldest}

    @property
    def untold(self) -> bool:
        """Whether there is something to tell."""
        return bool(self.level or self.changes or self.held != self.told_held)

    def correction(self, now: float) -> Command:
        """Tell it. Ages are rounded so that neither a refund nor a debt leaves the period early."""
        part_s = self.slot.part_s
        self._drain(now)
        pairs: list[float] = []
        for cell, change in self.changes.items():
            at = (cell if change < 0.0 else cell + 1) * part_s / _GRID
            pairs += [max(now - at, 0.0), change]
        return "limits.correct", (self.slot.key,), (*self.slot.numbers, self.held, self.level, *pairs)

    def told(self) -> None:
        """Redis has it."""
        self.level = 0.0
        self.told_held = self.held
        self.changes.clear()

    def perhaps_told(self) -> None:
        """Nobody knows. What was used is told again, what was given back is not: at worst too much is counted."""
        self.told_held = math.nan
        self.level = max(0.0, self.level)
        self.changes = {cell: change for cell, change in self.changes.items() if change > 0.0}

    def look(self) -> Command:
        """Renew what is held, and see what is there."""
        return "limits.look", (self.slot.key,), (*self.slot.numbers, self.held)

    def seen(self, answer: Sequence[Any], now: float) -> None:
        """Keep what is there. Lost state is not kept, so that the first to notice can restore it."""
        time, flat = answer
        image = dict(zip(flat[::2], flat[1::2], strict=True))
        if self.id and self.id not in {image.get("id"), image.get("former")}:
            return
        self.image = image
        self.offset = float(time) - now

    @property
    def id(self) -> str:
        """Who made the state that this process knows; empty if it knows none."""
        return self.image.get("id", "")

    def is_lost(self, answer: Sequence[Any]) -> bool:
        """Whether a look found that the state which this process knew is gone."""
        image = dict(zip(answer[1][::2], answer[1][1::2], strict=True))
        return bool(self.id) and self.id not in {image.get("id"), image.get("former")}

    def restore(self) -> Command:
        """Put back what was there last."""
        flat = [text for pair in self.image.items() for text in pair]
        return "limits.restore", (self.slot.key,), (*self.slot.numbers, self.id, *flat)

    def move_to(self, local: MemoryLimits, share: float, now: float) -> None:
        """Give the in-process store this process's share of the limit, and of what was used under it so far."""
        slot = self.slot
        rule: Any = local.slot(slot.share(share))
        if slot.counts_in_flight:
            rule.take(self.held, now)
        for part, taken in self._parts():
            rule.take(taken * share, min((part + 1) * slot.part_s - self.offset, now))
        if slot.rate and not slot.part_s and "level" in self.image:
            rule.take(float(self.image["level"]) * share, min(float(self.image["at"]) - self.offset, now))

    def _parts(self) -> list[tuple[int, float]]:
        if not self.slot.part_s:
            return []
        parts = [(int(name), float(taken)) for name, taken in self.image.items() if name.isdecimal()]
        return sorted(parts)
