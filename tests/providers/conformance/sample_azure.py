"""Azure: OpenAI's shapes, at an address that the settings make."""

from __future__ import annotations

from dataclasses import replace

import sample_openai
from wire_sample import WireSample

from orchestrator.spec.provider import Profile

__all__ = ["sample"]


def sample(profile: Profile) -> WireSample:
    """The sample of a resource."""
    return replace(sample_openai.sample(profile), settings={"resource": "r"})
