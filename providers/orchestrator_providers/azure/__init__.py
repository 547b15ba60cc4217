"""Azure's OpenAI and Foundry resources."""

from __future__ import annotations

from orchestrator.spec.provider import Wire
from orchestrator_providers.azure.codec import bind
from orchestrator_providers.azure.credential import make_signer
from orchestrator_providers.azure.location import locate
from orchestrator_providers.azure.profile import PROFILES

__all__ = ["WIRES"]

WIRES: dict[str, Wire] = {
    profile.kind: Wire(profile=profile, bind=bind, signer=make_signer, locate=locate) for profile in PROFILES
}
"""One wire under both of its names."""
