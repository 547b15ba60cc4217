"""`orchestrator costs`: what calls cost, from the log and nothing else."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.lines import Engine, LogFile, Logs, Prices, Reader, Since, Until, Where

if TYPE_CHECKING:
    from orchestrator.dashboards import Findings, Query

__all__ = ["Format", "costs"]


class Format(StrEnum):
    """How the answer is written."""

    table = "table"
    json = "json"
    csv = "csv"


def costs(
    logs: Logs = None,
    *,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            help="day, hour, route, task, model, deployment, provider, region, tenant, user, status, error, budget or"
            " tag:NAME; may be given twice. (model)",
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    where: Where = None,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.table,
    prices: Prices = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Rows of the table; the rest are put together.")] = 25,
    engine: Reader = Engine.auto,
    file: LogFile = "orchestrator.yaml",
) -> None:
    """What calls cost, by model, route, tenant, tag or time, from the log's lines.

    Models, deployments and providers get the cost of each attempt, the rest that of each call; the sums are the same.
    Budgets get what counts against them, and the total what was spent, once.
    Ends with 0, 1 if there were no lines of calls, 2 for a mistake in the question.
    """
    from orchestrator.cli.costs_asking import asked, configured  # noqa: PLC0415
    from orchestrator.dashboards import gather  # noqa: PLC0415
    from orchestrator.dashboards.repricing import repricer  # noqa: PLC0415
    from orchestrator.errors import ConfigError  # noqa: PLC0415

    try:
        sources = logs or configured(file)
        query = asked(by or ["model"], since, until, where or [])
        reprice = repricer(prices) if prices else None
        found = gather(sources, query, engine=engine.value, reprice=reprice)
    except (ConfigError, ValueError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    _show(found, query, form, top)
    if not found.total().calls:
        raise typer.Exit(1)


def _show(found: Findings, query: Query, form: Format, top: int) -> None:
    from orchestrator.cli import costs_output  # noqa: PLC0415

    if form is Format.json:
        typer.echo(costs_output.as_json(found, query))
    elif form is Format.csv:
        typer.echo(costs_output.as_csv(found, query), nl=False)
    else:
        costs_output.print_table(found, query, top)
