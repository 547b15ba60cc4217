"""The cost of a call, as functions called: unlike time, it is the same on every run."""

from __future__ import annotations

import asyncio

import pytest
from counting import PYTHON, Counts, measured, on_record

TOLERANCE = 0.05
UPDATE = "python tests/speed/counting.py --update"


def strayed(counts: Counts, record: Counts) -> list[str]:
    """What is further from the record than the tolerance, in words."""
    found = []
    for work, kinds in record.items():
        for kind, before in kinds.items():
            now = counts[work][kind]
            if abs(now - before) > before * TOLERANCE:
                change = "more" if now > before else "fewer"
                found.append(f"{work}: {abs(now / before - 1):.0%} {change} {kind} calls ({before} -> {now})")
    return found


def test_a_call_costs_what_is_on_record() -> None:
    """No work calls five per cent more functions than on record; what has become cheaper is put on record."""
    record = on_record().get(PYTHON)
    if record is None:
        pytest.skip(f"no numbers for Python {PYTHON} yet: {UPDATE}")
    counts = asyncio.run(measured())
    assert counts.keys() == record.keys(), f"other work than on record: {UPDATE}"
    assert not (found := strayed(counts, record)), (
        "; ".join(found) + f". Dearer: find out why, or accept it. Cheaper: keep it so. Both with: {UPDATE}"
    )


def test_the_gate_sees_a_change() -> None:
    """Six per cent more or fewer calls are told, four are not."""
    record = {"chat": {"python": 100, "c": 200}}
    assert strayed({"chat": {"python": 104, "c": 192}}, record) == []
    assert strayed({"chat": {"python": 106, "c": 188}}, record) == [
        "chat: 6% more python calls (100 -> 106)",
        "chat: 6% fewer c calls (200 -> 188)",
    ]


def test_counts_are_the_same_every_time() -> None:
    """Two runs in one process differ by less than a fiftieth of what the gate would let pass."""
    first, second = asyncio.run(measured()), asyncio.run(measured())
    for work, kinds in first.items():
        for kind, count in kinds.items():
            assert second[work][kind] == pytest.approx(count, rel=TOLERANCE / 50, abs=1)
