"""The core by itself, without extras: a chat with each kind of `output=`, an embed and a rerank over real sockets.

Run by the interpreter whose environment is looked at.
"""

from __future__ import annotations

import importlib.util
import os
import sys

from pydantic import BaseModel

from orchestrator import Orchestrator
from orchestrator.testing import Simulator, Vendor

VENDORS = (Vendor(name="vendor", wire="cohere"), Vendor(name="forced", wire="anthropic"))
EXTRAS = ("boto3", "google.auth", "jsonschema_rs", "litellm", "redis")


class Plan(BaseModel):
    """What the answers hold."""

    name: str
    seats: int


SCHEMA = Plan.model_json_schema()


def config(simulator: Simulator) -> dict[str, object]:
    """One vendor for all three tasks."""
    return {
        "version": 1,
        "providers": {
            "vendor": {"kind": "cohere", "base_url": simulator.url("vendor"), "api_key": {"env": "SMOKE_KEY"}},
            "forced": {"kind": "anthropic", "base_url": simulator.url("forced"), "api_key": {"env": "SMOKE_KEY"}},
        },
        "deployments": {
            "command": {"provider": "vendor", "model": "command-a-03-2025"},
            "haiku": {"provider": "forced", "model": "claude-3-haiku"},
            "vectors": {"provider": "vendor", "model": "embed-v4.0"},
            "ranker": {"provider": "vendor", "model": "rerank-v3.5"},
        },
        "routes": {
            "answer": {"task": "chat", "pick": "command"},
            "other": {"task": "chat", "pick": "haiku"},
            "search": {"task": "embed", "pick": "vectors"},
            "rank": {"task": "rerank", "pick": "ranker"},
        },
        "log": {"to": "none"},
    }


def main() -> None:
    """Ask for everything once."""
    os.environ["SMOKE_KEY"] = "any"
    with Simulator(VENDORS) as simulator, Orchestrator(config(simulator)) as llm:
        for route in ("answer", "other"):
            assert isinstance(llm.chat(route, "Which plan?", output=Plan).output, Plan)
            assert Plan.model_validate(llm.chat(route, "Which plan?", output=SCHEMA).output)
            with llm.stream(route, "Which plan?", output=SCHEMA) as stream:
                assert "".join(stream.text)
            assert Plan.model_validate(stream.reply.output)
        assert len(llm.embed("search", ["one", "two"]).vectors) == 2
        assert llm.rerank("rank", query="one", documents=["one", "two"]).results[0].index in {0, 1}
    present = [name for name in EXTRAS if name.partition(".")[0] in sys.modules]
    assert not present, f"the core imported {present}"
    installed = [name for name in EXTRAS if "." not in name and importlib.util.find_spec(name)]
    print(f"chat, stream, embed and rerank work; installed of the extras: {installed or 'none'}")


if __name__ == "__main__":
    main()
