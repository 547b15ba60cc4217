"""What the options of `orchestrator costs` mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path

from orchestrator.dashboards.query import DIMENSIONS, Query, is_dimension
from orchestrator.errors import ConfigError

__all__ = ["asked", "configured"]

_AGO = re.compile(r"(\d{1,5})([mhdw])", re.ASCII)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def asked(by: Sequence[str], since: str | None, until: str | None, where: Sequence[str]) -> Query:
    """The query.

    Raises:
        ConfigError: an unknown dimension, or a time that is none.
    """
    names = tuple(dict.fromkeys(_dimension(one, "--by") for one in by))
    conditions = dict(map(_condition, where))
    return Query(by=names, latency_by=((), names), where=conditions, since=_time(since), until=_time(until))


def _dimension(name: str, option: str) -> str:
    if is_dimension(name):
        return name
    near = get_close_matches(name, DIMENSIONS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(DIMENSIONS)}, tag:NAME"
    raise ConfigError(f"{option} {name[:60]}: no such dimension; {hint}")


def _condition(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--where {text[:60]}: write it as KEY=VALUE, such as route=answer")
    return _dimension(name, "--where"), value


def _time(text: str | None) -> str | None:
    """In the form of the lines, whose time stamps sort as text."""
    if text is None:
        return None
    ago = _AGO.fullmatch(text)
    try:
        if ago:
            found = datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        else:
            found = datetime.fromisoformat(text)
            found = found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        raise ConfigError(f"{text[:60]!r} is no time: write 7d, 12h, 2026-11-01 or 2026-11-01T08:00Z") from None


def configured(file: str) -> Sequence[str]:
    """The log of the configuration, with what was rotated away: `calls.jsonl` means `calls*.jsonl*`.

    Raises:
        ConfigError: there is no such file, or it names no log.
    """
    from orchestrator.config import load_file  # noqa: PLC0415

    if not Path(file).is_file():
        raise ConfigError(f"no logs given, and there is no {file} to name one: orchestrator costs LOGS...")
    path = load_file(file, check_secrets=False).log.path
    if path is None:
        raise ConfigError(f"no logs given, and {file} has no log.path: orchestrator costs LOGS...")
    place = Path(file).parent / path
    stem = place.stem.replace("{pid}", "*").replace("{host}", "*")
    return [str(place.with_name(f"{stem}*{place.suffix}*"))]
