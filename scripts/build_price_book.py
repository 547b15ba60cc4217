"""Compile `orchestrator/pricing/book.json` from the installed packages genai-prices and litellm.

    python scripts/build_price_book.py            write the book and the list of disagreements
    python scripts/build_price_book.py --check    write nothing; exit 1 if the files differ from what would be written

See `orchestrator.pricing.sources.build` for what comes from where; `orchestrator prices refresh` makes a book of one's
own.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]

from bookmaking import main  # noqa: E402

from orchestrator.pricing.sources.build import compile_book, disagreements_file, rendered  # noqa: E402

FOLDER = ROOT / "orchestrator" / "pricing"


def render(date: str) -> tuple[bytes, bytes]:
    """The bytes of the book and of the disagreements."""
    book = compile_book(date)
    return rendered({name: value for name, value in book.items() if name != "disagreements"}), disagreements_file(book)


if __name__ == "__main__":
    sys.exit(main(__doc__, (FOLDER / "book.json", FOLDER / "disagreements.json"), render))
