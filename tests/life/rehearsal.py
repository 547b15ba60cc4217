"""A client over simulated vendors on real sockets, and arithmetic of our own over the log."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from orchestrator.testing import Simulator, Vendor

VENDORS = (
    Vendor(name="alpha", wire="openai"),
    Vendor(name="beta", wire="anthropic"),
    Vendor(name="gamma", wire="cohere"),
)

# USD per million tokens, chosen here: the test's own arithmetic needs no price book.
PRICES = {"alpha": (Decimal("0.15"), Decimal("0.60")), "beta": (Decimal("1.1"), Decimal("5.5"))}


def config(sim: Simulator, log: Path | None = None, **more: Any) -> dict[str, Any]:
    """Route `answer` prefers alpha, then beta; `search` and `rank` are alpha's and gamma's."""

    def price(name: str) -> dict[str, str]:
        cost_in, cost_out = PRICES[name]
        return {"input": str(cost_in), "output": str(cost_out)}

    return {
        "version": 1,
        "providers": {
            "alpha": {"kind": "openai", "base_url": sim.url("alpha") + "/v1", "api_key": {"env": "TEST_KEY"}},
            "beta": {"kind": "anthropic", "base_url": sim.url("beta"), "api_key": {"env": "TEST_KEY"}},
            "gamma": {"kind": "cohere", "base_url": sim.url("gamma"), "api_key": {"env": "TEST_KEY"}},
        },
        "deployments": {
            "alpha": {"provider": "alpha", "model": "gpt-4o-mini", "price": price("alpha")},
            "beta": {"provider": "beta", "model": "claude-haiku-4-5", "price": price("beta")},
            "vectors": {"provider": "alpha", "model": "text-embedding-3-small", "priced_as": "openai"},
            "ranker": {"provider": "gamma", "model": "rerank-v3.5", "priced_as": "cohere"},
        },
        "routes": {
            "answer": {"task": "chat", "pick": "alpha", "then": "beta", "deadline": 20},
            "search": {"task": "embed", "pick": "vectors"},
            "rank": {"task": "rerank", "pick": "ranker"},
        },
        "log": {"path": str(log)} if log else {"to": "none"},
    } | more


def read_log(path: Path) -> list[dict[str, Any]]:
    """All calls of a log, money as `Decimal`."""
    lines = [json.loads(line, parse_float=Decimal) for line in path.read_text().splitlines()]
    return [line for line in lines if line["event"] == "llm.call"]


def attempts(line: dict[str, Any]) -> list[dict[str, Any]]:
    """The attempts of a line, also of one that had a single one."""
    return line["attempts"] or [{**line, "error": line["error_type"]}]


def cost(deployment: str, input_tokens: int, output_tokens: int) -> Decimal:
    """What these tokens cost, worked out here."""
    cost_in, cost_out = PRICES[deployment]
    return (input_tokens * cost_in + output_tokens * cost_out) / 10**6
