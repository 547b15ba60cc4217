"""The `Rollup`: all that a page needs to show, small enough to be in it.

Tables are columnar, and text in them is coded: a column of a dimension is `{"values": [...], "codes": [...]}`, where a
code is a place in `values` and the value null means that the line had none. Money is exact text. `as_json` is the
format; `FORMAT` is its version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from orchestrator.dashboards.burns import Burn, burns
from orchestrator.dashboards.query import SHARES, Query
from orchestrator.dashboards.reading import EngineName, Log
from orchestrator.dashboards.records import Repricer
from orchestrator.dashboards.savings import Savings
from orchestrator.dashboards.sources import STDIN
from orchestrator.dashboards.tally import AMOUNTS, COUNTS, Call, Findings, Key, Measures, Percentiles, plain_decimal

__all__ = ["FORMAT", "OTHERS", "Rollup", "Table", "Totals", "roll_up"]

FORMAT = 1
OTHERS = "(others)"
"""Stands for the values of a dimension beyond the top ones."""

MAX_CELLS = 50_000
DEAREST = 50
_TAGS = 3
_HOURS_UP_TO = timedelta(days=3)
_DIMENSIONS = ("route", "model", "deployment", "provider", "tenant", "status", "error", "price_row")
_LATENCY = ("route", "model", "deployment")


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length: `keys` by dimension, `measures` by name."""

    keys: Mapping[str, Sequence[str | None]]
    measures: Mapping[str, Sequence[Any]]

    def as_json(self) -> dict[str, Any]:
        """Dimensions dictionary-coded."""
        return {"keys": {name: _coded(column) for name, column in self.keys.items()}, "measures": dict(self.measures)}


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over everything, and percentiles of answered calls in milliseconds (three digits, nearest rank).

    `saved_usd` is what tokens read from a cache would have cost more as plain input, as far as the price row is known.
    """

    sums: Measures
    latency: Percentiles
    saved_usd: str

    def as_json(self) -> dict[str, Any]:
        """One flat mapping."""
        return self.sums.as_json() | {"saved_usd": self.saved_usd} | self.latency.as_json()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollup:
    """The sums of many lines.

    Attributes:
        grain: `day` or `hour` (a span of up to 3 days), of the `time` column: `2026-11-23` or `2026-11-23T14`. UTC.
        first, last: time stamps of the earliest and latest call, None without calls.
        totals: everything.
        cube: keys `time`, `route`, `model`, `deployment`, `provider`, `tenant`, `status`, `error`, `price_row`, and
            `tag:NAME` of the three most used tags; measures as in `Measures`, and `saved_usd`. One row per
            combination, so any choice of values adds up exactly. Beyond the top values of a dimension: `(others)`.
        latency: keys `of` (`all`, `route`, `model`, `deployment`), `value` and `time` (null: the whole period);
            measures `answered`, `p50_ms`, `p95_ms`, `p99_ms`, and of streams `streamed`, `first_p50_ms`, ... They do
            not add up, so filters cannot act on them but by these keys.
        budgets: what was spent of each budget in its latest window.
        dearest: the dearest calls, by id, without content.
        unpriced: attempts whose price is not known, by reason.
        notices: lines of other events by name: count, and the time of the last.
        faults: lines that were left out, by kind.
    """

    grain: str
    first: str | None
    last: str | None
    totals: Totals
    cube: Table
    latency: Table
    budgets: Sequence[Burn]
    dearest: Sequence[Call]
    unpriced: Mapping[str, int]
    notices: Mapping[str, tuple[int, str]]
    faults: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        """Plain values, ready for any JSON writer."""
        return {
            "format": FORMAT,
            "grain": self.grain,
            "first": self.first,
            "last": self.last,
            "totals": self.totals.as_json(),
            "cube": self.cube.as_json(),
            "latency": self.latency.as_json(),
            "budgets": [burn.as_json() for burn in self.budgets],
            "dearest": [call.as_json() for call in self.dearest],
            "unpriced": dict(self.unpriced),
            "notices": {name: {"count": count, "last": last} for name, (count, last) in self.notices.items()},
            "faults": dict(self.faults),
        }


def roll_up(
    sources: Sequence[str],
    *,
    where: Mapping[str, str] | None = None,
    since: str | None = None,
    until: str | None = None,
    tags: Sequence[str] = (),
    engine: EngineName = "auto",
    reprice: Repricer | None = None,
    max_cells: int = MAX_CELLS,
) -> Rollup:
    """Read lines and add them up for a page. Asks twice: first for the span and the tags that there are.

    Args:
        sources: files, directories, patterns, or `-`, which can be read only once and so needs `tags`; by the day then.
        where: as in `Query`.
        since: as in `Query`.
        until: as in `Query`.
        tags: names of the tags in the cube; the three most used otherwise.
        engine: as in `gather`.
        reprice: prices lines again.
        max_cells: rows of the cube at most; values of small cost are put together until it fits.

    Raises:
        ConfigError: as `gather`.
    """
    limits = Query(where=where or {}, since=since, until=until, tags=True)
    once = STDIN in sources
    named = [f"tag:{name}" for name in tags] or ["tags"]
    needed = {*limits.dimensions, *_DIMENSIONS, *SHARES, *named, "call_id"}
    with Log(sources, needed, engine=engine, reprice=reprice) as log:
        survey = Findings() if once else log.find(limits)
        grain = "day" if once else _grain(survey)
        tags = tags or sorted(survey.tags, key=lambda name: (-survey.tags[name], name))[:_TAGS]
        query = replace(
            limits,
            by=(grain, *_DIMENSIONS, *(f"tag:{name}" for name in tags)),
            latency_by=tuple((*of, *time) for time in ((), (grain,)) for of in ((), *((name,) for name in _LATENCY))),
            dearest=DEAREST,
            tags=False,
        )
        spent = () if once else burns(log.find(replace(limits, by=SHARES, tags=False)).cells)
        return _rolled(log.find(query), query, spent, max_cells)


def _grain(found: Findings) -> str:
    if found.first is None or found.last is None:
        return "day"
    try:
        short = datetime.fromisoformat(found.last) - datetime.fromisoformat(found.first) <= _HOURS_UP_TO
    except (ValueError, TypeError):
        return "day"
    return "hour" if short else "day"


def _rolled(found: Findings, query: Query, spent: Sequence[Burn], max_cells: int) -> Rollup:
    savings = Savings()
    saved = savings.of(found.cells, query.by)
    whole = found.latencies[()].get((), Percentiles())
    names = ("time", *query.by[1:])
    return Rollup(
        grain=query.by[0],
        first=found.first,
        last=found.last,
        totals=Totals(found.total(), whole, plain_decimal(savings.total)),
        cube=_cube(_folded(found.cells, saved, max_cells), names),
        latency=_latencies(found.latencies, query.by[0]),
        budgets=spent,
        dearest=tuple(found.dearest),
        unpriced=dict(sorted(found.reasons.items())),
        notices=dict(sorted(found.notices.items())),
        faults=found.faults.as_json(),
    )


_Cells = dict[Key, tuple[Measures, Any]]


def _folded(cells: Mapping[Key, Measures], saved: Mapping[Key, Any], max_cells: int) -> _Cells:
    """The cells with the small values of each dimension put together, in as small a number as is asked for."""
    keep = 50
    while True:
        folded = _fold(cells, saved, keep)
        if len(folded) <= max_cells or keep <= 1:
            return folded
        keep //= 2


def _fold(cells: Mapping[Key, Measures], saved: Mapping[Key, Any], keep: int) -> _Cells:
    width = len(next(iter(cells), ()))
    tops = [None, *(_top(cells, place, keep) for place in range(1, width))]
    folded: _Cells = {}
    for key, part in cells.items():
        short = tuple(
            value if top is None or value is None or value in top else OTHERS
            for value, top in zip(key, tops, strict=True)
        )
        sums, more = folded.get(short, (None, None))
        if sums is None:
            sums, more = Measures(), saved[key] - saved[key]
        sums.add(part)
        folded[short] = (sums, more + saved[key])
    return folded


def _top(cells: Mapping[Key, Measures], place: int, keep: int) -> frozenset[str]:
    """Values by cost, then calls, then name."""
    weights: dict[str, tuple[Any, int]] = {}
    for key, part in cells.items():
        name = key[place]
        if name is not None:
            cost, calls = weights.get(name, (0, 0))
            weights[name] = (cost + part.cost_usd, calls + part.calls)
    ranked = sorted(weights, key=lambda name: (-weights[name][0], -weights[name][1], name))
    return frozenset(ranked[:keep])


def _cube(cells: _Cells, names: Sequence[str]) -> Table:
    ordered = sorted(cells, key=lambda key: [value or "" for value in key])
    keys = {name: [key[i] for key in ordered] for i, name in enumerate(names)}
    measures: dict[str, Sequence[Any]] = {name: [getattr(cells[key][0], name) for key in ordered] for name in COUNTS}
    for name in AMOUNTS:
        measures[name] = [plain_decimal(getattr(cells[key][0], name)) for key in ordered]
    measures["saved_usd"] = [plain_decimal(cells[key][1]) for key in ordered]
    return Table(keys, measures)


def _latencies(found: Mapping[tuple[str, ...], Mapping[Key, Percentiles]], grain: str) -> Table:
    keys: dict[str, list[str | None]] = {"of": [], "value": [], "time": []}
    rows: list[Mapping[str, Any]] = []
    for names, group in found.items():
        of = names[0] if names and names[0] != grain else "all"
        for key, percentiles in sorted(group.items(), key=lambda item: [value or "" for value in item[0]]):
            place = dict(zip(names, key, strict=True))
            for name, value in (("of", of), ("value", place.get(of)), ("time", place.get(grain))):
                keys[name].append(value)
            rows.append(percentiles.as_json())
    return Table(keys, {name: [row[name] for row in rows] for name in Percentiles().as_json()})


def _coded(column: Sequence[str | None]) -> dict[str, Any]:
    values = sorted(set(column), key=lambda value: (value is not None, value or ""))
    places = {value: i for i, value in enumerate(values)}
    return {"values": values, "codes": [places[value] for value in column]}
