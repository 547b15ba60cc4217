"""Prints plans: a list per route that reads at 80 columns, or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from orchestrator.cli.calling import dollars, json_text
from orchestrator.cli.routes.planning import Plan, Seat

__all__ = ["show_json", "show_plans"]

_PER_PROCESS = (
    "By the file alone: breakers, limits, latencies and budgets are known to each process, and may change the order."
)


def show_json(plans: tuple[Plan, ...]) -> None:
    """A JSON array, one object per route."""
    typer.echo(json_text([asdict(plan) for plan in plans]))


def show_plans(plans: tuple[Plan, ...]) -> None:
    """For people."""
    console = Console(highlight=False)
    for plan in plans:
        _show(console, plan)
    console.print(_PER_PROCESS, style="dim")


def _show(console: Console, plan: Plan) -> None:
    title = Text.assemble((plan.route, "bold cyan"), (f"  {plan.task}, by {plan.case}", "dim"))
    console.print(title)
    for number, seat in enumerate(plan.seats, 1):
        console.print(Text.assemble((f"  {number}. ", "dim"), (seat.deployment, "bold"), f"  {seat.why}"))
        for line in _lines(seat):
            console.print(Padding(line, (0, 0, 0, 5), expand=False))
    for aside in plan.asides:
        console.print(
            Text.assemble(("  -  ", "dim"), (aside.deployment, "dim bold"), (f"  not now: {aside.why}", "dim"))
        )
    if plan.require:
        console.print(
            Padding(Text(f"every one of them has {', '.join(plan.require)}", "dim"), (0, 0, 0, 2), expand=False)
        )
    console.print()


def _lines(seat: Seat) -> Iterator[Text]:
    yield Text(f"{seat.model} at {seat.provider} ({seat.kind})", "dim")
    yield _price(seat)
    facts = [f"{seat.context_tokens:,} tokens of context"] if seat.context_tokens else []
    if seat.limits:
        facts.append(f"limits: {', '.join(seat.limits)}")
    if facts:
        yield Text("; ".join(facts))
    terms = list(_terms(seat))
    if terms:
        yield Text("; ".join(terms))


def _price(seat: Seat) -> Text:
    if seat.unpriced is not None:
        return Text(f"no price: {seat.unpriced}", "yellow")
    if seat.search_price is not None:
        return Text(f"{_dollars(seat.search_price)} per search")
    parts = [f"{_dollars(seat.input_price)} in"] if seat.input_price is not None else []
    parts += [f"{_dollars(seat.output_price)} out"] if seat.output_price is not None else []
    return Text(f"{', '.join(parts)} per million tokens")


def _dollars(amount: Decimal | None) -> str:
    return "?" if amount is None else dollars(amount)


def _terms(seat: Seat) -> Iterator[str]:
    if seat.region is not None:
        yield f"region {seat.region}"
    if seat.retention is not None:
        yield f"kept for: {seat.retention}"
    if seat.trains is not None:
        yield "trains on what is sent" if seat.trains else "does not train on what is sent"
