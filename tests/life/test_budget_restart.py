"""A budget that outlives its process, by the log it wrote."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
import rehearsal
from rehearsal import VENDORS

from orchestrator import AsyncOrchestrator, BudgetExceeded
from orchestrator.recollection import log_files
from orchestrator.testing import ScriptedTransport, Simulator, json_reply

ANSWER = json_reply(
    {
        "id": "c",
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 1000},
    }
)  # 0.01001 dollars


def config(log: Path, *budgets: dict[str, Any], **more: Any) -> dict[str, Any]:
    vendor = {"kind": "openai", "base_url": "https://a.example.com/v1", "api_key": {"env": "TEST_KEY"}}
    return {
        "version": 1,
        "providers": {"a": vendor},
        "deployments": {"a": {"provider": "a", "model": "m", "price": {"input": 1, "output": 10}}},
        "routes": {"answer": {"task": "chat", "pick": "a", "defaults": {"max_output_tokens": 1000}}},
        "budgets": list(budgets),
        "log": {"path": str(log), **more},
    }


def calls(setup: dict[str, Any], count: int, **who: Any) -> int:
    """How many of these calls a new process's budget lets through."""

    async def scenario() -> int:
        transport = ScriptedTransport(lambda _request: ANSWER)
        async with AsyncOrchestrator(setup, transport=transport) as llm:
            for done in range(count):
                try:
                    await llm.chat("answer", "hello", **who)
                except BudgetExceeded:
                    return done
        return count

    return asyncio.run(scenario())


def first_call(log: Path) -> dict[str, Any]:
    """The first line about a call: budgets write lines of their own."""
    lines = (orjson.loads(line) for line in log.read_bytes().splitlines())
    return next(line for line in lines if line["event"] == "llm.call")


@pytest.mark.parametrize("more", [{}, {"rotate": {"size": "1kB"}}], ids=["one file", "rotated"])
def test_spending_goes_on_where_the_last_process_ended(tmp_path, more):
    """Three calls of five fit; a process that starts anew knows of them, also from files put aside."""
    day = {"usd": "0.0511", "window": "day", "per": "tenant"}
    setup = config(tmp_path / "calls.jsonl", day, **more)
    assert calls(setup, 3, tenant="acme") == 3
    assert calls(setup, 5, tenant="acme") == 2
    assert calls(setup, 5, tenant="acme") == 0
    assert calls(setup, 5, tenant="other") == 5
    assert (len(list(tmp_path.glob("calls-*.jsonl"))) > 3) == ("rotate" in more)


def test_what_is_over_torn_or_foreign_does_not_count(tmp_path, caplog):
    """Lines of a window that is over count nothing; torn and foreign ones are passed over and told."""
    log = tmp_path / "calls.jsonl"
    setup = config(log, {"usd": "0.0111", "window": "day"})
    assert calls(setup, 5) == 1
    told = first_call(log)
    old = {**told, "ts": (datetime.now(UTC) - timedelta(days=2)).isoformat(timespec="milliseconds")[:23] + "Z"}
    foreign = b'{"ts":"9999-01-01T00:00:00.000Z","event":"llm.call"}'
    log.write_bytes(b"\n".join([orjson.dumps(old), b'{"ts":"9999 torn', foreign, b""]))
    with caplog.at_level(logging.WARNING, logger="orchestrator"):
        assert calls(setup, 5) == 1
    assert "2 lines of the call log could not be read" in caplog.text


@pytest.mark.parametrize(("own", "left"), [(0.0005, 1), (0.005, 0)])
def test_failed_attempts_count_for_their_own_provider(tmp_path, own, left):
    """A line with several attempts charges each attempt's provider, and no more than that."""
    log = tmp_path / "calls.jsonl"
    setup = config(log, {"usd": "0.0111", "window": "day", "per": "provider", "for": {"provider": "a"}})
    assert calls(setup, 1) == 1
    told = first_call(log)
    tries = [{"provider": name, "cost_usd": usd} for name, usd in (("b", 5.0), ("a", own))]
    log.write_bytes(orjson.dumps({**told, "attempts": tries, "cost_usd": 5.0005}) + b"\n")
    assert calls(setup, 5) == left


def test_files_of_other_processes(tmp_path):
    """With a file per process or machine, all of them are read, and no stranger's."""
    ours = ["calls-1.jsonl", "calls-22-2026-11-23.000001.jsonl", "calls-22.jsonl"]
    for name in (*ours, "other.jsonl", "calls-1.jsonl.lock", "xcalls-1.jsonl", "callsX1.jsonl"):
        (tmp_path / name).write_text("")
    assert [file.name for file in log_files(tmp_path / "calls-{pid}.jsonl", 0)] == ours


def test_files_of_one_log(tmp_path):
    """Without a file per process only the log and what rotation put aside is read, and nothing older than asked."""
    ours = ["calls-2026-11-23.000001.jsonl", "calls.jsonl"]
    for name in (*ours, "calls-1.jsonl", "calls.jsonl.lock", "calls_jsonl"):
        (tmp_path / name).write_text("")
    assert [file.name for file in log_files(tmp_path / "calls.jsonl", 0)] == ours
    assert log_files(tmp_path / "calls.jsonl", 9e9) == []
    assert log_files(tmp_path / "none" / "calls.jsonl", 0) == []


def test_a_log_that_cannot_be_read(tmp_path, caplog):
    """A part of the log that is no file costs no call: the operator is told, and what the other parts tell counts."""
    log = tmp_path / "calls.jsonl"
    (tmp_path / "calls-2026-11-23.000001.jsonl").mkdir()
    setup = config(log, {"usd": "0.0211", "window": "day"})
    with caplog.at_level(logging.ERROR, logger="orchestrator"):
        assert calls(setup, 1) == 1
        assert calls(setup, 5) == 1
    assert "could not be read for the budgets" in caplog.text


CHILD = """
import json, sys
from orchestrator import BudgetExceeded, Orchestrator
with Orchestrator(json.loads(sys.argv[1])) as llm:
    print("ready", flush=True)
    try:
        while True:
            llm.chat("answer", "hi")
    except BudgetExceeded:
        pass
"""


def test_a_killed_process_is_remembered_but_for_its_last_moment(tmp_path):
    """After kill -9 the next process spends what is left; only what had not reached the log comes on top."""
    limit, capped = Decimal("0.02"), {"defaults": {"max_output_tokens": 50}}
    with Simulator(VENDORS) as sim:
        given = rehearsal.config(sim, tmp_path / "calls.jsonl", budgets={"usd": str(limit), "window": "month"})
        given["routes"]["answer"] |= capped
        command = [sys.executable, "-c", CHILD, json.dumps(given)]
        killed = subprocess.Popen(command, stdout=subprocess.PIPE)
        killed.stdout.readline()
        time.sleep(1.0)
        killed.kill()
        killed.communicate()
        first = len(sim["alpha"].ledger)
        subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL)
        entries = list(sim["alpha"].ledger)
    written = {line["request_id"] for line in rehearsal.read_log(tmp_path / "calls.jsonl")}
    told = [one for one in entries if one.request_id in written]
    spent = sum(rehearsal.cost("alpha", one.input_tokens, one.output_tokens) for one in told)
    assert Decimal("0.9") * limit < spent <= limit
    assert 0 <= len(entries) - len(told) < first < len(told)
