"""What was spent of each budget in its latest window, told by the lines alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from orchestrator.dashboards.tally import Key, Measures, plain_decimal

__all__ = ["Burn", "burns"]

_MOST = 1000


@dataclass(frozen=True, slots=True)
class Burn:
    """A share of a budget in the latest window of that budget that any line is of.

    Attributes:
        budget: its name.
        per: what it goes by, as in the file.
        whose: the tenant, user, ...; empty for all.
        window: `hour`, `day` or `month`.
        period: which one, in the budget's own time zone, as in the line.
        limit_usd: dollars per window; the limit that most of its calls met, if it was changed meanwhile.
        spent_usd: dollars whose price is known.
        calls: calls whose last attempt it counts.
        unpriced: attempts whose price is not known.
    """

    budget: str
    per: str
    whose: str
    window: str
    period: str
    limit_usd: Decimal
    spent_usd: Decimal
    calls: int
    unpriced: int

    def as_json(self) -> dict[str, int | str]:
        """Money as exact text."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return values | {name: plain_decimal(values[name]) for name in ("limit_usd", "spent_usd")}


def burns(cells: Mapping[Key, Measures]) -> list[Burn]:
    """The burns, the largest share of a limit first, of cells by `SHARES`. Budgets of single calls have none."""
    merged: dict[Key, tuple[Measures, dict[str, int]]] = {}
    for key, part in cells.items():
        *name, limit = key
        if name[0] is None or name[4] is None or limit is None:
            continue
        sums, limits = merged.setdefault(tuple(name), (Measures(), {}))
        sums.add(part)
        limits[limit] = limits.get(limit, 0) + part.attempts
    latest: dict[Key, str] = {}
    for budget, per, _, window, period in merged:
        place = (budget, per, window)
        latest[place] = max(latest.get(place, ""), period or "")
    found = [
        _burn(name, sums, max(limits, key=lambda text: (limits[text], text)))
        for name, (sums, limits) in merged.items()
        if latest[name[0], name[1], name[3]] == name[4]
    ]
    return sorted(found, key=_rank)[:_MOST]


def _burn(name: Key, sums: Measures, limit: str) -> Burn:
    budget, per, whose, window, period = (value or "" for value in name)
    return Burn(budget, per, whose, window, period, _dollars(limit), sums.cost_usd, sums.calls, sums.unpriced)


def _dollars(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(0)


def _rank(one: Burn) -> tuple[Decimal, str, str]:
    return (-one.spent_usd / one.limit_usd if one.limit_usd else Decimal("-Infinity"), one.budget, one.whose)
