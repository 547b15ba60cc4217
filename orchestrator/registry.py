"""Finds provider kinds by name: the bundled ones in a static table, others by entry point."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.spec.provider import EngineFactory, Wire

__all__ = ["ENTRY_POINT_GROUP", "find", "kinds"]

ENTRY_POINT_GROUP = "orchestrator.providers"

_BUNDLED = {
    "anthropic": "orchestrator_providers.anthropic:WIRE",
    "azure": "orchestrator_providers.azure:WIRES",
    "azure_openai": "orchestrator_providers.azure:WIRES",
    "bedrock": "orchestrator_providers.bedrock:WIRE",
    "cohere": "orchestrator_providers.cohere:WIRE",
    "google": "orchestrator_providers.google:WIRES",
    "litellm": "orchestrator_providers.litellm:ENGINE",
    "local": "orchestrator_providers.local:ENGINE",
    "mistral": "orchestrator_providers.mistral:WIRE",
    "ollama": "orchestrator_providers.ollama:WIRE",
    "openai": "orchestrator_providers.openai:WIRE",
    "openai_responses": "orchestrator_providers.openai_responses:WIRES",
    "tei": "orchestrator_providers.tei:WIRE",
    "vertex": "orchestrator_providers.google:WIRES",
    "xai_responses": "orchestrator_providers.openai_responses:WIRES",
}
_VENDORS = "orchestrator_providers.vendors"
_OTHERWISE = {
    "aws": "bedrock",
    "chatgpt": "openai",
    "claude": "anthropic",
    "dashscope": "alibaba",
    "fireworks_ai": "fireworks",
    "gemini": "google",
    "google_ai": "google",
    "gpt": "openai",
    "grok": "xai",
    "hf": "huggingface",
    "kimi": "moonshot",
    "llama.cpp": "llamacpp",
    "qwen": "alibaba",
    "together_ai": "together",
    "vertex_ai": "vertex",
    "vertexai": "vertex",
}
"""Names that people have for kinds, for messages only."""


def find(kind: str) -> Wire | EngineFactory:
    """The provider kind of that name. A bundled one may be written with hyphens: `openai-responses`.

    Raises:
        ConfigError: unknown; names the nearest known kind.
    """
    name = kind.replace("-", "_")
    place = _BUNDLED.get(name)
    if place is not None:
        return _load(place, name)
    vendor: Wire | None = import_module(_VENDORS).WIRES.get(name)
    return vendor or _by_entry_point(kind)


def kinds() -> tuple[str, ...]:
    """All bundled kinds, sorted."""
    return tuple(sorted({*_BUNDLED, *import_module(_VENDORS).WIRES}))


def _by_entry_point(kind: str) -> Wire | EngineFactory:
    # Scanned only for a kind that is not bundled: the scan costs tens of milliseconds.
    from importlib.metadata import entry_points  # noqa: PLC0415

    for point in entry_points(group=ENTRY_POINT_GROUP, name=kind):
        found = point.load()
        if isinstance(found, Wire | EngineFactory):
            return found
        raise ConfigError(f"entry point {point.value!r} of kind {kind!r} is neither a Wire nor an EngineFactory")
    raise ConfigError(f"unknown provider kind {kind!r}{_nearest(kind)}")


def _nearest(kind: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415

    name = kind.replace("-", "_").lower()
    usual = name if name in kinds() else _OTHERWISE.get(name)
    close = [usual] if usual else get_close_matches(name, kinds(), n=1, cutoff=0.7)
    own = "openai_compatible is any server of that protocol; "
    return f"; did you mean {close[0]!r}?" if close else f"; {own}known kinds: {', '.join(kinds())}"


def _load(place: str, kind: str) -> Wire | EngineFactory:
    module, _, name = place.partition(":")
    found: Any = getattr(import_module(module), name)
    one: Wire | EngineFactory = found[kind] if isinstance(found, dict) else found  # a folder may hold several kinds
    return one
