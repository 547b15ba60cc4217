"""Found by the simulation: calls in line at several deployments of which some break, or are no use to them any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from simulation import WatchedClock
from vendor import completion, config, error, host

from orchestrator import AsyncOrchestrator, Overloaded
from orchestrator.testing import ScriptedTransport

Behaviour = Callable[[], Awaitable[Any]]


async def fails() -> Any:
    """At once."""
    return error(503)


def after(seconds: float, reply: Any) -> Behaviour:
    """That reply, so many seconds later."""

    async def behave() -> Any:
        await asyncio.sleep(seconds)
        return reply

    return behave


class Lines:
    """Deployments a, b, c of one slot each; routes over some of them, all but one without retries."""

    def __init__(self) -> None:
        self.clock = WatchedClock(most_readings=20_000)
        self.begin = self.clock.monotonic()
        self.now: dict[str, Behaviour] = dict.fromkeys("abc", after(0.1, completion()))
        names = list("abc")
        values = config(names, deployments={name: {"limits": {"concurrency": 1}} for name in names})
        routes = ["a", "b", "c", "ab", "bc", "cab"]
        values["routes"] = {route: {"task": "chat", "pick": list(route)} for route in routes}
        for route in routes[:-1]:
            values["routes"][route]["retry"] = {"attempts": 1}
        transport = ScriptedTransport(lambda request: self.now[host(request)]())
        self.llm = AsyncOrchestrator(values, transport=transport, clock=self.clock)

    async def ask(self, route: str, **options: Any) -> tuple[float, Any]:
        """When it ended, in seconds from the start, and how."""
        try:
            reply: Any = await self.llm.chat(route, "hi", **options)
            return self.clock.monotonic() - self.begin, reply.deployment
        except Overloaded as failure:
            return self.clock.monotonic() - self.begin, failure

    def start(self, route: str, **options: Any) -> asyncio.Task[tuple[float, Any]]:
        """The same, not waited for."""
        return asyncio.create_task(self.ask(route, **options))

    async def wear_out(self, name: str) -> None:
        """Four failures in a row: the next one opens the breaker."""
        self.now[name] = fails
        for _ in range(4):
            await self.ask(name)


def test_everybody_breaks_while_calls_stand_in_line() -> None:
    """A call whose deployments all broke fails, one with another hope waits for it; neither turns idle meanwhile."""
    lines = Lines()

    async def scenario() -> tuple[Any, Any]:
        for name in "ab":
            await lines.wear_out(name)
            lines.now[name] = after(3.0, error(503))
        lines.now["c"] = after(60.0, completion())
        busy = [lines.start(name) for name in "abc"]
        await asyncio.sleep(1.0)
        other_hope, none = lines.start("bc"), lines.start("ab")
        await asyncio.sleep(5.0)
        for name in "ab":
            lines.now[name] = after(0.1, completion())
        ends = await asyncio.gather(other_hope, none)
        for task in busy:
            task.cancel()
        return ends

    (waited, by), (failed, why) = lines.clock.run(scenario())
    assert (by, waited < 25.0) == ("b", True)  # as soon as b may be asked again, long before c is free
    assert isinstance(why, Overloaded)
    assert failed < 4.0


def test_a_place_that_is_no_use_any_more_is_given_up() -> None:
    """A retry without the time for a deployment does not keep others from it, though it was ahead of them in line."""
    lines = Lines()

    async def scenario() -> float:
        lines.now |= {"a": after(20.0, completion()), "b": after(8.0, completion()), "c": fails}
        await lines.ask("b")  # so that b is known to take eight seconds
        begin = lines.clock.monotonic() - lines.begin
        busy = [lines.start("a"), lines.start("b")]
        await asyncio.sleep(0.1)
        ahead = lines.start("cab", deadline=15.0, priority="high")  # fails at c, then stands in line at a and b
        await asyncio.sleep(0.1)
        behind, by = await lines.ask("b")
        assert by == "b"
        for task in (*busy, ahead):
            task.cancel()
        return behind - begin

    assert lines.clock.run(scenario()) < 16.2
