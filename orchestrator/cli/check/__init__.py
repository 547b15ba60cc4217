"""`orchestrator check`: whether a file is right, before a process depends on it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import USUAL_FILE, AsJson

if TYPE_CHECKING:
    from orchestrator.cli.check.live import Answered
    from orchestrator.config import Config

__all__ = ["check"]


def check(
    file: Annotated[Path, typer.Argument(help="The configuration.")] = USUAL_FILE,
    *,
    secrets: Annotated[
        bool, typer.Option("--secrets/--no-secrets", help="Also read every secret; CI that has none says --no-secrets.")
    ] = True,
    live: Annotated[
        bool, typer.Option("--live", help="Also send one tiny call to each deployment; it says first what they cost.")
    ] = False,
    at_most: Annotated[
        float, typer.Option("--at-most", min=0.000001, help="Dollars that --live may spend, in all.")
    ] = 0.10,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are errors.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a file: every mistake with its place, and what is unused, unpriced or soon retired.

    Exit code 0: it is right. 1: it has mistakes, or a deployment did not answer. 2: it cannot be read, or --live would
    cost more than --at-most.
    """
    from orchestrator.cli.check.inspecting import inspect  # noqa: PLC0415
    from orchestrator.cli.check.show import show_json, show_report  # noqa: PLC0415

    if live and not secrets:
        raise typer.BadParameter("--live needs the secrets that --no-secrets leaves unread")
    report = inspect(file, secrets=secrets)
    if live and report.config is not None and not report.errors:
        report = report.answered(_ask(report.config, Decimal(str(at_most))))
    (show_json if as_json else show_report)(report, strict=strict)
    if not report.readable:
        raise typer.Exit(2)
    if report.failed(strict=strict):
        raise typer.Exit(1)


def _ask(config: Config, at_most: Decimal) -> tuple[Answered, ...]:
    """Say what it costs at the most, and do it if that is not too much."""
    from orchestrator.cli.calling import dollars, note  # noqa: PLC0415
    from orchestrator.cli.check.live import ask_all, bound  # noqa: PLC0415

    most = bound(config)
    calls = f"{most.calls} call{'' if most.calls == 1 else 's'}"
    if most.usd > at_most:
        note(f"{calls} may cost {dollars(most.usd)}, more than --at-most {dollars(at_most)}: nothing was sent")
        raise typer.Exit(2)
    unpriced = f", and {most.unpriced} of unknown price" if most.unpriced else ""
    note(f"sending {calls}, for {dollars(most.usd)} at the most{unpriced}\n")
    return ask_all(config)
