"""Ends an attempt that is silent for too long while somebody else could be asked. See `policies.patience`."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.attempt import Call, Exchange
from orchestrator.errors import CallTimeout
from orchestrator.policies.patience import Wait, patient_until
from orchestrator.snapshot import Deployment
from orchestrator.spec.clock import Clock
from orchestrator.timers import Timer

__all__ = ["Vigil"]

_LOOK_S = 1.0
_LOOK_SHARE = 0.25


class Vigil(Timer):
    """Around one attempt: `with Vigil(...)`. Raises `CallTimeout` when it ends the attempt.

    It looks anew from time to time, at growing intervals, because what counts are answers that come meanwhile.

    Args:
        exchange: the attempt.
        clock: of the call's times.
        alternative: whether somebody else would take the call now, in place of the deployment that has it.
    """

    __slots__ = ("_alternative", "_clock", "_exchange")

    def __init__(self, exchange: Exchange, clock: Clock, alternative: Callable[[Call, Deployment], bool]) -> None:
        super().__init__(_LOOK_S, exchange.call.timer)
        self._exchange = exchange
        self._clock = clock
        self._alternative = alternative

    def overdue(self) -> Exception:
        """See `Timer.overdue`."""
        waited_s = self._clock.monotonic() - self._exchange.started
        text = f"no answer for {waited_s:.3g} s, so somebody else was asked"
        return CallTimeout(text, kind="first_token", maybe_billed=True)

    def ring(self) -> None:
        """Look whether it is time to ask somebody else."""
        now, exchange = self._clock.monotonic(), self._exchange
        until = self._patient_until()
        if now >= until and self._alternative(exchange.call, exchange.deployment):
            self.cut_short()
            return
        pause_s = max(_LOOK_S, _LOOK_SHARE * (now - exchange.started))
        self.again(min(pause_s, until - now) if until > now else pause_s)

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
