"""The configuration that is measured: everything on that an application in production has on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from speed.canned import CHAT_MODEL, EMBED_MODEL

__all__ = ["KEY_VARIABLE", "check_log", "honest_config", "large_config"]

KEY_VARIABLE = "BENCHMARK_KEY"

_LIMITS = {"rpm": 1_000_000_000, "tpm": 1_000_000_000_000}


def honest_config(log: Path, urls: Sequence[str], *, ca_file: str | None = None, **more: Any) -> dict[str, Any]:
    """Two weighted deployments for chats, one for embeddings, under limits of requests and tokens.

    Retries, breakers and deadlines are armed as by default; each call is priced and leaves its line in `log`.
    """
    provider: dict[str, Any] = {"kind": "openai", "priced_as": "openai", "api_key": {"env": KEY_VARIABLE}}
    if ca_file is not None:
        provider["ca_file"] = ca_file
    names = [f"vendor-{number}" for number in range(len(urls))]
    chats = {f"chat-{number}": 1 for number in range(len(urls))}
    deployments = {
        chat: {"provider": name, "model": CHAT_MODEL, "limits": _LIMITS}
        for chat, name in zip(chats, names, strict=True)
    }
    return {
        "version": 1,
        "providers": {name: {**provider, "base_url": url} for name, url in zip(names, urls, strict=True)},
        "deployments": {
            **deployments,
            "embed": {"provider": names[0], "model": EMBED_MODEL, "limits": _LIMITS},
        },
        "routes": {
            "answer": {"task": "chat", "pick": {"weighted": chats} if len(chats) > 1 else "chat-0", "deadline": "60s"},
            "search": {"task": "embed", "pick": "embed", "deadline": "60s"},
        },
        "log": {"path": str(log)},
    } | more


def large_config(url: str, size: int, *, rpm: int = 1_000_000_000) -> dict[str, Any]:
    """So many deployments at twenty providers, a route for each two of them, and route `all` over all."""
    provider: dict[str, Any] = {"kind": "openai", "base_url": url, "priced_as": "openai"}
    provider |= {"api_key": {"env": KEY_VARIABLE}, "limits": {"tpm": 1_000_000_000_000}}
    limits = {"rpm": rpm, "tpm": 1_000_000_000_000}
    names = [f"chat-{number}" for number in range(size)]
    pairs = {f"answer-{number}": {names[number]: 9, names[number - 1]: 1} for number in range(size)}
    return {
        "version": 1,
        "providers": {f"vendor-{number}": provider for number in range(min(size, 20))},
        "deployments": {
            name: {"provider": f"vendor-{number % 20}", "model": CHAT_MODEL, "limits": limits}
            for number, name in enumerate(names)
        },
        "routes": {
            **{name: {"task": "chat", "pick": {"weighted": pair}} for name, pair in pairs.items()},
            "all": {"task": "chat", "pick": {"weighted": dict.fromkeys(names, 1)}},
        },
        "log": {"to": "none"},
    }


def check_log(log: Path, calls: int) -> None:
    """Every call left its line, and every line its price."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    priced = [line for line in lines if line["event"] == "llm.call" and (line["cost_usd"] or 0) > 0]
    if len(priced) != calls:
        raise AssertionError(f"{calls} calls left {len(lines)} lines, {len(priced)} of them priced")
