"""`orchestrator prices refresh`: a price book of one's own, from newer sources than the bundled one's. Asks nobody."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["refresh"]


def refresh(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the book is written.")] = Path("prices.json"),
    map_file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="LiteLLM's model_prices_and_context_window.json, downloaded by you.",
            show_default="that of the installed package",
        ),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Build a price book from the packages that are installed here: genai-prices, and LiteLLM or a file of its prices.

    Nothing is downloaded: upgrade the packages first. `prices: {file: prices.json}` in the configuration uses the book.
    """
    from orchestrator.errors import ConfigError  # noqa: PLC0415

    try:
        told = _refreshed(output, map_file)
    except ConfigError as error:
        typer.echo(f"orchestrator prices refresh: {error}", err=True)
        raise typer.Exit(2) from None
    if as_json:
        typer.echo(json.dumps(told, indent=2))
        return
    sources = " and ".join(f"{one['package']} {one['version']}" for one in told["sources"])
    typer.echo(f"Wrote {output}: {told['prices']:,} prices from {sources}; book {told['book']}.")
    typer.echo(f"Beside the bundled book: {told['changed']} changed, {told['added']} more, {told['removed']} fewer.")
    typer.echo(f"To use it: prices: {{file: {output}}}")


def _refreshed(output: Path, map_file: Path | None) -> dict[str, Any]:
    from orchestrator.pricing.sources.build import compile_book, rendered  # noqa: PLC0415

    book = compile_book(datetime.now(UTC).date().isoformat(), map_file)
    _replace(output, rendered(book))
    return {
        "file": str(output),
        "book": book["version"],
        "sources": book["sources"],
        "prices": sum("unpriced" not in row for row in book["rows"].values()),
        "disagreements": len(book["disagreements"]),
        **_compared(book["rows"]),
    }


def _replace(path: Path, content: bytes) -> None:
    """Whole or not at all: a process may be reading the old one."""
    from orchestrator.errors import ConfigError  # noqa: PLC0415

    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigError(f"the book cannot be written: {error.strerror}", file=str(path)) from error


def _compared(rows: Mapping[str, Any]) -> dict[str, int]:
    """How many rows of these are others than in the bundled book."""
    from orchestrator import pricing  # noqa: PLC0415

    bundled = json.loads(Path(pricing.__file__).with_name("book.json").read_bytes())["rows"]
    return {
        "changed": sum(bundled[name] != row for name, row in rows.items() if name in bundled),
        "added": len(rows.keys() - bundled.keys()),
        "removed": len(bundled.keys() - rows.keys()),
    }
