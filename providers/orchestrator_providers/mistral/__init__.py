"""Mistral AI's API: OpenAI's addresses and outline, with message parts, rules and words of its own."""

from __future__ import annotations

from orchestrator.spec.provider import Wire
from orchestrator_providers.mistral.codec import bind
from orchestrator_providers.mistral.profile import PROFILE

__all__ = ["WIRE"]

WIRE = Wire(profile=PROFILE, bind=bind)
