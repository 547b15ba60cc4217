"""What Google's error details say of a limit: `error.details` with QuotaFailure and RetryInfo."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from orchestrator_providers.shared.delays import MAX_DELAY_S, duration_s

__all__ = ["daily_reset_s", "retry_delay_s"]

_PACIFIC = timezone(timedelta(hours=-8))
"""Quotas per day come back at midnight there. In summer that is an hour earlier: this asks too late, not too soon."""


def daily_reset_s(raw: Mapping[str, Any], *, now: datetime | None = None) -> float | None:
    """Seconds until a quota per day comes back; None if the error is about no such quota.

    The retryDelay that comes with it is that of the window per minute, and useless.
    """
    violations = [one for detail in _details(raw) for one in _mappings(detail.get("violations"))]
    if not any("PerDay" in str(violation.get("quotaId", "")) for violation in violations):
        return None
    here = (now or datetime.now(UTC)).astimezone(_PACIFIC)
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (midnight - here).total_seconds()


def retry_delay_s(raw: Mapping[str, Any]) -> float | None:
    """Seconds to wait by RetryInfo, None if it does not say."""
    for detail in _details(raw):
        delay = detail.get("retryDelay")
        seconds = duration_s(delay) if isinstance(delay, str) else None
        if seconds is not None and seconds <= MAX_DELAY_S:
            return seconds
    return None


def _details(raw: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    error = raw.get("error")
    return _mappings(error.get("details") if isinstance(error, Mapping) else None)


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    return (one for one in value if isinstance(one, Mapping)) if isinstance(value, list) else iter(())
