"""Engines are loaded ahead, and closed with the client or when a reload has dropped them."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from types import ModuleType

import pytest

from orchestrator import AsyncOrchestrator, Orchestrator, OrchestratorError
from orchestrator.spec.provider import EngineFactory, Profile
from orchestrator.types.retrieval import EmbedResult

OPENED: list[Probe] = []


class Probe:
    """An engine that notes what is done to it."""

    def __init__(self, target):
        self.model = target.model
        self.events: list[str] = []
        OPENED.append(self)

    async def embed(self, request, *, timeout_s):
        self.events.append("call")
        if self.model == "slow":
            await asyncio.sleep(0.3)
        return EmbedResult(vectors=[[1.0] for _ in request.texts])

    def warm_up(self):
        self.events.append("warm")
        if self.model == "broken":
            raise RuntimeError("secret words")

    async def close(self):
        self.events.append("close")
        if self.model == "broken":
            raise RuntimeError("secret words")


PROBE = EngineFactory(Profile(kind="probe", tasks=frozenset({"embed"}), base_url="", key_required=False), Probe)


@pytest.fixture(autouse=True)
def installed(tmp_path):
    """A distribution on the path that brings the kind by entry point, as a third party's would."""
    OPENED.clear()
    info = tmp_path / "probe-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: probe\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[orchestrator.providers]\nprobe = probe_of_this_test:PROBE\n")
    module = ModuleType("probe_of_this_test")
    module.PROBE = PROBE
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(tmp_path))
    yield
    sys.path.remove(str(tmp_path))
    del sys.modules[module.__name__]


def config(*models):
    return {
        "version": 1,
        "providers": {"own": {"kind": "probe"}},
        "deployments": {model: {"provider": "own", "model": model} for model in models},
        "routes": {f"by-{model}": {"task": "embed", "pick": model} for model in models},
        "log": {"to": "none"},
    }


def until(condition, seconds=5.0):
    """Wait for what another thread does."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_every_engine_is_loaded_ahead_and_closed_once():
    """All engines of a client warm up when it is built, and close once when it is closed."""
    with Orchestrator(config("a", "b")) as llm:
        until(lambda: [one.events for one in OPENED] == [["warm"], ["warm"]])
        llm.embed("by-a", "hi")
    assert sorted(one.events for one in OPENED) == [["warm", "call", "close"], ["warm", "close"]]


def test_a_closed_client_reaches_no_engine():
    """A call on a closed client is refused before any engine hears of it; closing twice harms nobody."""
    llm = Orchestrator(config("a"))
    llm.embed("by-a", "hi")
    llm.close()
    with pytest.raises(OrchestratorError, match="the client is closed"):
        llm.embed("by-a", "hi")
    llm.close()
    assert [event for event in OPENED[0].events if event != "warm"][:2] == ["call", "close"]
    assert OPENED[0].events.count("call") == 1


def test_an_engine_dropped_by_a_reload_closes_after_its_last_call():
    """A call under way finishes on its engine; then that engine is closed, while the client lives on."""

    async def scenario():
        async with AsyncOrchestrator(config("slow")) as llm:
            call = asyncio.create_task(llm.embed("by-slow", "hi"))
            await asyncio.sleep(0.1)
            llm.reload(config("b"))
            old = OPENED[0]
            assert "close" not in old.events
            assert (await call).dimensions == 1
            del call
            await asyncio.to_thread(until, lambda: old.events[-1] == "close")
            await llm.embed("by-b", "hi")
        return old

    old = asyncio.run(scenario())
    assert old.events.count("close") == 1
    assert OPENED[1].events[-1] == "close"


def test_engines_that_fail_to_load_or_close_stop_nobody(caplog):
    """The others are loaded and closed all the same, and no text of the exception is logged."""
    with caplog.at_level(logging.ERROR, "orchestrator"):
        with Orchestrator(config("broken", "b")):
            until(lambda: all(one.events == ["warm"] for one in OPENED))
    assert [one.events for one in OPENED] == [["warm", "close"]] * 2
    assert "an engine could not close: RuntimeError" in caplog.messages
    assert "secret" not in caplog.text
