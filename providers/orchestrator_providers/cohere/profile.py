"""Facts about Cohere: where it answers, and what each family of models takes."""

from __future__ import annotations

import re

from orchestrator.spec.provider import Profile, Target

__all__ = ["KIND", "PROFILE", "endpoint", "has_dimensions", "reasons"]

KIND = "cohere"
"""The key of this vendor's marks in `provider_metadata`, and of its entries in `provider_options`."""

PROFILE = Profile(
    kind=KIND,
    tasks=frozenset({"chat", "embed", "rerank"}),
    base_url="https://api.cohere.com",
    api_key_env=("CO_API_KEY", "COHERE_API_KEY"),
    headers={"content-type": "application/json"},
    hosts=("api.cohere.com", "api.cohere.ai"),
    prices="cohere",
    otel_name="cohere",
    media=frozenset({"image/*"}),
)

# Before version 4 an embedding has the model's own length, and asking for another is an error.
_FIXED_LENGTH = re.compile(r"embed-.*-v[23]\.")
_REASONING = re.compile(r"command-a-(?:reasoning|plus)|north-")


def endpoint(target: Target, task: str) -> str:
    """Where a task is asked for; a base URL that already ends in the version is taken as it is."""
    return f"{target.base_url.rstrip('/').removesuffix('/v2')}/v2/{task}"


def has_dimensions(model: str) -> bool:
    """The length of this model's embeddings can be chosen."""
    return _FIXED_LENGTH.search(model) is None


def reasons(model: str) -> bool:
    """The model takes a `thinking` setting; the vendor refuses it for the others."""
    return _REASONING.search(model) is not None
