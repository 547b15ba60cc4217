"""Codes a rollup for the page: money as whole numbers of one unit, columns of zeros left out.

The unit of money is the power of ten that holds every amount exactly, so that the page adds whole numbers and its
sums are right to the last digit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from orchestrator.dashboards.rollup import Rollup
from orchestrator.dashboards.tally import plain_decimal

__all__ = ["page_data"]

_MONEY = ("cost_usd", "lost_usd", "estimated_usd", "saved_usd")
_COUNTS = (
    "calls", "attempts", "failed", "errors", "input_tokens", "output_tokens", "cache_read_tokens",
    "cache_write_tokens", "reasoning_tokens", "unpriced", "unpriced_tokens", "retries", "failovers", "repairs",
)  # fmt: skip
_LARGEST_SAFE = 2**53
"""Larger whole numbers are not exact in JavaScript's numbers, and are sent as text."""


def page_data(rollup: Rollup, *, generated: datetime, source: str = "") -> dict[str, Any]:
    """Everything the page shows, as JSON values.

    Args:
        rollup: the sums.
        generated: when the report is made.
        source: where the lines come from, for the page's foot.
    """
    report = rollup.as_json()
    cube, measures = report["cube"], rollup.cube.measures
    scale = _scale(rollup)
    columns = {name: list(measures[name]) for name in _COUNTS}
    columns |= {name: [_units(amount, scale) for amount in measures[name]] for name in _MONEY}
    spent = ("limit_usd", "spent_usd")
    keep = ("format", "grain", "first", "last", "latency", "unpriced", "notices", "faults")
    return {name: report[name] for name in keep} | {
        "generated": generated.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "source": source,
        "scale": scale,
        "keys": {name: column for name, column in cube["keys"].items() if name != "price_row"},
        "rows": len(columns["calls"]),
        "measures": {name: column for name, column in columns.items() if any(column)},
        "dearest": [call | {"cost_usd": _units(call["cost_usd"], scale)} for call in report["dearest"]],
        "budgets": [one | {name: _units(one[name], scale) for name in spent} for one in report["budgets"]],
    }


def _scale(rollup: Rollup) -> int:
    measures: Mapping[str, Sequence[Any]] = rollup.cube.measures
    amounts = [Decimal(str(amount)) for name in _MONEY for amount in measures[name]]
    amounts += [amount for burn in rollup.budgets for amount in (burn.limit_usd, burn.spent_usd)]
    amounts += [call.cost_usd for call in rollup.dearest]
    return max((_decimals(amount) for amount in amounts), default=0)


def _decimals(amount: Decimal) -> int:
    return len(plain_decimal(amount).partition(".")[2])


def _units(amount: str | Decimal, scale: int) -> int | str:
    # By digits, not by arithmetic, which would round to the precision of whatever context is set.
    before, _, after = plain_decimal(Decimal(amount)).partition(".")
    units = int(before + after.ljust(scale, "0"))
    return units if abs(units) < _LARGEST_SAFE else str(units)
