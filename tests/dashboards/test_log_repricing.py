"""Old lines priced again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_lines import START, plain_call

from orchestrator.config import DeploymentConfig, ProviderConfig
from orchestrator.dashboards import Query, gather
from orchestrator.dashboards.records import parse
from orchestrator.dashboards.repricing import repricer
from orchestrator.errors import ConfigError
from orchestrator.policies.account import total_cost
from orchestrator.pricing import bundled
from orchestrator.pricing.terms import NOTABLE
from orchestrator.registry import find
from orchestrator.tariffs import tariff
from orchestrator.telemetry.lines import TERMS, line
from orchestrator.types.call import Attempt
from orchestrator.types.usage import Usage

MODELS = [
    ("openai", "gpt-4o-mini"), ("openai", "gpt-5"), ("openai", "gpt-4o-audio-preview"),
    ("anthropic", "claude-sonnet-4-5"),
    ("cohere", "rerank-v3.5"), ("google", "gemini-2.5-pro"), ("deepseek", "deepseek-chat"), ("openai", "no-such-model"),
]  # fmt: skip
DISCOUNT = st.sampled_from([None, "15%", "33.333%", "100%"])
COUNT = st.none() | st.integers(0, 300_000)
TERM = st.sampled_from([
    None, {"service_tier": "flex"}, {"service_tier": "priority"}, {"service_tier": "batch"}, {"speed": "fast"},
    {"server_tool_use": {"web_search_requests": 3}}, {"num_search_queries": 2}, {"inference_geo": "us"},
    {"billed_units": {"input_tokens": 3.0, "output_tokens": 2.0}}, {"prompt_tokens": 9}, {"search_context_size": "low"},
])  # fmt: skip


@st.composite
def usages(draw):
    fields = (
        "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens",
        "reasoning_tokens", "input_audio_tokens", "input_image_tokens", "output_audio_tokens",
    )  # fmt: skip
    counts = {name: draw(COUNT) for name in draw(st.sets(st.sampled_from(fields)))}
    units = draw(st.sampled_from([None, 1.0, 0.5, 3]))
    return Usage(**counts, search_units=units, source=draw(st.sampled_from(["vendor", "estimate"])), raw=draw(TERM))


def priced(number, vendor, model, usage, at, *, discount=None):
    """An attempt with its cost, as the library prices it."""
    kind = find(vendor if vendor in {"openai", "anthropic", "cohere", "google", "deepseek"} else "openai")
    provider, deployment = ProviderConfig(kind=vendor), DeploymentConfig(provider="p", model=model, discount=discount)
    cost = tariff(provider, deployment, kind)(usage, None, datetime.fromtimestamp(at, UTC))
    return Attempt(
        number=number, deployment=f"d{number}", provider="p", model=model, duration_ms=1.0, usage=usage, cost=cost,
        ended=at,
    )  # fmt: skip


def rendered(attempts):
    return orjson.dumps(line(plain_call(attempts, total_cost(attempts))))


@settings(max_examples=300, deadline=None)
@given(
    uses=st.lists(st.tuples(st.sampled_from(MODELS), usages(), DISCOUNT), min_size=1, max_size=3),
    at=st.floats(1_700_000_000, 1_800_000_000),
)
def test_the_same_book_gives_the_same_dollars(uses, at):
    """Whatever was used at whatever time and discount, a line priced again with its own book has the same dollars and
    reasons.
    """
    attempts = tuple(priced(i, *model, usage, at, discount=off) for i, (model, usage, off) in enumerate(uses, 1))
    before, after = parse(rendered(attempts)), parse(rendered(attempts), repricer("book"))
    assert [use.adds for use in after.uses] == [use.adds for use in before.uses]
    assert [use.adds.cost_usd for use in after.uses] == [one.cost.total or 0 for one in attempts]
    assert [use.reason for use in after.uses] == [use.reason for use in before.uses]


def test_terms_are_what_pricing_reads():
    """No key of a vendor's usage that pricing reads is missing from the line."""
    assert NOTABLE | {"search_context_size"} <= TERMS


def one_line(tmp_path, model="gpt-4o-mini", vendor="openai"):
    usage = Usage(input_tokens=1_000_000, output_tokens=0)
    path = tmp_path / "calls.jsonl"
    path.write_bytes(rendered((priced(1, vendor, model, usage, START),)) + b"\n")
    return str(path)


def test_own_prices(tmp_path):
    """A file of prices prices what it names, an unpriced model too; the rest stays with the bundled book."""
    prices = tmp_path / "prices.yaml"
    prices.write_text("openai/no-such-model: {input: 0.25, output: 1}\n")
    name = one_line(tmp_path, "no-such-model")
    assert gather([name], Query()).total().unpriced == 1
    total = gather([name], Query(), reprice=repricer(str(prices))).total()
    assert (total.cost_usd, total.unpriced) == (Decimal("0.25"), 0)
    name = one_line(tmp_path)
    was = gather([name], Query()).total()
    assert gather([name], Query(), reprice=repricer(str(prices))).total() == was


def test_a_discount_is_off_a_books_prices_and_not_off_own_ones(tmp_path):
    """Priced again by another book, 15 % stay off; own prices are what is paid, as in the configuration."""
    usage = Usage(input_tokens=1_000_000, output_tokens=0)
    path, prices = tmp_path / "calls.jsonl", tmp_path / "prices"
    path.write_bytes(rendered((priced(1, "openai", "gpt-4o-mini", usage, START, discount="15%"),)) + b"\n")
    row = {"openai/gpt-4o-mini": {"input": "2", "output": "9"}}
    for data, dollars in (
        ({"version": "v", "sources": [], "vendors": {}, "fallbacks": {}, "rows": row}, "1.7"),
        (row, "2"),
    ):
        prices.write_text(json.dumps(data))
        assert gather([str(path)], Query(), reprice=repricer(str(prices))).total().cost_usd == Decimal(dollars)


def test_another_book(tmp_path):
    """A book's file replaces the bundled one: what it does not have is unpriced."""
    book = {"version": "v", "sources": [], "vendors": {}, "fallbacks": {}}
    rows = {"openai/gpt-4o-mini": {"input": "7", "output": "9"}}
    path = tmp_path / "book.json"
    path.write_text(json.dumps(book | {"rows": rows}))
    found = gather([one_line(tmp_path)], Query(by=("price_row",)), reprice=repricer(str(path)))
    assert found.total().cost_usd == 7
    path.write_text(json.dumps(book | {"rows": {}}))
    found = gather([one_line(tmp_path)], Query(), reprice=repricer(str(path)))
    assert found.reasons == {"the price book has no row for openai/gpt-4o-mini": 1}


@pytest.mark.parametrize("text", ["[1]", "a: 5", "{: {", "\x00"])
def test_files_that_hold_no_prices(tmp_path, text):
    """A file that is neither a book nor prices is an error that names it."""
    path = tmp_path / "prices"
    path.write_text(text)
    with pytest.raises(ConfigError, match="prices"):
        repricer(str(path))


def test_bundled_book_is_the_default():
    """`book` means the bundled one."""
    assert repricer("book")._book is bundled()
