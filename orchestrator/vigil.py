"""Ends an attempt that is silent for too long while somebody else could be asked. See `policies.patience`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from orchestrator.attempt import Exchange
from orchestrator.errors import CallTimeout
from orchestrator.policies.patience import Wait, patient_until
from orchestrator.spec.clock import Clock

__all__ = ["Vigil"]

_LOOK_S = 1.0
_LOOK_SHARE = 0.25


class Vigil:
    """Around one attempt: `async with Vigil(...)`. Raises `CallTimeout` when it ends the attempt.

    It looks anew from time to time, at growing intervals, because what counts are answers that come meanwhile.

    Args:
        exchange: the attempt.
        clock: of the call's times.
        alternative: whether somebody else would take the call now.
    """

    __slots__ = ("_alternative", "_clock", "_exchange", "_loop", "_next", "_timer")

    def __init__(self, exchange: Exchange, clock: Clock, alternative: Callable[[], bool]) -> None:
        self._exchange = exchange
        self._clock = clock
        self._alternative = alternative
        self._timer = asyncio.timeout(None)
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_later(_LOOK_S, self._look)

    async def __aenter__(self) -> Self:
        await self._timer.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._next.cancel()
        try:
            await self._timer.__aexit__(kind, error, trace)
        except TimeoutError:
            waited_s = self._clock.monotonic() - self._exchange.started
            raise CallTimeout(
                f"no answer for {waited_s:.3g} s, so somebody else was asked", kind="first_token", maybe_billed=True
            ) from None

    def _look(self) -> None:
        now, exchange = self._clock.monotonic(), self._exchange
        until = self._patient_until()
        if now >= until and self._alternative():
            self._timer.reschedule(self._loop.time())
            return
        pause_s = max(_LOOK_S, _LOOK_SHARE * (now - exchange.started))
        self._next = self._loop.call_later(min(pause_s, until - now) if until > now else pause_s, self._look)

    def _patient_until(self) -> float:
        exchange, call = self._exchange, self._exchange.call
        healths = [candidate.health for candidate in call.progress.order]
        mine = exchange.deployment.health
        wait = Wait(
            started=exchange.started,
            deadline=call.deadline,
            heard_at=mine.heard_at,
            others_heard_at=max(health.heard_at for health in healths if health is not mine),
        )
        return patient_until(wait, call.route.pace.slowest(stream=call.stream))
