"""What a call costs does not depend on how much the configuration holds, nor does a start on what it may need."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from counting import ROOT, Counter, chat, counted, right_text
from speed import canned
from speed.at_once import AtOnce
from speed.honest import KEY_VARIABLE, honest_config, large_config
from speed.picking import choosers

from orchestrator import AsyncOrchestrator, Orchestrator
from orchestrator.spec.events import CallContext

URL = "https://vendor.example.com/v1"
NOT_NEEDED = ("httpx", "litellm", "redis", "rich", "structlog", "typer")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, canned.KEY)


def test_a_call_among_hundreds_costs_the_same() -> None:
    """Two deployments and routes or five hundred: a call runs the same number of functions."""

    async def count(size: int) -> dict[str, int]:
        config = large_config(URL, size)
        config["routes"]["answer"] = config["routes"].pop("all")
        config["routes"]["answer"]["pick"]["weighted"]["chat-0"] = 10**9  # the first call of a deployment costs more
        async with AsyncOrchestrator(config, transport=AtOnce(), random=Random(7)) as llm:
            return await counted(lambda: chat(llm), right_text)

    few, many = asyncio.run(count(2)), asyncio.run(count(500))
    assert many["python"] <= few["python"] + 2
    assert many["c"] <= few["c"] + 2


@pytest.mark.parametrize("rule", choosers(2))
def test_choosing_among_hundreds_runs_no_more_functions(rule: str) -> None:
    """Whatever the rule, the first of five hundred picks is found by as many functions as the first of two."""

    def count(size: int) -> int:
        chooser, draw, context = choosers(size)[rule], Random(7).random, CallContext(tenant="acme")
        next(iter(chooser.order(draw, context, 1.0)))
        counter = Counter()
        sys.setprofile(counter)
        try:
            next(iter(chooser.order(draw, context, 1.0)))
        finally:
            sys.setprofile(None)
        return counter.python + counter.c

    assert count(500) <= count(2) + 2


def test_no_garbage_is_collected_while_a_configuration_is_replaced() -> None:
    """A reload, which makes tens of thousands of objects, causes no collection of garbage to speak of."""
    collections: list[int] = []
    with Orchestrator(large_config(URL, 100)) as llm:
        gc.callbacks.append(lambda phase, info: collections.append(info["generation"]))
        try:
            llm.reload(llm.config)
        finally:
            gc.callbacks.pop()
    assert len(collections) <= 4  # start and stop of what comes after
    assert 2 not in collections


def started(code: str) -> dict[str, object]:
    """Peak memory in MiB and modules of a fresh process that ran this."""
    tail = "\nimport json, sys\nfrom speed.memory import peak_mib\nprint(json.dumps([peak_mib(), list(sys.modules)]))"
    places = [str(ROOT / "benchmarks"), str(ROOT), str(ROOT / "providers")]
    known = os.environ | {"PYTHONPATH": os.pathsep.join(places)}
    done = subprocess.run(
        [sys.executable, "-c", code + tail], env=known, capture_output=True, text=True, timeout=60, check=True
    )
    rss_mib, modules = json.loads(done.stdout)
    return {"rss_mib": rss_mib, "modules": {name.partition(".")[0] for name in modules}}


def test_importing_is_cheap() -> None:
    """The package alone needs at most 30 MiB and loads nothing from outside, nor asyncio."""
    found = started("import orchestrator")
    assert found["rss_mib"] <= 30
    assert not {"aiohttp", "asyncio", "orjson", "pydantic", "tenacity", "yaml", *NOT_NEEDED} & found["modules"]


def test_the_first_answer_loads_what_it_needs(tmp_path: Path) -> None:
    """Reading a file, a first answer and its log line need at most 65 MiB and load no library that is for others."""
    file, log = tmp_path / "orchestrator.yaml", tmp_path / "calls.jsonl"
    file.write_text(json.dumps(honest_config(log, [URL, URL])) + "\n")
    found = started(
        "from orchestrator import Orchestrator\n"
        "from speed.at_once import AtOnce\n"
        f"with Orchestrator.from_file({str(file)!r}, transport=AtOnce()) as llm:\n"
        "    assert llm.chat('answer', 'Which plan includes SSO?').cost.total\n"
        "import orchestrator.transport.aiohttp\n"  # as without a transport of one's own
    )
    assert json.loads(log.read_text())["cost_usd"] > 0
    assert found["rss_mib"] <= 65
    assert not {*NOT_NEEDED} & found["modules"]
