"""Where a request is processed: what the file says of it, what that costs, and that the log keeps it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest

from orchestrator.config import load_mapping
from orchestrator.dashboards.repricing import repricer
from orchestrator.pricing import Book, PriceRow
from orchestrator.registry import find
from orchestrator.tariffs import Tariff, tariff
from orchestrator.types.usage import Cost, Usage

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
USAGE = Usage(input_tokens=1_000_000, output_tokens=0)


def prices_of(model: str, **provider: Any) -> Tariff:
    """The tariff of a deployment of a provider with these keys."""
    kind = find(provider["kind"])
    if kind.profile.key_required:
        provider["api_key"] = {"env": "KEY"}
    data = {
        "version": 1,
        "providers": {"p": provider},
        "deployments": {"d": {"provider": "p", "model": model}},
        "routes": {"r": {"task": "chat", "pick": "d"}},
    }
    config = load_mapping(data, environ={"KEY": "none"})
    return tariff(config.providers["p"], config.deployments["d"], kind)


def cost_of(model: str, **provider: Any) -> Cost:
    """Of a million tokens of input."""
    return prices_of(model, **provider)(USAGE, None, NOW)


@pytest.mark.parametrize(
    ("model", "provider", "row"),
    [
        ("gpt-6-sol", {"kind": "openai"}, "openai/gpt-6-sol"),
        ("gpt-6-sol", {"kind": "openai", "base_url": "https://eu.api.openai.com/v1"}, "openai/gpt-6-sol#eu"),
        ("gpt-4o", {"kind": "openai", "base_url": "https://eu.api.openai.com/v1"}, "openai/gpt-4o"),
        ("gpt-6-sol", {"kind": "openai", "base_url": "https://eu.api.openai.com.example.com/v1"}, None),
        ("gpt-6-sol", {"kind": "openai", "base_url": "https://not-api.openai.com/v1"}, None),
        ("gpt-6-sol", {"kind": "openai_responses", "base_url": "https://us.api.openai.com/v1"}, "openai/gpt-6-sol#us"),
        ("claude-opus-5", {"kind": "vertex", "project": "p", "location": "global"}, "google/claude-opus-5"),
        ("claude-opus-5", {"kind": "vertex", "project": "p", "location": "eu"}, "google/claude-opus-5#eu"),
        (
            "gemini-3.5-flash",
            {
                "kind": "vertex",
                "base_url": "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5",
            },
            "google/gemini-3.5-flash#us-east5",
        ),
        ("minimax.minimax-m2.5", {"kind": "bedrock", "region": "eu-west-2"}, "aws/eu-west-2/minimax.minimax-m2.5"),
        (
            "minimax.minimax-m2.5",
            {"kind": "bedrock", "region": "eu", "aws_region": "eu-west-2"},
            "aws/eu-west-2/minimax.minimax-m2.5",
        ),
        ("gpt-5.1", {"kind": "azure", "resource": "r", "data_zone": "us"}, "azure/us/gpt-5.1"),
        ("gpt-5.1", {"kind": "azure", "resource": "r", "region": "us"}, "openai/gpt-5.1"),
    ],
)
def test_the_row_is_that_of_the_place(model: str, provider: dict[str, Any], row: str | None) -> None:
    """Address, location, AWS region and data zone decide; a region in one's own words, and foreign hosts, do not."""
    cost = cost_of(model, **provider)
    assert cost.price_row == row
    assert (cost.total is None) == (row is None)


def test_the_factor_is_on_tokens_and_exact() -> None:
    """Ten percent more is ten percent more of every bucket of tokens, and nothing more for a search."""
    usage = Usage(input_tokens=1000, cache_read_tokens=300, output_tokens=77, extras={"web_search": 3})
    here = prices_of("gpt-6-sol", kind="openai")(usage, None, NOW).buckets
    there = prices_of("gpt-6-sol", kind="openai", base_url="https://au.api.openai.com/v1")(usage, None, NOW).buckets
    tokens = ("input", "cache_read", "output")
    assert {name: there[name] for name in tokens} == {name: here[name] * Decimal("1.1") for name in tokens}
    assert there["web_search"] == here["web_search"] == Decimal("0.03")


def test_the_log_keeps_the_place() -> None:
    """A line of a dearer place is priced again as dearly, by what it says was asked for."""
    cost = cost_of("gpt-6-sol", kind="openai", base_url="https://eu.api.openai.com/v1")
    line = {
        "price_asked": cost.asked,
        "input_tokens": 1_000_000,
        "output_tokens": 0,
        "usage_source": "vendor",
        "priced_at": NOW.isoformat(),
        "response_model": "gpt-6-sol",
    }
    total, unknown, row = repricer("book")(line, orjson.loads(orjson.dumps(line)))
    assert (total, unknown, row) == (Decimal("4.4"), None, "openai/gpt-6-sol#eu")


ROW = {"input": "1", "output": "2", "places": {"us": "1.1"}}


def test_the_ceiling_is_that_of_the_dearest_place() -> None:
    """Where only the answer tells where it was made, a budget reserves for the dearest place."""
    row = PriceRow("anthropic/m", ROW, book="b", source="s")
    most = row.ceiling(1000, at=NOW).nano_dollars(1000, 10)
    dear = row.cost(Usage(input_tokens=1000, output_tokens=10, raw={"inference_geo": "us"}), at=NOW)
    assert dear.total is not None
    assert most >= dear.total * 10**9
    assert row.scaled(Decimal("0.5")).ceiling(1000, at=NOW).nano_dollars(1000, 10) == most / 2


def book(**rows: Any) -> Book:
    """A small book with places."""
    named = {name.replace("__", "/"): row for name, row in rows.items()}
    head = {"version": "v", "sources": [], "vendors": {}, "fallbacks": {}, "strict_places": {"v": ["gov-"]}}
    return Book({**head, "rows": named})


PRICE = {"input": "1", "output": "1"}


@pytest.mark.parametrize(
    ("place", "row"),
    [
        (None, "v/m"),
        ("eu-1", "v/eu-1/m"),
        ("us-2", "v/m"),
        ("eu-2", None),
        ("gov-1", "v/gov-1/m"),
        ("gov-2", None),
    ],
)
def test_a_place_without_a_row_has_the_usual_price_only_where_that_may_be(place: str | None, row: str | None) -> None:
    """Of a model with prices by region, a region without one is unknown; a government's always has its own."""
    rows = {"v__m": PRICE, "v__eu-1__m": {"at": "eu-1", **PRICE}, "v__gov-1__m": {"at": "gov-1", **PRICE}}
    found = book(**rows).find("v", "m", place)
    assert (found and found.name) == row


def test_a_model_with_one_price_has_it_in_every_region() -> None:
    """Rows for governments alone do not make a model one whose price depends on the region."""
    rows = {"v__m": PRICE, "v__gov-1__m": {"at": "gov-1", **PRICE}}
    found = book(**rows).find("v", "m", "eu-2")
    assert found is not None
    assert found.name == "v/m"
