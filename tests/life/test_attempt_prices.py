"""Every attempt has its price in the log: by the vendor's counts where they came, else by an estimate that says so."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal

import pytest
from pydantic import BaseModel
from rehearsal import PRICES, VENDORS, attempts, config, cost, read_log

from orchestrator import AsyncOrchestrator
from orchestrator.errors import OrchestratorError
from orchestrator.testing import Simulator

QUESTION = "Which plan includes single sign-on, and what does it cost per seat and month?"
RERANK_USD = Decimal("0.002")  # per search, Cohere's list


class Plan(BaseModel):
    """An answer in a form."""

    name: str
    seats: int


@pytest.fixture
def sim():
    with Simulator(VENDORS) as simulator:
        yield simulator


def lines_of(sim, tmp_path, act, **more):
    """What one client's calls leave in the log; errors of calls are theirs."""

    async def scenario():
        async with AsyncOrchestrator(config(sim, tmp_path / "calls.jsonl", **more)) as llm:
            with contextlib.suppress(OrchestratorError):
                await act(llm)

    asyncio.run(scenario())
    return read_log(tmp_path / "calls.jsonl")


def told(sim, vendor, attempt):
    """The ledger's entry for an attempt, by its request id."""
    (entry,) = [entry for entry in sim[vendor].ledger if entry.request_id == attempt["request_id"]]
    return entry


def is_vendors(sim, vendor, attempt):
    """The attempt has the vendor's counts, and their price."""
    entry = told(sim, vendor, attempt)
    assert attempt["usage_source"] == "vendor"
    assert (attempt["input_tokens"], attempt["output_tokens"]) == (entry.input_tokens, entry.output_tokens)
    assert attempt["cost_usd"] == cost(vendor, entry.input_tokens, entry.output_tokens)


def is_estimate(vendor, attempt, *, output):
    """The attempt has the estimated input and as much output as came, and their price."""
    assert attempt["usage_source"] == "estimate"
    assert 10 <= attempt["input_tokens"] <= 30
    assert (attempt["output_tokens"] > 0) is output
    assert attempt["cost_usd"] == cost(vendor, attempt["input_tokens"], attempt["output_tokens"]) > 0


def is_whole(line):
    """The line costs what its attempts cost, and says whether an estimate is among them."""
    tried = attempts(line)
    assert line["cost_usd"] == sum(one["cost_usd"] or 0 for one in tried)
    assert line["cost_estimated"] == any(one["usage_source"] == "estimate" for one in tried)


async def chat(llm):
    """A whole answer."""
    await llm.chat("answer", QUESTION)


async def stream(llm):
    """A stream read to its end."""
    async with llm.stream("answer", QUESTION) as events:
        async for _ in events:
            pass


def test_an_attempt_refused_by_its_vendor_costs_nothing(sim, tmp_path):
    """After an error answer the call moves on: the first attempt used nothing, the second what its vendor says."""
    sim["alpha"].fail(503)
    (line,) = lines_of(sim, tmp_path, chat)
    first, *_, last = attempts(line)
    assert (first["usage_source"], first["cost_usd"], first["status"]) == (None, None, 503)
    is_vendors(sim, "beta", last)
    is_whole(line)


@pytest.mark.parametrize("kind", ["truncated_json", "invalid_utf8", "no_choices"])
def test_an_answer_that_cannot_be_read_is_paid_for(sim, tmp_path, kind):
    """The vendor made it and bills it, so it has the price of its prompt beside that of the answer that counts."""
    sim["alpha"].garble(kind)
    (line,) = lines_of(sim, tmp_path, chat)
    first, *_, last = attempts(line)
    assert first["error"] == "MalformedReply"
    is_estimate("alpha", first, output=False)
    is_vendors(sim, "beta", last)
    is_whole(line)


def test_a_connection_that_breaks_before_the_answer_may_be_billed(sim, tmp_path):
    """The request was sent and nothing came back: its prompt is priced as an estimate."""
    sim["alpha"].drop()
    (line,) = lines_of(sim, tmp_path, chat)
    first, *_, last = attempts(line)
    assert first["maybe_billed"]
    is_estimate("alpha", first, output=False)
    is_vendors(sim, "beta", last)
    is_whole(line)


def test_a_call_that_ran_out_of_time_is_priced(sim, tmp_path):
    """A deadline that ends a silent attempt leaves its estimated prompt in the line."""
    sim["alpha"].hang()
    sim["beta"].hang()
    (line,) = lines_of(sim, tmp_path, lambda llm: llm.chat("answer", QUESTION, deadline=0.4))
    for one in attempts(line):
        is_estimate(one["deployment"], one, output=False)
    is_whole(line)


def test_a_cancelled_call_is_priced(sim, tmp_path):
    """A caller who leaves before the answer leaves its estimated prompt in the line."""
    sim["alpha"].hang()

    async def act(llm):
        task = asyncio.create_task(chat(llm))
        while not sim["alpha"].received:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    (line,) = lines_of(sim, tmp_path, act)
    assert line["status"] == "cancelled"
    is_estimate("alpha", attempts(line)[0], output=False)
    is_whole(line)


@pytest.mark.parametrize("vendor", ["alpha", "beta"])
def test_an_interrupted_stream_is_priced_by_what_came(sim, tmp_path, vendor):
    """Where a stream breaks in the middle, prompt and text so far are priced; what the vendor had counted is taken."""
    sim["alpha" if vendor == "beta" else "beta"].fail(503)
    sim[vendor].cut(after_events=6)
    (line,) = lines_of(sim, tmp_path, stream)
    broken = attempts(line)[-1]
    assert (line["error_type"], broken["deployment"]) == ("StreamInterrupted", vendor)
    is_estimate(vendor, broken, output=True)
    if vendor == "beta":  # Anthropic counts the prompt at the beginning
        assert broken["input_tokens"] == told(sim, "beta", broken).input_tokens
    is_whole(line)


def test_a_stream_that_its_reader_leaves_is_priced_by_what_came(sim, tmp_path):
    """Closing a stream early costs the prompt and the text so far, as an estimate."""
    sim["alpha"].set(tokens_per_s=50)

    async def act(llm):
        async with llm.stream("answer", QUESTION) as events:
            seen = 0
            async for _ in events:
                seen += 1
                if seen == 6:
                    break

    (line,) = lines_of(sim, tmp_path, act)
    assert line["status"] == "cancelled"
    is_estimate("alpha", attempts(line)[0], output=True)
    is_whole(line)


def test_a_stream_that_breaks_after_its_counts_has_them(sim, tmp_path):
    """Once the vendor has said why the answer ended and what it took, a break takes nothing from its own counts."""
    sim["beta"].cut(after_events=1000)
    sim["alpha"].fail(503)
    sim["beta"].answer("yes")
    (line,) = lines_of(sim, tmp_path, stream)
    is_vendors(sim, "beta", attempts(line)[-1])
    is_whole(line)


def test_a_vendor_that_does_not_count_is_estimated(sim, tmp_path):
    """An answer without usage is priced by its own text and the prompt's."""
    sim["alpha"].garble("no_usage")
    (line,) = lines_of(sim, tmp_path, chat)
    is_estimate("alpha", attempts(line)[0], output=True)
    is_whole(line)


def test_a_correction_is_an_attempt_with_a_price(sim, tmp_path):
    """The answer that did not fit and the corrected one are both in the line, with the vendor's counts."""
    said = iter(['{"name": "Team"}', '{"name": "Team", "seats": 5}'])
    sim["alpha"].answer(lambda _ask: next(said))
    routes = {"answer": {"task": "chat", "pick": "alpha", "repair": True}}
    (line,) = lines_of(sim, tmp_path, lambda llm: llm.chat("answer", QUESTION, output=Plan), routes=routes)
    first, second = attempts(line)
    assert (first["error"], second["repair"]) == ("MalformedReply", True)
    is_vendors(sim, "alpha", first)
    is_vendors(sim, "alpha", second)
    is_whole(line)


def test_embeddings_in_batches_have_one_price_for_all(sim, tmp_path):
    """Texts that went in several requests are priced by the sum of their counts; a lost one by an estimate of all."""
    texts = [f"text number {number}" for number in range(2100)]
    (line,) = lines_of(sim, tmp_path, lambda llm: llm.embed("search", texts))
    entries = sim["alpha"].ledger
    assert len(entries) == 2
    assert line["input_tokens"] == sum(entry.input_tokens for entry in entries)
    assert (line["usage_source"], line["cost_usd"]) == ("vendor", line["input_tokens"] * Decimal("0.02") / 10**6)


def test_a_lost_embedding_is_priced(sim, tmp_path):
    """A connection that breaks has the texts' estimated price, the next attempt the vendor's."""
    sim["alpha"].drop(count=1)
    (line,) = lines_of(sim, tmp_path, lambda llm: llm.embed("search", [QUESTION]))
    first, last = attempts(line)
    assert (first["usage_source"], last["usage_source"]) == ("estimate", "vendor")
    assert first["cost_usd"] == first["input_tokens"] * Decimal("0.02") / 10**6 > 0
    is_whole(line)


@pytest.mark.parametrize(("documents", "searches"), [(3, 1), (250, 3)])
def test_a_lost_reranking_is_priced_by_the_search(sim, tmp_path, documents, searches):
    """Reranking is billed by the hundred documents, and so is an attempt whose answer was lost."""
    sim["gamma"].drop(count=1)
    texts = [f"document {number}" for number in range(documents)]
    (line,) = lines_of(sim, tmp_path, lambda llm: llm.rerank("rank", query=QUESTION, documents=texts))
    first, last = attempts(line)
    assert (first["usage_source"], first["search_units"]) == ("estimate", searches)
    assert (last["usage_source"], last["search_units"]) == ("vendor", searches)
    assert first["cost_usd"] == last["cost_usd"] == searches * RERANK_USD
    is_whole(line)


def test_prices_are_those_of_where_the_attempt_was_made():
    """The two chat vendors have prices far enough apart for a mix-up to show."""
    assert PRICES["alpha"][0] * 5 < PRICES["beta"][0]
