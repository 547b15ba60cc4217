"""Our cost against genai-prices' own calculation, for every model that both know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

import pytest

from orchestrator.pricing import PriceRow, bundled
from orchestrator.types.usage import Cost, Usage

genai = pytest.importorskip("genai_prices", reason="genai-prices is not installed")

if bundled().sources[0]["version"] != version("genai-prices"):
    pytest.skip("the book is made from another version of genai-prices", allow_module_level=True)

# Weekdays: on weekends the book follows LiteLLM, which knows that DeepSeek has no peak hours then.
MOMENTS = (
    datetime(2026, 1, 5, 12, tzinfo=UTC),
    datetime(2026, 9, 30, 2, 30, tzinfo=UTC),
    datetime(2026, 11, 23, 8, tzinfo=UTC),
    datetime(2027, 1, 4, 20, tzinfo=UTC),
)
TODAY = MOMENTS[2]
SAMPLES: tuple[dict[str, int], ...] = (
    {"input_tokens": 1234, "output_tokens": 567},
    {"input_tokens": 300_001, "output_tokens": 9_999},
    {"input_tokens": 50_000, "output_tokens": 70, "cache_read_tokens": 40_000},
    {"input_tokens": 250_000, "output_tokens": 70, "cache_read_tokens": 40_000, "cache_write_tokens": 1000},
    {"input_tokens": 9_000, "output_tokens": 70, "cache_write_tokens": 3000, "cache_write_1h_tokens": 1000},
    {"input_tokens": 9_000, "output_tokens": 700, "input_audio_tokens": 4000},
)
THEIR_KEYS = {
    f"no price for {bucket}": f"{bucket}_mtok"
    for bucket in ("input", "output", "cache_read", "cache_write", "cache_write_1h", "input_audio")
}


def shared_models() -> Iterator[tuple[Any, Any, PriceRow]]:
    """Provider and model as there, row as here, of all models whose own id leads to their own row."""
    from genai_prices.data import providers

    for provider in providers:
        for model in provider.models:
            row = bundled().find(provider.id, model.id)
            if row is not None and row.name == f"{provider.id}/{model.id}":
                yield provider, model, row


def ours(row: PriceRow, counts: dict[str, int], at: datetime, **raw: str) -> Cost:
    """What the book says; `raw` is what the vendor sent beside the counts."""
    raw["search_context_size"] = "high"  # the only fee that genai-prices knows
    return row.cost(Usage(reasoning_tokens=0, raw=raw, **counts), at=at)


def theirs(provider: Any, model: Any, counts: dict[str, int], at: datetime, **context: str) -> Decimal:
    """What genai-prices says, in dollars."""
    usage = genai.Usage(output_reasoning_tokens=0, output_citation_tokens=0, **counts)
    found = model.calc_price(usage, provider, genai_request_timestamp=at, price_context=context)
    return Decimal(found.total_price)


def priced_by(prices: Any, cost: Cost) -> bool:
    """Whether genai-prices has a price for all that was billed; LiteLLM's map completes some rows."""
    keys = [THEIR_KEYS.get(f"no price for {bucket}") for bucket in cost.buckets]
    return all(getattr(prices, key, None) is not None for key in keys if key)


def test_costs_agree_with_genai_prices_for_every_model_both_know() -> None:
    """Where we name a figure it is theirs to the last digit; where we name none, they have no price for that bucket."""
    tally = Counter[str]()
    for provider, model, row in shared_models():
        if row.name.endswith(":free"):
            continue
        for at in MOMENTS:
            prices = model.get_prices(at)
            for counts in SAMPLES:
                cost = ours(row, counts, at)
                if not priced_by(prices, cost) or "told apart" in (cost.unknown or ""):
                    tally["completed"] += 1
                elif cost.unknown is None:
                    tally["compared"] += 1
                    assert cost.total == theirs(provider, model, counts, at), (row.name, counts, at)
                elif "embed" not in row.name:  # there the book leaves out an output price that means nothing
                    tally["unknown"] += 1
                    assert getattr(prices, THEIR_KEYS[cost.unknown], None) is None, (row.name, cost)
    assert tally["compared"] > 20_000
    assert 0 < tally["completed"] < 1_000


def test_embeddings_agree_with_genai_prices() -> None:
    """A cost without an output count is theirs for no output."""
    compared = 0
    for provider, model, row in shared_models():
        cost = row.cost(Usage(input_tokens=12_345), at=TODAY)
        if cost.total is not None:
            compared += 1
            assert cost.total == theirs(provider, model, {"input_tokens": 12_345, "output_tokens": 0}, TODAY), row.name
    assert compared > 60


@pytest.mark.parametrize(
    ("raw", "context", "least"),
    [
        ({"service_tier": "flex"}, {"service_tier": "flex"}, 20),
        ({"service_tier": "priority"}, {"service_tier": "priority"}, 20),
        ({"service_tier": "batch"}, {"processing": "batch"}, 200),
        ({"speed": "fast"}, {"speed": "fast"}, 5),
    ],
    ids=["flex", "priority", "batch", "speed"],
)
def test_service_tiers_agree_with_genai_prices(raw: dict[str, str], context: dict[str, str], least: int) -> None:
    """Where both price a tier, the figure is theirs."""
    tally = Counter[str]()
    for provider, model, row in shared_models():
        for counts in SAMPLES[:3]:
            cost = ours(row, counts, TODAY, **raw)
            if not sells(model, context):
                tally["completed"] += cost.total is not None
                continue
            tally["unknown" if cost.total is None else "compared"] += 1
            if cost.total is not None:
                assert cost.total == theirs(provider, model, counts, TODAY, **context), (row.name, counts)
    assert tally["compared"] >= least


def sells(model: Any, context: dict[str, str]) -> bool:
    """Whether genai-prices knows that tier of the model; LiteLLM's map completes some rows."""
    return any(variant.when == context for variant in model.price_variants or ())


OTHERWISE = ("us-gov.", "gpt-4o-mini-search-preview")
"""Ids that have a row of their own by LiteLLM's map, and share another one there."""


def literal_ids(clause: Any) -> Iterator[str]:
    """Ids that a clause lists in so many words."""
    if hasattr(clause, "or_"):
        for part in clause.or_:
            yield from literal_ids(part)
    elif hasattr(clause, "equals"):
        yield clause.equals


def test_model_ids_resolve_as_in_genai_prices() -> None:
    """Every id and alias that genai-prices lists, with and without a snapshot's date, leads to the same row here."""
    from genai_prices.data import providers

    compared = 0
    for provider in providers:
        for model in provider.models:
            snapshots = (f"{model.id}{suffix}" for suffix in ("-20260102", "-2026-01-02", "-latest"))
            for asked in (model.id, *snapshots, *literal_ids(model.match)):
                found = provider.find_model(asked, all_providers=providers)
                here = bundled().resolve(provider.id, asked)
                if found is not None and not asked.startswith(OTHERWISE):
                    compared += 1
                    assert here is not None, asked
                    assert here.endswith(f"/{found.id}"), (asked, here, found.id)
    assert compared > 5000
