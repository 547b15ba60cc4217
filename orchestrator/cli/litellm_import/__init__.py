"""`orchestrator import-litellm`: a LiteLLM proxy's configuration as ours, and every key that could not come along."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["import_litellm"]


def import_litellm(
    file: Annotated[Path, typer.Argument(help="LiteLLM's config.yaml.")],
    *,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write; standard output if not given.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the file and the notes as one JSON object.")] = False,
) -> None:
    """Turn a LiteLLM configuration into ours. What cannot come along is said on standard error, line by line."""
    from orchestrator.cli.findings import refusing  # noqa: PLC0415
    from orchestrator.cli.litellm_import.converting import convert  # noqa: PLC0415
    from orchestrator.cli.litellm_import.show import show_json, show_notes  # noqa: PLC0415

    if output is not None and output.exists() and not force:
        raise typer.BadParameter(f"{output} exists; --force writes over it")
    with refusing():
        imported = convert(file)
    if output is not None:
        output.write_text(imported.text, "utf-8")
    if as_json:
        show_json(imported)
        return
    if output is None:
        typer.echo(imported.text, nl=False)
    show_notes(imported, output)
