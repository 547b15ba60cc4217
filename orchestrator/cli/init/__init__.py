"""`orchestrator init`: a file to begin with, made of what this machine has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["init"]


def init(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write.")] = Path("orchestrator.yaml"),
    *,
    schema: Annotated[bool, typer.Option("--schema", help="Also write the file's JSON Schema beside it.")] = False,
    probe: Annotated[bool, typer.Option("--probe/--no-probe", help="Look for model servers on this machine.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a file to begin with: from the names of keys in the environment, and model servers on this machine."""
    import os  # noqa: PLC0415

    from orchestrator.cli.init.finding import find_keys, find_servers  # noqa: PLC0415
    from orchestrator.cli.init.writing import schema_path, starting_file  # noqa: PLC0415

    if output.exists() and not force:
        raise typer.BadParameter(f"{output} exists; --force writes over it")
    keys = find_keys(os.environ)
    servers = find_servers() if probe else ()
    beside = output.with_name("orchestrator.schema.json")
    text, missing = starting_file(keys, servers, beside.name if schema else str(schema_path()))
    output.write_text(text, "utf-8")
    if schema:
        beside.write_text(schema_path().read_text("utf-8"), "utf-8")
    for key in keys:
        typer.echo(f"found {key.variable} ({key.kind})")
    for server in servers:
        typer.echo(f"found {server.kind} at {server.base_url}: {', '.join(server.models[:3]) or 'no model'}")
    typer.echo(f"wrote {output}")
    if missing:
        typer.echo(f"next: set {missing}, then: orchestrator check {output}")
    else:
        typer.echo(f"next: orchestrator check {output} --live")
