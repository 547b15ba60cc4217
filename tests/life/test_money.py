"""The bill: vendors' ledger, log lines and the dashboard's total are the same money, and what is missing has a name."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from decimal import Decimal

import pytest
from rehearsal import VENDORS, attempts, config, cost

from orchestrator import AsyncOrchestrator
from orchestrator.dashboards import roll_up
from orchestrator.testing import Simulator

ROTATE = {"size": "20kB", "daily": True}


@pytest.fixture
def sim():
    with Simulator(VENDORS) as simulator:
        yield simulator


def calls(folder):
    """All call lines of all files, in order."""
    text = "".join(path.read_text() for path in sorted(folder.glob("*.jsonl")))
    lines = [json.loads(line, parse_float=Decimal) for line in text.splitlines()]
    return [line for line in lines if line["event"] == "llm.call"]


def of_ledger(sim, ids):
    """What the vendors' ledger makes of these requests, by our own arithmetic."""
    entries = [entry for name in ("alpha", "beta") for entry in sim[name].ledger if entry.request_id in ids]
    return sum((cost(one.vendor, one.input_tokens, one.output_tokens) for one in entries), Decimal(0))


def test_ledger_lines_and_dashboard_agree(sim, tmp_path):
    """After retries, failovers, cancelled streams and rotation, ledger, lines and dashboard agree to the last digit."""
    given = config(sim, tmp_path / "calls.jsonl")
    given["log"]["rotate"] = ROTATE
    sim["alpha"].fail(500, probability=0.2)
    sim["alpha"].fail(429, probability=0.1)

    async def one(llm, number):
        if number % 5 == 0:
            async with llm.stream("answer", f"question {number}") as stream:
                async for _ in stream:
                    break
        else:
            await llm.chat("answer", f"question {number}")

    async def scenario():
        async with AsyncOrchestrator(given) as llm:
            for start in range(0, 200, 20):
                await asyncio.gather(*[one(llm, n) for n in range(start, start + 20)], return_exceptions=True)

    asyncio.run(scenario())
    lines = calls(tmp_path)
    assert len(lines) == len({line["call_id"] for line in lines}) == 200
    assert len(list(tmp_path.glob("*.jsonl"))) > 2
    tried = [attempt for line in lines for attempt in attempts(line)]
    assert any(attempt["error"] for attempt in tried)
    told = [attempt for attempt in tried if attempt["usage_source"] == "vendor"]
    assert sum(attempt["cost_usd"] for attempt in told) == of_ledger(sim, {attempt["request_id"] for attempt in told})
    total = sum((line["cost_usd"] for line in lines if line["cost_usd"] is not None), Decimal(0))
    assert total == sum((one["cost_usd"] for one in tried if one["cost_usd"] is not None), Decimal(0))
    assert Decimal(roll_up([str(tmp_path)]).totals.sums.cost_usd) == total


CHILD = """
import json, sys
from orchestrator import Orchestrator
llm = Orchestrator(json.loads(sys.argv[1]))
while True:
    reply = llm.chat("answer", "hi")
    print(reply.call_id, reply.request_id, flush=True)
"""


def test_killed(sim, tmp_path):
    """After kill -9 the ledger is ahead of the lines by exactly the calls whose ids are missing, of the last moment."""
    given = config(sim, tmp_path / "calls.jsonl")
    given["log"]["rotate"] = ROTATE
    child = subprocess.Popen([sys.executable, "-c", CHILD, json.dumps(given)], stdout=subprocess.PIPE)
    patience = time.monotonic() + 60
    while len(list(tmp_path.glob("*.jsonl"))) < 2 and time.monotonic() < patience:  # until the log has rotated
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGKILL)
    said = dict(line.split() for line in child.communicate()[0].decode().splitlines() if line.count(" ") == 1)
    lines = calls(tmp_path)
    written = {line["call_id"] for line in lines}
    missing = {request for call_id, request in said.items() if call_id not in written}
    logged = {line["request_id"] for line in lines}
    assert written
    entries = {entry.request_id for entry in sim["alpha"].ledger}
    silent = entries - logged - missing  # answered, but killed before the caller had said so
    assert len(silent) <= 1 or not said
    assert sum(line["cost_usd"] for line in lines) + of_ledger(sim, missing | silent) == of_ledger(sim, entries)
