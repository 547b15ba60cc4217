"""The acts: what happens to the vendors and to the file, while the application goes on asking."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.cli.demo.observer import Observer
from orchestrator.cli.demo.pace import Pace
from orchestrator.cli.demo.screen import Screen
from orchestrator.cli.demo.stage import FAILING, NEW_MODEL, OLD_MODEL, DemoError, Stage

__all__ = ["Act", "Story"]

_TROUBLE = ("rate limit", "outage")
_RELOAD_WITHIN_S = 15.0


@dataclass(frozen=True, slots=True)
class Act:
    """A stretch of the demo, from `since` (seconds since the epoch) to the next one."""

    name: str
    since: float


class Story:
    """Plays the acts once."""

    def __init__(self, stage: Stage, screen: Screen, observer: Observer, pace: Pace) -> None:
        self._stage = stage
        self._screen = screen
        self._observer = observer
        self._pace = pace
        self._vendor = stage.simulator[FAILING]
        self.acts: list[Act] = []

    async def play(self, in_flight: Callable[[], int]) -> None:
        """From a calm morning to a new model.

        Raises:
            DemoError: the client did not take over the edited file.
        """
        await self._calm()
        await self._rate_limit()
        await self._crash(in_flight)
        await self._revive()
        await self._swap(in_flight)

    async def _calm(self) -> None:
        pace = self._pace
        self._begin("calm", f"about {pace.questions_per_s:g} questions a second; {FAILING} answers the chats")
        await asyncio.sleep(pace.calm_s)

    async def _rate_limit(self) -> None:
        pace, vendor = self._pace, self._vendor
        self._begin("rate limit", f"{FAILING} begins to answer 429, with Retry-After: {pace.retry_after_s:g}")
        self._observer.expect_rest()
        vendor.fail(429, retry_after=pace.retry_after_s)
        await asyncio.sleep(pace.limited_s)
        vendor.heal()
        self._observer.expect_return()
        self._begin("recovered", f"{FAILING} admits calls again")
        await asyncio.sleep(pace.recovered_s)

    async def _crash(self, in_flight: Callable[[], int]) -> None:
        text = f"{FAILING} dies, with {in_flight()} questions in flight: connections reset, new ones refused"
        self._begin("outage", text)
        self._vendor.kill()
        await asyncio.sleep(self._pace.dead_s)

    async def _revive(self) -> None:
        self._vendor.revive()
        self._observer.expect_return()
        self._begin("revived", f"{FAILING} is back")
        await asyncio.sleep(self._pace.revived_s)

    async def _swap(self, in_flight: Callable[[], int]) -> None:
        text = f"the file, with {in_flight()} questions in flight: {OLD_MODEL} becomes {NEW_MODEL}"
        self._begin("edited", text)
        self._stage.write(NEW_MODEL)
        give_up = time.monotonic() + _RELOAD_WITHIN_S
        while not self._observer.reloaded:
            if time.monotonic() > give_up:
                raise DemoError(f"the client did not take the edited file over within {_RELOAD_WITHIN_S:g} s")
            await asyncio.sleep(0.02)
        self._begin("new model", None)
        await asyncio.sleep(self._pace.after_s)

    def _begin(self, name: str, text: str | None) -> None:
        self._sum_up()
        self.acts.append(Act(name, time.time()))
        if text:
            self._screen.begin(name.capitalize(), text)

    def _sum_up(self) -> None:
        answers, detours = self._observer.new_act()
        if self.acts and self.acts[-1].name in _TROUBLE:
            shares = ", ".join(f"{name} {count}" for name, count in answers.most_common())
            text = f"meanwhile {answers.total()} chats were answered ({shares}), {detours} of them by a detour"
            self._screen.tell(text)
