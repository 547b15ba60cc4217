"""Compile `orchestrator/pricing/book.json` from the installed packages genai-prices and litellm.

    python scripts/build_price_book.py            write the book and the list of disagreements
    python scripts/build_price_book.py --check    write nothing; exit 1 if the files differ from what would be written

genai-prices has dated prices and rules for model ids, and wins where both know a model. LiteLLM's map completes rerank
models and vendors the first does not know, the days of the week of off-peak windows, and Perplexity's fees by search
context. Where the two disagree, the second opinion goes to `disagreements.json`, beside the book; nothing reads that
file when a call is priced. The same inputs give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from pricebook import genai, longtail  # noqa: E402
from pricebook.compare import adopt_search_fees, adopt_weekdays, differences  # noqa: E402
from pricebook.forms import Row  # noqa: E402

from orchestrator.pricing.book import Book  # noqa: E402

FOLDER = Path(__file__).parent.parent / "orchestrator" / "pricing"
BOOK = FOLDER / "book.json"
DISAGREEMENTS = FOLDER / "disagreements.json"


def compile_rows(date: str) -> tuple[dict[str, Row], dict[str, Any]]:
    """All rows, and what LiteLLM says otherwise about those of genai-prices."""
    rows = genai.rows()
    primary = _as_book(rows, date)
    disagreements: dict[str, Any] = {}
    for vendor, model, entry in longtail.entries(longtail.map_path()):
        known = primary.resolve(vendor, model)
        if known is None:
            completed = longtail.row(entry, model)
            if completed is not None:
                rows.setdefault(f"{vendor}/{model}", completed)
            continue
        row = rows[known]
        adopt_weekdays(row, longtail.off_peak(entry))
        adopt_search_fees(row, entry)
        found = differences(row, longtail.row(entry, model), date)
        if found:
            disagreements[f"{vendor}/{model}"] = {"row": known, **found}
    return rows, disagreements


def _as_book(rows: Mapping[str, Row], date: str) -> Book:
    return Book({"version": date, "sources": [], "vendors": {}, "fallbacks": genai.fallbacks(), "rows": rows})


def sources(date: str) -> list[dict[str, str]]:
    """The packages read, and the day they were read."""
    return [{"package": name, "version": version(name), "date": date} for name in ("genai-prices", "litellm")]


def render(date: str) -> tuple[bytes, bytes]:
    """The bytes of the book and of the disagreements."""
    rows, disagreements = compile_rows(date)
    body = {
        "sources": sources(date),
        "vendors": longtail.VENDORS,
        "fallbacks": genai.fallbacks(),
        "rows": rows,
    }
    digest = hashlib.sha256(_compact(body)).hexdigest()
    head = {"version": f"{date}-{digest[:8]}", "digest": f"sha256:{digest}", **body}
    return _one_per_line(head, "rows"), _one_per_line({"book": head["version"], "rows": disagreements}, "rows")


def _compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _one_per_line(data: Mapping[str, Any], key: str) -> bytes:
    """JSON with one line for each entry under `key`, so that a change of prices is a readable diff."""
    head = b",\n".join(_compact(name) + b":" + _compact(value) for name, value in data.items() if name != key)
    lines = b",\n".join(_compact(name) + b":" + _compact(value) for name, value in data[key].items())
    return b"{" + head + b",\n" + _compact(key) + b":{\n" + lines + b"\n}}\n"


def _date_of_book() -> str:
    data = json.loads(BOOK.read_bytes())
    return str(data["sources"][0]["date"])


def main() -> int:
    """Write or check the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    parser.add_argument("--date", help="day the sources are read, YYYY-MM-DD (default: today; with --check the book's)")
    options = parser.parse_args()
    today = datetime.now(UTC).date().isoformat()
    date = options.date or (_date_of_book() if options.check else today)
    for path, content in zip((BOOK, DISAGREEMENTS), render(date), strict=True):
        if not options.check:
            path.write_bytes(content)
        elif path.read_bytes() != content:
            print(f"{path.name} differs from what {', '.join(s['package'] for s in sources(date))} say now")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
