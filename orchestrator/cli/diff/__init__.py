"""`orchestrator diff A B`: what an application would lose and gain if a route moved from one model to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import completing
from orchestrator.cli.options import AsJson

__all__ = ["diff"]


def diff(
    a: Annotated[
        str,
        typer.Argument(
            help="The model in use: a deployment of the file, or vendor/model.", autocompletion=completing.deployments
        ),
    ],
    b: Annotated[str, typer.Argument(help="The model to move to: likewise.", autocompletion=completing.deployments)],
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="The configuration; orchestrator.yaml if there is one."),
    ] = None,
    route: Annotated[
        str | None,
        typer.Option(
            "--route",
            "-r",
            help="Also say whether this route's requirements and defaults hold.",
            autocompletion=completing.routes,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two models: features, limits, reasoning, vectors, terms and price. Asks nobody, needs no key."""
    from orchestrator.cli.diff.compare import compare  # noqa: PLC0415
    from orchestrator.cli.diff.show import show_json, show_table  # noqa: PLC0415
    from orchestrator.cli.diff.sides import read_sides  # noqa: PLC0415
    from orchestrator.cli.findings import refusing  # noqa: PLC0415

    with refusing():
        sides = read_sides(a, b, file, route)
    comparison = compare(sides)
    (show_json if as_json else show_table)(comparison)
