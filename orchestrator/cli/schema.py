"""`orchestrator schema`: the JSON Schemas of the file and of the log line."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["schema"]


def schema(
    log: Annotated[bool, typer.Option("--log", help="Of a line of the log instead.")] = False,
) -> None:
    """Print the JSON Schema of orchestrator.yaml, for editors and CI.

    Editors that read `# yaml-language-server: $schema=PATH` at the top of the file then complete and check its keys.
    """
    from importlib.resources import files  # noqa: PLC0415

    folder, name = ("telemetry", "line.schema.json") if log else ("config", "orchestrator.schema.json")
    typer.echo(files("orchestrator").joinpath(folder, name).read_text("utf-8"), nl=False)
