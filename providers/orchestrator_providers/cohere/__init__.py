"""Cohere's v2 API: chat, embed and rerank."""

from __future__ import annotations

from orchestrator.spec.provider import Wire
from orchestrator_providers.cohere.codec import bind
from orchestrator_providers.cohere.profile import PROFILE

__all__ = ["WIRE"]

WIRE = Wire(profile=PROFILE, bind=bind)
