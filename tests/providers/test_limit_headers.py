"""What answers say about limits, read from what vendors really send, from what they document, and from nonsense."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.registry import find, kinds
from orchestrator.spec.stores import SeenLimit
from orchestrator_providers.shared.limit_headers import STYLES, read_limits

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = 86_400.0


def read(style, headers):
    return read_limits(headers, style=style, now=NOW)


def x(unit, limit=None, remaining=None, reset=None, **more):
    named = {"limit": limit, "remaining": remaining, "reset": reset, **more}
    return {f"x-ratelimit-{what}-{unit}": str(value) for what, value in named.items() if value is not None}


def test_openai():
    """Requests and tokens per minute, with Go durations until they are whole."""
    headers = x("requests", 500, 499, "120ms") | x("tokens", 200_000, 150_000, "15s")
    assert read("openai", headers) == (
        SeenLimit("requests", 500.0, 499.0, 0.12, 60.0),
        SeenLimit("tokens", 200_000.0, 150_000.0, 15.0, 60.0),
    )


@pytest.mark.parametrize(
    ("limit", "remaining", "reset", "period_s"),
    [
        (200, 199, "7m12s", DAY),  # longer than a minute
        (10_000, 9_999, "8.64s", DAY),  # one of 10,000 takes 8.64 s: a day for all
        (10_000, 9_999, "1.7s", DAY),  # 0.2 used, and what is left rounded down
        (10_000, 9_999, "6ms", 60.0),
        (60, 58, "2s", 60.0),
        (10_000, 10_000, "0s", 60.0),
        (1_000, 999, "30", 60.0),  # a plain number may be the end of a window, which tells nothing
        (100_000_000, 99_999_999, "1ms", 60.0),  # rounded up
    ],
)
def test_openai_day_or_minute(limit, remaining, reset, period_s):
    """Accounts of lower tiers get requests per day under the same name; the time to refill gives it away."""
    (seen,) = read("openai", x("requests", limit, remaining, reset))
    assert (seen.limit, seen.period_s) == (float(limit), period_s)


def test_input_and_output_apart():
    """Variants for input and output are read, in either order of the words."""
    seen = read("openai", x("input-tokens", 100, 50, "30s") | x("tokens-output", 10, 5, "1s"))
    assert [(one.dimension, one.limit, one.remaining) for one in seen] == [
        ("input_tokens", 100.0, 50.0),
        ("output_tokens", 10.0, 5.0),
    ]


def test_azure():
    """Azure names the period; its resets come in two units and are left out."""
    headers = x("requests", 120, 119, 500, renewalperiod=60) | x("tokens", 1_200, 1_100, 7, renewalperiod=10)
    assert read("openai", headers) == (
        SeenLimit("requests", 120.0, 119.0, None, 60.0),
        SeenLimit("tokens", 1_200.0, 1_100.0, None, 10.0),
    )


def test_groq():
    """Groq's requests are per day and its tokens per minute."""
    headers = x("requests", 14_400, 14_397, "17.399999999s") | x("tokens", 6_000, 5_987, "130ms")
    assert read("groq", headers) == (
        SeenLimit("requests", 14_400.0, 14_397.0, pytest.approx(17.4), DAY),
        SeenLimit("tokens", 6_000.0, 5_987.0, 0.13, 60.0),
    )


def test_anthropic():
    """Anthropic's names, its RFC 3339 times, and the windows of subscriptions."""
    later = (NOW + timedelta(seconds=90)).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = {
        "anthropic-ratelimit-requests-limit": "4000",
        "anthropic-ratelimit-requests-remaining": "3999",
        "anthropic-ratelimit-requests-reset": later,
        "anthropic-ratelimit-output-tokens-limit": "80000",
        "anthropic-ratelimit-unified-5h-utilization": "1.0",
        "anthropic-ratelimit-unified-5h-reset": str(int(NOW.timestamp()) + 100),
        "anthropic-ratelimit-unified-7d-utilization": "0.4",
        "anthropic-ratelimit-unified-7d-reset": str((int(NOW.timestamp()) + 200) * 1_000),
    }
    assert read("anthropic", headers) == (
        SeenLimit("requests", 4_000.0, 3_999.0, 90.0, 60.0),
        SeenLimit("output_tokens", 80_000.0, None, None, 60.0),
        SeenLimit("tokens", None, 0.0, 100.0, 18_000.0),
        SeenLimit("tokens", None, None, 200.0, 7 * DAY),
    )


def test_fireworks():
    """Fireworks states its minute as a rate per second, in which no answer would fit."""
    headers = {"x-ratelimit-limit-tokens-prompt": "60000", "x-ratelimit-limit-tokens-generated": "600"}
    assert read("fireworks", headers) == (
        SeenLimit("input_tokens", 3_600_000.0, None, None, 60.0),
        SeenLimit("output_tokens", 36_000.0, None, None, 60.0),
    )


def test_structured_fields():
    """Hugging Face's structured fields, older drafts with one header per number, and several policies."""
    hub = {"ratelimit": '"api";r=999;t=295', "ratelimit-policy": '"fixed window";"api";q=1000;w=300'}
    assert read("ietf", hub) == (SeenLimit("requests", 1_000.0, 999.0, 295.0, 300.0),)
    older = {"ratelimit-policy": "600;w=300", "ratelimit-remaining": "580", "ratelimit-reset": "39"}
    assert read("ietf", older) == (SeenLimit("requests", 600.0, 580.0, 39.0, 300.0),)
    several = {"ratelimit": '"b";r=1', "ratelimit-policy": '"a";q=5;w=1, "b";q=9;w=60, "c";q=7;w=60;qu="content-bytes"'}
    assert [(one.limit, one.remaining) for one in read("ietf", several)] == [(5.0, None), (9.0, 1.0)]


def test_unit_and_period_in_the_name():
    """Gateways write unit and period into the name; Mistral counts ten seconds, a minute and a month."""
    headers = x("req-10-second", 60, 58) | x("req-day", 9)
    headers |= x("tokens-minute", 500_000, 400_000) | x("tokens-month", 10**9, 5)
    assert read("per_period", headers) == (
        SeenLimit("requests", 60.0, 58.0, None, 10.0),
        SeenLimit("requests", 9.0, None, None, DAY),
        SeenLimit("tokens", 500_000.0, 400_000.0, None, 60.0),
        SeenLimit("tokens", 1e9, 5.0, None, 30 * DAY),
    )


@pytest.mark.parametrize(
    ("limit", "remaining", "reset", "expected"),
    [
        ("nan", "inf", "1s", None),
        ("-5", "1e9", "", None),
        ("0", None, None, None),  # no limit is nothing
        ("9223372036854767616", None, None, None),  # how unlimited is written
        ("10", "11", "1s", (10.0, None, 1.0)),  # more left than there is
        ("10", "5", "-1s", (10.0, 5.0, None)),
        ("10", "5", "99999h", (10.0, 5.0, None)),
        ("10", "5", "2026-11-23T11:00:00Z", (10.0, 5.0, 0.0)),  # clocks differ: it is whole by now
        ("10", "5", "2026-11-23T12:00:30", (10.0, 5.0, 30.0)),
        ("10", "5", "2026-13-23T12:00:30", (10.0, 5.0, None)),
        ("10", "5", "0001-01-01T00:00:00+23:59", (10.0, 5.0, 0.0)),
        ("10", "5", "9999-12-31T23:59:59-23:59", (10.0, 5.0, None)),
        ("١٠", "5", "1s", (None, 5.0, 1.0)),  # digits, but not ASCII ones  # noqa: RUF001
        ("1" * 5_000, "5", "1" * 5_000, (None, 5.0, None)),
    ],
)
def test_nonsense_is_left_out(limit, remaining, reset, expected):
    """What is not a sensible number or time is taken as not said."""
    seen = read("groq", x("tokens", limit, remaining, reset))
    assert [(one.limit, one.remaining, one.reset_s) for one in seen] == ([expected] if expected else [])


NAMES = st.sampled_from(
    [
        "ratelimit",
        "ratelimit-policy",
        "ratelimit-remaining",
        "ratelimit-reset",
        *(f"x-ratelimit-{what}-{unit}" for what in ("limit", "remaining", "reset", "renewalperiod")
          for unit in ("requests", "tokens", "tokens-prompt", "tokens-minute", "req-10-second")),
        *(f"anthropic-ratelimit-{unit}-{what}" for unit in ("requests", "tokens", "unified-5h", "unified-7d")
          for what in ("limit", "remaining", "reset", "utilization")),
    ]
)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=50),
    st.from_regex(r"[0-9.:TZhms+\-;,=\"qrtw ]{0,40}", fullmatch=True),
    st.integers().map(str),
    st.floats().map(str),
    st.datetimes().map(datetime.isoformat),
)


@given(style=st.sampled_from(sorted(STYLES)), headers=st.dictionaries(NAMES, VALUES, max_size=12))
def test_any_bytes_at_all(style, headers):
    """Whatever the headers say, reading them never raises, and what is read is finite, positive and consistent."""
    for seen in read(style, headers):
        assert 0.0 < seen.period_s < math.inf
        assert seen.limit is None or 0.0 < seen.limit < math.inf
        assert seen.remaining is None or 0.0 <= seen.remaining <= (seen.limit or math.inf)
        assert seen.reset_s is None or 0.0 <= seen.reset_s <= 31 * DAY


def test_styles_of_the_profiles():
    """Every style a profile names exists, every style has a vendor, and a style nobody knows reads nothing."""
    named = {find(kind).profile.limit_headers for kind in kinds()}
    assert named - {""} == STYLES
    assert read("", x("requests", 1, 1)) == read("morse", x("requests", 1, 1)) == ()


def recorded():
    """Headers of all recorded answers, by vendor, with lower-case names."""
    root = os.environ.get("WIRE_CORPUS")
    if not root:
        pytest.skip("WIRE_CORPUS is unset")
    for row in json.loads(Path(root, "INDEX.json").read_bytes()):
        exchange = json.loads(Path(root, row["file"]).read_bytes())
        headers = {name.lower(): value for name, value in exchange["response_headers"].items()}
        if any("ratelimit-" in name for name in headers):
            yield row["vendor"], headers


def test_recorded_headers():
    """Recorded limits are read for each vendor with a style: all of them, with sensible periods and sums."""
    styles = {kind: find(kind).profile.limit_headers for kind in kinds()}
    styles |= {"azure_ai": "openai", "pydantic_gateway": "openai"}
    answers, days, sums = Counter(), Counter(), 0
    for vendor, headers in recorded():
        if styles.get(vendor):
            seen = {(one.dimension, one.period_s): one for one in read(styles[vendor], headers)}
            answers[vendor] += bool(seen)
            days[vendor] += ("requests", DAY) in seen
            tokens = seen.get(("tokens", 60.0))
            parts = [seen.get((f"{way}_tokens", 60.0)) for way in ("input", "output")]
            assert all(one.period_s in {10.0, 60.0, 3_600.0, DAY, 30 * DAY} for one in seen.values())
            assert tokens is None or tokens.limit is None or tokens.limit >= 1_000.0
            if vendor == "anthropic" and tokens and all(parts):
                sums += tokens.limit == sum(part.limit for part in parts)
    assert answers["openai"] == 244
    assert days["openai"] == 8
    assert answers["anthropic"] == 86
    assert sums == 76
    assert answers["xai"] == 21
    assert answers["mistral"] == 27
    assert (answers["groq"], days["groq"]) == (2, 2)
    assert answers["azure_openai"] + answers["azure_ai"] == 10
