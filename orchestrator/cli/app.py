"""The commands, one module or package each. Their modules import what they need when they run."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator import __version__
from orchestrator.cli.chat import chat
from orchestrator.cli.check import check
from orchestrator.cli.costs import costs
from orchestrator.cli.dashboard import dashboard
from orchestrator.cli.demo import demo
from orchestrator.cli.diff import diff
from orchestrator.cli.embed import embed
from orchestrator.cli.init import init
from orchestrator.cli.litellm_import import import_litellm
from orchestrator.cli.price import price
from orchestrator.cli.prices import prices
from orchestrator.cli.rerank import rerank
from orchestrator.cli.routes import routes
from orchestrator.cli.schema import schema

__all__ = ["app"]

app = typer.Typer(
    name="orchestrator",
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"orchestrator {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Call models by task name: routing, retries, limits and exact costs in one YAML file."""


app.command("check")(check)
app.command("demo")(demo)
app.command("diff")(diff)
app.command("chat")(chat)
app.command("embed")(embed)
app.command("rerank")(rerank)
app.command("import-litellm")(import_litellm)
app.command("init")(init)
app.command("routes")(routes)
app.command("schema")(schema)
app.command("costs")(costs)
app.command("dashboard")(dashboard)
app.command("price")(price)
app.add_typer(prices, name="prices")
