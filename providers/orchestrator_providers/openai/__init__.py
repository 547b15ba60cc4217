"""OpenAI, and the wire that most vendors copied from it."""

from __future__ import annotations

from orchestrator.spec.provider import Wire
from orchestrator_providers.openai.codec import bind
from orchestrator_providers.openai.profile import PROFILE

__all__ = ["WIRE"]

WIRE = Wire(profile=PROFILE, bind=bind)
