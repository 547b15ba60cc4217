"""One connection pool per event loop and endpoint, in a process that starts and ends loops and forks as it likes."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Generic, TypeAlias, TypeVar

from orchestrator.spec.transport import Endpoint

__all__ = ["LoopPools"]

PoolT = TypeVar("PoolT")
_Key: TypeAlias = tuple[asyncio.AbstractEventLoop, Endpoint]

# A forked child keeps what it inherited alive, as collecting it would write to sockets that its parent still uses.
_inherited: list[Any] = []


class LoopPools(Generic[PoolT]):
    """Finds, makes and ends pools.

    The end of a loop ends its pools: each is held by an async generator that began on its loop, and `asyncio.run`
    closes those while sockets can still be closed in order. A weak dictionary of loops would do nothing, as every pool
    holds its loop. Loops that were closed without that are swept when the next pool is made.

    Args:
        make: a pool for an endpoint, called on the loop that will use it.
        dispose: closes a pool, on its loop.
        forget: lets go of a pool whose loop is closed already.
    """

    def __init__(
        self,
        make: Callable[[Endpoint], PoolT],
        dispose: Callable[[PoolT], Awaitable[None]],
        forget: Callable[[PoolT], None] = lambda pool: None,
    ) -> None:
        self._make = make
        self._dispose = dispose
        self._forget = forget
        self._start_afresh()
        _ALL.add(self)

    def _start_afresh(self) -> None:
        self._pools: dict[_Key, PoolT] = {}
        self._guards: dict[_Key, AsyncGenerator[None]] = {}
        self._lock = threading.Lock()

    def forked(self) -> None:
        """In a child process: leave what was inherited alone."""
        _inherited.append((self._pools, self._guards))
        self._start_afresh()

    def find(self, endpoint: Endpoint) -> PoolT | None:
        """The running loop's pool for this endpoint, None before `open` made it."""
        return self._pools.get((asyncio.get_running_loop(), endpoint))

    async def open(self, endpoint: Endpoint) -> PoolT:
        """The running loop's pool for this endpoint, made if there is none.

        Raises:
            ConfigError: `make` refuses the endpoint.
        """
        found = self.find(endpoint)
        if found is not None:
            return found
        key = (asyncio.get_running_loop(), endpoint)
        pool = self._make(endpoint)
        guard = self._guard(key, pool)
        with self._lock:
            self._sweep()
            self._pools[key] = pool
            self._guards[key] = guard
        await anext(guard)
        return pool

    async def close(self) -> None:
        """End the pools of the running loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            guards = [guard for key, guard in self._guards.items() if key[0] is loop]
        for guard in guards:
            await guard.aclose()

    async def _guard(self, key: _Key, pool: PoolT) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            with self._lock:
                self._pools.pop(key, None)
                self._guards.pop(key, None)
            await self._dispose(pool)

    def at_exit(self) -> None:
        """Let go of all that nobody closed: the process ends, and its sockets with it."""
        for pool in list(self._pools.values()):
            with contextlib.suppress(Exception):
                self._forget(pool)

    def _sweep(self) -> None:
        for key in [key for key in self._pools if key[0].is_closed()]:
            self._guards.pop(key, None)
            self._forget(self._pools.pop(key))


_ALL: weakref.WeakSet[LoopPools[Any]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for pools in list(_ALL):
        pools.forked()


def _at_exit() -> None:
    # Collected after this, a pool would complain on standard error about a client that lived as long as its process.
    for pools in list(_ALL):
        pools.at_exit()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_after_fork_in_child)
