"""Limits through the public API, in virtual time."""

from __future__ import annotations

import asyncio

import pytest
from vendor import World, completion, config, error

from orchestrator import CallTimeout, ConfigError, InvalidRequest
from orchestrator.spec.transport import HttpReply


async def ask(llm, **options):
    return await llm.chat("answer", "hi", **options)


def test_a_call_that_rests_blocks_nobody():
    """A call backing off after an error of its own stands in no line: others pass it while it waits."""
    first = []

    def answer(request):
        first.append(1)
        return error(429) if len(first) == 1 else completion()

    world = World({"a": answer}, deployments={"a": {"limits": {"concurrency": 1, "rpm": 60_000}}})

    async def scenario(llm):
        resting = asyncio.create_task(ask(llm))
        await asyncio.sleep(0)
        for _ in range(20):
            await ask(llm)
        passed_at = world.elapsed
        await resting
        return passed_at

    world.llm._core.pipeline._random.seed(3)  # a back-off well above nought
    assert world.run(scenario) == 0.0
    assert world.elapsed > 0.0


def test_unsent_requests_cost_nothing():
    """A deployment that cannot carry a part is passed over without using up its requests per minute."""
    part = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "flac-x"}}
    world = World({"a": completion()}, deployments={"a": {"limits": {"rpm": 1}}})

    async def scenario(llm):
        with pytest.raises(InvalidRequest):
            await llm.chat("answer", [{"role": "user", "content": [part]}])
        await ask(llm)

    world.run(scenario)
    assert world.sent == [("a", 0.0)]


def test_a_refused_reload_changes_no_limit():
    """A reload that fails late, on a missing credential, leaves the limits in force as they were."""
    limits = {"a": {"limits": {"concurrency": 1}}}
    world = World({"a": completion()}, deployments=limits)
    bad = config(["a"], deployments={"a": {"limits": {"concurrency": 50}}})
    bad["providers"]["a"]["headers"] = {"x-key": {"env": "ORCHESTRATOR_TEST_UNSET"}}
    gate = world.llm._core.snapshot.deployments["a"].gate
    with pytest.raises(ConfigError):
        world.llm.reload(bad)
    assert [slot.limit.amount for slot in gate.slots] == [1]
    world.llm.reload(config(["a"], deployments={"a": {"limits": {"concurrency": 2}}}))
    assert [slot.limit.amount for slot in gate.slots] == [2]


def test_waiting_ends_with_the_deadline():
    """A call waiting in line for a slot ends at its deadline, and leaves the line."""

    async def hang(request):
        await asyncio.sleep(50)
        return completion()

    world = World({"a": hang}, deployments={"a": {"limits": {"concurrency": 1}}})

    async def scenario(llm):
        held = asyncio.create_task(ask(llm))
        await asyncio.sleep(1)
        with pytest.raises(CallTimeout):
            await ask(llm, deadline=5)
        assert world.elapsed == pytest.approx(6.0)
        assert llm._core.snapshot.deployments["a"].gate.waiting == 0
        await held

    world.run(scenario)
    assert len(world.sent) == 1


def stating(limit, remaining):
    """An answer whose headers state the vendor's limit of requests a minute."""
    reply = completion()
    stated = {"x-ratelimit-limit-requests": str(limit), "x-ratelimit-remaining-requests": str(remaining)}
    return HttpReply(200, {**reply.headers, **stated, "x-ratelimit-reset-requests": "1s"}, reply.body)


def test_learnt_limits_pace_the_calls():
    """With `learn: true` a limit that the vendor states below the file's is kept to; without it, it is not."""
    paces = {}
    for learn in (True, False):
        world = World({"a": stating(60, 59)}, deployments={"a": {"limits": {"rpm": 6000, "learn": learn}}})

        async def scenario(llm):
            for _ in range(30):
                await llm.chat("answer", "hi")

        world.run(scenario)
        paces[learn] = world.elapsed
    assert paces[True] > 20
    assert paces[False] < 1


def test_a_silent_vendors_refusals_slow_the_calls_down():
    """With `learn: true`, 429s without a word lower the rate, and it recovers."""
    limits = {"deployments": {"a": {"limits": {"rpm": 600, "learn": True}}}}
    world = World({"a": [error(429), completion()]}, **limits)

    async def scenario(llm):
        await llm.chat("answer", "hi")
        slot = llm._core.snapshot.deployments["a"].gate.slots[0]
        lowered = slot.limit.amount
        await asyncio.sleep(60)
        await llm.chat("answer", "hi")
        return lowered, llm._core.snapshot.deployments["a"].gate.slots[0].limit.amount

    lowered, recovered = world.run(scenario)
    assert lowered < 600 == recovered


def test_reservations_learn_from_answers():
    """Answers far shorter than their cap make room: more calls fit into the tokens of a minute."""
    route = {"defaults": {"max_output_tokens": 4000}}
    world = World({"a": completion(output_tokens=50)}, route, deployments={"a": {"limits": {"tpm": 100_000}}})

    async def scenario(llm):
        begin = world.elapsed
        for _ in range(25):
            await llm.chat("answer", "hi")
        early = world.elapsed - begin
        begin = world.elapsed
        await asyncio.gather(*[llm.chat("answer", "hi") for _ in range(100)])
        return early, world.elapsed - begin

    _, late = world.run(scenario)
    assert late < 20  # a hundred reservations of 4,000 tokens would take four minutes
