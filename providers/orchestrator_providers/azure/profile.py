"""What the library knows about Azure, as data."""

from __future__ import annotations

from orchestrator.spec.provider import Profile
from orchestrator_providers.azure.errors import ERRORS
from orchestrator_providers.openai.profile import IMAGES, Quirks

__all__ = ["PROFILES"]

_SETTINGS = {
    "resource": "Name of the resource; its address is made of it. Not beside base_url.",
    "cloud": "`public` (if not given), `usgov` or `china`: where the resource and its directory are.",
    "api": "What is spoken: `chat` (if not given), `responses`, or `models`, the Foundry models endpoint.",
    "api_version": "A dated version such as 2024-10-21, for addresses with the deployment in them; else the v1 API.",
    "data_zone": "`eu` or `us`: the deployment's type is Data Zone, which costs more than Global. For prices alone.",
    "tenant_id": "Directory of an application that Entra tokens are asked for; else whatever this machine signs in as.",
    "client_id": "The application, or the user-assigned identity if there is no client_secret.",
    "client_secret": "The application's secret, as {env: NAME} or {file: path}.",
}


def _profile(kind: str) -> Profile:
    return Profile(
        kind=kind,
        tasks=frozenset({"chat", "embed"}),
        api_key_env=("AZURE_OPENAI_API_KEY",),
        key_required=False,  # Entra tokens stand in for it
        auth_header="api-key",
        auth_prefix="",
        hosts=(".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com"),
        limit_headers="openai",
        charges_output_cap=True,
        prices="azure",
        place=lambda settings, _base_url: settings.get("data_zone"),
        otel_name="azure.ai.openai",
        schema_by_tool=True,
        settings=_SETTINGS,
        secret_settings=frozenset({"client_secret"}),
        media=IMAGES | {"audio/wav", "audio/mpeg", "audio/mp3", "application/pdf"},
        quirks=Quirks(
            default_path="/openai/v1",
            max_tokens_field="max_completion_tokens",
            openai_models=True,
            embed_batch=2048,
            base64_embeddings=True,
            errors=ERRORS,
        ),
    )


PROFILES = (_profile("azure"), _profile("azure_openai"))
"""`azure_openai` is the name it had first."""
