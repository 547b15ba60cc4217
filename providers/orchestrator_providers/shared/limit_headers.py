"""What a vendor's answers say about its limits, in every form they say it. Nonsense is left out, never an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from orchestrator.spec.stores import Dimension, SeenLimit
from orchestrator_providers.shared.delays import duration_s

__all__ = ["STYLES", "read_limits"]

_MINUTE_S, _HOUR_S, _DAY_S = 60.0, 3_600.0, 86_400.0
_MONTH_S = 30 * _DAY_S
_LONGEST_RESET_S = 31 * _DAY_S
_MOST = 1e15
"""Unlimited is written as numbers near 2^63."""

_UNIX_S, _UNIX_MS = 1e9, 1e12
_NUMBER = re.compile(r"\d{1,18}(?:\.\d{1,18})?", re.ASCII)


class _Names(NamedTuple):
    """The headers that speak of one limit."""

    limit: str
    remaining: str
    reset: str
    period: str


def _x_names(unit: str) -> _Names:
    return _Names(*[f"x-ratelimit-{what}-{unit}" for what in ("limit", "remaining", "reset", "renewalperiod")])


def _anthropic_names(unit: str) -> _Names:
    return _Names(*[f"anthropic-ratelimit-{unit}-{what}" for what in ("limit", "remaining", "reset", "period")])


_UNITS: tuple[tuple[str, Dimension], ...] = (
    ("requests", "requests"),
    ("tokens", "tokens"),
    ("input-tokens", "input_tokens"),
    ("output-tokens", "output_tokens"),
)
_SWAPPED: tuple[tuple[str, Dimension], ...] = (("tokens-input", "input_tokens"), ("tokens-output", "output_tokens"))
_FIREWORKS: tuple[tuple[str, Dimension], ...] = (("prompt", "input_tokens"), ("generated", "output_tokens"))
_COUNTED: tuple[tuple[str, Dimension], ...] = (("req", "requests"), ("requests", "requests"), ("tokens", "tokens"))
_PERIODS = (
    ("second", 1.0),
    ("10-second", 10.0),
    ("minute", _MINUTE_S),
    ("hour", _HOUR_S),
    ("day", _DAY_S),
    ("month", _MONTH_S),
)
_UNIFIED = (("5h", 5 * _HOUR_S), ("7d", 7 * _DAY_S))

# Written out once: an answer costs a few look-ups then.
_UNIT_NAMES = tuple([(dimension, _x_names(unit)) for unit, dimension in (*_UNITS, *_SWAPPED)])
_ANTHROPIC_NAMES = tuple([(dimension, _anthropic_names(unit)) for unit, dimension in _UNITS])
_PERIOD_NAMES = tuple(
    [
        (dimension, _x_names(f"{unit}-{period}"), period_s)
        for unit, dimension in _COUNTED
        for period, period_s in _PERIODS
    ]
)

_Headers = Mapping[str, str]
_Seen = Iterator[SeenLimit]


def read_limits(headers: Mapping[str, str], *, style: str, now: datetime) -> tuple[SeenLimit, ...]:
    """The limits that an answer states. Never raises.

    `headers` is looked up by lower-case name; `style` is `Profile.limit_headers`, and one that is not in `STYLES` reads
    nothing. `now` (aware) is for vendors that say when a limit is whole again, not how long it takes.
    """
    read = _READERS.get(style)
    return tuple(read(headers, now)) if read else ()


def _openai(headers: _Headers, now: datetime) -> _Seen:
    """`x-ratelimit-*` per minute, unless it shows otherwise: accounts of OpenAI's lower tiers get requests per day
    under the same names, and Azure names the period.
    """
    for dimension, names in _UNIT_NAMES:
        limit, remaining = _pair(headers.get(names.limit), headers.get(names.remaining))
        if limit is None and remaining is None:
            continue
        text = headers.get(names.reset)
        period_s = _positive(headers.get(names.period))
        # Azure's resets are seconds at one of its doors and milliseconds at the other (recorded: 1 and 500).
        reset_s = None if period_s else _reset_s(text, now)
        yield SeenLimit(
            dimension, limit, remaining, reset_s, period_s or _bucket_period_s(limit, remaining, reset_s, text)
        )


def _bucket_period_s(limit: float | None, remaining: float | None, reset_s: float | None, text: str | None) -> float:
    """A bucket fills evenly, so the time until it is full tells its period: 1 of 200 in 7m12s is a day's. What is left
    is rounded down, so a day's may look shorter; no minute's looks longer.
    """
    if reset_s is None:
        return _MINUTE_S
    if reset_s > _MINUTE_S:
        return _DAY_S  # a minute's limit would be whole by then
    if limit is None or remaining is None or remaining >= limit or duration_s((text or "").strip()) is None:
        return _MINUTE_S
    whole_s = reset_s * limit / (limit - remaining)
    # Below a second, rounding to milliseconds could make a day of a minute.
    return _DAY_S if reset_s >= 1.0 and whole_s > 2 * _MINUTE_S else _MINUTE_S


def _groq(headers: _Headers, now: datetime) -> _Seen:
    """The same names, but requests are per day, whatever the reset."""
    for dimension, names in _UNIT_NAMES:
        if names.limit in headers or names.remaining in headers:
            yield from _named(headers, now, dimension, names, _DAY_S if dimension == "requests" else _MINUTE_S)


def _anthropic(headers: _Headers, now: datetime) -> _Seen:
    """Per minute. Subscriptions have `unified` windows instead, of which only the share used is told."""
    for dimension, names in _ANTHROPIC_NAMES:
        yield from _named(headers, now, dimension, names, _MINUTE_S)
    for window, period_s in _UNIFIED:
        reset_s = _reset_s(headers.get(f"anthropic-ratelimit-unified-{window}-reset"), now)
        if reset_s is not None:
            used = _number(headers.get(f"anthropic-ratelimit-unified-{window}-utilization"))
            yield SeenLimit("tokens", None, 0.0 if used is not None and used >= 1.0 else None, reset_s, period_s)


def _fireworks(headers: _Headers, now: datetime) -> _Seen:
    """Per second in the headers, though the vendor holds people to the minute: no answer fits into a second of it. For
    the same reason a second's remaining says nothing.
    """
    for unit, dimension in _FIREWORKS:
        limit = _positive(headers.get(f"x-ratelimit-limit-tokens-{unit}"))
        if limit is not None:
            yield SeenLimit(dimension, limit * _MINUTE_S, None, None, _MINUTE_S)
    yield from _named(headers, now, "requests", _x_names("requests"), _MINUTE_S)


def _per_period(headers: _Headers, now: datetime) -> _Seen:
    """Unit and period in the name, as gateways write it: `x-ratelimit-limit-tokens-minute`, `…-req-10-second`."""
    for dimension, names, period_s in _PERIOD_NAMES:
        if names.limit in headers or names.remaining in headers:
            yield from _named(headers, now, dimension, names, period_s)


def _ietf(headers: _Headers, now: datetime) -> _Seen:
    """`ratelimit-policy: "api";q=1000;w=300` with `ratelimit: "api";r=999;t=295`, or with one header per number as in
    older drafts; then what a gateway before the server may add.
    """
    left = dict(_items(headers.get("ratelimit")))
    for name, policy in _items(headers.get("ratelimit-policy")):
        limit, period_s = _positive(policy.get("q")), _positive(policy.get("w"))
        if period_s is None or "request" not in policy.get("qu", "requests"):
            continue
        state = left.get(name, {})
        remaining = state.get("r", headers.get("ratelimit-remaining"))
        reset_s = _reset_s(state.get("t", headers.get("ratelimit-reset")), now)
        limit, rest = _consistent(limit, _number(remaining))
        if limit is not None or rest is not None:
            yield SeenLimit("requests", limit, rest, reset_s, period_s)
    yield from _per_period(headers, now)


def _items(text: str | None) -> Iterator[tuple[str, dict[str, str]]]:
    """Name and parameters of each item of a structured list. An item may have several names: the last one counts."""
    for item in (text or "")[:2_000].split(","):
        name, parameters = "", {}
        for part in item.split(";"):
            key, equals, value = part.strip().partition("=")
            if equals:
                parameters[key.lower()] = value.strip('" ').lower()
            elif _NUMBER.fullmatch(key):
                parameters["q"] = key  # older drafts: the quota is the item
            else:
                name = key
        yield name, parameters


def _named(headers: _Headers, now: datetime, dimension: Dimension, names: _Names, period_s: float) -> _Seen:
    limit, remaining = _pair(headers.get(names.limit), headers.get(names.remaining))
    if limit is not None or remaining is not None:
        yield SeenLimit(dimension, limit, remaining, _reset_s(headers.get(names.reset), now), period_s)


def _pair(limit: str | None, remaining: str | None) -> tuple[float | None, float | None]:
    return _consistent(_positive(limit), _number(remaining))


def _consistent(limit: float | None, remaining: float | None) -> tuple[float | None, float | None]:
    if limit is not None and remaining is not None and remaining > limit:
        return limit, None
    return limit, remaining


def _number(text: str | None) -> float | None:
    if not text or len(text) > 40 or not _NUMBER.fullmatch(text.strip()):
        return None
    value = float(text)
    return value if value <= _MOST else None


def _positive(text: str | None) -> float | None:
    return _number(text) or None


def _reset_s(text: str | None, now: datetime) -> float | None:
    """Seconds from a duration, a number of seconds, a Unix time in seconds or milliseconds, or an RFC 3339 time."""
    text = (text or "").strip()
    if not text or len(text) > 40:
        return None
    seconds = _until(text, now) if text[4:5] == "-" else duration_s(text)
    if seconds is None:
        seconds = _number(text)
        if seconds is not None and seconds >= _UNIX_S:
            seconds = seconds / (1e3 if seconds >= _UNIX_MS else 1.0) - now.timestamp()
    return max(seconds, 0.0) if seconds is not None and seconds <= _LONGEST_RESET_S else None


def _until(text: str, now: datetime) -> float | None:
    try:
        date = datetime.fromisoformat(text)
        return ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()
    except (ValueError, OverflowError):
        return None


_READERS: Mapping[str, Callable[[_Headers, datetime], _Seen]] = {
    "anthropic": _anthropic,
    "fireworks": _fireworks,
    "groq": _groq,
    "ietf": _ietf,
    "openai": _openai,
    "per_period": _per_period,
}

STYLES = frozenset(_READERS)
"""What `Profile.limit_headers` may be, beside empty."""
