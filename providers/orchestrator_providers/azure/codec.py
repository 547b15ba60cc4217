"""OpenAI's wires at Azure's addresses."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.spec.provider import Codecs, Target
from orchestrator_providers.azure.location import deployment_base, models_base, responses_base, spoken
from orchestrator_providers.openai import codec as openai
from orchestrator_providers.openai_responses.codec import ResponsesChat

__all__ = ["bind"]


def bind(target: Target) -> Codecs:
    """The codecs of one deployment, by the provider's `api` and `api_version`.

    Raises:
        ConfigError: there is no such `api`.
    """
    api = spoken(target.settings)
    if api == "models":
        return openai.bind(replace(target, base_url=models_base(target)))
    codecs = openai.bind(replace(target, base_url=deployment_base(target)))
    if api == "chat":
        return codecs
    # The marks of either wire would be nonsense to the other, and one kind has both.
    marks = f"{target.profile.kind}_responses"
    return replace(codecs, chat=ResponsesChat(replace(target, base_url=responses_base(target)), marks=marks))
