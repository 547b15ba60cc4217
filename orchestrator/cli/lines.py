"""Options of the commands that read log lines, written once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeAlias

import typer

__all__ = ["Engine", "LogFile", "Logs", "Prices", "Reader", "Since", "Until", "Where"]


class Engine(StrEnum):
    """What reads the lines."""

    auto = "auto"
    duckdb = "duckdb"
    python = "python"


Logs: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(help="Files, directories, patterns, or - for stdin. (the log of --file)", show_default=False),
]
Since: TypeAlias = Annotated[
    str | None, typer.Option("--since", help="From then on: 7d, 12h, 2026-11-01 or a time stamp; UTC.")
]
Until: TypeAlias = Annotated[str | None, typer.Option("--until", help="Up to then, in the same forms.")]
Where: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--where", help="Only these: route=answer, tag:team=search; an empty value is none."),
]
Prices: TypeAlias = Annotated[
    str | None,
    typer.Option("--prices", help="Price again: `book` for the bundled one, a book's file, or a file of prices."),
]
Reader: TypeAlias = Annotated[Engine, typer.Option("--engine", help="What reads the lines.")]
LogFile: TypeAlias = Annotated[str, typer.Option("--file", "-f", help="The configuration that names the log.")]
