"""The most that a request can cost is never less than what it does cost."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.pricing import bundled, config_row
from orchestrator.pricing.rates import Unpriced
from orchestrator.spec.budgets import nano_dollars
from orchestrator.types.usage import Usage

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
AT = NOW.timestamp()
MODELS = [
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-5"),
    ("anthropic", "claude-haiku-4-5"),
    ("anthropic", "claude-sonnet-4-5"),
    ("google", "gemini-2.5-pro"),
    ("google", "gemini-2.5-flash"),
    ("deepseek", "deepseek-chat"),
    ("cohere", "command-r"),
    ("mistral", "mistral-small-latest"),
]
TOKENS = st.integers(0, 300_000)
SHARES = st.lists(st.floats(0, 1), min_size=4, max_size=4)


@settings(max_examples=400)
@given(
    st.sampled_from(MODELS),
    TOKENS,
    TOKENS,
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
    st.sampled_from([None, "0.85"]),
)
def test_no_usage_costs_more(model, read, written, shares, discount):
    """Any split of a prompt into fresh, cached and written, and of an answer into text and reasoning, costs no more."""
    row = bundled().find(*model)
    assert row is not None
    row = row.scaled(Decimal(discount)) if discount else row
    most = row.ceiling(read, at=AT).nano_dollars(read, written)
    cached, stored, hour, thought = shares
    store = int(read * stored)
    splits = [
        Usage(input_tokens=read, output_tokens=written, reasoning_tokens=0),
        Usage(input_tokens=read, output_tokens=written, reasoning_tokens=int(written * thought)),
        Usage(
            input_tokens=read,
            output_tokens=written,
            reasoning_tokens=int(written * thought),
            cache_write_tokens=store,
            cache_write_1h_tokens=int(store * hour),
            cache_read_tokens=int((read - store) * cached),
        ),
    ]
    costs = [row.cost(usage, at=NOW).total for usage in splits]
    assert costs[0] is not None
    assert all(nano_dollars(cost) <= most for cost in costs if cost is not None)


def test_it_is_tight():
    """Where nothing is dearer than the plain price, the most is the price itself, rounded up to a nano-dollar."""
    row = config_row({"input": "0.15", "output": "0.6"})
    assert row.ceiling(7, at=AT).nano_dollars(7, 3) == 2_850
    assert row.scaled(Decimal("0.333")).ceiling(7, at=AT).nano_dollars(1) == 50


def test_fees_and_units():
    """Fees per request and per search unit are in it, and sound only where there is any."""
    row = config_row({"input": 1, "output": 2, "input_audio": 40, "request": "0.005"})
    ceiling = row.ceiling(10, at=AT)
    assert ceiling.nano_dollars(10, 10) == 5_000_000 + 30_000
    assert ceiling.nano_dollars(10, 10, media=True) == 5_000_000 + 420_000
    assert config_row({"search_unit": "0.002"}).ceiling(500, at=AT).nano_dollars(500, search_units=3) == 6_000_000


def test_what_has_no_price_is_not_bounded():
    """Without a price for what must be paid there is no most."""
    row = config_row({"input": 1})
    assert row.ceiling(5, at=AT).nano_dollars(5) == 5_000
    with pytest.raises(Unpriced, match="output"):
        row.ceiling(5, at=AT).nano_dollars(5, 1)


def test_long_prompts_have_prices_of_their_own():
    """Beyond a threshold the dearer prices hold for all of it."""
    row = bundled().find("google", "gemini-2.5-pro")
    assert row is not None
    short, long = (row.ceiling(size, at=AT).nano_dollars(size) for size in (200_000, 200_001))
    assert long > 1.5 * short
