"""Prints plans: a table of all routes, or one route with all that is known of its deployments, or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import typer
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orchestrator.cli.calling import dollars, json_text
from orchestrator.cli.routes.planning import Plan, Seat

__all__ = ["show_json", "show_one", "show_plans"]

_PER_PROCESS = "By the file alone: health, limits, latencies and budgets are known to each process, and may reorder."
_MORE = "--route NAME shows limits, context and terms."
_COLUMNS = 5
_NUMBER, _REASON, _FACTS = 3, 17, 36
"""Widths: of the number, of the reason at the least, and of context and limits if there is so much room."""
_GAP = 2


def show_json(plans: tuple[Plan, ...]) -> None:
    """A JSON array, one object per route."""
    typer.echo(json_text([asdict(plan) for plan in plans]))


def show_plans(plans: tuple[Plan, ...]) -> None:
    """All routes, a line per deployment."""
    console = Console(highlight=False)
    widths = _widths(plans, console.width)
    for plan in plans:
        console.print(_title(plan))
        console.print(_table(plan, widths))
        _require(console, plan)
        console.print()
    more = "" if len(widths) > _COLUMNS else f" {_MORE}"
    console.print(f"Prices per million tokens.{more}", style="dim")
    console.print(_PER_PROCESS, style="dim")


def _widths(plans: Sequence[Plan], whole: int) -> list[int]:
    """Of the columns, the same for all routes; the last has what the others leave. Names too long are folded."""
    seats = [seat for plan in plans for seat in plan.seats]
    names = _longest([*(seat.deployment for seat in seats), *(one.deployment for plan in plans for one in plan.asides)])
    models, prices = _longest([seat.model for seat in seats]), _longest([_short_price(seat).plain for seat in seats])
    room = max(16, whole - _NUMBER - prices - _REASON - 4 * _GAP)
    names = min(names, max(room // 2, room - models))
    models = max(_REASON, min(models, room - names))
    rest = max(8, whole - _NUMBER - names - models - prices - 4 * _GAP)
    facts = rest - _REASON - _GAP
    return [_NUMBER, names, models, prices, *([_REASON, facts] if facts >= _FACTS else [rest])]


def _longest(texts: Sequence[str]) -> int:
    return max(map(len, texts), default=0)


def _table(plan: Plan, widths: Sequence[int]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, _GAP, 0, 0), pad_edge=False)
    table.add_column(style="dim", justify="right", width=widths[0])
    table.add_column(style="bold", overflow="fold", width=widths[1])
    for width in widths[2:]:
        table.add_column(overflow="fold", width=width)
    for number, seat in enumerate(plan.seats, 1):
        cells = [Text(seat.deployment), Text(seat.model), _short_price(seat), Text(seat.why)]
        facts = [Text("; ".join(_facts(seat)), "dim")] if len(widths) > _COLUMNS else []
        table.add_row(f"{number}", *cells, *facts)
    for aside in plan.asides:
        table.add_row("-", Text(aside.deployment, "dim"), "", "", Text(aside.why, "dim"))
    return table


def _title(plan: Plan) -> Text:
    return Text.assemble((plan.route, "bold cyan"), (f"  {plan.task}{', ' if plan.case else ''}{plan.case}", "dim"))


def _require(console: Console, plan: Plan) -> None:
    if plan.require:
        line = Text(f"all of them have {', '.join(plan.require)}", "dim")
        console.print(Padding(line, (0, 0, 0, 5), expand=False))


def _short_price(seat: Seat) -> Text:
    return Text("no price", "yellow") if seat.unpriced is not None else Text(", ".join(_prices(seat)))


def _prices(seat: Seat) -> Iterator[str]:
    if seat.search_price is not None:
        yield f"{dollars(seat.search_price)} a search"
    if seat.input_price is not None:
        yield f"{dollars(seat.input_price)} in"
    if seat.output_price is not None:
        yield f"{dollars(seat.output_price)} out"


def show_one(plan: Plan) -> None:
    """One route with all that is known of its deployments."""
    console = Console(highlight=False)
    console.print(_title(plan))
    for number, seat in enumerate(plan.seats, 1):
        console.print(Text.assemble((f"  {number}  ", "dim"), (seat.deployment, "bold"), f"  {seat.why}"))
        for line in _lines(seat):
            console.print(Padding(line, (0, 0, 0, 5), expand=False))
    for aside in plan.asides:
        console.print(Text.assemble(("  -  ", "dim"), (aside.deployment, "dim bold"), (f"  {aside.why}", "dim")))
    _require(console, plan)
    console.print()
    console.print(_PER_PROCESS, style="dim")


def _lines(seat: Seat) -> Iterator[Text]:
    yield Text(f"{seat.model} at {seat.provider} ({seat.kind})", "dim")
    if seat.unpriced is not None:
        yield Text(f"no price: {seat.unpriced}", "yellow")
    elif seat.search_price is not None:
        yield Text(", ".join(_prices(seat)))
    else:
        yield Text(f"{', '.join(_prices(seat))} per million tokens")
    if facts := list(_facts(seat)):
        yield Text("; ".join(facts))
    if terms := list(_terms(seat)):
        yield Text("; ".join(terms))


def _facts(seat: Seat) -> Iterator[str]:
    if seat.context_tokens:
        yield f"context {seat.context_tokens:,}"
    if seat.limits:
        yield f"limits: {', '.join(seat.limits)}"


def _terms(seat: Seat) -> Iterator[str]:
    if seat.region is not None:
        yield f"region {seat.region}"
    if seat.retention is not None:
        yield f"retention: {seat.retention}"
    if seat.trains is not None:
        yield "trains on what is sent" if seat.trains else "does not train on what is sent"
