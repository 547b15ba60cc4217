"""The answer of `orchestrator costs`, as a table for 80 columns, as JSON or as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from orchestrator.dashboards.query import Query, of_budgets
from orchestrator.dashboards.tally import Findings, Key, Measures, Percentiles, summed

__all__ = ["as_csv", "as_json", "print_table"]

_TIMES = {"day", "hour"}
_NONE = Percentiles()
_FAULTS = {"other_events": "of other events"}
_MARK = ""
"""Heading of the column that says where a sum is not all."""

_LONGEST = 32
_GAP = 2
_DROPPED = ("p50 ms", "p95 ms", "output", "input")


def _ordered(found: Findings, query: Query) -> list[Key]:
    """Times in order, everything else by dollars, dearest first."""

    def rank(key: Key) -> tuple[Any, ...]:
        when = [value or "" for name, value in zip(query.by, key, strict=True) if name in _TIMES]
        part = found.cells[key]
        return (when, -part.cost_usd, -part.calls, [value or "" for value in key])

    return sorted(found.cells, key=rank)


def _rows(found: Findings, query: Query) -> list[dict[str, Any]]:
    return [
        dict(zip(query.by, key, strict=True)) | found.cells[key].as_json() | _latency(found, query, key)
        for key in _ordered(found, query)
    ]


def _latency(found: Findings, query: Query, key: Key | None) -> dict[str, float | None]:
    """Percentiles of a row, or of all answers."""
    numbers = _percentiles(found, query, key).as_json()
    return {name: value for name, value in numbers.items() if name.endswith("_ms")}


def _percentiles(found: Findings, query: Query, key: Key | None) -> Percentiles:
    return found.latencies[()].get((), _NONE) if key is None else found.latencies[query.by].get(key, _NONE)


def as_json(found: Findings, query: Query) -> str:
    """One object: rows, total, unpriced reasons and lines left out. Money is text with all its digits."""
    answer = {
        "by": list(query.by),
        "first": found.first,
        "last": found.last,
        "rows": _rows(found, query),
        "total": found.total().as_json() | _latency(found, query, None),
        "unpriced": dict(sorted(found.reasons.items())),
        "left_out": found.faults.as_json(),
    }
    return json.dumps(answer, indent=2, ensure_ascii=False)


def as_csv(found: Findings, query: Query) -> str:
    """A header and the rows, all of them; no total, so that a column adds up."""
    latency = [name for name in _NONE.as_json() if name.endswith("_ms")]
    names = [*query.by, *Measures().as_json(), *latency]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_rows(found, query))
    return text.getvalue()


def print_table(found: Findings, query: Query, top: int) -> None:
    """Print the dearest rows, the sum, and what the sum leaves out; as many columns as the terminal is wide."""
    console = Console()
    keys = _ordered(found, query)
    shown, rest = keys[:top], keys[top:]
    rows = [(_names(key), _numbers(found.cells[key], _percentiles(found, query, key))) for key in shown]
    if rest:
        more = _numbers(summed(found.cells[key] for key in rest), _NONE)
        rows.append((_padded(f"{len(rest)} more", query.by), more))
    rows.append((_padded("total", query.by), _numbers(found.total(), _percentiles(found, query, None))))
    kept = _fitting(query.by, rows, console.width)
    table = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0))
    for name in query.by:
        table.add_column(name, overflow="fold", max_width=_LONGEST)
    for name in kept:
        table.add_column(name, justify="left" if name == _MARK else "right", no_wrap=True)
    styles = [None] * len(shown) + ["dim"] * bool(rest) + ["bold"]
    for (names, numbers), style in zip(rows, styles, strict=True):
        if style == "bold":
            table.add_section()
        table.add_row(*names, *(numbers[name] for name in kept), style=style)
    console.print(table)
    for note in _notes(found, query):
        console.print(note, highlight=False)


def _fitting(by: Sequence[str], rows: Sequence[tuple[list[Text], dict[str, str]]], width: int) -> list[str]:
    """The columns of numbers for which there is room beside the names; those that say least go first."""
    names = [max(len(name), *(row[place].cell_len for row, _ in rows)) for place, name in enumerate(by)]
    taken = sum(min(each, _LONGEST) + _GAP for each in names)
    kept = {name: max(len(name), *(len(row[name]) for _, row in rows)) + _GAP for name in rows[0][1]}
    if not any(row[_MARK] for _, row in rows):
        del kept[_MARK]
    for name in _DROPPED:
        if taken + sum(kept.values()) <= width:
            break
        del kept[name]
    return list(kept)


def _names(key: Key) -> list[Text]:
    return [Text("none", style="dim") if value is None else Text(_printable(value)) for value in key]


def _printable(value: str) -> str:
    return "".join(one if one.isprintable() else "?" for one in value)


def _padded(first: str, by: Sequence[str]) -> list[Text]:
    return [Text(first), *[Text()] * (len(by) - 1)]


def _numbers(part: Measures, latency: Percentiles) -> dict[str, str]:
    nothing_known = part.unpriced and part.unpriced == part.attempts
    return {
        "calls": f"{part.calls:,}",
        "input": _short(part.input_tokens),
        "output": _short(part.output_tokens),
        "p50 ms": _ms(latency.p50_ms),
        "p95 ms": _ms(latency.p95_ms),
        "USD": "" if nothing_known else _usd(part.cost_usd),
        _MARK: "?" if nothing_known else "+ ?" if part.unpriced else "",
    }


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _short(count: int) -> str:
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if count >= size:
            return f"{count / (1000 if unit == 'k' else size):,.1f}{unit}"
    return f"{count:,}"


def _usd(amount: Decimal) -> str:
    """Cents for what is dear, more digits for what is not."""
    size = abs(amount)
    digits = 2 if size >= 100 else 4 if size >= Decimal("0.1") or not size else 6
    return f"{amount:,.{digits}f}"


def _notes(found: Findings, query: Query) -> list[str]:
    total, faults = found.total(), found.faults.as_json()
    notes = []
    if total.unpriced:
        notes.append(
            f"[yellow]?[/]: {total.unpriced:,} attempts with {total.unpriced_tokens:,} tokens have no known price"
            " and are in no sum:"
        )
        ranked = sorted(found.reasons.items(), key=lambda item: (-item[1], item[0]))
        notes += [f"  {count:,}: {escape(_printable(reason))}" for reason, count in ranked[:5]]
    if of_budgets(query.by):
        notes.append("What several budgets count is in the row of each, and in the total once.")
    if total.lost_usd:
        notes.append(f"{_usd(total.lost_usd)} USD went to attempts that failed.")
    if total.estimated_usd:
        notes.append(f"{_usd(total.estimated_usd)} USD rest on our estimate of the tokens.")
    left = ", ".join(f"{count:,} {_FAULTS.get(name, name)}" for name, count in faults.items() if count)
    if left:
        notes.append(f"Lines not counted: {left}.")
    if not total.calls:
        notes.append("There are no lines of calls here.")
    return notes
