"""The whole library against scripted vendors, from seeds: what must hold does, whatever happens.

`ORCHESTRATOR_SIMULATIONS=N` says how many runs, `ORCHESTRATOR_SEED=S` with which seed they begin.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from invariants import violations
from simulated_vendors import MOODS
from simulation import simulate

RUNS = int(os.environ.get("ORCHESTRATOR_SIMULATIONS", "2000"))
FIRST = int(os.environ.get("ORCHESTRATOR_SEED", "0"))


def test_invariants_hold_for_every_seed() -> None:
    """Nothing stays reserved, no limit is exceeded, each attempt is paid once, each call has one end and one event."""
    for seed in range(FIRST, FIRST + RUNS):
        found = violations(simulate(seed))
        if found:
            replay = f"ORCHESTRATOR_SIMULATIONS=1 ORCHESTRATOR_SEED={seed} python -m pytest {__file__}"
            pytest.fail("\n".join([f"seed {seed}:", *found, "again:", replay]), pytrace=False)


def test_same_seed_same_run() -> None:
    """A seed decides everything: two runs of it leave the same calls at the same times."""

    def trace(seed: int) -> list[object]:
        return [(event.time, event.call_id, event.status, event.attempts, event.cost) for event in simulate(seed).calls]

    for seed in range(FIRST, FIRST + 20):
        assert trace(seed) == trace(seed)


def test_simulation_sees_the_bad_cases() -> None:
    """The runs meet every mood of a vendor, every way a call ends, queues, failovers and retries."""
    moods: set[str] = set()
    ends: Counter[str] = Counter()
    for seed in range(150):
        run = simulate(seed)
        moods |= {arrival.mood for arrival in run.vendors.ledger}
        for event in run.calls:
            ends[event.status] += 1
            ends[type(event.error).__name__] += 1
            ends["queued"] += event.timings.queue_ms > 0
            ends["waited"] += event.timings.wait_ms > 0
            ends["failed over"] += event.error is None and len({one.deployment for one in event.attempts}) > 1
    assert moods == set(MOODS)
    wanted = {"ok", "error", "cancelled", "abandoned", "queued", "waited", "failed over", "StreamInterrupted"}
    assert all(ends[name] >= 10 for name in wanted), ends
