"""`orchestrator prices` and `orchestrator price`, run as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestrator.pricing import bundled
from orchestrator.types.usage import Usage

FILE = """\
version: 1
providers:
  openai: {kind: openai, api_key: {env: NO_SUCH_KEY}, discount: 15%}
  claude: {kind: anthropic, api_key: {env: NO_SUCH_KEY}}
  own: {kind: openai, api_key: {env: NO_SUCH_KEY}, base_url: "https://models.example/v1"}
  cohere: {kind: cohere, api_key: {env: NO_SUCH_KEY}}
  voyage: {kind: voyage, api_key: {env: NO_SUCH_KEY}}
deployments:
  mini: {provider: openai, model: gpt-4o-mini}
  agreed: {provider: claude, model: claude-opus-5-5, price: {input: 5, output: 25}}
  sonnet: {provider: claude, model: claude-sonnet-4-5}
  mine: {provider: own, model: llama}
  gold: {provider: claude, model: claude-haiku-4-5}
  units: {provider: cohere, model: rerank-v3.5}
  tokens: {provider: voyage, model: rerank-2.5}
routes:
  answer:
    task: chat
    pick: {weighted: {mini: 70, agreed: 30}}
    then: [sonnet, mine]
    when: [{tenant: gold, pick: gold, then: [mini]}]
  rank: {task: rerank, pick: [units, tokens]}
  vectors: {task: embed, pick: openai/text-embedding-3-small}
"""
CALL = ["--input-tokens", "1000", "--output-tokens", "300"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orchestrator.yaml").write_text(FILE)
    return tmp_path


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", "-m", "orchestrator", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


def answered(*arguments: str, cwd: Path) -> Any:
    done = run(*arguments, "--json", cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def priced(*arguments: str, cwd: Path) -> dict[str, Any]:
    return {one["deployment"]: one for one in answered("price", *arguments, cwd=cwd)["deployments"]}


def test_every_candidate_of_a_route_is_priced_exactly(folder: Path) -> None:
    """Each deployment that may answer, of any case, has its buckets and total; discounts and own prices count."""
    found = priced("answer", *CALL, cwd=folder)
    assert list(found) == ["mini", "agreed", "sonnet", "mine", "gold"]
    assert found["mini"]["call"] == {
        "buckets_usd": {"input": "0.0001275", "output": "0.000153"},
        "total_usd": "0.0002805",
    }
    assert (found["agreed"]["call"]["total_usd"], found["agreed"]["price_row"]) == ("0.0125", "config")
    assert (found["mini"]["price_row"], found["mini"]["price_book"]) == ("openai/gpt-4o-mini", bundled().version)
    assert found["mini"]["month"] is None


def test_a_month_is_so_many_calls(folder: Path) -> None:
    """`--calls` multiplies every bucket and the total, exactly, and the prompt's size stays that of one call."""
    found = priced("answer", *CALL, "--calls", "1234567", cwd=folder)
    for one in found.values():
        for bucket, amount in one["call"]["buckets_usd"].items():
            assert Decimal(one["month"]["buckets_usd"][bucket]) == Decimal(amount) * 1234567
    assert found["sonnet"]["month"]["total_usd"] == "9259.2525"


def test_cached_tokens_and_long_prompts_have_their_prices(folder: Path) -> None:
    """Cached tokens are taken from the input, and a prompt above a threshold is priced as a whole by it."""
    long = ["--input-tokens", "250000", "--output-tokens", "300", "--cached", "50000"]
    found = priced("answer", *long, cwd=folder)["sonnet"]["call"]
    assert found["buckets_usd"] == {"cache_read": "0.03", "input": "1.2", "output": "0.00675"}


def test_unknown_prices_say_why(folder: Path) -> None:
    """A price that cannot be known is no zero: there is a reason beside it, in JSON and below the table."""
    found = priced("answer", *CALL, "--cached", "10", cwd=folder)
    assert (found["mine"]["call"]["total_usd"], found["agreed"]["call"]["total_usd"]) == (None, None)
    assert "base_url is not the vendor's own" in found["mine"]["unknown"]
    assert found["agreed"]["unknown"] == "no price for cache_read"
    table = " ".join(run("price", "answer", *CALL, "--cached", "10", cwd=folder).stdout.split())
    assert "unknown: mine: base_url is not the vendor's own" in table


def test_embeddings_and_reranking(folder: Path) -> None:
    """Embeddings need input tokens alone; rerankers are priced by search units or tokens, as each vendor bills."""
    vectors = priced("vectors", "--input-tokens", "1000", cwd=folder)["openai/text-embedding-3-small"]
    assert vectors["call"]["total_usd"] == "0.000017"  # 0.02 per million, 15 % off
    ranked = priced("rank", "--input-tokens", "1000", "--search-units", "2", cwd=folder)
    assert ranked["units"]["call"]["total_usd"] == "0.004"
    assert ranked["tokens"]["call"]["buckets_usd"] == {"input": "0.00005"}
    alone = priced("rank", "--input-tokens", "1000", cwd=folder)
    assert alone["units"]["unknown"] == "search_units is unknown"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["price", "anser", *CALL], "did you mean 'answer'?"),
        (["price", "answer", *CALL, "--file", "none.yaml"], "none.yaml"),
        (["price", "answer", "--input-tokens", "5"], "--output-tokens"),
        (["price", "answer", *CALL, "--cached", "1001"], "cannot exceed"),
        (["price", "answer", *CALL, "--search-units", "1"], "only rerank"),
        (["price", "vectors", *CALL], "no output"),
        (["price", "rank"], "give --input-tokens or --search-units"),
        (["price", "answer", *CALL, "--calls", "0"], "--calls"),
        (["prices", "show", "openai/gpt-4o-mni"], "nearest: openai/gpt-4o-mini"),
        (["prices", "show", "opena/gpt-4o"], "nearest: openai"),
        (["prices", "show", "gpt-4o"], "vendor/model"),
        (["prices", "show", "gpt-4o/"], "vendor/model"),
        (["prices", "check", "--vendor", "opena"], "nearest: openai"),
    ],
)
def test_mistakes_end_with_2(folder: Path, arguments: list[str], said: str) -> None:
    """A mistake in the question is said in one place on stderr, with exit code 2 and no trace."""
    done = run(*arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_show_has_all_of_a_row(folder: Path) -> None:
    """The row has every bucket with tiers, its periods with the one in force, variants, source and book version."""
    found = answered("prices", "show", "anthropic/claude-sonnet-4-6", cwd=folder)
    before, since = found["periods"]
    assert (before["when"], before["in_force"]) == (None, False)
    assert (since["when"], since["in_force"]) == ("2026-03-13", True)
    assert before["prices"]["input"] == {
        "unit": "USD per million tokens",
        "price": "3",
        "tiers": [{"above_input_tokens": 200_000, "price": "6"}],
    }
    assert since["prices"]["web_search"]["unit"] == "USD each"
    assert found["variants"]["batch"][0]["prices"]["output"]["price"] == "7.5"
    assert (found["source"]["package"], found["book"]) == ("genai-prices", bundled().version)


@pytest.mark.parametrize("model", ["openai/gpt-4o-mini-2024-07-18", "bedrock/amazon.nova-lite-v1:0", "xai/grok-4"])
def test_show_finds_the_row_that_prices_calls(folder: Path, model: str) -> None:
    """Snapshots, and vendors by their kind or other names, lead to the row that a call is priced by."""
    found = answered("prices", "show", model, cwd=folder)
    vendor, _, name = model.partition("/")
    row = bundled().find({"bedrock": "aws"}.get(vendor, vendor), name)
    assert row is not None
    cost = row.cost(Usage(input_tokens=1, output_tokens=0), at=datetime.now(UTC))
    (current,) = [one for one in found["periods"] if one["in_force"]]
    assert found["row"] == row.name
    assert Decimal(current["prices"]["input"]["price"]) == cost.buckets["input"] * 1_000_000


def test_check_lists_what_the_sources_say(folder: Path) -> None:
    """All disagreements are listed with both prices, and the row named is the one that calls are priced by."""
    found = answered("prices", "check", cwd=folder)
    assert found["book"] == bundled().version
    assert found["disagreements"]
    for one in found["disagreements"]:
        assert bundled().resolve(*one["model"].split("/", 1)) == one["row"]
        assert one["prices"]
        assert all(pair["used"] != pair["other"] for pair in one["prices"].values())


def test_check_by_vendor_and_model(folder: Path) -> None:
    """--vendor takes a kind's name, --model a part of a name; nothing found is an answer, too."""
    everything = answered("prices", "check", cwd=folder)["disagreements"]
    one = answered("prices", "check", "--vendor", "bedrock", "--model", "SONNET", cwd=folder)["disagreements"]
    assert one == [row for row in everything if row["model"].startswith("aws/") and "sonnet" in row["model"]]
    assert one
    none = run("prices", "check", "--model", "no such model", cwd=folder)
    assert (none.returncode, none.stdout.startswith("0 models")) == (0, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["prices", "check"],
        ["prices", "show", "anthropic/claude-sonnet-4-6"],
        ["prices", "show", "deepseek/deepseek-flash"],
        ["price", "answer", *CALL, "--calls", "100000000"],
    ],
)
def test_tables_fit_80_columns_and_are_plain_in_a_pipe(folder: Path, arguments: list[str]) -> None:
    """No line is longer than 80 columns, and a pipe gets neither colours nor lines of boxes."""
    done = run(*arguments, cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not set(done.stdout) & set("\x1b─━│")


def prices_map(folder: Path, price: float) -> Path:
    """A file in LiteLLM's form that knows one model that nobody else does."""
    path = folder / "map.json"
    entry = {"mode": "chat", "litellm_provider": "acme", "input_cost_per_token": price, "output_cost_per_token": 2e-6}
    path.write_text(json.dumps({"acme/m": entry, "sample_spec": {"mode": "chat"}}))
    return path


def test_refresh_makes_a_book_that_is_used(folder: Path) -> None:
    """A book from a file of prices has its prices, says where they are from, prices calls, and is checked and shown."""
    told = answered("prices", "refresh", "--from", str(prices_map(folder, 1e-6)), "-o", "book.json", cwd=folder)
    assert told["sources"][1]["version"].startswith("map.json ")
    assert told["removed"] > 1000  # what only the bundled book's second source knows
    assert told["added"] == 1
    shown = answered("prices", "show", "--book", "book.json", "acme/m", cwd=folder)
    assert shown["periods"][0]["prices"]["input"]["price"] == "1"
    assert shown["book"] == told["book"]
    assert answered("prices", "check", "--book", "book.json", cwd=folder)["disagreements"] == []
    config = folder / "orchestrator.yaml"
    config.write_text(FILE + "prices: {file: book.json}\n" + "")
    found = priced("answer", *CALL, cwd=folder)["mini"]
    assert (found["price_book"], found["call"]["total_usd"]) == (told["book"], "0.0002805")  # 15 % off


def test_refresh_from_the_packages_is_the_bundled_book(folder: Path) -> None:
    """With the packages that the bundled book was made from, nothing is new; the file is replaced whole."""
    (folder / "prices.json").write_text("old")
    told = answered("prices", "refresh", cwd=folder)
    assert (told["changed"], told["added"], told["removed"]) == (0, 0, 0)
    assert told["prices"] == len(bundled())
    assert [path.name for path in folder.iterdir() if path.name != "orchestrator.yaml"] == ["prices.json"]
    listed = answered("prices", "check", "--book", "prices.json", cwd=folder)["disagreements"]
    assert listed == answered("prices", "check", cwd=folder)["disagreements"]


ODD = {"mode": "chat", "litellm_provider": "acme", "input_cost_per_token": "cheap"}


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"a": {"mode": "chat"}}', '{"version": "1", "rows": {}}', json.dumps({"acme/m": ODD})],
)
def test_what_is_no_list_of_prices_is_refused(folder: Path, content: str) -> None:
    """A file in another form makes no book, and leaves the old one."""
    (folder / "prices.json").write_text("old")
    (folder / "wrong.json").write_text(content)
    done = run("prices", "refresh", "--from", "wrong.json", cwd=folder)
    assert done.returncode == 2
    assert "wrong.json" in done.stderr
    assert (folder / "prices.json").read_text() == "old"


def test_a_book_that_cannot_be_written_is_said(folder: Path) -> None:
    """A folder that is not there ends with 2 and its name."""
    done = run("prices", "refresh", "-o", "none/book.json", cwd=folder)
    assert done.returncode == 2
    assert "none/book.json" in done.stderr
