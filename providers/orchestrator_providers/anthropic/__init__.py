"""Anthropic's Messages API."""

from __future__ import annotations

from orchestrator.spec.provider import Wire
from orchestrator_providers.anthropic.codec import bind
from orchestrator_providers.anthropic.profile import PROFILE

__all__ = ["WIRE"]

WIRE = Wire(profile=PROFILE, bind=bind)
