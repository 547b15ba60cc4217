"""Usage to dollars, against arithmetic worked by hand."""

from __future__ import annotations

import decimal
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.pricing import PriceRow
from orchestrator.types.usage import Usage

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
M = 1_000_000

MINI = {"input": "0.15", "output": "0.6", "cache_read": "0.075"}
CLAUDE = {"input": "3", "output": "15", "cache_read": "0.3", "cache_write": "3.75", "cache_write_1h": "6"}
TIERED = {"input": ["1.25", 200000, "2.5"], "output": ["10", 200000, "15"], "cache_read": ["0.125", 200000, "0.25"]}
GAPPED = {"input": ["1", 1000, "2"], "output": ["4", 1000, "8"], "cache_read": ["0.5", 1000, None]}
AUDIO = {"input": "2.5", "output": "10", "input_audio": "40", "output_audio": "80"}
REASONER = {"input": "2", "output": "8", "reasoning": "3", "citation": "2", "web_search": "0.005"}
SONAR = {"input": "1", "output": "1", "request_low": "0.005", "request_medium": "0.008", "request_high": "0.012"}
DATED = {"periods": [[None, {"input": "5", "output": "25"}], ["2026-03-13", {"input": "4", "output": "20"}]]}
PEAK = {
    "periods": [
        [None, {"input": "0.15", "output": "0.6"}],
        ["01:00-04:00 12345", {"input": "0.3", "output": "1.2"}],
    ]
}
NIGHT = {"periods": [[None, {"input": "2", "output": "2"}], ["16:30-00:30", {"input": "1", "output": "1"}]]}
SERVED = {
    **TIERED,
    "web_search": "0.01",
    "variants": {
        "flex": [[None, {"input": "0.625", "output": "5"}]],
        "batch": [["2026-10-14", {"input": ["0.625", 200000, "1.25"], "output": ["5", 200000, "7.5"]}]],
        "speed-fast": [[None, {"input": "8", "output": "40"}]],
    },
}
WEB = {**CLAUDE, "web_search": "0.01"}

# (what, row, usage, dollars per bucket); the arithmetic is in each comment, rates are USD per million.
KNOWN: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, str]]] = [
    # 1200 x 0.15/M = 0.00018; 300 x 0.6/M = 0.00018
    ("plain chat", MINI, {"input_tokens": 1200, "output_tokens": 300}, {"input": "0.00018", "output": "0.00018"}),
    # 1 x 0.15/M: a single token is a price, not a rounding error
    ("one token", MINI, {"input_tokens": 1, "output_tokens": 0}, {"input": "0.00000015"}),
    # nothing used is nothing billed
    ("nothing", MINI, {"input_tokens": 0, "output_tokens": 0}, {}),
    # 1000 of 1200 from cache: 200 x 0.15/M = 0.00003; 1000 x 0.075/M = 0.000075; 300 x 0.6/M = 0.00018
    (
        "cache read",
        MINI,
        {"input_tokens": 1200, "output_tokens": 300, "cache_read_tokens": 1000},
        {"input": "0.00003", "cache_read": "0.000075", "output": "0.00018"},
    ),
    # all of the prompt from cache: no uncached input is left; 1000 x 0.075/M
    (
        "all cached",
        MINI,
        {"input_tokens": 1000, "output_tokens": 0, "cache_read_tokens": 1000},
        {"cache_read": "0.000075"},
    ),
    # 5000 = 1000 plain + 3000 read + 1000 written: 1000 x 3/M; 3000 x 0.3/M; 1000 x 3.75/M; 100 x 15/M
    (
        "cache write",
        CLAUDE,
        {"input_tokens": 5000, "output_tokens": 100, "cache_read_tokens": 3000, "cache_write_tokens": 1000},
        {"input": "0.003", "cache_read": "0.0009", "cache_write": "0.00375", "output": "0.0015"},
    ),
    # 1000 written, 400 of them for an hour: 600 x 3.75/M = 0.00225; 400 x 6/M = 0.0024; 2000 x 3/M
    (
        "cache write for an hour",
        CLAUDE,
        {"input_tokens": 3000, "output_tokens": 0, "cache_write_tokens": 1000, "cache_write_1h_tokens": 400},
        {"input": "0.006", "cache_write": "0.00225", "cache_write_1h": "0.0024"},
    ),
    # only the hour's share is reported: 1000 x 6/M; 2000 x 3/M
    (
        "hour alone",
        CLAUDE,
        {"input_tokens": 3000, "output_tokens": 0, "cache_write_1h_tokens": 1000},
        {"input": "0.006", "cache_write_1h": "0.006"},
    ),
    # 200000 is not above 200000: 0.2M x 1.25 = 0.25; 0.01M x 10 = 0.1
    ("at the step", TIERED, {"input_tokens": 200_000, "output_tokens": 10_000}, {"input": "0.25", "output": "0.1"}),
    # one token more and the whole request is dearer: 200001 x 2.5/M = 0.5000025; 10000 x 15/M = 0.15
    (
        "above the step",
        TIERED,
        {"input_tokens": 200_001, "output_tokens": 10_000},
        {"input": "0.5000025", "output": "0.15"},
    ),
    # cached tokens count for the step: 250k of which 240k cached: 10000 x 2.5/M; 240000 x 0.25/M; 10 x 15/M
    (
        "step by whole prompt",
        TIERED,
        {"input_tokens": 250_000, "output_tokens": 10, "cache_read_tokens": 240_000},
        {"input": "0.025", "cache_read": "0.06", "output": "0.00015"},
    ),
    # 100 of 600 input tokens are sound: 500 x 2.5/M; 100 x 40/M; 50 of 80 output: 30 x 10/M; 50 x 80/M
    (
        "audio both ways",
        AUDIO,
        {"input_tokens": 600, "output_tokens": 80, "input_audio_tokens": 100, "output_audio_tokens": 50},
        {"input": "0.00125", "input_audio": "0.004", "output": "0.0003", "output_audio": "0.004"},
    ),
    # reasoning within output at output's price: 300 x 0.6/M
    (
        "reasoning inside output",
        MINI,
        {"input_tokens": 0, "output_tokens": 300, "reasoning_tokens": 250},
        {"output": "0.00018"},
    ),
    # 1000 output, 600 reasoning: 400 x 8/M; 600 x 3/M; 30 queries x 0.005; 50 citation tokens x 2/M
    (
        "reasoning, citations and searches apart",
        REASONER,
        {
            "input_tokens": 0,
            "output_tokens": 1000,
            "reasoning_tokens": 600,
            "raw": {"num_search_queries": 30, "citation_tokens": 50},
        },
        {"output": "0.0032", "reasoning": "0.0018", "web_search": "0.15", "citation": "0.0001"},
    ),
    # images are input where the row does not price them apart: 1000 x 0.15/M
    (
        "images as input",
        MINI,
        {"input_tokens": 1000, "output_tokens": 0, "input_image_tokens": 800},
        {"input": "0.00015"},
    ),
    # 200 x 0.12/M; 800 x 0.47/M
    (
        "images apart",
        {"input": "0.12", "input_image": "0.47"},
        {"input_tokens": 1000, "input_image_tokens": 800},
        {"input": "0.000024", "input_image": "0.000376"},
    ),
    # 1M x 0.02/M
    ("embedding without output", {"input": "0.02"}, {"input_tokens": M}, {"input": "0.02"}),
    # 3 search units x 0.002
    ("rerank by search unit", {"input": "0", "search_unit": "0.002"}, {"search_units": 3.0}, {"search_unit": "0.006"}),
    # a fraction of a unit stays exact: 0.1 x 0.002
    ("fraction of a unit", {"search_unit": "0.002"}, {"search_units": 0.1}, {"search_unit": "0.0002"}),
    # sold by unit: tokens that are reported too are not billed
    (
        "tokens of a unit-priced reranker",
        {"search_unit": "0.002"},
        {"search_units": 1, "input_tokens": 900},
        {"search_unit": "0.002", "input": "0"},
    ),
    # 40000 x 0.05/M
    ("rerank by token", {"input": "0.05"}, {"input_tokens": 40_000}, {"input": "0.002"}),
    # one request x 0.01, whatever is reported
    (
        "rerank by request",
        {"request": "0.01"},
        {"input_tokens": 50, "search_units": 2},
        {"request": "0.01", "input": "0", "search_unit": "0"},
    ),
    # 100 x 1/M + 100 x 1/M + a fee of 0.005 for a small search context
    (
        "fee by search context",
        SONAR,
        {"input_tokens": 100, "output_tokens": 100, "raw": {"search_context_size": "low"}},
        {"input": "0.0001", "output": "0.0001", "request_low": "0.005"},
    ),
    # in force since 13 March: 1M x 4, 1M x 20
    ("new price", DATED, {"input_tokens": M, "output_tokens": M}, {"input": "4", "output": "20"}),
    # 12:00 UTC is outside 01:00 to 04:00: 1M x 0.15
    ("off peak", PEAK, {"input_tokens": M, "output_tokens": 0}, {"input": "0.15"}),
    # free is zero dollars, from cache too
    (
        "free",
        {"input": "0", "output": "0"},
        {"input_tokens": 10, "output_tokens": 5, "cache_read_tokens": 8},
        {"input": "0", "cache_read": "0", "output": "0"},
    ),
    # flex: 1000 x 0.625/M; 100 x 5/M
    (
        "flex",
        SERVED,
        {"input_tokens": 1000, "output_tokens": 100, "raw": {"service_tier": "flex"}},
        {"input": "0.000625", "output": "0.0005"},
    ),
    # Vertex' name for it
    (
        "flex on Vertex",
        SERVED,
        {"input_tokens": 1000, "output_tokens": 100, "raw": {"traffic_type": "ON_DEMAND_FLEX"}},
        {"input": "0.000625", "output": "0.0005"},
    ),
    # batch above the step: 300000 x 1.25/M; 100 x 7.5/M
    (
        "batch, long prompt",
        SERVED,
        {"input_tokens": 300_000, "output_tokens": 100, "raw": {"service_tier": "batch"}},
        {"input": "0.375", "output": "0.00075"},
    ),
    # fast: 1000 x 8/M; 10 x 40/M
    (
        "fast speed",
        SERVED,
        {"input_tokens": 1000, "output_tokens": 10, "raw": {"speed": "fast", "service_tier": "standard"}},
        {"input": "0.008", "output": "0.0004"},
    ),
    # 2 searches x 0.01; 100 x 3/M; 10 x 15/M
    (
        "web searches by the vendor",
        WEB,
        {"input_tokens": 100, "output_tokens": 10, "raw": {"server_tool_use": {"web_search_requests": 2}}},
        {"input": "0.0003", "output": "0.00015", "web_search": "0.02"},
    ),
    # Cohere bills 50 + 20 of the 900 tokens it counts: 50 x 0.15/M; 20 x 0.6/M
    (
        "billed units",
        MINI,
        {
            "input_tokens": 800,
            "output_tokens": 100,
            "cache_read_tokens": 640,
            "raw": {"billed_units": {"input_tokens": 50.0, "output_tokens": 20.0}, "tokens": {"input_tokens": 800.0}},
        },
        {"input": "0.0000075", "output": "0.000012"},
    ),
    # an embedded image is billed beside the text: 5 x 0.12/M; 1000 x 0.47/M
    (
        "billed image",
        {"input": "0.12", "input_image": "0.47"},
        {"input_tokens": 5, "raw": {"billed_units": {"input_tokens": 5, "image_tokens": 1000}}},
        {"input": "0.0000006", "input_image": "0.00047"},
    ),
    # 2 search units x 0.002, as billed
    (
        "billed search units",
        {"search_unit": "0.002"},
        {"search_units": 2.0, "raw": {"billed_units": {"search_units": 2}}},
        {"search_unit": "0.004"},
    ),
    # no billed count in it: the ordinary ones hold, 9 x 0.15/M
    (
        "empty billed units",
        MINI,
        {"input_tokens": 9, "output_tokens": 0, "raw": {"billed_units": {"input_tokens": None}}},
        {"input": "0.00000135"},
    ),
    # standard terms, said in as many words: 1000 x 3/M
    (
        "standard terms",
        CLAUDE,
        {
            "input_tokens": 1000,
            "output_tokens": 0,
            "raw": {
                "service_tier": "standard",
                "inference_geo": "global",
                "server_tool_use": {"web_search_requests": 0},
            },
        },
        {"input": "0.003"},
    ),
]

UNKNOWN: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("input not reported", MINI, {"output_tokens": 5}, "input_tokens is unknown"),
    ("output not reported", MINI, {"input_tokens": 5}, "output_tokens is unknown"),
    (
        "cache read",
        {"input": "1", "output": "2"},
        {"input_tokens": 9, "output_tokens": 1, "cache_read_tokens": 4},
        "cache_read",
    ),
    ("cache write", MINI, {"input_tokens": 9, "output_tokens": 1, "cache_write_tokens": 4}, "no price for cache_write"),
    (
        "write for an hour",
        {"input": "1", "output": "2", "cache_write": "1"},
        {"input_tokens": 9, "output_tokens": 1, "cache_write_tokens": 4, "cache_write_1h_tokens": 4},
        "no price for cache_write_1h",
    ),
    ("sound in", MINI, {"input_tokens": 9, "output_tokens": 1, "input_audio_tokens": 4}, "no price for input_audio"),
    ("sound out", MINI, {"input_tokens": 9, "output_tokens": 8, "output_audio_tokens": 4}, "no price for output_audio"),
    ("output", {"input": "1"}, {"input_tokens": 9, "output_tokens": 1}, "no price for output"),
    ("search units", {"input": "1"}, {"input_tokens": 9, "search_units": 1}, "no price for search_unit"),
    ("units not reported", {"search_unit": "0.002"}, {}, "search_units is unknown"),
    ("reasoning not told", REASONER, {"input_tokens": 1, "output_tokens": 9}, "reasoning_tokens is unknown"),
    (
        "too much cached",
        MINI,
        {"input_tokens": 9, "output_tokens": 1, "cache_read_tokens": 10},
        "parts of input_tokens",
    ),
    (
        "too much sound",
        AUDIO,
        {"input_tokens": 9, "output_tokens": 1, "output_audio_tokens": 2},
        "parts of output_tokens",
    ),
    ("negative count", MINI, {"input_tokens": -9, "output_tokens": 1}, "parts of input_tokens"),
    ("negative units", {"search_unit": "1"}, {"search_units": -1.0}, "not a count"),
    ("absurd units", {"search_unit": "1"}, {"search_units": 10**70}, "not a count"),
    ("true units", {"search_unit": "1"}, {"search_units": True}, "not a count"),
    ("endless units", {"search_unit": "1"}, {"search_units": float("inf")}, "not a count"),
    (
        "cached sound",
        {**AUDIO, "cache_read": "1"},
        {"input_tokens": 9, "output_tokens": 1, "cache_read_tokens": 3, "input_audio_tokens": 3},
        "not told apart",
    ),
    ("size unknown", TIERED, {"output_tokens": 1}, "input_tokens is unknown, and prices depend on it"),
    (
        "no cache price for long prompts",
        GAPPED,
        {"input_tokens": 1001, "output_tokens": 1, "cache_read_tokens": 1},
        "no price for cache_read",
    ),
    (
        "tier",
        MINI,
        {"input_tokens": 9, "output_tokens": 1, "raw": {"service_tier": "priority"}},
        "service tier priority",
    ),
    (
        "tier without cache price",
        SERVED,
        {"input_tokens": 9, "output_tokens": 1, "cache_read_tokens": 4, "raw": {"service_tier": "flex"}},
        "no price for cache_read",
    ),
    (
        "tier without long-prompt price",
        SERVED,
        {"input_tokens": 300_000, "output_tokens": 1, "raw": {"service_tier": "flex"}},
        "service tier flex at that prompt size",
    ),
    (
        "two tiers",
        SERVED,
        {"input_tokens": 9, "output_tokens": 1, "raw": {"service_tier": "flex", "speed": "fast"}},
        "two service tiers",
    ),
    (
        "region",
        CLAUDE,
        {"input_tokens": 9, "output_tokens": 1, "raw": {"inference_geo": "us"}},
        "no price for inference in us",
    ),
    ("own key", MINI, {"input_tokens": 9, "output_tokens": 1, "raw": {"is_byok": True}}, "own key"),
    (
        "a second model",
        CLAUDE,
        {
            "input_tokens": 9,
            "output_tokens": 1,
            "raw": {"iterations": [{"type": "message"}, {"type": "advisor_message"}]},
        },
        "further models",
    ),
    (
        "searches",
        CLAUDE,
        {"input_tokens": 9, "output_tokens": 1, "raw": {"server_tool_use": {"web_search_requests": 1}}},
        "no price for web_search",
    ),
    (
        "seconds of sound",
        MINI,
        {"input_tokens": 9, "output_tokens": 1, "raw": {"prompt_audio_seconds": 3}},
        "audio_hour",
    ),
    ("search context", SONAR, {"input_tokens": 9, "output_tokens": 1}, "search_context_size is unknown"),
]


def build_row(row: dict[str, Any]) -> PriceRow:
    """A row as the book would make it."""
    return PriceRow("vendor/model", row, book="2026-11-23-test", source="test")


@pytest.mark.parametrize(("row", "usage", "dollars"), [case[1:] for case in KNOWN], ids=[case[0] for case in KNOWN])
def test_usage_costs_what_the_hand_calculation_says(
    row: dict[str, Any], usage: dict[str, Any], dollars: dict[str, str]
) -> None:
    """Each bucket and the total equal the arithmetic in the comment, to the last digit."""
    cost = build_row(row).cost(Usage(**usage), at=MONDAY_NOON)
    expected = {bucket: Decimal(amount) for bucket, amount in dollars.items()}
    assert cost.unknown is None
    assert cost.buckets == expected
    assert cost.total == sum(expected.values(), Decimal(0))
    assert (cost.price_row, cost.price_book, cost.estimated) == ("vendor/model", "2026-11-23-test", False)


@pytest.mark.parametrize(("row", "usage", "reason"), [case[1:] for case in UNKNOWN], ids=[case[0] for case in UNKNOWN])
def test_what_cannot_be_priced_is_unknown_with_the_reason(
    row: dict[str, Any], usage: dict[str, Any], reason: str
) -> None:
    """A used bucket without a price, or terms outside the row, give no total: never the base rate, never zero."""
    cost = build_row(row).cost(Usage(**usage), at=MONDAY_NOON)
    assert cost.total is None
    assert reason in (cost.unknown or "")
    assert cost.buckets == {}
    assert cost.price_row == "vendor/model"


@pytest.mark.parametrize(
    ("row", "at", "dollars"),
    [
        (DATED, datetime(2026, 3, 12, 23, 59, 59, tzinfo=UTC), "5"),
        (DATED, datetime(2026, 3, 13, tzinfo=UTC), "4"),
        # 13 March 01:00 in Berlin is still the 12th in UTC
        (DATED, datetime(2026, 3, 13, 0, 30, tzinfo=timezone(timedelta(hours=1))), "5"),
        (DATED, datetime(2026, 3, 13), "4"),  # naive means UTC
        (PEAK, datetime(2026, 11, 23, 0, 59, tzinfo=UTC), "0.15"),
        (PEAK, datetime(2026, 11, 23, 1, 0, tzinfo=UTC), "0.3"),
        (PEAK, datetime(2026, 11, 23, 4, 0, tzinfo=UTC), "0.15"),
        (PEAK, datetime(2026, 11, 22, 2, 0, tzinfo=UTC), "0.15"),  # a Sunday
        (NIGHT, datetime(2026, 11, 23, 16, 30, tzinfo=UTC), "1"),
        (NIGHT, datetime(2026, 11, 23, 0, 29, tzinfo=UTC), "1"),
        (NIGHT, datetime(2026, 11, 23, 0, 30, tzinfo=UTC), "2"),
    ],
)
def test_the_price_in_force_at_the_time_of_the_request_applies(row: dict[str, Any], at: datetime, dollars: str) -> None:
    """Dates and daily windows are in UTC, include their start and exclude their end."""
    assert build_row(row).cost(Usage(input_tokens=M, output_tokens=0), at=at).total == Decimal(dollars)


def test_no_price_before_the_first_one() -> None:
    """A request older than all prices of a row has no known cost."""
    row = build_row({"periods": [["2026-03-13", {"input": "1", "output": "1"}]]})
    cost = row.cost(Usage(input_tokens=1, output_tokens=1), at=datetime(2026, 3, 12, tzinfo=UTC))
    assert (cost.total, cost.unknown) == (None, "no price was in force at that time")


def test_a_tier_is_unknown_before_its_first_price() -> None:
    """A tier's price list that starts later says nothing about earlier requests."""
    usage = Usage(input_tokens=1, output_tokens=1, raw={"service_tier": "batch"})
    cost = build_row(SERVED).cost(usage, at=datetime(2026, 10, 13, tzinfo=UTC))
    assert (cost.total, cost.unknown) == (None, "no price for service tier batch")


def test_several_requests_pay_the_fee_several_times() -> None:
    """A fee per request is multiplied by the requests that the usage covers: 4 x 0.012."""
    usage = Usage(input_tokens=0, output_tokens=0, raw={"search_context_size": "high"})
    assert build_row(SONAR).cost(usage, at=MONDAY_NOON, requests=4).total == Decimal("0.048")


def test_a_cost_from_estimated_usage_says_so() -> None:
    """An estimate in gives a cost that is marked as estimated, known or not."""
    row = build_row(MINI)
    for usage in (Usage(input_tokens=1, output_tokens=1, source="estimate"), Usage(source="estimate")):
        assert row.cost(usage, at=MONDAY_NOON).estimated


def test_the_applications_decimal_context_rounds_nothing() -> None:
    """Costs stay exact when the calling thread has set a low precision: 123457 x 0.15/M + 76543 x 0.6/M."""
    with decimal.localcontext(prec=2):
        cost = build_row(MINI).cost(Usage(input_tokens=123_457, output_tokens=76_543), at=MONDAY_NOON)
    assert cost.total == Decimal("0.0644443500")


def test_a_row_does_not_show_more_than_its_name() -> None:
    """The repr names row, book and source."""
    assert repr(build_row(MINI)) == "PriceRow('vendor/model', book='2026-11-23-test', source='test')"


counts = st.integers(min_value=0, max_value=10**9)
optional_counts = st.none() | counts
rows = st.sampled_from([MINI, CLAUDE, TIERED, GAPPED, AUDIO, REASONER, SONAR, DATED, PEAK, SERVED, WEB])
usages = st.builds(
    Usage,
    input_tokens=optional_counts,
    output_tokens=optional_counts,
    cache_read_tokens=optional_counts,
    cache_write_tokens=optional_counts,
    cache_write_1h_tokens=optional_counts,
    reasoning_tokens=optional_counts,
    input_audio_tokens=optional_counts,
    output_audio_tokens=optional_counts,
    search_units=st.none() | st.floats(min_value=0, max_value=1e6),
    raw=st.none()
    | st.fixed_dictionaries(
        {},
        optional={"service_tier": st.sampled_from(["default", "flex", "odd"]), "search_context_size": st.just("low")},
    ),
)


@given(rows, usages)
def test_a_cost_is_either_exact_and_whole_or_unknown(row: dict[str, Any], usage: Usage) -> None:
    """The buckets sum to the total, no amount is negative, and an unknown has a reason and no amounts."""
    cost = build_row(row).cost(usage, at=MONDAY_NOON)
    if cost.total is None:
        assert cost.unknown
        assert cost.buckets == {}
    else:
        assert cost.unknown is None
        with decimal.localcontext(prec=60):
            assert sum(cost.buckets.values(), Decimal(0)) == cost.total
        assert all(amount >= 0 for amount in cost.buckets.values())


@given(input_tokens=counts, output_tokens=counts, cached=counts)
def test_no_used_token_is_billed_at_zero_unless_the_row_says_zero(
    input_tokens: int, output_tokens: int, cached: int
) -> None:
    """On a row with prices above zero, a usage above zero costs more than zero or is unknown."""
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens, cache_read_tokens=cached)
    cost = build_row(MINI).cost(usage, at=MONDAY_NOON)
    assert cost.total is None or cost.total > 0 or input_tokens == output_tokens == 0
