"""`orchestrator dashboard`: the log as one page that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.costs import Engine

if TYPE_CHECKING:
    from orchestrator.dashboards import Query, Rollup
    from orchestrator.dashboards.page import BudgetLine

__all__ = ["dashboard"]


def dashboard(
    logs: Annotated[
        list[str] | None,
        typer.Argument(help="Files, directories, patterns, or - for stdin. (the log of --file)", show_default=False),
    ] = None,
    *,
    output: Annotated[str, typer.Option("--output", "-o", help="The page to write; - for stdout.")] = "report.html",
    since: Annotated[
        str | None, typer.Option("--since", help="From then on: 7d, 12h, 2026-11-01 or a time stamp; UTC.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Up to then, in the same forms.")] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", help="Only these: route=answer, tag:team=search; an empty value is none."),
    ] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Tags to show; may be given again. (the three most used)")
    ] = None,
    title: Annotated[str, typer.Option("--title", help="The page's heading.")] = "What the calls cost",
    prices: Annotated[
        str | None,
        typer.Option("--prices", help="Price again: `book` for the bundled one, a book's file, or a file of prices."),
    ] = None,
    engine: Annotated[Engine, typer.Option("--engine", help="What reads the lines.")] = Engine.auto,
    file: Annotated[
        str, typer.Option("--file", "-f", help="The configuration that names the log and the budgets.")
    ] = "orchestrator.yaml",
) -> None:
    """A report of costs, tokens, latency, errors, failovers and budgets: one page, without network or server.

    Ends with 0, 1 if there were no lines of calls, 2 for a mistake in the question or a page that cannot be written.
    """
    from orchestrator.cli.costs_asking import asked, configured  # noqa: PLC0415
    from orchestrator.errors import ConfigError  # noqa: PLC0415

    try:
        sources = logs or configured(file)
        rollup = _rolled_up(sources, asked([], since, until, where or []), tag or (), engine, prices)
        _write(output, _page(rollup, title, sources, file))
    except (ConfigError, ValueError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    _report(output, rollup)


def _rolled_up(sources: Sequence[str], query: Query, tags: Sequence[str], engine: Engine, prices: str | None) -> Rollup:
    from orchestrator.dashboards import roll_up  # noqa: PLC0415
    from orchestrator.dashboards.repricing import repricer  # noqa: PLC0415

    return roll_up(
        sources,
        where=query.where,
        since=query.since,
        until=query.until,
        tags=tags,
        engine=engine.value,
        reprice=repricer(prices) if prices else None,
    )


def _page(rollup: Rollup, title: str, sources: Sequence[str], file: str) -> str:
    from orchestrator.dashboards.page import page_data, render  # noqa: PLC0415

    data = page_data(rollup, generated=datetime.now(UTC), source=", ".join(sources), budgets=_budgets(file))
    return render(data, title=title)


def _write(output: str, page: str) -> None:
    if output == "-":
        typer.echo(page, nl=False)
    else:
        Path(output).write_text(page, encoding="utf-8")


def _report(output: str, rollup: Rollup) -> None:
    from orchestrator.dashboards.tally import plain_decimal  # noqa: PLC0415

    sums = rollup.totals.sums
    if output != "-":
        size = Path(output).stat().st_size / 1000
        typer.echo(f"{output}: {sums.calls:,} calls, ${plain_decimal(sums.cost_usd)}, {size:,.0f} kB", err=True)
    if not sums.calls:
        typer.echo("no lines of calls", err=True)
        raise typer.Exit(1)


def _budgets(file: str) -> list[BudgetLine]:
    """The file's budgets; none without a file, which only names them here."""
    from orchestrator.config import load_file  # noqa: PLC0415

    if not Path(file).is_file():
        return []
    config = load_file(file, check_secrets=False)
    return [_budget(each) for each in config.budgets]


def _budget(budget: Any) -> BudgetLine:
    from orchestrator.dashboards.page import BudgetLine  # noqa: PLC0415

    per = budget.per.replace("tags.", "tag:", 1)
    only = {name: tuple(getattr(budget.only, name)) for name in ("tenant", "user", "route", "provider")}
    only |= {f"tag:{name}": tuple(values) for name, values in budget.only.tags.items()}
    return BudgetLine(
        name=budget.name or f"{per}, {budget.window}",
        per=per,
        usd=budget.usd,
        window=budget.window,
        only={name: values for name, values in only.items() if values},
    )
