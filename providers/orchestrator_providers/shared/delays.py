"""How long a vendor asks us to wait, in every form they say it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["MAX_DELAY_S", "duration_s", "retry_after_s"]

MAX_DELAY_S = 86_400.0
_MILLISECOND_HEADERS = ("retry-after-ms", "x-ms-retry-after-ms", "x-amz-retry-after")
_NUMBER = re.compile(r"\d+(?:\.\d+)?", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TRY_AGAIN = re.compile(r"(?:try again|retry) in ((?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+)", re.ASCII | re.IGNORECASE)


def duration_s(text: str) -> float | None:
    """Seconds in a Go or protobuf duration (`6m0s`, `10h17m5.72s`, `250ms`); None if it is not one."""
    total, end = 0.0, 0
    for part in _PART.finditer(text):
        if part.start() != end:
            return None
        total += float(part[1]) * _UNITS[part[2]]
        end = part.end()
    return total if end and end == len(text) else None


def retry_after_s(headers: Mapping[str, str], message: str = "", *, now: datetime | None = None) -> float | None:
    """Seconds to wait by the headers, or by a sentence such as "try again in 5.2s".

    Reads `retry-after-ms` and its cousins, then `retry-after` as a number or an HTTP date. Nonsense (negative, not a
    number, over a day, a date in the past) is None. Ask only where the status makes it meaningful: vendors send
    `retry-after` on successes too.
    """
    for name in _MILLISECOND_HEADERS:
        value = _number(headers.get(name))
        if value is not None:
            return _bounded(value / 1e3)
    text = (headers.get("retry-after") or "").strip()
    if text:
        value = _number(text)
        return _bounded(value) if value is not None else _until(text, now or datetime.now(UTC))
    found = _TRY_AGAIN.search(message[:2000])
    return _bounded(duration_s(found[1])) if found else None


def _number(text: str | None) -> float | None:
    text = (text or "").strip()
    return float(text) if len(text) < 20 and _NUMBER.fullmatch(text) else None


def _until(text: str, now: datetime) -> float | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    seconds = (date - now).total_seconds()
    return _bounded(seconds) if seconds > 0 else None


def _bounded(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 <= seconds <= MAX_DELAY_S else None
