"""`orchestrator dashboard`: the log as one page that opens offline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.lines import Engine, LogFile, Logs, Prices, Reader, Since, Until, Where

if TYPE_CHECKING:
    from orchestrator.dashboards import Query, Rollup

__all__ = ["dashboard"]


def dashboard(
    logs: Logs = None,
    *,
    output: Annotated[str, typer.Option("--output", "-o", help="The page to write; - for stdout.")] = "report.html",
    since: Since = None,
    until: Until = None,
    where: Where = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Tags to show; may be given again. (the three most used)")
    ] = None,
    title: Annotated[str, typer.Option("--title", help="The page's heading.")] = "What the calls cost",
    prices: Prices = None,
    engine: Reader = Engine.auto,
    file: LogFile = "orchestrator.yaml",
) -> None:
    """A report of costs, tokens, latency, errors, failovers and budgets: one page, without network or server.

    Ends with 0, 1 if there were no lines of calls, 2 for a mistake in the question or a page that cannot be written.
    """
    from orchestrator.cli.costs_asking import asked, configured  # noqa: PLC0415
    from orchestrator.errors import ConfigError  # noqa: PLC0415

    try:
        sources = logs or configured(file)
        rollup = _rolled_up(sources, asked([], since, until, where or []), tag or (), engine, prices)
        _write(output, _page(rollup, title, sources))
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


def _page(rollup: Rollup, title: str, sources: Sequence[str]) -> str:
    from orchestrator.dashboards.page import page_data, render  # noqa: PLC0415

    data = page_data(rollup, generated=datetime.now(UTC), source=", ".join(sources))
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
        calls = "1 call" if sums.calls == 1 else f"{sums.calls:,} calls"
        typer.echo(f"{output}: {calls}, ${plain_decimal(sums.cost_usd)}, {size:,.0f} kB", err=True)
    if not sums.calls:
        typer.echo("no lines of calls", err=True)
        raise typer.Exit(1)
