"""Timers of calls: cut short what lasts too long, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.testing import VirtualClock
from orchestrator.timers import LoopTimers, Timer


async def ends_at(lasts_s: float, bounds_s: list[float]) -> tuple[float, float | None]:
    """When a sleep inside these timers, outermost first, has ended, and which of them ended it."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    cut: float | None = None

    async def within(bounds: list[float]) -> None:
        nonlocal cut
        if not bounds:
            await asyncio.sleep(lasts_s)
            return
        try:
            with Timer(bounds[0]):
                await within(bounds[1:])
        except TimeoutError:
            if cut is not None:
                raise
            cut = bounds[0]

    await within(bounds_s)
    return loop.time() - begun, cut


@given(st.lists(st.tuples(st.floats(0.5, 50), st.lists(st.floats(0.5, 50), max_size=3)), max_size=30))
@settings(deadline=None)
def test_each_block_ends_at_its_earliest_timer(blocks):
    """Of many blocks at once each ends when it is over, or when the first of its own timers is due."""

    async def scenario() -> list[tuple[float, float | None]]:
        return await asyncio.gather(*[ends_at(lasts_s, bounds_s) for lasts_s, bounds_s in blocks])

    for (lasts_s, bounds_s), (took_s, cut) in zip(blocks, VirtualClock().run(scenario()), strict=True):
        assert took_s == pytest.approx(min([lasts_s, *bounds_s]))
        assert cut is None or cut == pytest.approx(min(bounds_s))


def test_a_cancelled_task_stays_cancelled():
    """Whoever cancels a task in the same moment as its timer rings is not mistaken for the timer."""

    async def block() -> None:
        with Timer(1.0):
            await asyncio.sleep(10)

    async def scenario() -> str:
        task = asyncio.ensure_future(block())
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(1.0, task.cancel)
        done = await asyncio.gather(task, return_exceptions=True)
        return type(done[0]).__name__

    assert VirtualClock().run(scenario()) == "CancelledError"


def test_a_block_that_swallows_the_cut_is_told_nevertheless():
    """A block that goes on after having been cut short ends with its own result: nothing is cancelled later."""

    async def scenario() -> int:
        with Timer(1.0):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(10)
        await asyncio.sleep(1)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert VirtualClock().run(scenario()) == 0


def test_what_is_taken_back_is_forgotten():
    """Ten thousand timers set and taken back leave a handful behind, and one handle of the loop."""

    async def scenario() -> int:
        for _ in range(10_000):
            with Timer(60.0):
                pass
        return len(LoopTimers.running()._entries)

    assert asyncio.run(scenario()) < 200


def test_a_timer_that_rings_again():
    """One that looks first rings as often as it sets itself, and is taken back with its block."""
    rung: list[float] = []

    class Looking(Timer):
        def ring(self) -> None:
            rung.append(self.loop.time())
            self.again(2.0)

    async def scenario() -> None:
        with Looking(1.0):
            await asyncio.sleep(6)
        await asyncio.sleep(10)

    VirtualClock().run(scenario())
    assert [at - rung[0] for at in rung] == [0.0, 2.0, 4.0]


@pytest.mark.parametrize("again", [asyncio.run, VirtualClock().run])
def test_every_loop_has_its_own(again: Callable[[Awaitable[None]], None]):
    """Loops that follow one another in a thread do not ring each other's timers."""

    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            with Timer(0.01):
                await asyncio.sleep(1)

    for _ in range(3):
        again(scenario())


def test_a_timer_that_fails_fails_alone():
    """Where one raises, the loop's handler is told, and those that are due with it and after it ring."""
    told: list[object] = []

    class Broken(Timer):
        def ring(self) -> None:
            raise KeyError("broken")

    async def cut() -> bool:
        with contextlib.suppress(TimeoutError), Timer(1.0):
            await asyncio.sleep(5)
            return False
        with contextlib.suppress(TimeoutError), Timer(1.0):
            await asyncio.sleep(5)
            return False
        return True

    async def broken() -> None:
        with Broken(1.0):
            await asyncio.sleep(3)

    async def scenario() -> bool:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))
        return (await asyncio.gather(broken(), cut()))[1]

    assert VirtualClock().run(scenario())
    assert [type(error) for error in told] == [KeyError]


def test_timers_keep_nobodys_context():
    """The context variables of whoever sets the first timer are not kept for those who come after."""

    class Thing:
        pass

    variable: ContextVar[Thing] = ContextVar("variable")

    async def call() -> weakref.ref[Thing]:
        thing = Thing()
        variable.set(thing)
        with Timer(60.0):
            await asyncio.sleep(0)
        return weakref.ref(thing)

    async def scenario() -> bool:
        kept = await asyncio.ensure_future(call())
        with Timer(60.0):
            await asyncio.sleep(0)
            gc.collect()
            return kept() is None

    assert asyncio.run(scenario())
