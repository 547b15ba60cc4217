"""Prices written in the file."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from orchestrator.config.crosschecks import PRICE_KEYS as FILE_KEYS
from orchestrator.errors import ConfigError
from orchestrator.pricing import PRICE_KEYS, config_row
from orchestrator.types.usage import Usage

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_numbers_and_their_text_mean_the_same_price() -> None:
    """Strings, ints, Decimals and floats as written give the same exact cost: 1M x 0.15 + 1M x 2."""
    usage = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
    for price in (
        {"input": "0.15", "output": 2},
        {"input": Decimal("0.15"), "output": "2"},
        {"input": 0.15, "output": 2.0},
    ):
        cost = config_row(price).cost(usage, at=NOW)
        assert (cost.total, cost.price_row, cost.price_book) == (Decimal("2.15"), "config", None)


def test_every_key_prices_its_bucket() -> None:
    """All documented keys are accepted together and each one is billed: tokens per million, units each."""
    row = config_row({key: at for at, key in enumerate(PRICE_KEYS, 1)})
    usage = Usage(
        input_tokens=100,
        cache_read_tokens=30,
        cache_write_tokens=15,
        cache_write_1h_tokens=5,
        input_audio_tokens=17,
        input_image_tokens=3,
        output_tokens=60,
        reasoning_tokens=10,
        output_audio_tokens=10,
        search_units=2,
        extras={
            "cache_read_audio": 10,
            "cache_read_image": 0,
            "output_image": 11,
            "output_video": 12,
            "web_search": 3,
            "map_search": 4,
            "file_search": 5,
        },
    )
    tokens = {
        "input": 100 - 30 - 15 - (17 - 10) - 3,
        "cache_read": 30 - 10,
        "cache_write": 10,
        "cache_write_1h": 5,
        "input_audio": 17 - 10,
        "input_image": 3,
        "cache_read_audio": 10,
        "output": 60 - 10 - 10 - 11 - 12,
        "reasoning": 10,
        "output_audio": 10,
        "output_image": 11,
        "output_video": 12,
    }
    units = {"search_unit": 2, "request": 1, "web_search": 3, "map_search": 4, "file_search": 5}
    prices = {key: Decimal(at) for at, key in enumerate(PRICE_KEYS, 1)}
    expected = {key: prices[key] * count for key, count in units.items()}
    expected |= {key: prices[key].scaleb(-6) * count for key, count in tokens.items()}
    assert row.cost(usage, at=NOW).buckets == expected
    assert expected.keys() == PRICE_KEYS.keys() == set(FILE_KEYS)


def test_zero_is_free() -> None:
    """`{input: 0, output: 0}` costs Decimal(0), which is not the same as unknown."""
    cost = config_row({"input": 0, "output": 0}).cost(
        Usage(input_tokens=9, output_tokens=9, cache_read_tokens=5), at=NOW
    )
    assert (cost.total, cost.unknown) == (Decimal(0), None)


def test_a_key_left_out_is_unknown() -> None:
    """Cached tokens under a price without cache_read have no cost."""
    cost = config_row({"input": 1, "output": 2}).cost(
        Usage(input_tokens=9, output_tokens=9, cache_read_tokens=5), at=NOW
    )
    assert (cost.total, cost.unknown) == (None, "no price for cache_read")


@pytest.mark.parametrize(
    ("price", "key", "says"),
    [
        ({"input": -1}, "price.input", "0 or more"),
        ({"output": "NaN"}, "price.output", "number of dollars"),
        ({"request": "Infinity"}, "price.request", "number of dollars"),
        ({"cache_read": float("nan")}, "price.cache_read", "number of dollars"),
        ({"input": "cheap"}, "price.input", "number of dollars"),
        ({"input": True}, "price.input", "number of dollars"),
        ({"input": None}, "price.input", "number of dollars"),
        ({"input": [1]}, "price.input", "number of dollars"),
        ({"imput": 1}, "price.imput", "did you mean 'input'?"),
        ({"xyz": 1}, "price.xyz", "known keys: input, output"),
        ({}, "price", "no price given"),
    ],
)
def test_a_wrong_price_names_its_key(price: dict[str, Any], key: str, says: str) -> None:
    """Negative, non-finite, non-numeric and unknown entries are a ConfigError at that key."""
    with pytest.raises(ConfigError) as caught:
        config_row(price)
    assert caught.value.key == key
    assert says in caught.value.message


def test_the_caller_may_say_where_the_price_stands() -> None:
    """The key path given by the caller leads the error's key."""
    with pytest.raises(ConfigError) as caught:
        config_row({"input": -1}, key="deployments.llama.price")
    assert caught.value.key == "deployments.llama.price.input"
