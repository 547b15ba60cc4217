"""Hugging Face text-embeddings-inference: embeddings and rankings from a server of one's own."""

from __future__ import annotations

from orchestrator.spec.provider import Wire
from orchestrator_providers.tei.codec import bind
from orchestrator_providers.tei.profile import PROFILE

__all__ = ["WIRE"]

WIRE = Wire(profile=PROFILE, bind=bind)
