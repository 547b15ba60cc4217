"""The `orchestrator` command: its options, and the group of its commands."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator import __version__
from orchestrator.cli.helping import SETTINGS, Commands

__all__ = ["app"]

app = typer.Typer(
    name="orchestrator",
    cls=Commands,
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=SETTINGS,
    epilog="New here? `orchestrator demo` shows it at work, and `orchestrator init` writes a file to begin with.",
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
