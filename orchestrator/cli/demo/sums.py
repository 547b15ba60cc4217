"""Adds up log lines. What the report's tables show, as numbers; nothing but the log goes in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from math import ceil

from orchestrator.cli.demo.audit import Line, Try, tries
from orchestrator.cli.demo.story import Act

__all__ = ["Share", "by_act", "by_model", "detours", "swap"]


@dataclass(slots=True)
class Share:
    """A part of the calls.

    Attributes:
        calls: calls in it; in `by_model`, the answers given.
        tokens: input and output; search units are not tokens.
        cost_usd: exact; `unpriced` counts what has no known price.
        durations_ms: of answered calls.
        errors: failed attempts.
        by_deployment: answers by deployment.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    search_units: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0
    errors: int = 0
    durations_ms: list[float] = field(default_factory=list)
    by_deployment: dict[str, int] = field(default_factory=dict)

    def percentile_ms(self, share: float) -> float | None:
        """The duration that this share of the calls did not exceed, None without calls."""
        ordered = sorted(self.durations_ms)
        return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None

    def add_call(self, line: Line) -> None:
        """Add a call with all its attempts."""
        self.calls += 1
        if line["status"] == "ok":
            self.durations_ms.append(float(line["duration_ms"]))
            name = line["deployment"]
            self.by_deployment[name] = self.by_deployment.get(name, 0) + 1
        for one in tries(line):
            self._add(one)

    def add_try(self, one: Try) -> None:
        """Add an attempt."""
        self.calls += one.answered
        self._add(one)

    def _add(self, one: Try) -> None:
        input_tokens, output_tokens, units = one.counts
        self.errors += not one.answered
        self.input_tokens += input_tokens or 0
        self.output_tokens += output_tokens or 0
        self.search_units += int(units or 0)
        self.cost_usd += one.cost_usd or 0
        self.unpriced += one.cost_usd is None and (one.answered or input_tokens is not None)


def _grouped(lines: Iterable[Line], key: Callable[[Line], str]) -> dict[str, Share]:
    found: dict[str, Share] = {}
    for line in lines:
        found.setdefault(key(line), Share()).add_call(line)
    return found


def by_model(lines: Iterable[Line]) -> dict[str, Share]:
    """Attempts by model: a call that took two models costs something at both."""
    found: dict[str, Share] = {}
    for line in lines:
        for one in tries(line):
            found.setdefault(f"{one.provider} {one.model}", Share()).add_try(one)
    return found


def by_act(lines: Sequence[Line], acts: Sequence[Act]) -> dict[str, Share]:
    """Chats by the act in which they ended."""
    until = [act.since for act in acts[1:]] + [float("inf")]
    found = {act.name: Share() for act in acts}
    for line in lines:
        if line["task"] == "chat":
            ended = datetime.fromisoformat(line["ts"]).timestamp()
            act = next(act for act, end in zip(acts, until, strict=True) if ended < end)
            found[act.name].add_call(line)
    return found


def swap(lines: Iterable[Line], deployment: str) -> dict[str, Share]:
    """Calls that a deployment answered at the first try, by the model it had at the time."""
    chosen = (one for one in lines if one["deployment"] == deployment and one["status"] == "ok" and not one["attempts"])
    return _grouped(chosen, lambda line: line["request_model"])


def detours(lines: Iterable[Line]) -> tuple[int, int]:
    """Attempts made after a failure: at another deployment, and at the same one again."""
    steps = [(before, after) for line in lines for before, after in pairwise(tries(line))]
    moved = sum(before.deployment != after.deployment for before, after in steps)
    return moved, len(steps) - moved
