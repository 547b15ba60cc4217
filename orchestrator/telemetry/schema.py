"""The published schema of a call's line, and its keys' names in OpenTelemetry's GenAI conventions.

Promise: under one `SCHEMA` version keys may be added, at any place; no key goes away, changes its type or its meaning.
`line.schema.json` beside this file is `json_schema()`, written down; a test holds the two, and `lines.KEYS`, together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.telemetry.lines import KEYS, SCHEMA

__all__ = ["ATTRIBUTES", "FIELDS", "Field", "json_schema"]


@dataclass(frozen=True, slots=True)
class Field:
    """One key of the line.

    Attributes:
        type: JSON types, `null` among them when it may be unknown.
        meaning: in a sentence, with the unit.
        otel: the attribute of a span that carries it; ours begin with `orchestrator.`. Empty: carried otherwise.
    """

    type: str
    meaning: str
    otel: str = ""


def _count(meaning: str, otel: str) -> Field:
    return Field("integer null", meaning, otel)


def _name(meaning: str, otel: str = "") -> Field:
    return Field("string null", meaning, otel)


def _ms(meaning: str, otel: str = "") -> Field:
    return Field("number null", f"{meaning}, in milliseconds.", otel)


_USAGE = "gen_ai.usage."

FIELDS: Mapping[str, Field] = {
    "ts": Field("string", "When the call ended: UTC, RFC 3339, milliseconds."),
    "event": Field("string", "Always llm.call here; other lines of the log have other names."),
    "schema": Field("integer", "Version of this schema."),
    "call_id": Field("string", "Names the call; empty if it was refused before it began.", "orchestrator.call.id"),
    "trace_id": _name("The trace in which the call was made."),
    "config_hash": Field("string", "Names the configuration in force.", "orchestrator.config.hash"),
    "route": Field("string", "The route called.", "orchestrator.route"),
    "task": _name("chat, embed or rerank.", "gen_ai.operation.name"),
    "status": Field("string", "ok, error, cancelled or abandoned.", "orchestrator.status"),
    "error_type": _name("Class of the error.", "error.type"),
    "deployment": _name("The last deployment asked.", "orchestrator.deployment"),
    "provider": _name("Its provider, by the name in the configuration.", "orchestrator.provider"),
    "region": _name("Where the provider processes requests.", "orchestrator.region"),
    "request_model": _name("The model asked for.", "gen_ai.request.model"),
    "response_model": _name("The model that the vendor says it served.", "gen_ai.response.model"),
    "response_id": _name("The vendor's id of the answer.", "gen_ai.response.id"),
    "request_id": _name("The vendor's id of the request.", "orchestrator.request.id"),
    "tenant": _name("The customer the call was for.", "orchestrator.tenant"),
    "user": _name("The person the call was for.", "orchestrator.user"),
    "tags": Field("object", "The call's own keys and values, texts.", "orchestrator.tag.*"),
    "stream": Field("boolean", "Whether the answer was streamed.", "gen_ai.request.stream"),
    "input_tokens": _count("Input, cached tokens included.", _USAGE + "input_tokens"),
    "output_tokens": _count("Output, reasoning included.", _USAGE + "output_tokens"),
    "cache_read_tokens": _count("Input read from the vendor's cache.", _USAGE + "cache_read.input_tokens"),
    "cache_write_tokens": _count("Input written to it.", _USAGE + "cache_write.input_tokens"),
    "reasoning_tokens": _count("Output spent on reasoning.", _USAGE + "reasoning.output_tokens"),
    "search_units": Field("number null", "Units that reranking is billed by.", "orchestrator.usage.search_units"),
    "cache_write_1h_tokens": _count("Input written for an hour.", "orchestrator.usage.cache_write_1h_tokens"),
    "input_audio_tokens": _count("Sound in the input.", _USAGE + "audio.input_tokens"),
    "input_image_tokens": _count("Images in the input.", _USAGE + "image.input_tokens"),
    "output_audio_tokens": _count("Sound in the output.", _USAGE + "audio.output_tokens"),
    "usage_source": _name("vendor, or estimate; null where nothing was used.", "orchestrator.usage.source"),
    "items": _count("Texts embedded or documents ranked.", "orchestrator.items"),
    "dimensions": _count("Numbers per vector.", "gen_ai.embeddings.dimension.count"),
    "price_asked": _name("The model whose price was looked up.", "orchestrator.price.asked"),
    "price_terms": Field("object null", "Terms the vendor's usage says it bills by; `extras`: further counts."),
    "price_factor": Field(
        "number null",
        "What a discount left of the book's prices, exact: 0.85 for 15 % off.",
        "orchestrator.price.factor",
    ),
    "priced_at": _name("The time whose prices hold, if not the line's own.", "orchestrator.price.at"),
    "cost_usd": Field("number null", "US dollars, exact, failed attempts included.", "gen_ai.usage.cost"),
    "cost": Field("object", "US dollars by bucket (input, output, cache_read, ...)."),
    "cost_unknown": _name("Why there is no cost.", "orchestrator.cost.unknown"),
    "cost_estimated": Field("boolean", "Some usage behind it is our estimate.", "orchestrator.cost.estimated"),
    "price_row": _name("The row of the price book, vendor/model.", "orchestrator.price.row"),
    "price_book": _name("The version of the price book.", "orchestrator.price.book"),
    "budgets": Field("array null", "Budgets that count the last attempt, with their limits in force."),
    "duration_ms": _ms("The whole call"),
    "first_token_ms": _ms("Until the first event of a stream"),
    "queue_ms": _ms("Waiting for limits", "orchestrator.queue.duration"),
    "wait_ms": _ms("Waiting between attempts", "orchestrator.wait.duration"),
    "finish_reason": _name("Why the model stopped.", "gen_ai.response.finish_reasons"),
    "cache_hit": Field("boolean", "Answered without asking a vendor.", "orchestrator.cache.hit"),
    "attempts": Field("array null", "Each attempt in order, when there was more than one."),
}
"""Every key of `lines.KEYS`, what it holds, and its OpenTelemetry name."""

ATTRIBUTES: Mapping[str, str] = {key: field.otel for key, field in FIELDS.items() if field.otel and key != "tags"}
"""Key of the line to attribute of the span, one to one. `ts` and the `*_ms` without a name are the span's own times."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of an `llm.call` line. Others may be added, so they are allowed."""
    described = {key: _property(key) for key in KEYS}
    described["event"]["const"] = "llm.call"
    described["schema"]["const"] = SCHEMA
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of the call log",
        "description": "One JSON object per call. Keys may be added under the same version; none changes its meaning.",
        "type": "object",
        "properties": described,
        "required": list(KEYS),
    }


def _property(key: str) -> dict[str, Any]:
    field = FIELDS[key]
    types = field.type.split()
    return {"type": types[0] if len(types) == 1 else types, "description": field.meaning}
