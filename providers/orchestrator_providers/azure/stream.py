"""Streams: OpenAI's. Azure opens one with the filter's view of the prompt, in a chunk without choices."""

from __future__ import annotations

from orchestrator_providers.openai.stream import OpenAIStream

__all__ = ["OpenAIStream"]
