"""The command of the scripts that compile a book into the package: write its files, or check them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["main"]


def main(description: str | None, paths: Sequence[Path], render: Callable[[str], Sequence[bytes]]) -> int:
    """Write what `render` makes for a day (`2026-11-23`), or compare only; 1 on a difference.

    The first path is the book's, whose first source has the day it was read.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    parser.add_argument("--date", help="day the sources are read, YYYY-MM-DD (default: today; with --check the book's)")
    options = parser.parse_args()
    today = datetime.now(UTC).date().isoformat()
    for path, content in zip(
        paths, render(options.date or (_date_of(paths[0]) if options.check else today)), strict=True
    ):
        if not options.check:
            path.write_bytes(content)
        elif path.read_bytes() != content:
            print(f"{path.name} differs from what the installed packages say now")
            return 1
    return 0


def _date_of(book: Path) -> str:
    return str(json.loads(book.read_bytes())["sources"][0]["date"])
