"""Scenarios 30, 40, 44 and 52 over real sockets: no way there, cancelled calls, ten thousand at once, Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from bytes_harness import GOOD, Met, chat, meet, stream, writes
from transport_harness import Make, make_aiohttp, make_httpx
from transport_server import Peer, Request, chunked, served_in_thread
from vendor import config, sse

from orchestrator import AsyncOrchestrator, ConnectionFailed, Orchestrator
from orchestrator.testing import CapturedEvents


@pytest.fixture(params=[make_aiohttp, make_httpx], ids=["aiohttp", "httpx"])
def make(request: pytest.FixtureRequest) -> Make:
    made: Make = request.param
    return made


def test_30_no_way_to_the_vendor(make: Make) -> None:
    """Nobody there: the next deployment answers, nothing was billed, and the breaker opens after five calls."""

    async def six(llm: AsyncOrchestrator, met: Met) -> Any:
        return [await chat(llm, met) for _ in range(6)]

    met = meet(make, six, [None, writes(GOOD)])
    assert [len(reply.attempts) for reply in met.result] == [2, 2, 2, 2, 2, 1]
    assert met.requests == [0, 6]
    assert not any(attempt.maybe_billed for reply in met.result for attempt in reply.attempts)
    assert ConnectionFailed.__name__ == met.result[0].attempts[0].error


@pytest.mark.parametrize("stage", ["answer", "stream"])
def test_40_cancelled_calls_close_their_sockets(make: Make, stage: str) -> None:
    """Fifty calls are cancelled while the vendor is silent or streams: within a second no connection is left."""

    async def silent(peer: Peer, request: Request) -> None:
        if stage == "stream":
            await peer.send(chunked(sse("one", done=False).body, end=False))
        await peer.until_gone()

    async def cancelled(llm: AsyncOrchestrator, met: Met) -> Any:
        act = stream if stage == "stream" else chat
        tasks = [asyncio.create_task(act(llm, met)) for _ in range(50)]
        while met.servers[0].open < 50 or len(met.servers[0].requests) < 50:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(100):
            if not met.servers[0].open:
                return llm._core.pipeline.in_flight
            await asyncio.sleep(0.01)
        return met.servers[0].open

    met = meet(make, cancelled, [silent])
    assert met.result == 0
    assert [event.status for event in met.captured] == ["cancelled"] * 50  # type: ignore[union-attr]


def test_52_ctrl_c() -> None:
    """Ctrl-C in a blocking call is raised there at once, and within a second the call's connection is closed."""

    async def silent(peer: Peer, request: Request) -> None:
        await peer.until_gone()

    captured = CapturedEvents()
    with served_in_thread(silent) as server:
        values = config(["a"])
        values["providers"]["a"]["base_url"] = server.url("/v1")
        with Orchestrator(values, sinks=[captured]) as llm:
            main = threading.main_thread().ident
            assert main is not None
            threading.Timer(0.5, signal.pthread_kill, (main, signal.SIGINT)).start()
            began = time.monotonic()
            with pytest.raises(KeyboardInterrupt):
                llm.chat("answer", "hi", deadline=60)
            assert time.monotonic() - began < 2.0
            while server.open:
                assert time.monotonic() - began < 3.0
                time.sleep(0.01)
    assert [event.status for event in captured] == ["cancelled"]  # type: ignore[union-attr]


def test_44_ten_thousand_at_once() -> None:
    """Ten thousand calls on one client all complete, in order of arrival, within 600 MB, and leave nothing behind."""
    script = Path(__file__).with_name("ten_thousand.py")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=True)
    figures = json.loads(done.stdout)
    assert figures["answered"] == 10_000
    assert figures["rss_mb"] < 600
    assert figures["most_overtaken"] <= 200  # of those in line; two hundred are under way at once
    assert figures["left_sockets"] <= 2
