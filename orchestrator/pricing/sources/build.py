"""Compiles the price book.

genai-prices has dated prices and rules for model ids, and wins where both sources know a model. LiteLLM's map completes
rerank models and vendors the first does not know, prices by region and data zone, service tiers, fees for searches, and
the days of the week of off-peak windows. `corrections.json` has what neither says and a vendor's own page does. Where
the two disagree, the second opinion is kept, too; nothing reads it when a call is priced. The same inputs give the same
bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.pricing.book import Book
from orchestrator.pricing.sources import genai, litellm_map
from orchestrator.pricing.sources.compare import adopt_weekdays, complete, differences
from orchestrator.pricing.sources.forms import Row, compact, versioned

__all__ = ["compile_book", "disagreements_file", "rendered"]

STRICT_PLACES: Mapping[str, list[str]] = {"aws": ["cn-", "us-gov-"], "azure": [""]}
"""Where a vendor's usual prices never hold, by how the place begins: without a row of its own there is no price."""

_GOVERNMENT = "us-gov."
_PROFILES = ("apac.", "au.", "ca.", "eu.", "jp.", "us.")
"""Inference profiles of AWS, which may have a price of their own."""

_A_FEW = 4
"""Rows of a vendor with prices for a tier, up to which the first source has it for these alone, and not for all."""

_FREE_ROW: Row = {"input": "0", "output": "0", "rules": [["ends", ":free"]]}


def compile_book(date: str, map_file: Path | None = None) -> dict[str, Any]:
    """The book with its head, and under `disagreements` what LiteLLM says otherwise about rows of genai-prices.

    Args:
        date: the day the sources are read, `2026-11-23`.
        map_file: LiteLLM's map; None: the one of the installed package.

    Raises:
        ConfigError: a source is not installed, or the file is not LiteLLM's map as this version knows it.
    """
    path = map_file or litellm_map.map_path()
    data = litellm_map.read_map(path)
    rows: dict[str, Row] = {"openrouter/:free": dict(_FREE_ROW), **genai.rows()}
    try:
        disagreements = _Joining(rows, date).join(data)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ConfigError("the list has prices in a form that this version does not know", file=str(path)) from error
    _correct(rows)
    body = {
        "sources": [_package("genai-prices", date), _map_source(map_file, date)],
        "vendors": litellm_map.VENDORS,
        "fallbacks": genai.fallbacks(),
        "strict_places": STRICT_PLACES,
        "rows": rows,
    }
    return {**versioned(date, body), "disagreements": disagreements}


def _package(name: str, date: str) -> dict[str, str]:
    return {"package": name, "version": version(name), "date": date}


def _map_source(map_file: Path | None, date: str) -> dict[str, str]:
    if map_file is None:
        return _package("litellm", date)
    digest = hashlib.sha256(map_file.read_bytes()).hexdigest()
    return {"package": "litellm", "version": f"{map_file.name} {digest[:8]}", "date": date}


class _Joining:
    """Brings the second source's entries into the rows of the first."""

    def __init__(self, rows: dict[str, Row], date: str) -> None:
        self._rows = rows
        self._date = date
        data = {"version": date, "sources": [], "vendors": {}, "fallbacks": genai.fallbacks(), "rows": rows}
        self._primary = Book(data)
        every = ((name.partition("/")[0], tier) for name, row in rows.items() for tier in row.get("variants", ()))
        self._tiers = [of for of, count in Counter(every).items() if count > _A_FEW]

    def join(self, data: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """What the second source says otherwise, by model."""
        disagreements: dict[str, Any] = {}
        for vendor, model, entry in litellm_map.entries(data):
            found = self._one(vendor, model, entry)
            if found:
                disagreements[f"{vendor}/{model}"] = found
        for vendor, model, entry in litellm_map.placed_entries(data):
            placed = litellm_map.row(entry, model)
            if placed is not None:
                self._rows.setdefault(f"{vendor}/{model}", {"at": model.partition("/")[0], **placed})
        return disagreements

    def _one(self, vendor: str, model: str, entry: Mapping[str, Any]) -> dict[str, Any] | None:
        other = litellm_map.row(entry, model)
        known = self._primary.resolve(vendor, model)
        if known is None:
            if other is not None:
                self._rows.setdefault(f"{vendor}/{model}", other)
            return None
        row = self._rows[known]
        if windows := litellm_map.off_peak(entry):
            adopt_weekdays(row, windows)
            return None  # its price is that of the dear hours, and not to be compared
        odd = differences(row, other, self._date)
        if other is not None and odd and _is_its_own(vendor, model, known, odd):
            at = {"at": "us-gov"} if model.startswith(_GOVERNMENT) else {}
            self._rows.setdefault(f"{vendor}/{model}", at | other)
            return {"row": f"{vendor}/{model}", **{bucket: pair[::-1] for bucket, pair in odd.items()}}
        if known.startswith(f"{vendor}/"):
            complete(row, other, self._date, {tier for of, tier in self._tiers if of == vendor})
        elif other is not None and not odd and "places" in other:
            # A reseller's row is its maker's, which has no such places.
            name = f"{vendor}/{known.partition('/')[2]}"
            self._rows.setdefault(name, {**row, "places": other["places"]})
        return {"row": known, **odd} if odd else None


def _is_its_own(vendor: str, model: str, known: str, odd: Mapping[str, Any]) -> bool:
    """Whether the first source has a model under another's row for want of a row of its own."""
    if vendor == "azure":
        return _sets_its_own_prices(known)
    if vendor == "aws":  # the id says where the model runs, and the row found for it does not
        blind = not known.startswith(("aws/regional.", "aws/global."))
        return model.startswith(_GOVERNMENT) or (blind and model.startswith(_PROFILES))
    # A model that searches before every answer, found by the rule of one that may search.
    return "-search-" in model and odd.keys() == {"web_search"}


def _sets_its_own_prices(known: str) -> bool:
    """The first source has a reseller's models at their makers' prices. Azure does sell OpenAI's and Anthropic's so,
    but others and open weights at its own.
    """
    return known.startswith("openai/gpt-oss") or not known.startswith(("azure/", "openai/", "anthropic/"))


def _correct(rows: dict[str, Row]) -> None:
    for correction in json.loads(Path(__file__).with_name("corrections.json").read_bytes())["rows"]:
        row = rows.get(correction["model"], {})
        periods = row.get("periods", [])
        at = next((at for at, (when, _) in enumerate(periods) if when == correction["dated"]), None)
        if at is not None:
            first = [correction["begins"], periods[at][1]]
            row["periods"] = [*correction["before"], first, *periods[at + 1 :]]
            row["source"] = "corrections"


def rendered(book: Mapping[str, Any]) -> bytes:
    """A book as JSON with one line for each row and disagreement, so that a change of prices is a readable diff."""
    listed = ("rows", "disagreements")
    head = [compact(name) + b":" + compact(value) for name, value in book.items() if name not in listed]
    sections = [compact(name) + b":" + _lines(book[name]) for name in listed if name in book]
    return b"{" + b",\n".join([*head, *sections]) + b"}\n"


def _lines(rows: Mapping[str, Any]) -> bytes:
    return b"{\n" + b",\n".join(compact(name) + b":" + compact(value) for name, value in rows.items()) + b"\n}"


def disagreements_file(book: Mapping[str, Any]) -> bytes:
    """The disagreements alone, as the file beside the bundled book."""
    return rendered({"book": book["version"], "rows": book["disagreements"]})
