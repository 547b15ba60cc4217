"""What to read out of the lines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain

__all__ = ["DIMENSIONS", "SHARES", "Query", "is_dimension", "of_budgets"]

DIMENSIONS = (
    "day", "hour", "route", "task", "model", "deployment", "provider", "region", "tenant", "user", "status", "error",
    "price_row", "budget", "per", "whose", "window", "period", "limit_usd",
)  # fmt: skip
"""What lines can be grouped by, besides `tag:NAME`. Days and hours are UTC.

`model`, `deployment`, `provider` and `error` are those of each attempt, the others those of the call. `error` of the
attempt that ended a failed call is the error that the application saw. From `budget` on they are of the budgets that
count an attempt, as the line has them: an attempt that several count is in several groups, and in the total once.
"""

SHARES = ("budget", "per", "whose", "window", "period", "limit_usd")
"""Dimensions of which one attempt may have several values: a set of them for each budget that counts it."""

_TAG = re.compile(r"tag:[^'\x00-\x1f]{1,100}")


def of_budgets(names: Iterable[str]) -> bool:
    """Whether one of them is a dimension of budgets."""
    return not frozenset(SHARES).isdisjoint(names)


def is_dimension(name: str) -> bool:
    """Whether lines can be grouped by it."""
    return name in DIMENSIONS or _TAG.fullmatch(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which lines, and how they are grouped.

    Attributes:
        by: dimensions of the cells; each combination found is one.
        latency_by: by which dimensions percentiles are wanted; `()` is that of all answers. Percentiles of groups do
            not add up to those of larger ones, so each is asked for.
        where: values of dimensions that are read, as text; a dimension without a value (`null`) is the empty text.
        since: an ISO time stamp in UTC, `2026-11-01T00:00:00.000Z`, of the first line read.
        until: one of the first line not read any more.
        dearest: how many of the dearest calls to list.
        tags: whether to count which tags there are.
    """

    by: tuple[str, ...] = ()
    latency_by: tuple[tuple[str, ...], ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    since: str | None = None
    until: str | None = None
    dearest: int = 0
    tags: bool = False

    def __post_init__(self) -> None:
        for name in (*self.by, *self.finest, *self.where):
            if not is_dimension(name):
                raise ValueError(f"no such dimension: {name[:60]!r}; known: {', '.join(DIMENSIONS)}, tag:NAME")

    @property
    def finest(self) -> tuple[str, ...]:
        """All dimensions of `latency_by`, each once."""
        return tuple(dict.fromkeys(chain(*self.latency_by)))

    @property
    def dimensions(self) -> frozenset[str]:
        """All that is asked for, as far as it is a key of the line or a dimension."""
        more = ({"call_id", "route", "tenant"} if self.dearest else set()) | ({"tags"} if self.tags else set())
        return frozenset({*self.by, *self.finest, *self.where} | more)
