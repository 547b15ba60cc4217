"""The preferred vendor dies under load: nothing is lost, and the log agrees with the vendors' own ledger."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from rehearsal import VENDORS, attempts, config, cost, read_log

from orchestrator import AsyncOrchestrator, OrchestratorError
from orchestrator.testing import Simulator, Vendor

IN_FLIGHT = 200


async def load(llm: AsyncOrchestrator, sim: Simulator, calls: int) -> list[object]:
    """Chats and streams by turns, 200 in flight; alpha is killed when half of them are under way."""
    gate = asyncio.Semaphore(IN_FLIGHT)
    started = 0

    async def one(i: int) -> object:
        nonlocal started
        async with gate:
            started += 1
            if started == calls // 2:
                await asyncio.to_thread(sim["alpha"].kill)
            try:
                if i % 3:
                    return await llm.chat("answer", f"question number {i}", tenant=f"t{i % 4}")
                async with llm.stream("answer", f"question number {i}", tenant=f"t{i % 4}") as stream:
                    async for _ in stream:
                        pass
                return stream.reply
            except OrchestratorError as error:
                return error

    return await asyncio.gather(*[one(i) for i in range(calls)])


def test_vendor_killed_under_200_calls(tmp_path):
    """Every call is answered or fails typed in time; tokens and money equal the ledger to the last digit."""
    log = tmp_path / "calls.jsonl"
    slow_alpha = Vendor(name="alpha", wire="openai", latency_s=0.05, tokens_per_s=400)
    with Simulator([slow_alpha, *VENDORS[1:]]) as sim:

        async def scenario():
            async with AsyncOrchestrator(config(sim, log)) as llm:
                return await load(llm, sim, 800)

        outcomes = asyncio.run(asyncio.wait_for(scenario(), 60))
        ledger = {entry.request_id: entry for entry in sim.ledger}
    lines = read_log(log)
    assert len(lines) == len(outcomes) == 800
    errors = [outcome for outcome in outcomes if isinstance(outcome, OrchestratorError)]
    assert all(type(error).__name__ == "StreamInterrupted" for error in errors)  # past the commit point
    assert len(errors) < 100
    assert any(line["attempts"] for line in lines)  # it did fail over
    counted = estimated = 0
    for line in lines:
        for attempt in attempts(line):
            entry = ledger.get(attempt["request_id"])
            if attempt["usage_source"] == "vendor":
                counted += 1
                tokens = (attempt["input_tokens"], attempt["output_tokens"])
                assert tokens == (entry.input_tokens, entry.output_tokens)
                assert attempt["cost_usd"] == cost(attempt["deployment"], *tokens)
            elif attempt["usage_source"] == "estimate":
                estimated += 1
        assert line["cost_usd"] == sum((a["cost_usd"] or Decimal(0) for a in attempts(line)), Decimal(0))
    answered = 800 - len(errors)
    assert counted == answered
    # Whatever the ledger has beyond what reached us stands in the log as an estimate.
    complete = {entry.request_id for entry in ledger.values()}
    told = {a["request_id"] for line in lines for a in attempts(line) if a["usage_source"] == "vendor"}
    assert len(complete - told) <= estimated


def test_rate_limited_vendor_is_given_its_rest(tmp_path):
    """A vendor at its limit answers 429 with Retry-After; the other one takes over and the first is left alone."""
    with Simulator(VENDORS) as sim:
        sim["alpha"].fail(429, retry_after=30, count=1)

        async def scenario():
            async with AsyncOrchestrator(config(sim, tmp_path / "l")) as llm:
                return [(await llm.chat("answer", "hi")).deployment for _ in range(20)]

        assert set(asyncio.run(scenario())) == {"beta"}
        assert sim["alpha"].requests.total == 1


def test_embed_and_rerank_are_priced_like_the_ledger(tmp_path):
    """Tokens and search units in the log are the vendor's; the money is price times count."""
    log = tmp_path / "calls.jsonl"
    with Simulator(VENDORS) as sim:

        async def scenario():
            async with AsyncOrchestrator(config(sim, log)) as llm:
                embedded = await llm.embed("search", ["some words", "some other words"])
                ranked = await llm.rerank("rank", query="words", documents=["a", "words here", "c"], top_n=2)
                return embedded, ranked

        embedded, ranked = asyncio.run(scenario())
        first, second = sim.ledger
    assert (len(embedded.vectors), embedded.dimensions) == (2, 1536)
    assert embedded.usage.input_tokens == first.input_tokens
    assert embedded.cost.total == first.input_tokens * Decimal("0.02") / 10**6
    assert len(ranked.results) == 2
    assert ranked.usage.search_units == second.search_units == 1
    assert ranked.cost.total == Decimal("0.002")
    assert [line["cost_usd"] for line in read_log(log)] == [embedded.cost.total, ranked.cost.total]
