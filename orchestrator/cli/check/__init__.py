"""`orchestrator check`: whether a file is right, before a process depends on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["check"]


def check(
    file: Annotated[Path, typer.Argument(help="The configuration.")] = Path("orchestrator.yaml"),
    *,
    secrets: Annotated[
        bool, typer.Option("--secrets/--no-secrets", help="Also read every secret; CI that has none says --no-secrets.")
    ] = True,
    live: Annotated[
        bool, typer.Option("--live", help="Also send one tiny call to each deployment. It costs a fraction of a cent.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings are errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a file: every mistake with its place, and what is unused, unpriced or soon retired.

    Exit code 0: it is right. 1: it has mistakes, or a deployment did not answer. 2: it cannot be read.
    """
    from orchestrator.cli.check.inspecting import inspect  # noqa: PLC0415
    from orchestrator.cli.check.show import show_json, show_report  # noqa: PLC0415

    if live and not secrets:
        raise typer.BadParameter("--live needs the secrets that --no-secrets leaves unread")
    report = inspect(file, secrets=secrets)
    if live and report.config is not None and not report.errors:
        from orchestrator.cli.check.live import ask_all  # noqa: PLC0415

        report = report.answered(ask_all(report.config))
    (show_json if as_json else show_report)(report, strict=strict)
    if not report.readable:
        raise typer.Exit(2)
    if report.failed(strict=strict):
        raise typer.Exit(1)
