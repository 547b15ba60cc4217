"""What the two public books say of each model: limits, features, vectors, retirement."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from orchestrator.models.names import canonical, undated
from orchestrator.pricing.book import Book
from orchestrator.pricing.sources import genai, litellm_map

__all__ = ["Entry", "entries"]

_NEAR = 0.07
"""Sizes that differ by less are one size: rounded (1,000,000 for 1,048,576), or with and without a few tokens."""

# Whose flag for output schemas means schemas, and not JSON of any shape.
_SCHEMA_VENDORS = frozenset(
    {"azure", "cerebras", "fireworks", "google", "groq", "mistral", "openai", "openrouter", "together", "x-ai"}
)
_DATE = re.compile(r"20[2-9]\d-\d\d-\d\d")


@dataclass(slots=True)
class Entry:
    """One model at one vendor. `retirements` are by where the vendor sells it. `conflict`: the sources' sizes of
    the context, where they differ by more than rounding.
    """

    vendor: str
    name: str
    facts: dict[str, Any]
    retirements: dict[str, str] = field(default_factory=dict)
    conflict: dict[str, int] = field(default_factory=dict)


def entries(date: str) -> list[Entry]:
    """All models, one entry per vendor and canonical name, sorted."""
    windows = _Windows(date)
    grouped: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for vendor, model, raw in litellm_map.entries(litellm_map.read_map(litellm_map.map_path())):
        if raw["mode"] not in {"completion", "image_generation"}:
            entry = _entry(vendor, model, raw, windows)
            grouped[vendor, entry.name].append(entry)
    for vendor, model, context in windows.of_their_own():
        entry = Entry(vendor, undated(canonical(model)), {"context_tokens": context})
        grouped[vendor, entry.name].append(entry)
    return [_joined(grouped[key]) for key in sorted(grouped)]


class _Windows:
    """genai-prices' context windows, by its own rules for names."""

    def __init__(self, date: str) -> None:
        rows = genai.rows()
        data = {"version": date, "sources": [], "vendors": litellm_map.VENDORS, "fallbacks": {}, "rows": rows}
        self._book = Book(data)
        self._windows = {f"{vendor}/{model.id}": model.context_window for vendor, model in genai.models()}
        self._asked: set[str] = set()

    def of(self, vendor: str, model: str) -> int | None:
        row = self._book.resolve(vendor, model)
        if row is None:
            return None
        self._asked.add(row)
        return self._windows.get(row)

    def of_their_own(self) -> Iterator[tuple[str, str, int]]:
        """Models that the other book does not have."""
        for row, context in self._windows.items():
            vendor, _, model = row.partition("/")
            if context and row not in self._asked and not vendor.startswith("huggingface"):
                yield vendor, model, context


def _entry(vendor: str, model: str, raw: Mapping[str, Any], windows: _Windows) -> Entry:
    embeds = raw["mode"] in {"embedding", "rerank"}
    facts, conflict = _limits(raw, windows.of(vendor, model), embeds=embeds)
    facts |= {"dimensions": _size(raw.get("output_vector_size"))} if embeds else _features(raw, vendor)
    desk = "vertex" if raw["litellm_provider"].startswith("vertex_ai") else vendor
    retires_on = raw.get("deprecation_date")
    return Entry(
        vendor,
        canonical(model),
        {key: value for key, value in facts.items() if value is not None},
        {desk: retires_on} if isinstance(retires_on, str) and _DATE.fullmatch(retires_on) else {},
        conflict,
    )


def _limits(raw: Mapping[str, Any], window: int | None, *, embeds: bool) -> tuple[dict[str, Any], dict[str, int]]:
    """LiteLLM's input limit is the whole context for most, and for some the context without the longest answer."""
    reads = _size(raw.get("max_input_tokens")) or (_size(raw.get("max_tokens")) if embeds else None)
    writes = None if embeds else _size(raw.get("max_output_tokens"))
    context, limits, conflict = reads or window, {}, {}
    if reads and window and not _near(reads, window):
        context = max(reads, window)
        if writes and _near(reads + writes, window):
            context, limits["max_input_tokens"] = window, reads
        else:
            conflict = {"litellm": reads, "genai-prices": window}
    # As much output as context is no limit of its own.
    limits |= {"context_tokens": context, "max_output_tokens": writes if writes and writes < (context or 0) else None}
    return limits, conflict


def _size(value: Any) -> int | None:
    return int(value) if isinstance(value, int | Decimal) and value > 0 else None


def _near(one: int, other: int) -> bool:
    return abs(one - other) <= _NEAR * max(one, other)


def _features(raw: Mapping[str, Any], vendor: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "tools": raw.get("supports_function_calling"),
        "parallel_tools": raw.get("supports_parallel_function_calling"),
        "media": _media(raw, vendor),
    }
    if vendor in _SCHEMA_VENDORS:
        found["json_schema"] = raw.get("supports_response_schema")
    if raw.get("supports_reasoning") is False:
        found["reasoning"] = "none"
    if raw.get("reasoning_effort_levels"):
        found["efforts"] = list(raw["reasoning_effort_levels"])
    return found


def _media(raw: Mapping[str, Any], vendor: str) -> list[str] | None:
    """Complete only where the map says whether there is vision: elsewhere silence does not mean no."""
    if "supports_vision" not in raw:
        return None
    flags = {
        "audio": raw.get("supports_audio_input"),
        "image": raw["supports_vision"],
        "pdf": raw.get("supports_pdf_input") or vendor == "mistral",  # which reads documents for all of its models
        "video": raw.get("supports_video_input"),
    }
    return [word for word, reads in flags.items() if reads]


def _joined(found: list[Entry]) -> Entry:
    """One entry of several spellings of a name. The larger limit and the later day win: the others are checked less."""
    first = found[0]
    for other in found[1:]:
        for key, value in other.facts.items():
            known = first.facts.get(key)
            larger = isinstance(value, int) and not isinstance(value, bool) and known is not None and value > known
            if known is None or larger:
                first.facts[key] = value
        for desk, day in other.retirements.items():
            first.retirements[desk] = max(day, first.retirements.get(desk, day))
        first.conflict = first.conflict or other.conflict
    return first
