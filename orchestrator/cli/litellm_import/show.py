"""Tells what did not come along."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from orchestrator.cli.calling import json_text
from orchestrator.cli.litellm_import.converting import Imported

__all__ = ["show_json", "show_notes"]


def show_json(imported: Imported) -> None:
    """The text of the file and the notes."""
    typer.echo(json_text({"text": imported.text, "notes": [asdict(note) for note in imported.notes]}))


def show_notes(imported: Imported, output: Path | None) -> None:
    """One note per key, in the order of the source, on standard error."""
    console = Console(stderr=True, highlight=False)
    for note in imported.notes:
        console.print(Text.assemble((f"line {note.line}: ", "blue"), (note.key, "bold"), f": {note.reason}"))
    if imported.notes:
        console.print(f"{len(imported.notes)} of the source's keys did not come along as they were.", style="yellow")
    if output is not None:
        console.print(f"wrote {output}; now: orchestrator check {output}", style="green", soft_wrap=True)
