"""Facts about Anthropic: where it answers, and what each family of models takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from orchestrator.spec.models import ModelProfile
from orchestrator.spec.provider import Profile

__all__ = ["IMAGE_TYPES", "KIND", "PROFILE", "Family", "family"]

KIND = "anthropic"
"""The key of this vendor's marks in `provider_metadata`, and of its entries in `provider_options`."""

IMAGE_TYPES = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})

_SAMPLING = frozenset({"temperature", "top_p"})
_USUAL_CAP = 8192

PROFILE = Profile(
    kind=KIND,
    tasks=frozenset({"chat"}),
    base_url="https://api.anthropic.com",
    api_key_env=("ANTHROPIC_API_KEY",),
    auth_header="x-api-key",
    auth_prefix="",
    headers={"anthropic-version": "2023-06-01", "content-type": "application/json"},
    hosts=("api.anthropic.com",),
    prices="anthropic",
    otel_name="anthropic",
    limit_headers="anthropic",
    schema_by_tool=True,
    media=IMAGE_TYPES | {"application/pdf", "image/*", "text/plain"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What a model takes, as this wire needs to know it.

    Attributes:
        max_output_tokens: sent when the caller sets none, since the API requires a number.
        sampling: `both` temperature and top_p, only `one` of them in a request, or `none`.
        thinking: `none`; `budget`, a number of tokens; `adaptive`, off unless asked for; `default`, on unless told not
            to; `always`, on whatever one asks. From `adaptive` on its depth is an effort.
        json_schema: takes an output schema and strict tools.
        forced_tools: can be made to call a tool.
    """

    max_output_tokens: int
    sampling: Literal["both", "one", "none"]
    thinking: Literal["none", "budget", "adaptive", "default", "always"]
    json_schema: bool
    forced_tools: bool


def family(known: ModelProfile) -> Family:
    """What a model takes, by what is known of it.

    One of which nothing is known, such as a model that is no Claude behind an endpoint of this shape, counts as one
    that takes the oldest and most widely copied settings.
    """
    return Family(
        max_output_tokens=known.default_output_tokens or _USUAL_CAP,
        sampling="none" if known.refuses >= _SAMPLING else "one" if known.one_sampling else "both",
        thinking="adaptive" if known.reasoning == "effort" else known.reasoning or "budget",
        json_schema=known.json_schema is True,
        forced_tools=known.forced_tools is not False,
    )
