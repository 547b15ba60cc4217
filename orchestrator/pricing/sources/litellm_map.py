"""Reads LiteLLM's price map: completes what the primary source does not know."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.pricing.sources.forms import Prices, Row, as_meant, drop_redundant

__all__ = [
    "VENDORS",
    "carried",
    "entries",
    "for_our_tasks",
    "map_path",
    "off_peak",
    "placed_entries",
    "read_map",
    "row",
]

VENDORS = {
    "amazon_nova": "aws",
    "azure_ai": "azure",
    "azure_openai": "azure",
    "azure_text": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "cohere_chat": "cohere",
    "fireworks_ai": "fireworks",
    "fireworks_ai-embedding-models": "fireworks",
    "gemini": "google",
    "github_copilot": "github-copilot",
    "meta_llama": "meta",
    "moonshot": "moonshotai",
    "text-completion-openai": "openai",
    "together_ai": "together",
    "vertex": "google",
    "vertex_ai": "google",
    "vertex_ai_beta": "google",
    "voyage": "voyageai",
    "xai": "x-ai",
}
"""LiteLLM's vendors (and a few other usual names) by the provider ids of genai-prices."""

Entry = Mapping[str, Any]

_MODES = {"chat", "responses", "completion", "embedding", "rerank"}
_NO_OUTPUT = {"embedding", "rerank"}
_SIZES = ("low", "medium", "high")

# A notation of the map's own: a region before the id.
_PLACED = re.compile(
    r"bedrock/(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)/(?P<id>[^/]+)|azure(?:_ai)?/(?P<zone>eu|us)/(?P<name>.+)"
)
_REGIONAL = re.compile(r"^(bedrock/|sagemaker/|azure(_ai)?/(eu|us|global|global-standard|data_zone)/)")

_BUCKETS = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "output_cost_per_reasoning_token": "reasoning",
    "input_cost_per_audio_token": "input_audio",
    "output_cost_per_audio_token": "output_audio",
    "input_cost_per_image_token": "input_image",
    "input_cost_per_video_token": "input_video",
    "output_cost_per_image_token": "output_image",
    "output_cost_per_video_token": "output_video",
    "cache_read_input_audio_token_cost": "cache_read_audio",
    "cache_read_input_image_token_cost": "cache_read_image",
    "citation_cost_per_token": "citation",
}
_TIERS = {
    None: "",
    "_balanced": "balanced",
    "_batches": "batch",
    "_decisions": "decisions",
    "_flex": "flex",
    "_priority": "priority",
    "_ultrafast": "ultrafast",
}
_KEY = re.compile(
    f"(?P<base>{'|'.join(sorted(_BUCKETS, key=len, reverse=True))})(?:_above_(?P<above>\\d+)k_tokens)?"
    f"(?P<tier>{'|'.join(tier for tier in _TIERS if tier)})?"
)
_FURTHER_KEYS = frozenset({
    "explicit_cache_read_input_token_cost", "google_maps_grounding_cost_per_query", "input_cost_per_query",
    "input_cost_per_request", "off_peak_pricing", "provider_specific_entry.us",
    "regional_endpoint_uplift_multiplier", "regional_processing_uplift_multiplier_eu",
    "regional_processing_uplift_multiplier_us", "search_context_cost_per_query", "tiered_pricing",
    "web_search_billing_unit",
})  # fmt: skip


def carried(key: str) -> bool:
    """Whether a price under that key of the map reaches a row of the book; `a.b` is the key `b` of the mapping `a`."""
    outer, _, inner = key.rpartition(".")
    if outer in {"off_peak_pricing", "tiered_pricing"}:
        return inner in _BUCKETS
    if outer == "search_context_cost_per_query":
        return inner.removeprefix("search_context_size_") in _SIZES
    return key in _FURTHER_KEYS or _KEY.fullmatch(key) is not None


def map_path() -> Path:
    """The map inside the installed package, found without importing it (which takes seconds).

    Raises:
        ConfigError: LiteLLM is not installed.
    """
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        raise ConfigError(
            "LiteLLM's list of prices is not here: pip install 'model-orchestrator[litellm]', or --from FILE"
        )
    return Path(spec.origin).with_name("model_prices_and_context_window_backup.json")


def read_map(path: Path) -> dict[str, Entry]:
    """The map by its keys, Gemini's own API before Vertex. Numbers are Decimals, never floats.

    Raises:
        ConfigError: the file cannot be read, or is no such map.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise ConfigError(f"the list of prices cannot be read: {error.strerror}", file=str(path)) from error
    except ValueError as error:
        raise ConfigError("the list of prices is not JSON", file=str(path)) from error
    found = {key: entry for key, entry in data.items() if _is_entry(entry)} if isinstance(data, dict) else {}
    if not found:
        raise ConfigError("the file is not LiteLLM's list of prices", file=str(path))
    return {key: found[key] for key in sorted(found, key=lambda key: (key.startswith("vertex_ai/"), key))}


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and "mode" in entry and isinstance(entry.get("litellm_provider"), str)


def entries(data: Mapping[str, Entry]) -> Iterator[tuple[str, str, Entry]]:
    """(vendor, model id, entry) of the models for our tasks."""
    for key, entry in data.items():
        if for_our_tasks(entry) and not _REGIONAL.match(key):
            yield _vendor(entry["litellm_provider"]), _model_id(key, entry["litellm_provider"]), entry


def placed_entries(data: Mapping[str, Entry]) -> Iterator[tuple[str, str, Entry]]:
    """(vendor, `place/model id`, entry) of what costs something else in one region of AWS or data zone of Azure."""
    for key, entry in data.items():
        match = _PLACED.fullmatch(key)
        if match and for_our_tasks(entry):
            if match["region"]:
                yield "aws", f"{match['region']}/{match['id']}", entry
            else:
                yield "azure", f"{match['zone']}/{match['name']}", entry


def for_our_tasks(entry: Entry) -> bool:
    """Whether the entry is of a model that chats, embeds or ranks."""
    # Some models that make images do so in a chat.
    chats = entry["mode"] == "image_generation" and "/v1/chat/completions" in entry.get("supported_endpoints", ())
    return chats or entry["mode"] in _MODES


def _vendor(provider: str) -> str:
    return "google" if provider.startswith("vertex_ai") else VENDORS.get(provider, provider)


def _model_id(key: str, provider: str) -> str:
    head, slash, rest = key.partition("/")
    own = {provider, provider.partition("-")[0], "azure", "bedrock", "vertex_ai", "fireworks_ai"}
    return rest if slash and head in own else key


def off_peak(entry: Entry) -> list[Mapping[str, Any]]:
    """Windows of the cheaper price, with weekdays; empty if there are none."""
    found: list[Mapping[str, Any]] = entry.get("off_peak_pricing", {}).get("windows", [])
    return found


def row(entry: Entry, model: str) -> Row | None:
    """The entry as a row; None if it has no price, or one that a row cannot say.

    All zeros mean "free" only where the id says so: elsewhere the map writes them for "unknown".
    """
    if "weekday_timezone" in entry.get("off_peak_pricing", ()):  # our weekdays are those of UTC
        return None
    tiers = _by_tier(entry)
    prices = drop_redundant({**tiers.pop(""), **_units(entry)})
    if "explicit_cache_read_input_token_cost" in entry:  # and counts of cached tokens do not say which price is theirs
        prices.pop("cache_read", None)
    if entry["mode"] in _NO_OUTPUT:
        prices.pop("output", None)
    if not _is_priced(prices, free=model.endswith(":free"), chat=entry["mode"] not in _NO_OUTPUT):
        return None
    found = _with_windows(prices, entry)
    if model.startswith("ft:"):  # ft:gpt-4o-mini-2024-07-18:my-org::id
        found["rules"] = [["starts", f"{model.lower()}:"]]
    variants = {tier: [[None, drop_redundant(found)]] for tier, found in tiers.items() if "input" in found}
    if variants:
        found["variants"] = variants
    if places := _places(entry):
        found["places"] = places
    return {**found, "source": "litellm"}


def _is_priced(prices: Prices, *, free: bool, chat: bool) -> bool:
    if free:
        return True
    if chat and not prices.keys() >= {"input", "output"}:
        return False
    return any(price != "0" for price in prices.values())


def _with_windows(prices: Prices, entry: Entry) -> Row:
    """A row whose price is another one off-peak: the list price first, then the cheap hours."""
    cheap = {_BUCKETS[key]: amount for key, amount in entry.get("off_peak_pricing", {}).items() if key in _BUCKETS}
    if not cheap:
        return dict(prices)
    lower = {**prices, **{bucket: as_meant(Decimal(amount).scaleb(6)) for bucket, amount in cheap.items()}}
    periods: list[list[Any]] = [[None, prices]]
    for window in off_peak(entry):
        days = "".join(str(day) for day in window.get("weekdays", ()))
        hours = window["hours_utc"]
        periods.extend([f"{span} {days}".rstrip(), lower] for span in ([hours] if isinstance(hours, str) else hours))
    return {"periods": periods}


def _units(entry: Entry) -> Prices:
    """Fees per search or request, where they are above zero; a row without one bills tokens."""
    found: Prices = {}
    if entry["mode"] == "rerank" and entry.get("input_cost_per_query"):
        found["search_unit"] = as_meant(Decimal(entry["input_cost_per_query"]))
    if entry.get("input_cost_per_request"):
        found["request"] = as_meant(Decimal(entry["input_cost_per_request"]))
    per_query = _bills_queries(entry)
    if fee := entry.get("google_maps_grounding_cost_per_query"):
        found["map_search" if per_query else "map_search_request"] = as_meant(Decimal(fee))
    return {**found, **_search_fees(entry, per_query=per_query)}


def _bills_queries(entry: Entry) -> bool:
    """Google bills each query of the newer models, and each prompt that was grounded of the older ones."""
    return not _is_gemini(entry) or entry.get("web_search_billing_unit") == "per_query"


def _is_gemini(entry: Entry) -> bool:
    return entry["litellm_provider"] in {"gemini", "vertex_ai", "vertex_ai-language-models"}


def _search_fees(entry: Entry, *, per_query: bool) -> Prices:
    fees = entry.get("search_context_cost_per_query") or {}
    by_size = {size: as_meant(Decimal(fees.get(f"search_context_size_{size}") or 0)) for size in _SIZES}
    if len(set(by_size.values())) > 1:
        # Perplexity's is a fee for the request, with all searches in it.
        return {f"request_{size}": fee for size, fee in by_size.items()} if _is_perplexity(entry) else {}
    return {} if by_size["low"] == "0" else {"web_search" if per_query else "web_search_request": by_size["low"]}


def _is_perplexity(entry: Entry) -> bool:
    return bool(entry["litellm_provider"] == "perplexity")


def _places(entry: Entry) -> dict[str, str]:
    """Factors on the prices of tokens, by where they are processed; `*` is any place but the whole world."""
    told = entry.get("provider_specific_entry", {}) if entry["litellm_provider"] == "anthropic" else {}
    eu, us = (entry.get(f"regional_processing_uplift_multiplier_{place}") for place in ("eu", "us"))
    # OpenAI has more places than these two, and one factor for all of them.
    found = {"us": told.get("us"), "*": entry.get("regional_endpoint_uplift_multiplier") or (eu if eu == us else None)}
    return {place: as_meant(Decimal(factor)) for place, factor in found.items() if factor}


def _by_tier(entry: Entry) -> dict[str, Prices]:
    """Prices by service tier (`""` is the standard one), each bucket with its steps by prompt size."""
    if "tiered_pricing" in entry:
        return {"": _ranges(entry["tiered_pricing"])}
    points: dict[str, dict[str, dict[int, Decimal]]] = {"": {}}
    for key, value in entry.items():
        match = _KEY.fullmatch(key)
        if match and value is not None:
            above = _threshold(entry, int(match["above"] or 0) * 1000)
            bucket = _BUCKETS[match["base"]]
            points.setdefault(_TIERS[match["tier"]], {}).setdefault(bucket, {})[above] = Decimal(value)
    return {tier: _join(buckets) for tier, buckets in points.items()}


def _threshold(entry: Entry, tokens: int) -> int:
    """The threshold as the last prompt size at the cheaper price: xAI's dearer price begins at the threshold itself."""
    return tokens - 1 if tokens and entry["litellm_provider"] == "xai" else tokens


def _ranges(tiers: list[Mapping[str, Any]]) -> Prices:
    points: dict[str, dict[int, Decimal]] = {}
    for tier in tiers:
        for key, bucket in _BUCKETS.items():
            if key in tier:
                points.setdefault(bucket, {})[int(tier["range"][0])] = Decimal(tier[key])
    return _join(points)


def _join(points: Mapping[str, Mapping[int, Decimal]]) -> Prices:
    """Steps of all buckets together: one that is silent where the others change has no known price from there on."""
    starts = sorted({start for found in points.values() for start in found if start})
    prices: Prices = {}
    for bucket, found in sorted(points.items(), key=lambda item: list(_BUCKETS.values()).index(item[0])):
        if 0 in found:
            steps = [part for start in starts for part in (start, _per_million(found.get(start)))]
            base = as_meant(found[0].scaleb(6))
            prices[bucket] = [base, *steps] if steps else base
    return prices


def _per_million(amount: Decimal | None) -> str | None:
    return None if amount is None else as_meant(amount.scaleb(6))
