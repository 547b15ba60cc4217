"""Provider kinds for configuration tests, so that they need no wire."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.spec.provider import EngineFactory, Profile, Wire


def _never(*_: Any) -> Any:
    raise AssertionError("loading binds nothing")


def _wire(kind: str, *tasks: Any, **facts: Any) -> Wire:
    return Wire(Profile(kind=kind, tasks=frozenset(tasks), **facts), _never)


KINDS: dict[str, Wire | EngineFactory] = {
    "openai": _wire(
        "openai", "chat", "embed", base_url="https://api.openai.com/v1", api_key_env=("OPENAI_API_KEY", "OPENAI_KEY")
    ),
    "azure": _wire(
        "azure", "chat", "embed", api_key_env=("AZURE_KEY",), auth_header="api-key", settings={"api_version": "date"}
    ),
    "anthropic": _wire("anthropic", "chat", base_url="https://api.anthropic.com", api_key_env=("ANTHROPIC_API_KEY",)),
    "cohere": _wire(
        "cohere", "chat", "embed", "rerank", base_url="https://api.cohere.com", api_key_env=("CO_API_KEY",)
    ),
    "ollama": _wire("ollama", "chat", "embed", base_url="http://127.0.0.1:11434/v1", key_required=False),
    "litellm": EngineFactory(
        Profile(kind="litellm", tasks=frozenset({"chat", "embed"}), key_required=False, settings={"aws_region": "x"}),
        _never,
    ),
}


def find(kind: str) -> Wire | EngineFactory:
    """As the registry's."""
    if kind in KINDS:
        return KINDS[kind]
    close = get_close_matches(kind, KINDS, n=1)
    raise ConfigError(f"unknown provider kind {kind!r}" + (f"; did you mean {close[0]!r}?" if close else ""))


ENVIRON = {"OPENAI_API_KEY": "sk-openai", "CO_API_KEY": "co", "ANTHROPIC_API_KEY": "ant", "AZURE_KEY": "az"}
