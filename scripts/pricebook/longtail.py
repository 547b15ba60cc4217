"""Reads LiteLLM's price map: completes rerank models and vendors that the primary source does not know."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pricebook.forms import Prices, Row, drop_redundant, plain

__all__ = ["VENDORS", "entries", "map_path", "off_peak", "row"]

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

_MODES = {"chat", "responses", "completion", "embedding", "rerank"}
_NO_OUTPUT = {"embedding", "rerank"}

# Prices in a notation of the map's own (a region before the id), or in terms that a row cannot say.
_REGIONAL = re.compile(r"^(bedrock/|sagemaker/|azure(_ai)?/(eu|us|global|global-standard|data_zone)/)")
_UNTOLD = {"off_peak_pricing", "output_cost_per_image_token", "input_cost_per_character"}

_KEY = re.compile(
    r"(?P<base>input_cost_per_token|output_cost_per_token|cache_read_input_token_cost|cache_creation_input_token_cost"
    r"|output_cost_per_reasoning_token|input_cost_per_audio_token|output_cost_per_audio_token"
    r"|input_cost_per_image_token)(?P<hour>_above_1hr)?(?:_above_(?P<above>\d+)k_tokens)?"
    r"(?P<tier>_flex|_priority|_batches)?"
)
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
}
_TIERS = {None: "", "_flex": "flex", "_priority": "priority", "_batches": "batch"}


def map_path() -> Path:
    """The map inside the installed package, found without importing it (which takes seconds)."""
    spec = find_spec("litellm")
    if spec is None or spec.origin is None:
        raise SystemExit("litellm is not installed: pip install 'model-orchestrator[dev]'")
    return Path(spec.origin).with_name("model_prices_and_context_window_backup.json")


def entries(path: Path) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(vendor, model id, entry) sorted, Gemini's own API before Vertex. Numbers are Decimals, never floats."""
    data = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    for key in sorted(data, key=lambda key: (key.startswith("vertex_ai/"), key)):
        entry = data[key]
        if isinstance(entry, dict) and entry.get("mode") in _MODES and not _REGIONAL.match(key):
            provider = entry["litellm_provider"]
            yield _vendor(provider), _model_id(key, provider), entry


def _vendor(provider: str) -> str:
    return "google" if provider.startswith("vertex_ai") else VENDORS.get(provider, provider)


def _model_id(key: str, provider: str) -> str:
    head, slash, rest = key.partition("/")
    own = {provider, provider.partition("-")[0], "azure", "bedrock", "vertex_ai", "fireworks_ai"}
    return rest if slash and head in own else key


def off_peak(entry: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Windows of the cheaper price, with weekdays; empty if there are none."""
    found: list[Mapping[str, Any]] = entry.get("off_peak_pricing", {}).get("windows", [])
    return found


def row(entry: Mapping[str, Any], model: str) -> Row | None:
    """The entry as a row; None if it has no price, or one that a row cannot say.

    All zeros mean "free" only where the id says so: elsewhere the map writes them for "unknown".
    """
    if _UNTOLD & entry.keys():
        return None
    tiers = _by_tier(entry)
    prices = drop_redundant({**tiers.pop(""), **_units(entry)})
    if entry["mode"] in _NO_OUTPUT:
        prices.pop("output", None)
    if not _is_priced(prices, free=model.endswith(":free"), chat=entry["mode"] not in _NO_OUTPUT):
        return None
    if model.startswith("ft:"):  # ft:gpt-4o-mini-2024-07-18:my-org::id
        prices_row: Row = {**prices, "rules": [["starts", f"{model.lower()}:"]]}
    else:
        prices_row = dict(prices)
    variants = {tier: [[None, drop_redundant(found)]] for tier, found in tiers.items() if "input" in found}
    return {**prices_row, **({"variants": variants} if variants else {}), "source": "litellm"}


def _is_priced(prices: Prices, *, free: bool, chat: bool) -> bool:
    if free:
        return True
    if chat and not prices.keys() >= {"input", "output"}:
        return False
    return any(price != "0" for price in prices.values())


def _units(entry: Mapping[str, Any]) -> Prices:
    """Fees per search or request, where they are above zero; a row without one bills tokens."""
    found: Prices = {}
    if entry["mode"] == "rerank" and entry.get("input_cost_per_query"):
        found["search_unit"] = plain(Decimal(entry["input_cost_per_query"]))
    if entry.get("input_cost_per_request"):
        found["request"] = plain(Decimal(entry["input_cost_per_request"]))
    return found


def _by_tier(entry: Mapping[str, Any]) -> dict[str, Prices]:
    """Prices by service tier (`""` is the standard one), each bucket with its steps by prompt size."""
    if "tiered_pricing" in entry:
        return {"": _ranges(entry["tiered_pricing"])}
    points: dict[str, dict[str, dict[int, Decimal]]] = {"": {}}
    for key, value in entry.items():
        match = _KEY.fullmatch(key)
        if match and value is not None:
            bucket = _BUCKETS.get(match["base"] + (match["hour"] or ""))
            if bucket:
                above = _threshold(entry, int(match["above"] or 0) * 1000)
                points.setdefault(_TIERS[match["tier"]], {}).setdefault(bucket, {})[above] = Decimal(value)
    return {tier: _join(buckets) for tier, buckets in points.items()}


def _threshold(entry: Mapping[str, Any], tokens: int) -> int:
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
            base = plain(found[0].scaleb(6))
            prices[bucket] = [base, *steps] if steps else base
    return prices


def _per_million(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount.scaleb(6))
