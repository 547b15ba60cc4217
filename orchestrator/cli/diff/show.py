"""Prints a comparison: a table of what differs, or JSON of everything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.cli.calling import dollars
from orchestrator.cli.diff.compare import Comparison, Effect, RouteCheck, Row
from orchestrator.cli.diff.sides import Side

__all__ = ["show_json", "show_table"]

_STYLES: Mapping[Effect, str] = {
    "lost": "bold red",
    "gained": "green",
    "less": "yellow",
    "more": "cyan",
    "changed": "yellow",
    "unknown": "dim",
    "same": "dim",
}
_PRICE_STYLES: Mapping[Effect, str] = {"less": "green", "more": "red"}


def show_table(comparison: Comparison) -> None:
    """What differs, by group, as wide as the terminal; plain text where the output is no terminal."""
    console = Console(highlight=False)
    differing = [row for row in comparison.rows if row.effect != "same"]
    if differing:
        console.print(_table(comparison, differing, fancy=console.is_terminal))
    same = len(comparison.rows) - len(differing)
    console.print(f"{same} of {len(comparison.rows)} facts are the same.", style="dim")
    for row in differing:
        if row.note:
            console.print(f"[bold]{escape(row.what)}[/bold]: {escape(row.note)}")
    for warning in comparison.warnings:
        console.print(f"[yellow]warning[/yellow]: {escape(warning)}")
    if comparison.route is not None:
        _show_route(console, comparison.route, comparison.b)


def _table(comparison: Comparison, rows: list[Row], *, fancy: bool) -> Table:
    table = Table(box=SIMPLE_HEAD if fancy else None, pad_edge=False, expand=fancy)
    table.add_column("", ratio=3, overflow="fold")
    table.add_column(_title(comparison.a), ratio=2, overflow="fold")
    table.add_column(_title(comparison.b), ratio=2, overflow="fold")
    table.add_column("", no_wrap=True)
    group = ""
    for row in rows:
        if row.group != group:
            group = row.group
            table.add_row(f"[bold]{group}[/bold]")
        style = (_PRICE_STYLES if group.startswith("USD") else {}).get(row.effect, _STYLES[row.effect])
        effect = f"[{style}]{row.effect}[/{style}]"
        table.add_row(f"  {escape(row.what)}", _shown(row.a), _shown(row.b), effect)
    return table


def _title(side: Side) -> str:
    model = side.deployment.model
    return escape(side.name) + ("" if side.name.endswith(model) else f"\n[not bold dim]{escape(model)}[/]")


def _shown(value: Any) -> str:
    match value:
        case None:
            return "?"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case Decimal():
            return dollars(value).removeprefix("$")
        case list():
            return escape(", ".join(value)) or "none"
        case _:
            return escape(str(value))


def _show_route(console: Console, route: RouteCheck, b: Side) -> None:
    console.print()
    if not route.lacks and not route.defaults:
        console.print(f"Route [bold]{escape(route.name)}[/bold] could move to {escape(b.name)} as it is.")
        return
    console.print(f"Route [bold]{escape(route.name)}[/bold] on {escape(b.name)}:")
    for line in route.lacks:
        console.print(f"  [red]required[/red]  {escape(line)}")
    for line in route.defaults:
        console.print(f"  [yellow]default[/yellow]   {escape(line)}")


def show_json(comparison: Comparison) -> None:
    """Everything, as one JSON object."""
    a, b, route = comparison.a, comparison.b, comparison.route
    spaces = a.space == b.space if any(row.group == "vectors" for row in comparison.rows) else None
    value = {
        "a": _named(a),
        "b": _named(b),
        "facts": [
            {"group": row.group, "what": row.what, "a": row.a, "b": row.b, "effect": row.effect}
            | ({"note": row.note} if row.note else {})
            for row in comparison.rows
        ],
        "comparable_vectors": spaces,
        "warnings": list(comparison.warnings),
        "route": None
        if route is None
        else {"name": route.name, "lacks": list(route.lacks), "defaults": list(route.defaults)},
    }
    print(json.dumps(value, indent=2, default=lambda one: float(one) if isinstance(one, Decimal) else str(one)))


def _named(side: Side) -> dict[str, str]:
    return {"name": side.name, "model": side.deployment.model, "kind": side.kind.profile.kind}
