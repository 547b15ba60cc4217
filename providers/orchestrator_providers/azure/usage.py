"""Token counts: OpenAI's, as Azure passes them on."""

from __future__ import annotations

from orchestrator_providers.openai.usage import read_usage

__all__ = ["read_usage"]
