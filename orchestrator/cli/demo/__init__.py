"""`orchestrator demo`: an application, three simulated vendors, and a bad day, in ten seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]


def demo(
    directory: Annotated[
        Path | None,
        typer.Option("--dir", help="Where to put the file and the log. (a new ./orchestrator-demo)"),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="The same in a third of the time, for CI.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Plain lines, no progress bar.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="Another seed sends other questions.")] = 1,
) -> None:
    """Watch a rate limit, an outage and a change of model from an application's side. No key, no network.

    Starts three simulated vendors on this machine, writes a configuration, sends them some hundred calls, breaks one
    of them, and adds up the log. Ends with 0 if every question was answered and the log agrees with the vendors.
    """
    from orchestrator.cli.demo.run import run  # noqa: PLC0415

    raise typer.Exit(run(directory, fast=fast, quiet=quiet, seed=seed))
