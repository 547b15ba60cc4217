"""Facts about Anthropic: where it answers, and what each family of models takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from orchestrator.spec.provider import Profile

__all__ = ["IMAGE_TYPES", "KIND", "PROFILE", "Family", "family"]

KIND = "anthropic"
"""The key of this vendor's marks in `provider_metadata`, and of its entries in `provider_options`."""

IMAGE_TYPES = frozenset({"image/gif", "image/jpeg", "image/png", "image/webp"})

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
    media=IMAGE_TYPES | {"application/pdf", "image/*", "text/plain"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the models of one generation take.

    Attributes:
        max_output_tokens: sent when the caller sets none, since the API requires a number.
        sampling: `both` temperature and top_p, only `one` of them in a request, or `none`.
        thinking: `none`; `budget`, a number of tokens; `adaptive`, off unless asked for; `default`, on unless told not
            to; `always`, on whatever one asks. From `adaptive` on its depth is an effort.
        json_schema: takes an output schema and strict tools.
        forced_tools: can be made to call a tool.
    """

    max_output_tokens: int = 32_000
    sampling: Literal["both", "one", "none"] = "none"
    thinking: Literal["none", "budget", "adaptive", "default", "always"] = "default"
    json_schema: bool = True
    forced_tools: bool = True


# Sources: the vendor's model overview and migration guides, read in November 2026. The cap on output is the model's own
# up to 32,000: enough to think and answer, little enough that an answer without end stays affordable.
_FAMILIES: tuple[tuple[str, tuple[int, int], Family], ...] = (
    ("fable mythos", (5, 1), Family(thinking="always", forced_tools=False)),
    ("fable mythos", (0, 0), Family(thinking="always")),
    ("opus", (5, 5), Family(thinking="always", forced_tools=False)),
    ("sonnet", (5, 5), Family(thinking="always")),
    ("", (5, 0), Family()),
    ("", (4, 7), Family(thinking="adaptive")),
    ("", (4, 6), Family(thinking="adaptive", sampling="one")),
    ("", (4, 5), Family(thinking="budget", sampling="one")),
    ("", (4, 1), Family(thinking="budget", sampling="one", json_schema=False)),
    ("", (3, 7), Family(thinking="budget", sampling="both", json_schema=False)),
    ("", (3, 5), Family(max_output_tokens=8192, thinking="none", sampling="both", json_schema=False)),
    ("", (0, 0), Family(max_output_tokens=4096, thinking="none", sampling="both", json_schema=False)),
)
_NOT_CLAUDE = Family(max_output_tokens=8192, thinking="budget", sampling="both", json_schema=False)
_NEWEST = (99, 0)
_LINE = re.compile(r"claude-(?:[\d.-]+-)?([a-z]+)")
_VERSION = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[.-](\d{1,2}))?(?!\d)")


def family(model: str) -> Family:
    """What a model takes, by its name: `claude-3-5-haiku-latest`, `claude-opus-4-8`, `anthropic/claude-haiku-4.5`.

    A Claude without a version in its name counts as the newest; a model that is no Claude, behind an endpoint of this
    shape, as one that takes the oldest and most widely copied settings.
    """
    name = model.lower()
    if "claude" not in name:
        return _NOT_CLAUDE
    line = _LINE.search(name)
    number = _VERSION.search(name)
    version = (int(number[1]), int(number[2] or 0)) if number else _NEWEST
    for lines, least, found in _FAMILIES:
        if version >= least and (not lines or (line and line[1] in lines.split())):
            return found
    raise AssertionError("the last row takes every version")
