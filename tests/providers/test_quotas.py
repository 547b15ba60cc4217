"""Limits as Google's error details state them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator_providers.shared.quotas import daily_reset_s, retry_delay_s


def error(*details: Any) -> dict[str, Any]:
    return {"error": {"code": 429, "details": list(details)}}


def failure(*quotas: Any) -> dict[str, Any]:
    return {"violations": [{"quotaId": quota} for quota in quotas]}


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        (datetime(2026, 1, 5, 7, 59, 0, tzinfo=UTC), 60.0),
        (datetime(2026, 1, 5, 8, 0, 0, tzinfo=UTC), 86_400.0),
        (datetime(2026, 7, 5, 20, 0, 0, tzinfo=UTC), 43_200.0),
    ],
)
def test_days_end_at_midnight_pacific(now: datetime, seconds: float) -> None:
    """A quota per day comes back at eight in the morning UTC, whatever else was violated."""
    assert daily_reset_s(error(failure("PerMinute-x", "RequestsPerDayPerModel")), now=now) == seconds


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"error": "x"},
        {"error": {}},
        error(),
        error(failure("RequestsPerMinute")),
        error("x", None, {}),
        error(failure(None)),
    ],
)
def test_other_limits_are_no_days(raw: dict[str, Any]) -> None:
    """Anything else is no quota per day, and odd shapes are no crash."""
    assert daily_reset_s(raw) is None
    assert retry_delay_s(raw) is None


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("38s", 38.0), ("1.5s", 1.5), ("10h17m5.7s", 37_025.7), ("-1s", None), ("99h", None), (3, None)],
)
def test_retry_info_is_a_duration(delay: Any, seconds: float | None) -> None:
    """RetryInfo's durations are read up to a day; what is none is ignored."""
    assert retry_delay_s(error({"retryDelay": delay})) == seconds
