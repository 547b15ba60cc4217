"""Deployments that hang, in virtual time: calls move on in time, and nothing that is only slow is given up."""

from __future__ import annotations

import asyncio

import pytest
from vendor import World, completion, sse

from orchestrator import CallTimeout, OrchestratorError
from orchestrator.spec.transport import HttpReply


class Vendor:
    """Answers after `takes_s`; changed while the test runs. None: never."""

    def __init__(self, takes_s: float | None = 0.05, reply: HttpReply | None = None) -> None:
        self.takes_s = takes_s
        self._reply = reply or completion()

    def __call__(self, _request):
        return self._answer()

    async def _answer(self):
        await asyncio.sleep(1e6 if self.takes_s is None else self.takes_s)
        return self._reply


def weighted(a: Vendor, b: Vendor, **route) -> World:
    """Half of the calls to each."""
    return World({"a": a, "b": b}, {"pick": {"weighted": {"a": 1, "b": 1}}} | route)


async def ask(llm, **options):
    return await llm.chat("answer", "hi", **options)


async def read(llm, **options):
    async with llm.stream("answer", "hi", **options) as stream:
        async for _ in stream:
            pass
    return stream.reply


async def timed(world, call):
    """The call's reply or error, and the virtual seconds it took."""
    begin = world.clock.monotonic()
    try:
        reply = await call
    except OrchestratorError as error:
        reply = error
    return reply, round(world.clock.monotonic() - begin, 3)


async def learn(llm, act=ask, calls: int = 12):
    for _ in range(calls):
        await act(llm)


@pytest.mark.parametrize(("act", "reply"), [(ask, completion()), (read, sse("hello"))])
def test_a_vendor_that_hangs_under_load(act, reply):
    """All calls are answered; those that met the silence are a second late, and after five of them nobody is."""
    a, b = Vendor(reply=reply), Vendor(reply=reply)
    world = weighted(a, b)

    async def scenario(llm):
        await learn(llm, act, 40)
        a.takes_s = None
        calls = []
        for _ in range(500):
            calls.append(asyncio.create_task(timed(world, act(llm, deadline=30))))
            await asyncio.sleep(0.01)
        return await asyncio.gather(*calls)

    results = world.run(scenario)
    assert not [reply for reply, _ in results if isinstance(reply, Exception)]
    late = [took for _, took in results if took > 0.1]
    assert 20 < len(late) < 80
    assert max(late) <= 1.3
    assert all(took < 0.1 for _, took in results[150:])
    moved = next(reply for reply, took in results if took > 0.1)
    assert [(one.deployment, one.error, one.maybe_billed) for one in moved.attempts] == [
        ("a", "CallTimeout", True),
        ("b", None, False),
    ]


def test_a_vendor_that_hangs_in_quiet():
    """With nobody to compare it with, a silent deployment gets ten times the slowest answer, and then another one."""
    a, b = Vendor(0.4), Vendor(0.4)
    world = World({"a": a, "b": b})

    async def scenario(llm):
        await learn(llm)
        a.takes_s = None
        return await timed(world, ask(llm))

    reply, took = world.run(scenario)
    assert reply.deployment == "b"
    assert 4.4 <= took <= 5.4


def test_a_long_answer_is_waited_for():
    """A deployment that goes on answering others keeps a request that takes a hundred times as long."""
    a, b = Vendor(0.1), Vendor(0.1)
    world = weighted(a, b)

    async def scenario(llm):
        await learn(llm)
        a.takes_s = b.takes_s = 10.0
        long = asyncio.create_task(timed(world, ask(llm)))
        await asyncio.sleep(0.01)
        a.takes_s = b.takes_s = 0.1
        for _ in range(90):
            await asyncio.sleep(0.1)
            await ask(llm)
        return await long

    reply, took = world.run(scenario)
    assert (took, len(reply.attempts)) == (10.0, 1)


def test_everybody_gets_slower_at_once():
    """When the same work suddenly takes nine times as long everywhere, nothing is given up and no breaker opens."""
    a, b = Vendor(1.0), Vendor(1.0)
    world = weighted(a, b)

    async def scenario(llm):
        await learn(llm)
        a.takes_s = b.takes_s = 9.0
        calls = []
        for _ in range(200):
            calls.append(asyncio.create_task(ask(llm)))
            await asyncio.sleep(0.1)
        return await asyncio.gather(*calls)

    replies = world.run(scenario)
    assert {len(reply.attempts) for reply in replies} == {1}
    assert {reply.deployment for reply in replies[-20:]} == {"a", "b"}


def test_first_call_ever_is_handed_on():
    """Without any experience, a silent deployment gets half of a short deadline."""
    world = World({"a": Vendor(None), "b": Vendor(0.4)})
    reply, took = world.run(lambda llm: timed(world, ask(llm, deadline=20)))
    assert (reply.deployment, took) == ("b", 10.4)


def test_one_deployment_gets_all_the_time():
    """Where nobody else could be asked, an attempt ends with the deadline as ever."""
    world = World({"a": Vendor(None)})
    error, took = world.run(lambda llm: timed(world, ask(llm, deadline=20)))
    assert isinstance(error, CallTimeout)
    assert (error.kind, took, len(world.sent)) == ("deadline", 20.0, 1)


def test_nobody_is_given_up_for_a_broken_one():
    """While the other deployment's breaker is open, the one that is asked keeps the call."""
    a, b = Vendor(0.4), Vendor(0.4, HttpReply(503, {}, b""))
    world = World({"a": a, "b": b})

    async def scenario(llm):
        await learn(llm)
        a._reply = HttpReply(503, {}, b"")
        for _ in range(5):
            await timed(world, ask(llm))  # opens both breakers
        a._reply = completion()
        await asyncio.sleep(20)
        await ask(llm)
        a.takes_s = 12.0
        return await timed(world, ask(llm, deadline=14))

    reply, took = world.run(scenario)
    assert (reply.deployment, took) == ("a", 12.0)


def test_a_request_that_is_too_slow_for_two_teaches_patience():
    """A call that two deployments in turn had no time for fails; the next of its kind gets all of its time at once."""
    a, b = Vendor(12.0), Vendor(12.0)
    world = World({"a": a, "b": b})

    async def scenario(llm):
        return [await timed(world, ask(llm, deadline=20)) for _ in range(2)]

    (first, _), (second, took) = world.run(scenario)
    assert isinstance(first, CallTimeout)
    assert (second.deployment, took) == ("a", 12.0)


def test_routes_do_not_teach_each_other():
    """Quick answers of one route do not cut short what another one asks of the same deployments."""

    def answer(request):
        seconds = 60 if b"report" in request.body else 0.2
        return _taking(seconds)

    async def _taking(seconds):
        await asyncio.sleep(seconds)
        return completion()

    world = World(
        {"a": answer, "b": answer},
        routes={
            "label": {"task": "chat", "pick": ["a", "b"]},
            "answer": {"task": "chat", "pick": ["a", "b"], "deadline": 100},
        },
    )

    async def scenario(llm):
        for _ in range(50):
            await llm.chat("label", "hi")
        return await llm.chat("answer", "write a report")

    reply = world.run(scenario)
    assert [attempt.error for attempt in reply.attempts] == [None]
