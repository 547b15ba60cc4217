"""Compile `orchestrator/models/book.json` from the installed packages litellm and genai-prices.

    python scripts/build_model_book.py            write the book and the list of disagreements
    python scripts/build_model_book.py --check    write nothing; exit 1 if the files differ from what would be written

LiteLLM's map has limits, features, sizes of vectors and retirements; genai-prices has context windows. What
`families.json` says of a model's features, it says with the vendor's page at hand, and it wins; a row has only what its
family does not say, and limits. Rows of a model's maker hold whoever serves it (`models`); those of other vendors, and
of open weights, which each host serves as it likes, hold there alone (`served`). Where sources disagree, both opinions
go to `disagreements.json`, which nothing reads at run time. The same inputs give the same bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent)]

from bookmaking import main  # noqa: E402
from modelbook.sources import Entry, entries  # noqa: E402

from orchestrator.models.families import Families  # noqa: E402
from orchestrator.pricing.sources.forms import compact, versioned  # noqa: E402
from orchestrator.pricing.sources.litellm_map import VENDORS as PRICED_VENDORS  # noqa: E402

FOLDER = Path(__file__).parent.parent / "orchestrator" / "models"
BOOK = FOLDER / "book.json"
DISAGREEMENTS = FOLDER / "disagreements.json"

VENDORS = PRICED_VENDORS | {"vertex_ai": "vertex", "vertex": "google"}

_LIMITS = ("context_tokens", "max_input_tokens", "max_output_tokens", "dimensions")

_MAKERS = {
    "anthropic": ("claude",),
    "aws": ("nova-", "titan-"),
    "cohere": ("command", "embed-", "c4ai-"),
    "google": ("gemini-", "text-embedding-0", "text-multilingual-embedding"),
    "mistral": ("mistral", "magistral", "ministral", "codestral", "devstral", "pixtral"),
    "openai": ("gpt-", "chatgpt-", "o1", "o3", "o4", "text-embedding-3", "text-embedding-ada"),
    "voyageai": ("voyage-",),
    "x-ai": ("grok-",),
}
_OPEN = ("gpt-oss",)
"""Open weights under their maker's names."""


def compile_book(date: str) -> dict[str, Any]:
    """`models`, `served`, `retirements`, and where the sources disagree."""
    families = Families(json.loads((FOLDER / "families.json").read_bytes())["lines"])
    models: dict[str, Any] = {}
    served: dict[str, dict[str, Any]] = {}
    retirements: dict[str, dict[str, str]] = {}
    disagreements: dict[str, Any] = {}
    found = entries(date)
    for entry in sorted(found, key=lambda one: not _is_makers(one)):
        family, facts = families.find(entry.name)
        row = _row(entry, facts)
        if _is_makers(entry):
            models[entry.name] = row
        elif own := {key: value for key, value in row.items() if models.get(entry.name, {}).get(key) != value}:
            served.setdefault(entry.vendor, {})[entry.name] = own
        for desk, day in entry.retirements.items():
            retirements.setdefault(desk, {})[entry.name] = day
        if odd := _disagreements(entry, family, facts):
            disagreements[f"{entry.vendor}/{entry.name}"] = odd
    return {
        "models": {name: row for name, row in sorted(models.items()) if row},
        "served": dict(sorted(served.items())),
        "retirements": dict(sorted(retirements.items())),
        "disagreements": disagreements,
    }


def _is_makers(entry: Entry) -> bool:
    return entry.name.startswith(_MAKERS.get(entry.vendor, ("\n",))) and not entry.name.startswith(_OPEN)


def _row(entry: Entry, family: Mapping[str, Any]) -> dict[str, Any]:
    """What the family does not say, and limits that differ from its own, unless the sources are at odds about them."""
    odd = entry.conflict
    return {
        key: value
        for key, value in entry.facts.items()
        if family.get(key) is None or (key in _LIMITS and family[key] != value and not odd)
    }


def _disagreements(entry: Entry, family: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    odd: dict[str, Any] = {"context_tokens": entry.conflict} if entry.conflict else {}
    for key, value in entry.facts.items():
        said = facts.get(key)
        if key not in _LIMITS and said is not None and said != value:
            odd[key] = {"litellm": value, family: said}
    return odd


def sources(date: str) -> list[dict[str, str]]:
    """The packages read, and the day they were read."""
    return [{"package": name, "version": version(name), "date": date} for name in ("litellm", "genai-prices")]


def render(date: str) -> tuple[bytes, bytes]:
    """The bytes of the book and of the disagreements."""
    compiled = compile_book(date)
    disagreements = compiled.pop("disagreements")
    body = {"sources": sources(date), "vendors": VENDORS, **compiled}
    head = versioned(date, body)
    return _lines(head), _lines({"book": head["version"], "models": disagreements})


def _lines(data: Mapping[str, Any]) -> bytes:
    """JSON with one line for each model, or for each vendor's list, so that a change is a readable diff."""
    return b"{" + b",\n".join(compact(name) + b":" + _section(value) for name, value in data.items()) + b"}\n"


def _section(value: Any) -> bytes:
    if not isinstance(value, dict) or not any(isinstance(one, dict) for one in value.values()):
        return compact(value)
    return b"{\n" + b",\n".join(compact(name) + b":" + _section(one) for name, one in value.items()) + b"}"


if __name__ == "__main__":
    sys.exit(main(__doc__, (BOOK, DISAGREEMENTS), render))
