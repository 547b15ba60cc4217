"""Facts about Ollama: where it answers."""

from __future__ import annotations

from orchestrator.spec.provider import Profile, Target

__all__ = ["KIND", "PROFILE", "endpoint"]

KIND = "ollama"
"""The key of this vendor's marks in `provider_metadata`, and of its entries in `provider_options`."""

PROFILE = Profile(
    kind=KIND,
    tasks=frozenset({"chat", "embed"}),
    base_url="http://127.0.0.1:11434",
    key_required=False,
    otel_name=KIND,
    media=frozenset({"image/*"}),
)


def endpoint(target: Target, task: str) -> str:
    """Where a task is asked for. People copy the address with the `/v1` of the OpenAI shape, or with `/api`."""
    base = target.base_url.rstrip("/")
    return f"{base.removesuffix('/v1').removesuffix('/api')}/api/{task}"
