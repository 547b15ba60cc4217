"""Google's Gemini models: the Gemini API (kind `google`) and Vertex AI (kind `vertex`)."""

from __future__ import annotations

from orchestrator.spec.provider import Wire
from orchestrator_providers.google.address import locate
from orchestrator_providers.google.codec import bind
from orchestrator_providers.google.credentials import make_signer
from orchestrator_providers.google.profile import GOOGLE, VERTEX

__all__ = ["WIRES"]

WIRES = {
    GOOGLE.kind: Wire(profile=GOOGLE, bind=bind),
    VERTEX.kind: Wire(profile=VERTEX, bind=bind, signer=make_signer, locate=locate),
}
"""The wires by kind."""
