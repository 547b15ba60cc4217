"""Any recorded exchange as an application would have made it: the provider in its file, and what our wire reads."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from reading import Exchange, exchanges, frames

from orchestrator.registry import find, kinds
from orchestrator.spec.provider import Failure, Frame, Target, Wire
from orchestrator.types.collect import collect

__all__ = ["answers", "codec", "decode", "provider", "stream_frames", "task"]

_KINDS: Mapping[str, str] = {
    "anthropic-messages": "anthropic",
    "gemini-batch-embed": "google",
    "gemini-generate-content": "google",
    "openai-responses": "openai_responses",
}
_FAMILIES = frozenset({"bedrock", "cohere", "ollama", "vertex"})
_AZURE: Mapping[str, str] = {"azure_ai": "azure", "azure_openai": "azure_openai"}
_TASKS = {"chat": "chat", "responses": "chat", "embed": "embed", "rerank": "rerank"}


def answers() -> Iterator[Exchange]:
    """All exchanges in which a chat, an embedding or a reranking was answered; none when WIRE_CORPUS is unset."""
    root = os.environ.get("WIRE_CORPUS")
    if root:
        dialects = {row["dialect"] for row in json.loads(Path(root, "INDEX.json").read_bytes())}
        yield from (one for one in exchanges(*dialects) if one.outcome != "error" and one.kind in _TASKS)


def task(exchange: Exchange) -> str:
    """chat, embed or rerank."""
    return _TASKS[exchange.kind]


def _kind(exchange: Exchange) -> str:
    dialect, vendor = exchange.dialect, exchange.vendor
    if vendor in _AZURE:
        return "azure" if dialect == "openai-responses" else _AZURE[vendor]
    if dialect == "openai-responses" and vendor == "xai":
        return "xai_responses"
    family = dialect.partition("-")[0]
    found = _KINDS.get(dialect) or (family if family in _FAMILIES else vendor)
    speaks = found != "ollama" or family == "ollama"  # it speaks OpenAI's dialect, too
    return found if speaks and found in kinds() else "openai_compatible"


def provider(exchange: Exchange) -> dict[str, Any]:
    """The entry under `providers` by which an application reaches this vendor, without its credential."""
    kind = _kind(exchange)
    found: dict[str, Any] = {"kind": kind}
    if kind == "bedrock":
        found["region"] = "us-east-1"
        found["chat_api"] = "invoke" if "invoke" in exchange.dialect else "converse"
    elif kind == "vertex":
        found |= {"project": "p", "location": "global"}
    elif kind == "azure" and exchange.dialect == "openai-responses":
        found["api"] = "responses"
    wire, address = find(kind), urlsplit(exchange.url)
    assert isinstance(wire, Wire)
    at_home = wire.profile.base_url and address.hostname in wire.profile.hosts
    if kind in _AZURE.values() or (wire.locate is None and not at_home):
        found["base_url"] = f"{address.scheme}://{address.netloc}"
    return found


def codec(exchange: Exchange) -> Any:
    """The codec that reads the answer."""
    settings = provider(exchange)
    wire = find(settings.pop("kind"))
    assert isinstance(wire, Wire)
    target = Target(
        profile=wire.profile,
        provider="p",
        deployment="d",
        model=exchange.model or "m",
        base_url=settings.pop("base_url", None) or wire.profile.base_url or "https://models.example.com/v1",
        settings=settings,
    )
    return getattr(wire.bind(target), task(exchange))


def stream_frames(exchange: Exchange) -> list[Frame]:
    """The frames of a recorded stream. Cohere's first API has one JSON text per line."""
    if exchange.dialect == "cohere-v1-chat":
        return [("", line) for line in exchange.body.splitlines() if line]
    return frames(exchange.body, codec(exchange).framing)


def decode(exchange: Exchange) -> Any:
    """What our wire makes of a recorded answer.

    Raises:
        OrchestratorError: as the wire does.
    """
    if exchange.outcome == "json":
        return codec(exchange).decode(exchange.reply)
    decoder = codec(exchange).decoder()
    events = [*decoder.feed(stream_frames(exchange)), *decoder.end()]
    for event in events:
        if isinstance(event, Failure):
            raise event.error
    return collect(events)
