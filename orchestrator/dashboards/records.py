"""One log line as the parts that are added up. The only place that knows what a line's keys mean for the sums."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, Literal, TypeAlias

import orjson

from orchestrator.dashboards.query import SHARES
from orchestrator.dashboards.tally import Measures, plain_decimal
from orchestrator.telemetry.lines import SCHEMA

__all__ = ["NO_SHARE", "Reason", "Record", "Repricer", "Use", "as_money", "parse"]

Fault: TypeAlias = Literal["truncated", "foreign", "newer"]
Reason: TypeAlias = str
Share: TypeAlias = tuple[str | None, ...]
"""Values of the dimensions of budgets, for one of the budgets."""

NO_SHARE: Share = (None,) * len(SHARES)

_COST = re.compile(rb'"cost_usd":(-?[0-9][0-9.eE+-]*|null)')
_ROUND = Context(prec=60, rounding=ROUND_HALF_UP)
_GRAIN = Decimal("1E-24")
"""The finest part of a dollar that is added up: DuckDB's decimals have 38 digits."""

_MAX_MONEY = Decimal(10**12)
_ZERO = Decimal(0)


@dataclass(slots=True)
class Use:
    """An attempt, or a call that made none: where it ran, and what it adds."""

    deployment: str | None
    provider: str | None
    model: str | None
    error: str | None
    price_row: str | None
    adds: Measures
    budgets: Any
    reason: Reason | None = None

    def shares(self) -> Sequence[Share]:
        """The budgets that count it; one without a name if none does."""
        budgets = self.budgets if isinstance(self.budgets, list) else ()
        found = [tuple(text(one.get(name)) for name in SHARES) for one in budgets if isinstance(one, dict)]
        return found or [NO_SHARE]


@dataclass(slots=True)
class Record:
    """A call's line: its keys, and its uses in order."""

    line: Mapping[str, Any]
    uses: list[Use]

    def values(self, use: Use, share: Share = NO_SHARE) -> Callable[[str], str | None]:
        """Gives the value of a dimension; those of budgets are of this share."""

        def value(name: str) -> str | None:
            if name in SHARES:
                return share[SHARES.index(name)]
            if name in _OF_USE:
                return getattr(use, name)  # type: ignore[no-any-return]
            if name.startswith("tag:"):
                tags = self.line.get("tags")
                return text(tags.get(name[4:])) if isinstance(tags, dict) else None
            if name in _SPANS:
                return str(self.line["ts"])[: _SPANS[name]]
            return text(self.line.get(name))

        return value


_OF_USE = frozenset({"deployment", "provider", "model", "error", "price_row"})
_SPANS = {"day": 10, "hour": 13}

Repricer: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, Any]], tuple[Decimal | None, Reason | None, str | None]]
"""From a line and one of its attempts (the line itself if there was one): dollars, the reason why not, and the row."""


def parse(raw: bytes, reprice: Repricer | None = None) -> Record | Mapping[str, Any] | Fault:
    """A call's record, another event's mapping, or the kind of fault."""
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return "truncated" if raw.startswith(b"{") and not raw.endswith(b"}") else "foreign"
    if not isinstance(line, dict) or not isinstance(line.get("event"), str) or not isinstance(line.get("ts"), str):
        return "foreign"
    if line.get("schema") != SCHEMA:
        return "newer" if isinstance(line.get("schema"), int) else "foreign"
    if line["event"] != "llm.call":
        return line
    return Record(_with_money(raw, line), _uses(line, reprice))


def _with_money(raw: bytes, line: dict[str, Any]) -> dict[str, Any]:
    """Puts the digits as they were written in the place of the floats that the parser made of them."""
    attempts = [one for one in line.get("attempts") or () if isinstance(one, dict)]
    holders = [line, *attempts]
    found = _COST.findall(raw)
    if len(found) != len(holders) or any(map(_differ, found, holders)):
        exact = json.loads(raw, parse_float=Decimal)
        line["cost_usd"], line["attempts"] = exact.get("cost_usd"), exact.get("attempts")
        return line
    for digits, one in zip(found, holders, strict=True):
        one["cost_usd"] = None if digits == b"null" else Decimal(digits.decode())
    return line


def _differ(digits: bytes, one: Mapping[str, Any]) -> bool:
    value = one.get("cost_usd")
    return value is not None if digits == b"null" else not isinstance(value, int | float) or float(digits) != value


def _uses(line: Mapping[str, Any], reprice: Repricer | None) -> list[Use]:
    attempts = line.get("attempts")
    if isinstance(attempts, list) and attempts and all(isinstance(one, dict) for one in attempts):
        uses = [_use(line, one, reprice) for one in attempts]
        for before, now, one in zip(attempts, uses[1:], attempts[1:], strict=False):
            _count_step(now.adds, before, one)
        uses[-1].error = text(line.get("error_type"))
    else:
        uses = [_use(line, line, reprice)]
    last = uses[-1].adds
    last.calls = 1
    last.failed = int(line.get("status") != "ok")
    last.items = _count(line.get("items"))
    last.reasoning_tokens = _count(line.get("reasoning_tokens"))
    return uses


def _use(line: Mapping[str, Any], one: Mapping[str, Any], reprice: Repricer | None) -> Use:
    whole = one is line
    error = text(one.get("error_type" if whole else "error"))
    cost, reason = as_money(one.get("cost_usd")), text(one.get("cost_unknown") or line.get("cost_unknown"))
    row = text(one.get("price_row"))
    if reprice is not None:
        cost, reason, row = reprice(line, one)
    use = Use(
        deployment=text(one.get("deployment")),
        provider=text(one.get("provider")),
        model=text(one.get("request_model" if whole else "model")),
        error=error,
        price_row=row,
        adds=_measured(one, cost, failed=error is not None),
        budgets=one.get("budgets"),
    )
    if use.adds.unpriced:
        use.reason = reason or "not said"
    if whole and use.deployment is None:
        use.adds.attempts = 0
    return use


def _measured(one: Mapping[str, Any], cost: Decimal | None, *, failed: bool) -> Measures:
    used = one.get("usage_source") is not None
    units = one.get("search_units")
    adds = Measures(attempts=1, errors=int(failed))
    adds.input_tokens = _count(one.get("input_tokens"))
    adds.output_tokens = _count(one.get("output_tokens"))
    adds.cache_read_tokens = _count(one.get("cache_read_tokens"))
    adds.cache_write_tokens = _count(one.get("cache_write_tokens"))
    if units and isinstance(units, int | float):
        adds.search_units = Decimal(str(units))
    if cost is not None:
        adds.cost_usd = cost
        adds.lost_usd = cost if failed else _ZERO
        adds.estimated_usd = cost if one.get("usage_source") == "estimate" else _ZERO
    elif used:
        adds.unpriced = 1
        adds.unpriced_tokens = adds.input_tokens + adds.output_tokens
    return adds


def _count_step(adds: Measures, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    if now.get("repair"):
        adds.repairs = 1
    elif now.get("deployment") == before.get("deployment"):
        adds.retries = 1
    else:
        adds.failovers = 1


def text(value: Any) -> str | None:
    """A dimension's value: text as it is, numbers and the like as JSON writes them; empty is none."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return value
    return plain_decimal(value) if isinstance(value, Decimal) else orjson.dumps(value, default=str).decode()


def _count(value: Any) -> int:
    return value if type(value) is int and 0 <= value < 10**15 else 0


def as_money(value: Any) -> Decimal | None:
    """An amount that can be added up, None for anything else. More than 24 digits after the point are rounded."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    amount = Decimal(str(value)) if not isinstance(value, Decimal) else value
    if not amount.is_finite() or not -_MAX_MONEY < amount < _MAX_MONEY:
        return None
    exponent = amount.as_tuple().exponent
    assert isinstance(exponent, int)
    return amount if exponent >= -24 else amount.quantize(_GRAIN, context=_ROUND)
