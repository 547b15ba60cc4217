"""Processes that call a vendor as fast as their limiter lets them, each limiter in its own way."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from orchestrator.policies.limits import Gate, Limiter, Need, Reservation, Ticket
from orchestrator.spec.stores import Limit
from orchestrator.stores.memory import MemoryLimits
from orchestrator.stores.redis import RedisLimits
from orchestrator.types.usage import Usage

__all__ = ["ROWS", "Setting", "call"]

_SIGMA = 0.8
_MEAN = 2_000
_PAUSE_S = 1.0
"""Before a refused job is tried again, whoever refused it."""


@dataclass(frozen=True)
class Setting:
    """What one process needs to know."""

    row: str
    port: int
    redis: str
    limit: int
    period_s: float
    processes: int
    callers: int
    seconds: float
    seed: int


class _Refused(Exception):
    pass


class _Caller(Protocol):
    async def call(self, size: int, estimate: int) -> None: ...

    def figures(self) -> tuple[int, int]: ...


class _Gated:
    """Ours: a line before a store."""

    def __init__(self, setting: Setting, store: MemoryLimits | RedisLimits, limit: float) -> None:
        self._store = store
        self._port = setting.port
        self._gate = Limiter(store).adopt({"m": [Limit("vendor/m", "tokens", limit, setting.period_s)]})["m"]
        self._reservations = 0

    async def call(self, size: int, estimate: int) -> None:
        reservation = await _enter(self._gate, Need(estimate, 0))
        self._reservations += 1
        try:
            await _post(self._port, size)
        except _Refused:
            reservation.settle(None, used=False)
            raise
        reservation.settle(Usage(input_tokens=size, output_tokens=0))

    def figures(self) -> tuple[int, int]:
        return self._reservations, getattr(self._store, "round_trips", 0)


async def _enter(gate: Gate, need: Need) -> Reservation:
    """Stand in line as the library's calls do."""
    ticket: Ticket | None = None
    try:
        while True:
            claim = gate.claim(need)
            asked = gate.enter(claim, time.monotonic(), ticket)
            wait = asked if isinstance(asked, float) else await asked
            if wait == 0.0:
                return Reservation(gate, claim, time.monotonic)
            ticket = ticket or Ticket()
            if not ticket.join([gate]):
                await ticket.wait(wait)
    finally:
        if ticket is not None:
            ticket.leave()


class _Unlimited:
    def __init__(self, setting: Setting) -> None:
        self._port = setting.port

    async def call(self, size: int, estimate: int) -> None:
        await _post(self._port, size)

    def figures(self) -> tuple[int, int]:
        return 0, 0


class _LiteLLM:
    """LiteLLM's Router over Redis, with the strategy and the check that it has for limits."""

    def __init__(self, setting: Setting) -> None:
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it looks for prices on the network
        import litellm

        litellm.suppress_debug_info = True
        deployment = {
            "model_name": "m",
            "litellm_params": {
                "model": "openai/gpt-4o-mini",
                "api_base": f"http://127.0.0.1:{setting.port}/v1",
                "api_key": "none",
                "tpm": setting.limit,
            },
            "model_info": {"id": f"m{setting.port}"},
        }
        self._error = litellm.RateLimitError
        self._router: Any = litellm.Router(
            model_list=[deployment],
            redis_url=setting.redis,
            routing_strategy="usage-based-routing-v2",
            optional_pre_call_checks=["enforce_model_rate_limits"],
            num_retries=0,
        )

    async def call(self, size: int, estimate: int) -> None:
        messages = [{"role": "user", "content": "a " * estimate}]
        try:
            await self._router.acompletion(model="m", messages=messages, user=str(size))
        except self._error as error:
            raise _Refused from error

    def figures(self) -> tuple[int, int]:
        return 0, 0


ROWS: dict[str, Callable[[Setting], _Caller]] = {
    "redis": lambda s: _Gated(s, RedisLimits(s.redis, expected_processes=s.processes), s.limit),
    "per process": lambda s: _Gated(s, MemoryLimits(), s.limit / s.processes),
    "litellm": _LiteLLM,
    "none": _Unlimited,
}


async def _post(port: int, size: int) -> None:
    body = json.dumps({"user": str(size)}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        status = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
    finally:
        writer.close()
    if status != b"200":
        raise _Refused


async def _work(call: Callable[[int, int], Awaitable[None]], rng: random.Random, until: float) -> None:
    while time.monotonic() < until:
        size = min(max(int(rng.lognormvariate(math.log(_MEAN) - _SIGMA**2 / 2, _SIGMA)), 50), 20_000)
        estimate = round(size * rng.uniform(0.7, 1.3))
        while time.monotonic() < until:
            try:
                await call(size, estimate)
                break
            except _Refused:
                await asyncio.sleep(_PAUSE_S * rng.uniform(0.5, 1.5))


async def _run(setting: Setting, pipe: Connection) -> None:
    caller = ROWS[setting.row](setting)
    pipe.send("ready")
    pipe.recv()
    until = time.monotonic() + setting.seconds
    works = [
        asyncio.create_task(_work(caller.call, random.Random(setting.seed * 1_000 + i), until))
        for i in range(setting.callers)
    ]
    await asyncio.sleep(setting.seconds)
    for work in works:
        work.cancel()
    await asyncio.gather(*works, return_exceptions=True)
    pipe.send(caller.figures())


def call(setting: Setting, pipe: Connection) -> None:
    """A process of its own: says that it is ready, waits for any message, calls, sends reservations and round trips."""
    asyncio.run(_run(setting, pipe))
