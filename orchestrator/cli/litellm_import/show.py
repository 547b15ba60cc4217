"""Tells what did not come along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.cli.calling import json_text
from orchestrator.cli.litellm_import.converting import Imported
from orchestrator.cli.litellm_import.ledger import Note

__all__ = ["show_json", "show_notes"]


def show_json(imported: Imported) -> None:
    """The text of the file and the notes."""
    typer.echo(json_text({"text": imported.text, "notes": [asdict(note) for note in imported.notes]}))


def show_notes(imported: Imported, output: Path | None) -> None:
    """One note per key, in the order of the source, on standard error."""
    console = Console(stderr=True, highlight=False)
    if imported.notes:
        keys = "1 key" if len(imported.notes) == 1 else f"{len(imported.notes)} keys"
        if output is None and console.is_terminal:
            console.print()
        console.print(f"{keys} did not come along as they were:", style="bold yellow")
        console.print(_table(imported.notes))
    if output is None:
        console.print("To keep it: -o orchestrator.yaml", style="dim")
    else:
        console.print(f"wrote {output}; next: orchestrator check {output}", style="green", soft_wrap=True)


def _table(notes: Sequence[Note]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(justify="right", style="blue", no_wrap=True)
    table.add_column(overflow="fold")
    for note in notes:
        table.add_row(f"line {note.line}", Text.assemble((note.key, "bold"), f": {note.reason}"))
    return table
