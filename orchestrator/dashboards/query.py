"""What to read out of the lines."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["DIMENSIONS", "Query", "is_dimension"]

DIMENSIONS = (
    "day", "hour", "route", "task", "model", "deployment", "provider", "region", "tenant", "user", "status", "error",
    "price_row",
)  # fmt: skip
"""What lines can be grouped by, besides `tag:NAME`. Days and hours are UTC.

`model`, `deployment`, `provider` and `error` are those of each attempt, the others those of the call. `error` of the
attempt that ended a failed call is the error that the application saw.
"""

_TAG = re.compile(r"tag:[^'\x00-\x1f]{1,100}")


def is_dimension(name: str) -> bool:
    """Whether lines can be grouped by it."""
    return name in DIMENSIONS or _TAG.fullmatch(name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which lines, and how they are grouped.

    Attributes:
        by: dimensions of the cells; each combination found is one.
        latency_by: dimensions by which durations are kept apart.
        where: values of dimensions that are read, as text; a dimension without a value (`null`) is the empty text.
        since: an ISO time stamp in UTC, `2026-11-01T00:00:00.000Z`, of the first line read.
        until: one of the first line not read any more.
        dearest: how many of the dearest calls to list.
    """

    by: tuple[str, ...] = ()
    latency_by: tuple[str, ...] = ()
    where: Mapping[str, str] = field(default_factory=dict)
    since: str | None = None
    until: str | None = None
    dearest: int = 0

    def __post_init__(self) -> None:
        for name in (*self.by, *self.latency_by, *self.where):
            if not is_dimension(name):
                raise ValueError(f"no such dimension: {name[:60]!r}; known: {', '.join(DIMENSIONS)}, tag:NAME")
