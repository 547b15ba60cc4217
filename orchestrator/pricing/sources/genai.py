"""Reads the data of the genai-prices package: the primary source, with dated prices and rules for model ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.pricing.sources.forms import Prices, Row, drop_redundant, plain

__all__ = ["carried", "fallbacks", "models", "rows"]

_BUCKETS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_reasoning_mtok": "reasoning",
    "output_citation_mtok": "citation",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
    "input_image_mtok": "input_image",
    "input_video_mtok": "input_video",
    "output_image_mtok": "output_image",
    "output_video_mtok": "output_video",
    "cache_audio_read_mtok": "cache_read_audio",
    "cache_image_read_mtok": "cache_read_image",
    "input_audio_hours": "audio_hour",
    "rerank_searches_kcount": "search_unit",
    "web_searches_kcount": "web_search",
    "storage_searches_kcount": "file_search",
    "requests_kcount": "request",
}
_PER_THOUSAND = {"file_search", "request", "search_unit", "web_search"}

# A model that bills any of these is no chat, embedding or rerank model, or bills what a usage does not count.
# Its row has no price; it stays for its rules, lest `gemini-x-image` be taken for `gemini-x`.
_FOREIGN = {
    "input_mchars",
    "input_text_messages_kcount",
    "input_document_kpages",
    "input_annotated_document_kpages",
}
# Their grounding is billed by the prompt, however many queries it takes; that of later models by the query.
_GROUNDED_BY_PROMPT = ("gemini-1", "gemini-2", "gemini-live-2")

_TESTS = {
    "ClauseEquals": ("equals", "equals"),
    "ClauseStartsWith": ("starts", "starts_with"),
    "ClauseEndsWith": ("ends", "ends_with"),
    "ClauseContains": ("contains", "contains"),
    "ClauseRegex": ("regex", "regex"),
}


def carried(key: str) -> bool:
    """Whether a price under that key of the package reaches a row of the book."""
    return key in _BUCKETS


def _providers() -> Any:
    try:
        from genai_prices.data import providers  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError("genai-prices is not installed: pip install 'model-orchestrator[prices]'") from error
    return providers


def models() -> Iterator[tuple[str, Any]]:
    """(vendor, model) in the order in which the package tries them."""
    for provider in _providers():
        for model in provider.models:
            yield provider.id, model


def fallbacks() -> dict[str, list[str]]:
    """Vendors that sell other vendors' models at the same price."""
    return {
        provider.id: list(provider.fallback_model_providers)
        for provider in _providers()
        if provider.fallback_model_providers
    }


def rows() -> dict[str, Row]:
    """Rows keyed `vendor/model`, in the order of their rules."""
    return {f"{vendor}/{model.id}": _row(vendor, model) for vendor, model in models()}


def _periods(model: Any) -> list[tuple[Any, Any]]:
    if isinstance(model.prices, list):
        return [(period.constraint, period.prices) for period in model.prices]
    return [(None, model.prices)]


def _keys(prices: Any) -> set[str]:
    return {key for key, value in vars(prices).items() if value is not None}


def _fits(model: Any) -> bool:
    keys = set().union(*(_keys(prices) for _, prices in _periods(model)))
    if keys & _FOREIGN or ("input_video_mtok" in keys and "output_mtok" in keys):
        return False
    if keys & {"output_image_mtok", "output_video_mtok"} and "output_mtok" not in keys:
        return False
    # Speech models bill by the hour; Voxtral chats bill tokens, and say so in their usage when there was sound.
    if "audio_hours" in keys and not ("output_mtok" in keys and model.id.startswith("voxtral")):
        return False
    return bool(keys & _BUCKETS.keys())


def _row(vendor: str, model: Any) -> Row:
    embeds = "embed" in model.id.lower()
    row: Row = _priced(model, embeds=embeds) if _fits(model) else _without_prices(vendor, model)
    ids = [value for test, value in _rules(model.match) if test == "equals" and value != model.id.lower()]
    rules = [[test, value] for test, value in _rules(model.match) if test != "equals"]
    if ids:
        row["ids"] = ids
    if rules:
        row["rules"] = rules
    if vendor == "perplexity":
        _rename(row, "request", "request_high")  # the package has the fee for the largest search context only
    if vendor == "google" and model.id.startswith(_GROUNDED_BY_PROMPT):
        _rename(row, "web_search", "web_search_request")
    return row


def _without_prices(vendor: str, model: Any) -> Row:
    free = vendor == "openrouter" and model.id.endswith(":free")
    return {"input": "0", "output": "0"} if free else {"unpriced": True}


def _rename(row: Row, bucket: str, name: str) -> None:
    for prices in (row, *(prices for _, prices in row.get("periods", ()))):
        if bucket in prices:
            prices[name] = prices.pop(bucket)


def _priced(model: Any, *, embeds: bool) -> Row:
    periods = [[_when(constraint), _prices(prices, embeds=embeds)] for constraint, prices in _periods(model)]
    flat = len(periods) == 1 and periods[0][0] is None
    row: Row = dict(_prices(_periods(model)[0][1], embeds=embeds)) if flat else {"periods": periods}
    variants = _variants(model, embeds=embeds)
    return {**row, "variants": variants} if variants else row


def _prices(prices: Any, *, embeds: bool) -> Prices:
    """One period's prices. An output price of an embedding model means nothing: there are no output tokens."""
    found = {
        bucket: _price(getattr(prices, key), 3 if bucket in _PER_THOUSAND else 0)
        for key, bucket in _BUCKETS.items()
        if getattr(prices, key, None) is not None and not (embeds and bucket == "output")
    }
    return drop_redundant(found)


def _price(value: Any, shift: int) -> Any:
    if not hasattr(value, "tiers"):
        return plain(value.scaleb(-shift))
    steps = [part for tier in value.tiers for part in (tier.start, plain(tier.price.scaleb(-shift)))]
    return [plain(value.base.scaleb(-shift)), *steps]


def _when(constraint: Any) -> str | None:
    if constraint is None:
        return None
    if hasattr(constraint, "start_date"):
        return str(constraint.start_date.isoformat())
    return f"{constraint.start_time:%H:%M}-{constraint.end_time:%H:%M}"


def _variants(model: Any, *, embeds: bool) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for variant in model.price_variants or ():
        name = _variant_name(variant.when)
        prices = _prices(variant.prices, embeds=embeds)
        if name and "input" in prices:
            # The package takes the first variant that holds, the book the last.
            found.setdefault(name, []).insert(0, [_when(variant.constraint), prices])
    return found


def _variant_name(when: dict[str, str]) -> str | None:
    if len(when) != 1:
        return None
    key, value = next(iter(when.items()))
    if key == "speed":
        return f"speed-{value}"
    return value if key in {"service_tier", "processing"} and value != "default" else None


def _rules(clause: Any) -> list[tuple[str, Any]]:
    """A clause as a list of which any must hold."""
    name = type(clause).__name__
    if name == "ClauseOr":
        return [rule for part in clause.or_ for rule in _rules(part)]
    if name == "ClauseAnd":
        return [("all", [_as_one(_rules(part)) for part in clause.and_])]
    test, field = _TESTS[name]
    value = getattr(clause, field)
    return [(test, value if test == "regex" else value.lower())]


def _as_one(rules: list[tuple[str, Any]]) -> list[Any]:
    return list(rules[0]) if len(rules) == 1 else ["any", [list(rule) for rule in rules]]
