"""Ollama's own API: a server of one's own, or ollama.com."""

from __future__ import annotations

from orchestrator.spec.provider import Wire
from orchestrator_providers.ollama.codec import bind
from orchestrator_providers.ollama.profile import PROFILE

__all__ = ["WIRE"]

WIRE = Wire(profile=PROFILE, bind=bind)
