"""Reads the log as anybody could, and holds it against the vendors' own books."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from orchestrator.testing import LedgerEntry

__all__ = ["Audit", "Line", "Try", "audit", "read_log", "tries"]

Line = dict[str, Any]
"""One call's log line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One attempt, as the log tells it. `counts` are (input tokens, output tokens, search units), None if unknown."""

    provider: str
    deployment: str
    model: str
    error: str | None
    request_id: str | None
    counts: tuple[int | None, int | None, float | None]
    from_vendor: bool
    cost_usd: Decimal | None
    place: int

    @property
    def answered(self) -> bool:
        """It gave the call its answer."""
        return self.error is None


@dataclass(slots=True)
class Audit:
    """What came of holding the log against the ledger.

    Attributes:
        log, ledger: units by vendor and name, for all requests that were answered whole.
        wrong: what does not agree, in words.
        unfinished: requests the vendor worked on and never finished; they are billed by its own rules.
        estimated: attempts in the log whose usage no vendor could tell any more.
    """

    log: Counter[tuple[str, str]] = field(default_factory=Counter)
    ledger: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    unfinished: int = 0
    estimated: int = 0

    @property
    def agrees(self) -> bool:
        """Every request of one is in the other, with the same units."""
        return not self.wrong and self.log == self.ledger


def read_log(path: Path) -> list[Line]:
    """The lines of calls, with money as exact decimals. Raises OSError or ValueError."""
    with path.open(encoding="utf-8") as file:
        lines = [json.loads(text, parse_float=Decimal) for text in file]
    return [line for line in lines if line["event"] == "llm.call"]


def tries(line: Line) -> Iterator[Try]:
    """The attempts of a call, in order. A call with one attempt has its facts in the line itself."""
    whole = {**line, "model": line["request_model"], "error": line["error_type"]}
    attempts = line["attempts"] or ([whole] if line["deployment"] else [])
    for place, one in enumerate(attempts):
        last = place == len(attempts) - 1
        yield Try(
            provider=one["provider"],
            deployment=one["deployment"],
            model=one["model"],
            error=one["error"],
            request_id=one["request_id"],
            counts=(one["input_tokens"], one["output_tokens"], line["search_units"] if last else None),
            from_vendor=one["usage_source"] == "vendor",
            cost_usd=one["cost_usd"],
            place=place,
        )


def audit(lines: Iterable[Line], ledger: Iterable[LedgerEntry]) -> Audit:
    """Compare request by request: the vendor's id of it is in both."""
    found = Audit()
    entries = list(ledger)
    booked = {entry.request_id: entry for entry in entries if entry.completed}
    found.unfinished = len(entries) - len(booked)
    unheard: Counter[str] = Counter()
    for one in (one for line in lines for one in tries(line)):
        entry = booked.pop(one.request_id or "", None)
        if one.answered:
            _compare(found, one, entry)
            continue
        found.unfinished += entry is not None
        if one.counts[0] is not None and not one.from_vendor:
            unheard[one.provider] += 1
    found.estimated = unheard.total()
    _explain(found, booked.values(), unheard)
    return found


def _compare(found: Audit, one: Try, entry: LedgerEntry | None) -> None:
    _add(found.log, one.provider, one.counts)
    if entry is None:
        found.wrong.append(f"the log has request {one.request_id} of {one.provider}, its ledger has not")
        return
    billed = _billed(entry)
    _add(found.ledger, entry.vendor, billed)
    if tuple(count or 0 for count in one.counts) != billed:
        found.wrong.append(f"request {one.request_id} of {one.provider}: log {one.counts}, ledger {billed}")


def _explain(found: Audit, left: Iterable[LedgerEntry], unheard: Counter[str]) -> None:
    """A vendor may finish an answer that never arrives: the log then has an attempt of unknown fate, and no id."""
    for entry in left:
        if unheard[entry.vendor]:
            unheard[entry.vendor] -= 1
            found.unfinished += 1
        else:
            _add(found.ledger, entry.vendor, _billed(entry))
            found.wrong.append(f"{entry.vendor} has request {entry.request_id} in its ledger, the log has not")


def _billed(entry: LedgerEntry) -> tuple[int, int, int]:
    # A rerank is billed in search units; its tokens are on nobody's bill.
    if entry.task == "rerank":
        return 0, 0, entry.search_units
    return entry.input_tokens, entry.output_tokens, 0


def _add(books: Counter[tuple[str, str]], vendor: str, counts: tuple[float | None, ...]) -> None:
    for name, count in zip(("input tokens", "output tokens", "search units"), counts, strict=True):
        books[vendor, name] += int(count or 0)
