"""What is true of every text-embeddings-inference server."""

from __future__ import annotations

from typing import get_args

from orchestrator.spec.provider import Profile
from orchestrator.types.retrieval import InputType

__all__ = ["KIND", "PROFILE", "PROMPTS"]

KIND = "tei"

PROMPTS: dict[InputType, str] = {name: f"{name}_prompt" for name in get_args(InputType)}
"""Setting that names the model's prompt for texts of that type. Models name theirs as they like, and a server refuses a
name that its model does not have, so none is sent unless the file gives it.
"""

PROFILE = Profile(
    kind=KIND,
    tasks=frozenset({"embed", "rerank"}),
    key_required=False,  # only a server that was started with a key asks for it
    otel_name=KIND,
    settings={
        setting: f"name of the model's prompt for texts of input type {name} (`prompts` in its configuration)"
        for name, setting in PROMPTS.items()
    },
    tested=False,
)
