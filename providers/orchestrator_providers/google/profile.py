"""Facts about Google: where its two APIs answer, and what each generation of models takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from orchestrator.spec.models import ModelProfile, ReasoningControl
from orchestrator.spec.provider import Profile

__all__ = ["BY_QUERY", "GOOGLE", "VERTEX", "Family", "family", "version"]

_MEDIA = frozenset({"application/pdf", "audio/*", "image/*", "text/*", "video/*"})

GOOGLE = Profile(
    kind="google",
    tasks=frozenset({"chat", "embed"}),
    base_url="https://generativelanguage.googleapis.com",
    api_key_env=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    auth_header="x-goog-api-key",
    auth_prefix="",
    headers={"content-type": "application/json"},
    hosts=("generativelanguage.googleapis.com",),
    prices="google",
    otel_name="gcp.gemini",
    media=_MEDIA,
    schema_by_tool=True,
)
_HOST = re.compile(r"(?:aiplatform\.(?P<multi>[a-z]+)\.rep|(?P<region>[a-z0-9-]+)-aiplatform)\.googleapis\.com")


def _location(base_url: str | None) -> str | None:
    """The location whose host a `base_url` names; newer models cost more outside the global one."""
    match = _HOST.fullmatch(urlsplit(base_url or "").hostname or "")
    return match and (match["multi"] or match["region"])


VERTEX = Profile(
    kind="vertex",
    tasks=frozenset({"chat", "embed"}),
    key_required=False,
    auth_header="x-goog-api-key",
    auth_prefix="",
    headers={"content-type": "application/json"},
    hosts=("aiplatform.googleapis.com", ".googleapis.com"),
    prices="google",
    place=lambda settings, base_url: settings.get("location") or _location(base_url),
    otel_name="gcp.vertex_ai",
    settings={
        "project": "id of the Google Cloud project that is billed",
        "location": "region such as europe-west4, multi-region (eu, us) or global",
        "credentials_file": "JSON file of a service account or of a workload identity; default: the environment's own",
    },
    media=_MEDIA,
    schema_by_tool=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What the models of one generation take.

    Attributes:
        reasoning: how thinking is asked for.
        efforts: the words its thinking level may be, least first.
        least_budget: the fewest tokens of thinking; 0: it can be switched off.
        json_schema: takes JSON Schema; else the older subset of OpenAPI's.
        schema_with_tools: takes an output schema and tools in one request.
        signs_calls: demands a thought signature on the first tool call of every turn.
        media_results: a tool's result may hold media.
        system: takes a system instruction.
    """

    reasoning: ReasoningControl = "none"
    efforts: tuple[str, ...] = ()
    least_budget: int = 0
    json_schema: bool = True
    schema_with_tools: bool = False
    signs_calls: bool = False
    media_results: bool = False
    system: bool = True


# Sources: the vendor's guides on thinking, structured output, function calling and thought signatures, November 2026;
# and recorded requests that were accepted.
_EFFORTS = ("minimal", "low", "medium", "high")
_PRO_EFFORTS = ("low", "medium", "high")
_FIRST_PRO_EFFORTS = ("low", "high")
_LEAST_PRO_BUDGET = 128
_NEWEST = (99, 0)
BY_QUERY = (3, 0)
"""The generation from which on grounding is billed by the query, and before which by the prompt."""
_VERSION = re.compile(r"gemini-(?:live-)?(\d{1,2})(?:\.(\d{1,2}))?(?!\d)")


def family(model: str, facts: ModelProfile) -> Family:
    """What a model takes: by what is known of it, else by its name.

    A Gemini without a version in its name counts as the newest; a model that is no Gemini as one that does not reason.
    """
    found = _by_name(model.lower())
    if facts.reasoning is None and not facts.efforts and facts.json_schema is None:
        return found
    return Family(
        reasoning=facts.reasoning or found.reasoning,
        efforts=facts.efforts or found.efforts or _EFFORTS,
        least_budget=found.least_budget,
        json_schema=found.json_schema,
        schema_with_tools=found.schema_with_tools,
        signs_calls=found.signs_calls,
        media_results=found.media_results,
        system=found.system,
    )


def version(name: str) -> tuple[int, int]:
    """Generation of a Gemini by its name in small letters; one without a version counts as the newest."""
    number = _VERSION.search(name)
    return (int(number[1]), int(number[2] or 0)) if number else _NEWEST


def _by_name(name: str) -> Family:
    if "gemini" not in name:
        return Family(system="gemma-3" not in name)
    number = version(name)
    pro = "pro" in name
    if number >= (3, 0):
        return Family(
            reasoning="always",
            efforts=(_FIRST_PRO_EFFORTS if number == (3, 0) else _PRO_EFFORTS) if pro else _EFFORTS,
            schema_with_tools=True,
            signs_calls=True,
            media_results=True,
        )
    if number >= (2, 5):
        return Family(reasoning="budget", least_budget=_LEAST_PRO_BUDGET if pro else 0)
    return Family(json_schema=number >= (2, 0))
