"""Scenarios about time, in virtual time: slow streams, clocks that jump, outages, recoveries, storms."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from vendor import World, completion, config, error, sse

from orchestrator import AsyncOrchestrator, CallTimeout, OrchestratorError, Overloaded, RateLimited, StreamInterrupted
from orchestrator.types import TextDelta

Act = Callable[[AsyncOrchestrator], Awaitable[Any]]


async def ask(llm: AsyncOrchestrator, **options: Any) -> Any:
    return await llm.chat("answer", "hi", **options)


async def outcome(llm: AsyncOrchestrator, **options: Any) -> Any:
    """The reply or the error."""
    try:
        return await ask(llm, **options)
    except OrchestratorError as failure:
        return failure


class Dripping:
    """A stream's body: a head of bytes, then the same piece again and again."""

    status = 200

    def __init__(self, head: bytes, piece: bytes, every_s: float) -> None:
        self.headers: dict[str, str] = {}
        self._head = head
        self._piece = piece
        self._every_s = every_s
        self.closed = False

    async def read(self) -> bytes:
        head, self._head = self._head, b""
        if head:
            return head
        await asyncio.sleep(self._every_s)
        return self._piece

    def close(self) -> None:
        self.closed = True


def dripping(head: bytes, piece: bytes, every_s: float) -> tuple[World, list[Dripping]]:
    """A vendor whose streams drip."""
    world, bodies = World({"a": sse()}), []

    async def open_(request: object, endpoint: object) -> Dripping:
        world.sent.append(("a", world.elapsed))
        bodies.append(Dripping(head, piece, every_s))
        return bodies[-1]

    world.transport.open = open_  # type: ignore[method-assign,assignment]
    return world, bodies


async def broken_stream(llm: AsyncOrchestrator, **options: Any) -> tuple[str, OrchestratorError]:
    """The text and the error of a stream that breaks."""
    text = ""
    try:
        async with llm.stream("answer", "hi", **options) as opened:
            async for event in opened:
                text += event.text if isinstance(event, TextDelta) else ""
    except OrchestratorError as failure:
        return text, failure
    raise AssertionError("it did not break")


def test_18_slow_loris() -> None:
    """A comment every second is no answer: the first attempt ends after 60 s, and so does the second."""
    world, bodies = dripping(b"", b": busy\n\n", 1.0)
    _, failure = world.run(broken_stream)
    assert isinstance(failure, CallTimeout)
    assert failure.kind == "first_token"
    assert [attempt.duration_ms for attempt in failure.attempts] == pytest.approx([60_000, 60_000], rel=0.01)
    assert all(body.closed for body in bodies)


def test_19_stall_with_pings() -> None:
    """Thirty seconds of pings after two pieces are a stall."""
    world, bodies = dripping(sse("one", "two", done=False).body, b": ping\n\n", 5.0)
    text, failure = world.run(broken_stream)
    assert isinstance(failure, StreamInterrupted)
    assert (text, failure.text, failure.cause.kind) == ("onetwo", "onetwo", "stall")  # type: ignore[union-attr]
    assert world.elapsed == pytest.approx(30, abs=0.1)
    assert bodies[0].closed


def test_20_stream_without_end() -> None:
    """A piece a second for ever: the call's deadline ends it."""
    world, bodies = dripping(b"", sse("x", done=False).body, 1.0)
    text, failure = world.run(lambda llm: broken_stream(llm, deadline=90))
    assert failure.cause.kind == "deadline"  # type: ignore[attr-defined]
    assert 88 <= len(text) <= 90
    assert world.elapsed == pytest.approx(90, abs=0.1)
    assert bodies[0].closed


def test_39_reload_under_a_thousand_calls() -> None:
    """A thousand calls under way finish on the configuration they began with; later ones use the new one."""

    def slowly(text: str) -> Callable[[object], Awaitable[Any]]:
        async def answer(_: object) -> Any:
            await asyncio.sleep(5.0)
            return completion(text)

        return answer

    world = World({"a": slowly("a"), "b": slowly("b")}, {"pick": "a", "then": ["b"]})

    async def scenario(llm: AsyncOrchestrator) -> tuple[Counter[str], Counter[str]]:
        old = [asyncio.create_task(ask(llm)) for _ in range(1_000)]
        await asyncio.sleep(1.0)
        llm.reload(config(["a", "b"], {"pick": "b"}))
        new = [asyncio.create_task(ask(llm)) for _ in range(100)]
        return Counter([(await task).text for task in old]), Counter([(await task).text for task in new])

    assert world.run(scenario) == ({"a": 1_000}, {"b": 100})
    assert len({event.config_hash for event in world.events if hasattr(event, "attempts")}) == 2


async def hang(_: object) -> Any:
    await asyncio.sleep(10_000)


SCARCE = {"deployments": {"a": {"limits": {"concurrency": 1, "tpm": 60_000}}}}


def tokens_held(world: World) -> float:
    """What the token window counts now."""
    slots = world.llm._core.snapshot.deployments["a"].gate.slots
    return next(float(slot.window.total) for slot in slots if slot.limit.dimension == "tokens")  # type: ignore[attr-defined]


def in_flight(world: World) -> float:
    slots = world.llm._core.snapshot.deployments["a"].gate.slots
    return next(float(slot.in_flight) for slot in slots if slot.limit.dimension == "concurrency")  # type: ignore[attr-defined]


@pytest.mark.parametrize("stage", ["queue", "back-off", "attempt", "stream"])
def test_40_cancelled_at_every_stage(stage: str) -> None:
    """Wherever a call is cancelled, within a second the slot is free, the line empty, and one event says so."""
    scripts = {"back-off": error(429, retry_after="20"), "stream": sse("one", done=False)}
    world = World({"a": scripts.get(stage, hang)}, **SCARCE)
    if stage == "stream":
        world, bodies = dripping(sse("one", done=False).body, b": ping\n\n", 1.0)

    async def scenario(llm: AsyncOrchestrator) -> None:
        first = asyncio.create_task(ask(llm)) if stage == "queue" else None
        await asyncio.sleep(0.5)
        work = broken_stream(llm) if stage == "stream" else ask(llm)
        task = asyncio.create_task(work)
        await asyncio.sleep(5.0)
        for one in (task, first):
            if one is not None:
                one.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await one
        await asyncio.sleep(1.0)

    world.run(scenario)
    gate = world.llm._core.snapshot.deployments["a"].gate
    assert gate.waiting == 0
    assert world.llm._core.pipeline.in_flight == 0
    if stage == "stream":
        assert bodies[0].closed
    else:
        assert in_flight(world) == 0
        assert tokens_held(world) < 60.0  # the input that may have been read, not the thousand of an unbounded answer
    assert [event.status for event in world.events].count("cancelled") == (2 if stage == "queue" else 1)


@pytest.mark.parametrize("step_s", [3_600.0, -3_600.0])
def test_43_wall_clock_steps(step_s: float) -> None:
    """The wall clock may jump an hour either way: no retry comes early, and no breaker stays open for it."""
    replies = [error(429, retry_after="10")]
    otherwise = error(503)
    world = World({"a": lambda _: replies.pop() if replies else otherwise})

    async def scenario(llm: AsyncOrchestrator) -> float:
        nonlocal otherwise
        first = asyncio.create_task(outcome(llm))
        await asyncio.sleep(1.0)
        world.clock._start += step_s
        await first
        assert world.sent[1][1] >= 10.0
        breaker = llm._core.snapshot.deployments["a"].breaker
        assert breaker is not None
        for _ in range(10):
            await outcome(llm)
        assert not breaker.closed
        opened, otherwise = world.elapsed, completion()
        world.clock._start += step_s
        for _ in range(100):
            await asyncio.sleep(0.5)
            if not isinstance(await outcome(llm), OrchestratorError):
                break
        return world.elapsed - opened

    assert world.run(scenario) <= 18.0


def test_43_suspended_for_ten_minutes() -> None:
    """After a sleep of the machine deadlines have passed, rests are over, and the next call is answered."""
    world = World({"a": [hang, completion()]})

    async def scenario(llm: AsyncOrchestrator) -> Any:
        caught = asyncio.create_task(outcome(llm, deadline=30))
        await asyncio.sleep(1.0)
        world.clock.advance(600.0)
        assert isinstance(await caught, CallTimeout)
        return await ask(llm)

    assert world.run(scenario).text == "hello"


def all_broken() -> World:
    return World({"a": error(503), "b": error(503)})


async def until_broken(llm: AsyncOrchestrator) -> None:
    """Calls until every breaker is open."""
    while any(one.breaker.closed for one in llm._core.snapshot.deployments.values()):  # type: ignore[union-attr]
        await outcome(llm)


def test_47_all_open() -> None:
    """With every breaker open calls fail at once and say when to come back; one probe a second each, at most."""
    world = all_broken()

    async def scenario(llm: AsyncOrchestrator) -> list[tuple[float, Any]]:
        await until_broken(llm)
        world.sent.clear()
        results = []
        for _ in range(500):
            began = world.elapsed
            results.append((world.elapsed - began, await outcome(llm)))
            await asyncio.sleep(0.01)
        return results

    results = world.run(scenario)
    refused = [failure for _, failure in results if isinstance(failure, Overloaded) and not failure.attempts]
    assert len(refused) >= 480
    assert all(0.0 <= failure.retry_after <= 18.0 for failure in refused)  # type: ignore[operator]
    seconds = world.sent[-1][1] - world.sent[0][1]
    assert all(count <= seconds + 2 for count in Counter(name for name, _ in world.sent).values())


def test_47_probes_come_alone() -> None:
    """While they recover, no deployment gets a second call before its probe has been answered."""
    under_way: Counter[str] = Counter()
    most: Counter[str] = Counter()
    healed = False

    def vendor(name: str) -> Callable[[object], Awaitable[Any]]:
        async def answer(_: object) -> Any:
            under_way[name] += 1
            if not breaker(name).closed:
                most[name] = max(most[name], under_way[name])
            await asyncio.sleep(0.5 if healed else 0.0)
            under_way[name] -= 1
            return completion() if healed else error(503)

        return answer

    world = World({"a": vendor("a"), "b": vendor("b")})

    def breaker(name: str) -> Any:
        return world.llm._core.snapshot.deployments[name].breaker

    async def scenario(llm: AsyncOrchestrator) -> None:
        nonlocal healed
        await until_broken(llm)
        most.clear()
        healed = True
        tasks = []
        for _ in range(400):
            tasks.append(asyncio.create_task(outcome(llm)))
            await asyncio.sleep(0.05)
        await asyncio.gather(*tasks)

    world.run(scenario)
    assert most == {"a": 1, "b": 1}
    assert breaker("a").closed
    assert breaker("b").closed


def test_48_recovery_is_a_ramp() -> None:
    """A deployment that comes back gets a tenth of its calls at first, then more, and after half a minute all."""
    script = [*[error(503)] * 5, completion("a")]
    world = World({"a": script, "b": completion("b")})

    async def scenario(llm: AsyncOrchestrator) -> list[float]:
        breaker = llm._core.snapshot.deployments["a"].breaker
        assert breaker is not None
        while breaker.closed:
            await ask(llm)
        while not breaker.closed:
            await ask(llm)
            await asyncio.sleep(0.1)
        shares = []
        for _ in range(8):
            texts = []
            for _ in range(500):
                texts.append((await ask(llm)).text)
                await asyncio.sleep(0.01)
            shares.append(texts.count("a") / 500)
        return shares

    shares = world.run(scenario)
    assert shares[0] < 0.35
    assert shares[:6] == sorted(shares[:6])
    assert shares[6:] == [1.0, 1.0]


@pytest.mark.parametrize("breaker", [True, False])
def test_49_retry_storm(breaker: bool) -> None:
    """100 % 503 at 100 calls a second: the vendor gets at most 1.2 requests per call, with breakers and without."""
    more = {} if breaker else {"breaker": "off"}
    world = World({"a": error(503)}, **more)

    async def scenario(llm: AsyncOrchestrator) -> int:
        tasks = []
        for _ in range(3_000):
            tasks.append(asyncio.create_task(outcome(llm)))
            await asyncio.sleep(0.01)
        results = await asyncio.gather(*tasks)
        assert all(isinstance(failure, Overloaded | RateLimited) for failure in results)
        return len(results)

    calls = world.run(scenario)
    assert len(world.sent) <= 1.2 * calls
    if breaker:
        assert len(world.sent) <= 0.05 * calls
