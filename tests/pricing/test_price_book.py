"""The bundled book: what it finds, how it is loaded, and that it is what the sources say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import ConfigError
from orchestrator.pricing import Book, bundled
from orchestrator.types.usage import Usage

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)

TINY: dict[str, Any] = {
    "version": "2026-11-23-tiny",
    "sources": [],
    "vendors": {"xai": "x-ai"},
    "fallbacks": {"azure": ["openai"]},
    "rows": {
        "openai/gpt-4o": {"input": "2.5", "output": "10", "rules": [["starts", "gpt-4o-2"]]},
        "openai/gpt-4o-2024-05-13": {"input": "5", "output": "15", "ids": ["gpt-4o-first"]},
        "openai/gpt-x": {"input": "1", "output": "1", "ids": ["gpt-x-2025-12-11"]},
        "openai/gpt-4o-2-image": {"unpriced": True},
        "x-ai/grok": {
            "input": "3",
            "output": "15",
            "rules": [
                ["all", [["contains", "grok"], ["any", [["ends", "-latest"], ["regex", r"-\d{4}$"]]]]],
                ["equals", "g"],
            ],
        },
    },
}


@pytest.mark.parametrize(
    ("vendor", "model", "row"),
    [
        ("openai", "gpt-4o", "openai/gpt-4o"),
        ("openai", "GPT-4o", "openai/gpt-4o"),
        ("openai", "gpt-4o-2024-05-13", "openai/gpt-4o-2024-05-13"),  # the rule of gpt-4o fits, too
        ("openai", "gpt-4o-2024-11-20", "openai/gpt-4o"),
        ("openai", "gpt-4o-first", "openai/gpt-4o-2024-05-13"),
        ("openai", "gpt-x-20251211", "openai/gpt-x"),
        ("openai", "gpt-x-20251399", None),
        ("openai", "my-gpt-4o", None),
        ("openai", "gpt-4o-2-image", None),  # though the rule of gpt-4o fits
        ("azure", "gpt-4o", "openai/gpt-4o"),
        ("xai", "grok-latest", "x-ai/grok"),
        ("x-ai", "grok-0709", "x-ai/grok"),
        ("x-ai", "g", "x-ai/grok"),
        ("x-ai", "grok-beta", None),
        ("nobody", "gpt-4o", None),
    ],
)
def test_a_model_is_found_by_its_id_first_and_then_by_rules(vendor: str, model: str, row: str | None) -> None:
    """Literal ids win over rules; vendors have aliases and fallbacks; what fits nothing has no row."""
    book = Book(TINY)
    for _ in range(2):  # the second time from memory
        found = book.find(vendor, model)
        assert (found.name if found else None) == row


@pytest.mark.parametrize(
    ("vendor", "model", "row"),
    [
        ("openai", "gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini"),
        ("anthropic", "claude-haiku-4-5-20251001", "anthropic/claude-haiku-4-5"),
        ("anthropic", "claude-3-5-haiku-latest", "anthropic/claude-3-5-haiku-latest"),
        ("mistral", "mistral-small-latest", "mistral/mistral-small-latest"),
        ("gemini", "gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("cohere", "rerank-v3.5", "cohere/rerank-v3.5"),
        ("voyage", "rerank-2.5", "voyageai/rerank-2.5"),
        ("jina_ai", "jina-reranker-v2-base-multilingual", "jina_ai/jina-reranker-v2-base-multilingual"),
        ("together_ai", "Salesforce/Llama-Rank-V1", "together/Salesforce/Llama-Rank-V1"),
        ("openai", "ft:gpt-4o-mini-2024-07-18:acme::a1", "openai/ft:gpt-4o-mini"),
        ("gemini", "gemini-2.5-flash-preview-09-2025", "google/gemini-2.5-flash"),
    ],
)
def test_snapshots_and_aliases_find_their_row_in_the_bundled_book(vendor: str, model: str, row: str) -> None:
    """Dated snapshots, `-latest` aliases, fine-tunes and LiteLLM's vendor names are understood."""
    found = bundled().find(vendor, model)
    assert found is not None
    assert (found.name, found.book) == (row, bundled().version)


@pytest.mark.parametrize("model", ["gemini-3.8-live", "gemini-live-2.5-flash"])
def test_a_model_that_bills_what_no_usage_counts_is_not_priced_like_its_namesake(model: str) -> None:
    """Models that bill what a usage does not count have no row, although a rule of a text model may fit their id."""
    assert bundled().find("google", model) is None


def test_all_rows_parse_and_price_nothing_as_nothing() -> None:
    """Every row of the bundled book finds itself, and unused buckets cost zero dollars in all of them."""
    book = bundled()
    nothing = Usage(input_tokens=0, output_tokens=0, search_units=0, raw={"search_context_size": "high"})
    for name in book:
        vendor, _, model = name.partition("/")
        row = book.find(vendor, model)
        assert row is not None, name
        assert row.name == name
        if name not in {"perplexity/sonar-medium-online", "perplexity/sonar-small-online"}:
            cost = row.cost(nothing, at=NOW)
            fee = cost.buckets.get("request_high", 0) + cost.buckets.get("request", 0)
            assert cost.total == fee, name


def test_a_book_is_loaded_once_whoever_asks_first() -> None:
    """Threads that ask at the same time get the same book."""
    with ThreadPoolExecutor(8) as pool:
        books = list(pool.map(lambda _: bundled(), range(16)))
    assert all(book is books[0] for book in books)


def test_importing_pricing_reads_no_book() -> None:
    """The file is opened when a price is first asked for, not at import."""
    code = "import orchestrator.pricing.book as b; assert b._bundled is None; b.bundled(); assert b._bundled"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_ids_from_replies_do_not_fill_the_memory() -> None:
    """Looking up ever new model ids keeps a bounded number of them."""
    book = Book(TINY)
    for number in range(10_000):
        assert book.find("openai", f"made-up-{number}") is None
    assert len(book._found) <= 4096
    assert len(book) == 4


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"version": 1}', b"\xff"])
def test_a_file_that_is_no_book_is_refused(tmp_path: Path, content: bytes) -> None:
    """Wrong content is a ConfigError that names the file."""
    path = tmp_path / "book.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        Book.read(path)
    assert caught.value.file == str(path)


def test_a_missing_book_is_refused(tmp_path: Path) -> None:
    """A path without a file is a ConfigError."""
    with pytest.raises(ConfigError, match="cannot be read"):
        Book.read(tmp_path / "none.json")


def test_the_bundled_book_says_where_it_comes_from() -> None:
    """Version is date and digest; both sources are named with version and date; the wheel's share stays small."""
    path = ROOT / "orchestrator" / "pricing" / "book.json"
    data = json.loads(path.read_bytes())
    date = data["sources"][0]["date"]
    assert bundled().version == f"{date}-{data['digest'].removeprefix('sha256:')[:8]}"
    assert [source["package"] for source in bundled().sources] == ["genai-prices", "litellm"]
    assert path.stat().st_size < 600 * 1024


def test_prices_are_decimal_text() -> None:
    """No price in the book is a JSON number, so none passes through binary floating point."""

    def numbers(value: Any) -> Iterator[Any]:
        if isinstance(value, dict):
            for inner in value.values():
                yield from numbers(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from numbers(inner)
        elif not isinstance(value, str) and value is not None:
            yield value

    data = json.loads((ROOT / "orchestrator" / "pricing" / "book.json").read_bytes(), parse_float=Decimal)
    assert all(number is True or type(number) is int for number in numbers(data["rows"]))  # marks and thresholds


def test_the_book_is_what_the_installed_sources_say() -> None:
    """Compiling the installed packages again gives the same bytes."""
    for source in bundled().sources:
        try:
            installed = version(source["package"])
        except PackageNotFoundError:
            pytest.skip(f"{source['package']} is not installed")
        if installed != source["version"]:
            pytest.skip(f"{source['package']} {installed} is installed, the book is from {source['version']}")
    done = subprocess.run(
        [sys.executable, "scripts/build_price_book.py", "--check"], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


VENDORS = {
    "deepseek": "deepseek",
    "gemini": "gemini",
    "mistral": "mistral",
    "openai": "openai",
    "perplexity": "perplexity",
    "together": "together",
}
RETIRED = {"mistral-small-2402"}


@pytest.mark.skipif("WIRE_CORPUS" not in os.environ, reason="WIRE_CORPUS is not set")
def test_models_seen_in_recorded_traffic_have_a_price() -> None:
    """Each model that recorded calls to the large vendors used has a row, but for retired ones in neither source."""
    folder = Path(os.environ["WIRE_CORPUS"])
    missing: Counter[str] = Counter()
    seen = 0
    for entry in json.loads((folder / "INDEX.json").read_bytes()):
        vendor = VENDORS.get(entry["vendor"])
        if vendor and entry["model"] and entry["outcome"] != "error" and entry["kind"] in {"chat", "embed", "rerank"}:
            seen += 1
            if bundled().find(vendor, entry["model"]) is None:
                missing[entry["model"]] += 1
    assert seen > 100
    assert missing.keys() <= RETIRED


def recorded_usage(vendor: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Model id and raw usage of each recorded answer of a vendor."""
    folder = Path(os.environ["WIRE_CORPUS"])
    for path in sorted((folder / vendor).glob("*.json")):
        truth = json.loads(path.read_bytes(), parse_float=Decimal).get("truth") or {}
        if truth.get("usage_raw") and truth.get("model"):
            yield truth["model"], truth["usage_raw"]


def last_digit(stated: Decimal) -> Decimal:
    """One unit of the last digit that a figure has."""
    return Decimal((0, (1,), int(stated.normalize().as_tuple().exponent))) if stated else Decimal(1)


@pytest.mark.skipif("WIRE_CORPUS" not in os.environ, reason="WIRE_CORPUS is not set")
def test_costs_agree_with_what_perplexity_says_it_charged() -> None:
    """Each part of Perplexity's own bill is ours, to the digits in which that bill is written."""
    compared = 0
    for model, raw in recorded_usage("perplexity"):
        row, stated = bundled().find("perplexity", model), raw.get("cost", {})
        if row is None or "request_cost" not in stated:
            continue
        usage = Usage(input_tokens=raw["prompt_tokens"], output_tokens=raw["completion_tokens"], raw=raw)
        buckets = row.cost(usage, at=NOW).buckets
        fee = buckets[f"request_{raw['search_context_size']}"]
        assert fee == Decimal(str(stated["request_cost"]))
        half_a_digit = min(map(last_digit, stated.values())) / 2
        for bucket, key in (("input", "input_tokens_cost"), ("output", "output_tokens_cost")):
            assert abs(buckets[bucket] - Decimal(str(stated[key]))) <= half_a_digit, (model, stated)
        compared += 1
    assert compared >= 10


@pytest.mark.skipif("WIRE_CORPUS" not in os.environ, reason="WIRE_CORPUS is not set")
def test_costs_agree_with_what_xai_says_it_charged() -> None:
    """The charge that xAI states, in ten-billionths of a dollar, is ours exactly."""
    compared = 0
    for model, raw in recorded_usage("xai"):
        row, ticks = bundled().find("x-ai", model), raw.get("cost_in_usd_ticks")
        if row is None or not ticks or "prompt_tokens" not in raw:
            continue
        details = raw["prompt_tokens_details"], raw["completion_tokens_details"]
        usage = Usage(
            input_tokens=raw["prompt_tokens"],
            output_tokens=raw["completion_tokens"] + details[1]["reasoning_tokens"],  # left out of the former
            cache_read_tokens=details[0]["cached_tokens"],
            raw=raw,
        )
        assert row.cost(usage, at=NOW).total == Decimal(ticks).scaleb(-10)
        compared += 1
    assert compared >= 4
