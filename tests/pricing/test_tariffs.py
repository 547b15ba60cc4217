"""What a deployment's calls cost: file, vendor's own statement, book, discount."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from orchestrator.config import load_mapping
from orchestrator.errors import ConfigError
from orchestrator.pricing import bundled
from orchestrator.registry import find
from orchestrator.tariffs import tariff
from orchestrator.types.usage import Cost, Usage

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OPENROUTER = {"cost": 0.002103, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.002103}}
BYOK = {"cost": 0.0001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.002}}
BYOK_UNTOLD = {"cost": 0.0001, "is_byok": True, "cost_details": {"upstream_inference_cost": None}}
PERPLEXITY = {"cost": {"input_tokens_cost": 0.00001, "request_cost": 0.005, "total_cost": 0.00502}}
TICKS = {"cost_in_usd_ticks": 6543500}


def price(
    kind: str,
    model: str,
    raw: Mapping[str, Any] | None = None,
    *,
    provider: Mapping[str, Any] | None = None,
    deployment: Mapping[str, Any] | None = None,
    prices: Mapping[str, Any] | None = None,
) -> Cost:
    """A million tokens in and out, priced as a file with these keys says."""
    data = {
        "version": 1,
        "providers": {"p": {"kind": kind, "api_key": {"env": "KEY"}, **(provider or {})}},
        "deployments": {"d": {"provider": "p", "model": model, **(deployment or {})}},
        "routes": {"r": {"task": "chat", "pick": "d"}},
        **({"prices": prices} if prices else {}),
    }
    config = load_mapping(data, environ={"KEY": "none"})
    cost = tariff(config.providers["p"], config.deployments["d"], find(kind), config.prices)
    return cost(Usage(input_tokens=1_000_000, output_tokens=1_000_000, raw=raw), None, NOW)


@pytest.mark.parametrize(
    ("kind", "model", "raw", "buckets"),
    [
        ("openrouter", "openai/gpt-4o-mini", OPENROUTER, {"stated": "0.002103"}),
        ("openrouter", "no/such-model", OPENROUTER, {"stated": "0.002103"}),
        ("openrouter", "openai/gpt-4o-mini", BYOK, {"stated": "0.0001", "upstream": "0.002"}),
        ("perplexity", "sonar", PERPLEXITY, {"stated": "0.00502"}),
        ("xai", "grok-4", TICKS, {"stated": "0.00065435"}),
    ],
)
def test_a_vendors_own_cost_is_taken(kind: str, model: str, raw: dict[str, Any], buckets: dict[str, str]) -> None:
    """What OpenRouter, Perplexity and xAI say an answer cost is its cost, to the last digit, marked as theirs."""
    cost = price(kind, model, raw)
    assert cost.price_row == "vendor"
    assert cost.buckets == {name: Decimal(amount) for name, amount in buckets.items()}
    assert cost.total == sum(map(Decimal, buckets.values()))


def test_an_untold_upstream_bill_is_unknown() -> None:
    """With a key of one's own, OpenRouter's fee alone is not passed off as the whole cost."""
    cost = price("openrouter", "openai/gpt-4o-mini", BYOK_UNTOLD)
    assert (cost.total, cost.price_row) == (None, "openrouter/openai/gpt-4o-mini")
    assert cost.unknown


@pytest.mark.parametrize(
    "raw", [{"cost": "0.1"}, {"cost": -1}, {"cost": True}, {"cost": float("nan")}, {"cost": None}, {}], ids=str
)
def test_a_statement_that_is_no_sum_is_not_believed(raw: dict[str, Any]) -> None:
    """Text, negative numbers and the like leave the cost to the book."""
    assert price("openrouter", "openai/gpt-4o-mini", raw).price_row == "openrouter/openai/gpt-4o-mini"


def test_only_vendors_that_state_costs_are_believed() -> None:
    """A `cost` in the usage of any other vendor changes nothing."""
    assert price("openai", "gpt-4o-mini", OPENROUTER | {"is_byok": None}).price_row == "openai/gpt-4o-mini"


@pytest.mark.parametrize(
    ("keys", "row"),
    [
        ({"prices": {"vendor_cost": False}}, "openrouter/openai/gpt-4o-mini"),
        ({"deployment": {"priced_as": "openai/gpt-4o-mini"}}, "openai/gpt-4o-mini"),
        ({"deployment": {"price": {"input": 1, "output": 1}}}, "config"),
    ],
    ids=["off", "priced_as", "price"],
)
def test_the_file_wins_over_the_vendor(keys: dict[str, Any], row: str) -> None:
    """`vendor_cost: false`, `priced_as` and `price` each put the vendor's statement aside."""
    assert price("openrouter", "openai/gpt-4o-mini", OPENROUTER, **keys).price_row == row


def test_a_discount_lowers_every_bucket() -> None:
    """15% leaves 85 % of each price; a deployment's discount stands instead of its provider's."""
    full = price("openai", "gpt-4o-mini")
    lower = price("openai", "gpt-4o-mini", provider={"discount": "15%"})
    own = price("openai", "gpt-4o-mini", provider={"discount": "15%"}, deployment={"discount": "0%"})
    assert full.total == Decimal("0.75")
    assert lower.buckets == {name: amount * Decimal("0.85") for name, amount in full.buckets.items()}
    assert (lower.total, lower.price_row) == (Decimal("0.6375"), "openai/gpt-4o-mini")
    assert own.total == full.total


def test_a_discount_leaves_agreed_prices_alone() -> None:
    """A provider's discount changes neither `price` nor a sum that the vendor states."""
    discount = {"discount": "50%"}
    agreed = price("openai", "gpt-4o-mini", provider=discount, deployment={"price": {"input": 1, "output": 1}})
    stated = price("openrouter", "openai/gpt-4o-mini", OPENROUTER, provider=discount)
    assert (agreed.total, stated.total) == (2, Decimal("0.002103"))


@pytest.mark.parametrize("value", [0.85, 15, "0.85", "15", "101%", "-1%", "x%", "%", "nan%"], ids=str)
def test_a_discount_without_its_sign_is_refused(value: object) -> None:
    """A bare number could be taken for what is left; only a percentage from 0 to 100 is accepted."""
    with pytest.raises(ConfigError, match="15%"):
        price("openai", "gpt-4o-mini", provider={"discount": value})


def test_a_discount_beside_a_price_is_refused() -> None:
    """A deployment has a price of its own or a discount, not both."""
    with pytest.raises(ConfigError, match="no effect beside `price`"):
        price("openai", "gpt-4o-mini", deployment={"discount": "5%", "price": {"input": 1, "output": 1}})


def test_another_book_may_be_named(tmp_path: Path) -> None:
    """`prices: {file: ...}` prices by that book alone, and its version is in the cost."""
    rows = {"openai/gpt-4o-mini": {"input": "7", "output": "0"}}
    book = {"version": "mine", "sources": [], "vendors": {}, "fallbacks": {}, "rows": rows}
    path = tmp_path / "book.json"
    path.write_bytes(orjson.dumps(book))
    cost = price("openai", "gpt-4o-mini", prices={"file": str(path)})
    assert (cost.total, cost.price_book) == (7, "mine")
    assert price("openai", "gpt-4o", prices={"file": str(path)}).unknown
    assert bundled().version != "mine"


def test_a_book_that_is_missing_is_an_error(tmp_path: Path) -> None:
    """A file that names a book which cannot be read does not fall back on the bundled one."""
    with pytest.raises(ConfigError, match=r"no file|cannot be read"):
        price("openai", "gpt-4o-mini", prices={"file": str(tmp_path / "none.json")})
