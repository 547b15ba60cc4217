"""OpenAI's Responses API, at OpenAI, at xAI, and wherever else a `base_url` says."""

from __future__ import annotations

from orchestrator.spec.provider import Wire
from orchestrator_providers.openai_responses.codec import bind
from orchestrator_providers.openai_responses.profile import PROFILES

__all__ = ["WIRES"]

WIRES: dict[str, Wire] = {profile.kind: Wire(profile=profile, bind=bind) for profile in PROFILES}
"""One wire per kind, by the name used in the file."""
