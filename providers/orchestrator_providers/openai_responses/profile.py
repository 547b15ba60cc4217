"""The vendors of the Responses API, as data."""

from __future__ import annotations

from orchestrator.spec.provider import Profile
from orchestrator_providers.openai.profile import IMAGES, Quirks, place
from orchestrator_providers.openai_responses.errors import ERRORS

__all__ = ["DOCUMENTS", "PROFILES"]

DOCUMENTS = frozenset(
    {
        "application/json",
        "application/msword",
        "application/pdf",
        "application/rtf",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
        "application/vnd.oasis.opendocument.text",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "text/*",
    }
)
"""What an `input_file` may hold, as OpenAI's guide to file inputs lists it."""

PROFILES = (
    Profile(
        kind="openai_responses",
        tasks=frozenset({"chat"}),
        base_url="https://api.openai.com/v1",
        api_key_env=("OPENAI_API_KEY",),
        hosts=("api.openai.com", ".api.openai.com"),
        prices="openai",
        place=place,
        otel_name="openai",
        schema_by_tool=True,
        limit_headers="openai",
        media=IMAGES | DOCUMENTS,
        quirks=Quirks(openai_models=True, errors=ERRORS),
    ),
    Profile(
        kind="xai_responses",
        tasks=frozenset({"chat"}),
        base_url="https://api.x.ai/v1",
        api_key_env=("XAI_API_KEY",),
        hosts=("api.x.ai",),
        prices="x-ai",
        otel_name="x_ai",
        schema_by_tool=True,
        limit_headers="openai",
        media=IMAGES | DOCUMENTS,
        quirks=Quirks(errors=ERRORS),
    ),
)
"""`Quirks` is the chat wire's: addresses, models and errors differ between vendors in the same places here."""
