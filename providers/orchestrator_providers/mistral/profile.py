"""Facts about Mistral: where it answers, and how its models reason."""

from __future__ import annotations

import re
from typing import NamedTuple

from orchestrator.spec.models import ReasoningControl
from orchestrator.spec.provider import Profile, Target
from orchestrator_providers.mistral.errors import ERRORS
from orchestrator_providers.openai.profile import Quirks

__all__ = ["KIND", "PROFILE", "ReasoningFacts", "reasoning_facts"]

KIND = "mistral"
"""The key of this vendor's marks in `provider_metadata`, and of its entries in `provider_options`."""

_OFFICE = "application/vnd.openxmlformats-officedocument"

PROFILE = Profile(
    kind=KIND,
    tasks=frozenset({"chat", "embed"}),
    base_url="https://api.mistral.ai/v1",
    api_key_env=("MISTRAL_API_KEY",),
    hosts=("api.mistral.ai",),
    prices="mistral",
    otel_name="mistral_ai",
    limit_headers="per_period",
    media=frozenset(
        {
            "image/*",
            "audio/*",
            "application/pdf",
            f"{_OFFICE}.wordprocessingml.document",
            f"{_OFFICE}.presentationml.presentation",
        }
    ),
    # For what is the same as OpenAI's: embeddings, and errors inside a 200.
    quirks=Quirks(dimensions_field="output_dimension", errors=ERRORS),
)


class ReasoningFacts(NamedTuple):
    """How a model reasons, None if that is unknown, and the words its effort may be, empty for any."""

    control: ReasoningControl | None
    efforts: tuple[str, ...]


_ALWAYS = re.compile(r"magistral")
_ON_OR_OFF = re.compile(r"mistral-(?:small|medium)")


def reasoning_facts(target: Target) -> ReasoningFacts:
    """By the model's profile, else by its name (docs.mistral.ai, "Reasoning")."""
    facts = target.model_profile
    if facts.reasoning is not None:
        return ReasoningFacts(facts.reasoning, facts.efforts)
    if _ALWAYS.match(target.model):
        return ReasoningFacts("always", ())
    return ReasoningFacts(None, facts.efforts or (("none", "high") if _ON_OR_OFF.match(target.model) else ()))
