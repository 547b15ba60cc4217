"""Facts about Amazon Bedrock: where it answers, its settings, and how its model ids read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from orchestrator.errors import ConfigError
from orchestrator.spec.provider import Profile, Target
from orchestrator_providers.bedrock.media import CARRIED

__all__ = ["KIND", "PROFILE", "endpoint", "locate", "region_of", "short_name", "vendor"]

KIND = "bedrock"
"""The key of this vendor's marks in `provider_metadata`, and of its entries in `provider_options`."""

_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]{2,8}){1,2}-\d{1,2}")


def _region(base_url: str | None) -> str | None:
    labels = (urlsplit(base_url or "").hostname or "").split(".")
    return next((label for label in labels if _REGION.fullmatch(label)), None)


PROFILE = Profile(
    kind=KIND,
    tasks=frozenset({"chat", "embed", "rerank"}),
    api_key_env=("AWS_BEARER_TOKEN_BEDROCK",),
    key_required=False,
    hosts=(".amazonaws.com", ".amazonaws.com.cn"),
    prices="aws",
    place=lambda settings, base_url: _region(base_url) or settings.get("aws_region") or settings.get("region"),
    otel_name="aws.bedrock",
    schema_by_tool=True,
    settings={
        "aws_region": "the AWS region to call, such as us-east-1; needed when `region` says something else",
        "access_key_id": "of a static AWS credential, {env: NAME} or {file: path}",
        "secret_access_key": "of a static AWS credential, {env: NAME} or {file: path}",
        "session_token": "of a temporary AWS credential, {env: NAME} or {file: path}",
        "profile": "name of a profile in the AWS configuration files",
        "chat_api": "`converse` (built in), or `invoke` for InvokeModel where the model is a Claude or a Nova",
    },
    secret_settings=frozenset({"access_key_id", "secret_access_key", "session_token"}),
    media=CARRIED,
    charges_output_cap=True,
)

# An ARN ends in `/` and the id; an inference profile's id begins with where it may run.
_WHERE = re.compile(r"(?:.*/)?(?:(?:[a-z]{2}(?:-gov)?|amer|apac|emea|global)\.)?")


def region_of(settings: Mapping[str, Any]) -> str:
    """The AWS region of a provider.

    Raises:
        ConfigError: neither `aws_region` nor `region` is one.
    """
    region = settings.get("aws_region") or settings.get("region")
    if not region:
        raise ConfigError("kind 'bedrock' needs its region, such as region: us-east-1", key="region")
    if not isinstance(region, str) or not _REGION.fullmatch(region):
        raise ConfigError(
            f"{str(region)[:80]!r} is no AWS region; give aws_region, such as us-east-1", key="aws_region"
        )
    return region


def locate(settings: Mapping[str, Any]) -> str:
    """See `Wire.locate`."""
    region = region_of(settings)
    domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://bedrock-runtime.{region}.{domain}"


def endpoint(target: Target, operation: str) -> str:
    """Where an operation is asked for. Colons and slashes of ids and ARNs are encoded, as AWS's own clients do."""
    return f"{target.base_url.rstrip('/')}/model/{quote(target.model, safe='-._~')}/{operation}"


def short_name(model: str) -> str:
    """A model id without ARN and inference profile: `us.anthropic.claude-x` as `anthropic.claude-x`."""
    name = model.lower()
    found = _WHERE.match(name)
    return name[found.end() :] if found else name


def vendor(model: str) -> str:
    """Who made a model: `anthropic`, `amazon`, `openai`, ...; empty where the id does not say, as in some ARNs."""
    name, dot, _ = short_name(model).partition(".")
    return name if dot else ""
