"""What the OpenAI chat wire needs to know about a vendor, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from orchestrator.spec.provider import Profile
from orchestrator_providers.openai.errors import ERRORS
from orchestrator_providers.shared.classify import ErrorKind, ErrorTable

__all__ = ["IMAGES", "PROFILE", "DocumentPart", "EffortForm", "ForcedTools", "Quirks", "place"]

DocumentPart = Literal["file", "file_or_url"]
"""How a PDF is written: `file` with its bytes, or with bytes or a URL in the same place."""

EffortForm = Literal["field", "object", "thinking"]
"""`reasoning_effort`, `reasoning: {effort}`, or `thinking: {type}` beside `reasoning_effort`."""

ForcedTools = Literal["always", "without_reasoning", "never"]
"""Whether a model can be made to call a tool. DeepSeek's only while they do not reason, and they do unless told not to;
Moonshot's the same, but cannot be told; Z.ai's choose themselves.
"""

IMAGES = frozenset({"image/*"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """Where a vendor differs from the shape that most of them share.

    Attributes:
        default_path: appended to a `base_url` that has no path, as people write it for local servers.
        chat_path, embed_path, rerank_path: below the base URL.
        max_tokens_field, dimensions_field, top_n_field: the vendor's names for these options.
        effort_form: how reasoning effort is asked for.
        unsupported: options (by our names) that the vendor refuses; left out with a warning.
        json_schema, tools: False where the vendor has no such feature.
        forced_tools: whether a model can be made to call a tool; what stands in for output schemas depends on it.
        documents: how a PDF is written.
        openai_models: the models are OpenAI's own, whatever their names.
        returns_reasoning: what the vendor wants back of earlier reasoning: its text in the messages that call tools,
            its details in any message, or nothing.
        stream_usage: `stream_options` is understood; elsewhere usage comes by itself or not at all.
        finish_optional: a missing or empty finish reason is accepted, in a stream only together with `[DONE]`.
        output_excludes_reasoning: completion tokens leave out reasoning tokens, for replies without a total to tell.
        embed_batch: texts that one embedding request may hold; None where the vendor names no number.
        base64_embeddings: vectors are asked for as base64 float32, a quarter of the bytes of JSON numbers.
        base64_field: where they are asked for.
        int8_embeddings: base64 vectors hold signed bytes, not float32.
        input_types: values of `input_type` by our names; empty where the vendor does not know the option.
        input_type_field: the vendor's name for it.
        embed_fields, rerank_fields: sent with every request, so that a vendor's default is not left to it.
        errors, statuses: what vendor codes and HTTP statuses mean here.
    """

    default_path: str = ""
    chat_path: str = "/chat/completions"
    embed_path: str = "/embeddings"
    rerank_path: str = "/rerank"
    max_tokens_field: str = "max_tokens"
    dimensions_field: str = "dimensions"
    top_n_field: str = "top_n"
    effort_form: EffortForm = "field"
    unsupported: frozenset[str] = frozenset()
    json_schema: bool = True
    tools: bool = True
    forced_tools: ForcedTools = "always"
    documents: DocumentPart = "file"
    openai_models: bool = False
    returns_reasoning: Literal["text", "details"] | None = None
    stream_usage: bool = True
    finish_optional: bool = False
    output_excludes_reasoning: bool = False
    embed_batch: int | None = None
    base64_embeddings: bool = False
    base64_field: str = "encoding_format"
    int8_embeddings: bool = False
    input_types: Mapping[str, str] = field(default_factory=dict)
    input_type_field: str = "input_type"
    embed_fields: Mapping[str, Any] = field(default_factory=dict)
    rerank_fields: Mapping[str, Any] = field(default_factory=dict)
    errors: ErrorTable = field(default_factory=lambda: ERRORS)
    statuses: Mapping[int, ErrorKind] = field(default_factory=dict)


_HOST = ".api.openai.com"


def place(_settings: Mapping[str, Any], base_url: str | None) -> str | None:
    """The place of a data residency endpoint, `eu` of `eu.api.openai.com`; tokens of newer models cost more there."""
    host = urlsplit(base_url or "").hostname or ""
    return host.removesuffix(_HOST) if host.endswith(_HOST) else None


PROFILE = Profile(
    kind="openai",
    tasks=frozenset({"chat", "embed"}),
    base_url="https://api.openai.com/v1",
    api_key_env=("OPENAI_API_KEY",),
    hosts=("api.openai.com", ".api.openai.com"),
    prices="openai",
    place=place,
    otel_name="openai",
    schema_by_tool=True,
    limit_headers="openai",
    media=IMAGES | {"audio/wav", "audio/mpeg", "audio/mp3", "application/pdf"},
    quirks=Quirks(
        max_tokens_field="max_completion_tokens", openai_models=True, embed_batch=2048, base64_embeddings=True
    ),
)
