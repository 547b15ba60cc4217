"""Scenarios 1 to 9: every way in which a vendor says "not now"."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from vendor import World, completion, error

from orchestrator import AsyncOrchestrator, Overloaded, QuotaExhausted, RateLimited
from orchestrator.spec.transport import HttpReply
from orchestrator.testing import json_reply


async def ask(llm: AsyncOrchestrator, **options: Any) -> Any:
    return await llm.chat("answer", "hi", **options)


def gemini_429(quota: str, delay: str) -> HttpReply:
    """A rate limit as Gemini's OpenAI-compatible endpoint says it, in an array."""
    details = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": quota}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
    ]
    message = f"You exceeded your current quota. Please retry in {delay}."
    inner = {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}
    return json_reply([{"error": inner}], status=429)


def test_01_hint_with_an_alternative() -> None:
    """429 with Retry-After 2 and somebody free: over at once, and the first is left alone for two seconds."""
    world = World({"a": [error(429, retry_after="2"), completion("a")], "b": completion("b")})

    async def scenario(llm: AsyncOrchestrator) -> None:
        for _ in range(50):
            await ask(llm)
            await asyncio.sleep(0.1)

    world.run(scenario)
    assert world.sent[:2] == [("a", 0.0), ("b", 0.0)]
    assert min(at for name, at in world.sent[1:] if name == "a") >= 2.0


def test_02_hint_without_an_alternative() -> None:
    """The same with nobody else and two minutes left: asked again once, 2.0 to 2.2 seconds later."""
    world = World({"a": [error(429, retry_after="2"), completion()]})
    world.run(lambda llm: ask(llm, deadline=120))
    assert [name for name, _ in world.sent] == ["a", "a"]
    assert 2.0 <= world.sent[1][1] <= 2.2


def test_03_hint_of_an_hour() -> None:
    """Raised at once, with the hint."""
    world = World({"a": error(429, retry_after="3600")})
    with pytest.raises(RateLimited) as caught:
        world.run(ask)
    assert (caught.value.retry_after, len(world.sent)) == (3600, 1)
    assert world.elapsed < 0.05


@pytest.mark.parametrize("hint", ["Sun, 06 Nov 1994 08:49:37 GMT", "nan", "inf", "1e9", "-1", "", "soon", "9" * 400])
def test_04_nonsense_hints(hint: str) -> None:
    """Nonsense is no hint: the computed back-off holds, at most a second."""
    world = World({"a": [error(429, retry_after=hint), completion()]})
    world.run(ask)
    assert len(world.sent) == 2
    assert world.elapsed <= 1.0


def test_05_hint_on_a_success() -> None:
    """A 200 that carries Retry-After delays nobody."""
    reply = completion()
    world = World({"a": HttpReply(200, {**reply.headers, "retry-after": "60"}, reply.body)})

    async def twice(llm: AsyncOrchestrator) -> None:
        await ask(llm)
        await ask(llm)

    world.run(twice)
    assert (len(world.sent), world.elapsed) == (2, 0.0)


def test_06_quota_is_used_up() -> None:
    """One request finds out; from then on the credential rests and the other account answers, until five minutes on."""
    world = World({"a": [error(429, "insufficient_quota", retry_after="1"), completion("a")], "b": completion("b")})

    async def scenario(llm: AsyncOrchestrator) -> list[str]:
        texts = [(await ask(llm)).text for _ in range(5)]
        await asyncio.sleep(301)
        return [*texts, (await ask(llm)).text]

    assert world.run(scenario) == ["b"] * 5 + ["a"]
    assert [name for name, _ in world.sent].count("a") == 2


def test_06_quota_without_another_account() -> None:
    """Nobody else: the reason is raised, and calls after the first are not sent."""
    world = World({"a": error(429, "insufficient_quota")})

    async def scenario(llm: AsyncOrchestrator) -> None:
        for _ in range(3):
            with pytest.raises(QuotaExhausted):
                await ask(llm)

    world.run(scenario)
    assert len(world.sent) == 1


@pytest.mark.parametrize("delay", ["32s", "12s"])
def test_07_daily_quota_with_a_short_delay(delay: str) -> None:
    """A quota per day does not heal in half a minute, whatever RetryInfo says: the next one answers, nobody waits."""
    spent = gemini_429("GenerateRequestsPerDayPerProjectPerModel-FreeTier", delay)
    world = World({"a": spent, "b": completion("b")})
    assert world.run(ask).text == "b"
    assert world.elapsed == 0.0
    alone = World({"a": spent})
    with pytest.raises(RateLimited):
        alone.run(ask)
    assert (len(alone.sent), alone.elapsed) == (1, 0.0)


def test_07_spent_day_is_left_alone() -> None:
    """Until the quota comes back, at midnight Pacific, later calls do not ask."""
    world = World({"a": gemini_429("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "32s"), "b": completion("b")})

    async def scenario(llm: AsyncOrchestrator) -> None:
        for _ in range(20):
            await ask(llm)

    world.run(scenario)
    assert [name for name, _ in world.sent].count("a") == 1


def test_07_minute_quota_heals() -> None:
    """A quota per minute does: RetryInfo is obeyed."""
    minute = gemini_429("GenerateRequestsPerMinutePerProjectPerModel", "12.5s")
    world = World({"a": [minute, completion()]})
    world.run(ask)
    assert 12.5 <= world.elapsed <= 13.5


def overloaded_529() -> HttpReply:
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"}
    return json_reply(body, status=529)


def test_08_overload_by_anthropic() -> None:
    """529 sends calls on, is an overload to those who have nobody else, and counts for the breaker."""
    claude = {"kind": "anthropic", "base_url": "https://a.example.com", "api_key": {"env": "TEST_KEY"}}
    other = {"kind": "openai", "base_url": "https://b.example.com/v1", "api_key": {"env": "TEST_KEY"}}
    models = {"a": {"model": "claude-haiku-4-5"}}
    world = World(
        {"a": overloaded_529(), "b": completion("b")}, providers={"a": claude, "b": other}, deployments=models
    )

    async def scenario(llm: AsyncOrchestrator) -> None:
        for _ in range(10):
            assert (await ask(llm)).text == "b"

    world.run(scenario)
    assert [name for name, _ in world.sent].count("a") == 5  # then its breaker is open
    alone = World({"a": overloaded_529()}, providers={"a": claude}, deployments=models)
    with pytest.raises(Overloaded):
        alone.run(ask)
    assert len(alone.sent) == 2


def test_09_milliseconds() -> None:
    """Azure's retry-after-ms: not before a quarter of a second, and not much after the back-off's second."""
    world = World({"a": [error(429, retry_after_ms="250"), completion()]})
    world.run(ask)
    assert 0.25 <= world.sent[1][1] <= 1.0
