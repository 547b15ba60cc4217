"""The file is edited while calls are in flight."""

from __future__ import annotations

import asyncio
import os
import time

import pytest
import yaml
from rehearsal import VENDORS, config, read_log

from orchestrator import AsyncOrchestrator, ConfigError, Orchestrator
from orchestrator.testing import CapturedEvents, Simulator


def write(path, values):
    """Replace a file in one step, as the documentation asks."""
    fresh = path.with_suffix(".new")
    fresh.write_text(yaml.safe_dump(values))
    os.replace(fresh, path)


def test_model_is_swapped_by_the_file_under_load(tmp_path):
    """Calls in flight finish on their configuration, later ones use the new one, none fails; each line says which."""
    path, log = tmp_path / "orchestrator.yaml", tmp_path / "log.jsonl"
    with Simulator(VENDORS) as sim:
        values = config(sim, log)
        write(path, values)

        async def scenario():
            async with AsyncOrchestrator.from_file(path) as llm:
                replies = []

                async def caller():
                    until = time.monotonic() + 4
                    while time.monotonic() < until and not (len(replies) > 50 and replies[-1].deployment == "beta"):
                        replies.append(await llm.chat("answer", "hi"))
                        await asyncio.sleep(0.005)

                tasks = [asyncio.create_task(caller()) for _ in range(20)]
                await asyncio.sleep(0.3)
                values["routes"]["answer"] = {"task": "chat", "pick": "beta"}
                write(path, values)
                await asyncio.gather(*tasks)
                return replies

        replies = asyncio.run(scenario())
    assert {reply.deployment for reply in replies} == {"alpha", "beta"}
    by_hash = {(line["config_hash"], line["deployment"]) for line in read_log(log)}
    assert len(by_hash) == 2


@pytest.mark.parametrize(
    "content", ["version: 1\nroutes: {answer: {task: chat, pick: nobody}}\n", "\t: [\n", "version: 1\n"]
)
def test_bad_file_changes_nothing(tmp_path, content):
    """A file that is wrong leaves the client as it is, and is one event that says where."""
    path = tmp_path / "orchestrator.yaml"
    events = CapturedEvents()
    with Simulator(VENDORS) as sim:
        write(path, config(sim))
        with Orchestrator.from_file(path, sinks=[events]) as llm:
            before = repr(llm)
            path.write_text(content)
            for _ in range(4):
                time.sleep(1.05)
                llm.aio._core.look()
            assert repr(llm) == before
            assert llm.chat("answer", "hi").deployment == "alpha"
    refused = [event for event in events if getattr(event, "name", "") == "llm.config.refused"]
    assert len(refused) == 1
    assert "orchestrator.yaml" in refused[0].message


def test_reload_in_code(tmp_path):
    """`reload` takes a mapping; a wrong one raises and changes nothing. Limits carry over."""
    with Simulator(VENDORS) as sim:
        values = config(sim)
        with Orchestrator(values) as llm:
            values["routes"]["answer"] = {"task": "chat", "pick": "beta"}
            llm.reload(values)
            assert llm.chat("answer", "hi").deployment == "beta"
            with pytest.raises(ConfigError, match="did you mean"):
                llm.reload(values | {"routs": {}})
            assert llm.chat("answer", "hi").deployment == "beta"


def test_rotated_key_is_picked_up(tmp_path):
    """A credential's file that changes is in force a second later, without a failed call."""
    key = tmp_path / "key"
    key.write_text("first-key\n")
    events = CapturedEvents()
    with Simulator(VENDORS) as sim:
        values = config(sim)
        values["providers"]["alpha"]["api_key"] = {"file": str(key)}
        with Orchestrator(values, sinks=[events]) as llm:
            llm.chat("answer", "hi")
            key.write_text("second-key\n")
            time.sleep(0.01)
            llm.aio._core.look()
            llm.chat("answer", "hi")
        sent = [received.headers["authorization"] for received in sim["alpha"].received]
    assert sent == ["Bearer first-key", "Bearer second-key"]
    assert "llm.credential.reloaded" in [getattr(event, "name", "") for event in events]
