"""Runs simulated vendors on loopback, each at a port of its own, all in one thread with one event loop."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import socket
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from orchestrator.testing.simulator.behaviour import Vendor
from orchestrator.testing.simulator.control import SimulatedVendor
from orchestrator.testing.simulator.http import Connection, Request, Script
from orchestrator.testing.simulator.ledger import Ledger, LedgerEntry, Traffic, TrafficMeter
from orchestrator.testing.simulator.serving import Desk

__all__ = ["Simulator"]

HOST = "127.0.0.1"
BACKLOG = 4096
_PATIENCE_S = 10.0
_SHUT_ROUNDS = 5


class _Engine:
    """A thread with an event loop, and ways to run something on it from any thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="vendor-simulator", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.loop.close()

    @property
    def here(self) -> bool:
        """We are on its thread."""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[[], None]) -> None:
        """Run a function on the loop and wait for its end."""
        if self.here:
            function()
            return
        done: Future[None] = Future()

        def run() -> None:
            try:
                function()
                done.set_result(None)
            except BaseException as error:  # noqa: BLE001 - it belongs to the thread that asked
                done.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        done.result(_PATIENCE_S)

    def wait(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine on the loop and wait for its end."""
        if self.here:
            work.close()
            raise RuntimeError("a scripted answer cannot start a vendor: it would wait for itself")
        asyncio.run_coroutine_threadsafe(work, self.loop).result(_PATIENCE_S)

    def stop(self) -> None:
        """End the loop and the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_PATIENCE_S)


class _Door:
    """A port that can be closed and opened again. While it is closed it stays ours, so connections are refused."""

    def __init__(self, engine: _Engine) -> None:
        self._engine = engine
        self._socket = _bound(0)
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self.port: int = self._socket.getsockname()[1]
        self.serve: Callable[[Request], Script]

    def open(self) -> None:
        """See `Listener.open`."""
        self._engine.wait(self.listen())

    def close(self) -> None:
        """See `Listener.close`."""
        self._engine.call(self._refuse)

    async def listen(self) -> None:
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._connect, sock=self._socket, backlog=BACKLOG)

    def _connect(self) -> Connection:
        connection = Connection(self.serve, self._connections)
        if self._server is None:  # accepted just before the port was closed; its transport is there a turn later
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, connection.reset)
        return connection

    def _refuse(self) -> None:
        if self._server is not None:
            self.shut()
            self._socket = _bound(self.port)

    def shut(self) -> list[asyncio.Task[None]]:
        """Close the port and all connections; gives the tasks that were answering."""
        server, self._server = self._server, None
        if server is not None:
            # Not `server.close()`: a closed server cannot take a connection that is being accepted at this moment, and
            # asyncio would lose that one's socket.
            asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        tasks = [connection.reset() for connection in list(self._connections)]
        return [task for task in tasks if task is not None]


class Simulator:
    """Simulated vendors behind real sockets.

        with Simulator([Vendor(name="alpha"), Vendor(name="beta", wire="anthropic")]) as sim:
            client = openai.OpenAI(base_url=sim.url("alpha") + "/v1", api_key="any")
            sim["alpha"].fail(status=503, count=5)

    `url` gives scheme, host and port. Clients of OpenAI's API want `/v1` behind it (`/v1/chat/completions`,
    `/v1/embeddings`, `/v1/rerank` or `/rerank`, `/v1/models`); those of Anthropic (`/v1/messages`) and Cohere
    (`/v2/chat`, `/v2/embed`, `/v2/rerank`) want it as it is.

    It runs in a thread of its own, so blocking code and code inside an event loop use it alike. Nothing leaves the
    machine. Not for use across a fork.
    """

    def __init__(self, vendors: Iterable[Vendor]) -> None:
        self._settings = tuple(vendors)
        names = [vendor.name for vendor in self._settings]
        if len(set(names)) != len(names):
            raise ValueError("two vendors have the same name")
        self._ledger = Ledger()
        self._meter = TrafficMeter()
        self._vendors: dict[str, SimulatedVendor] = {}
        self._doors: dict[str, _Door] = {}
        self._engine: _Engine | None = None

    def start(self) -> Self:
        """Listen; returns once every vendor answers."""
        if self._engine is not None:
            raise RuntimeError("the simulator runs already")
        self._engine = _Engine()
        run, count = secrets.token_hex(7), itertools.count(1)
        for vendor in self._settings:
            door = _Door(self._engine)
            handle = SimulatedVendor(vendor, self._ledger, TrafficMeter(self._meter), door)
            door.serve = Desk(handle, self._ledger, lambda: f"{run}{next(count):010x}").serve
            self._doors[vendor.name], self._vendors[vendor.name] = door, handle
        self._engine.wait(self._listen())
        return self

    async def _listen(self) -> None:
        for door in self._doors.values():
            await door.listen()

    def close(self) -> None:
        """Reset all connections and end the thread. The ledger stays readable. Idempotent."""
        engine, self._engine = self._engine, None
        if engine is not None:
            try:
                engine.wait(self._shut())
            finally:
                engine.stop()

    async def _shut(self) -> None:
        tasks: set[asyncio.Task[None]] = set()
        for _ in range(_SHUT_ROUNDS):  # a connection that was being accepted shows itself a few turns later
            tasks.update(task for door in self._doors.values() for task in door.shut())
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # One more turn of the loop, in which the transports close their sockets.
        await asyncio.sleep(0)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getitem__(self, name: str) -> SimulatedVendor:
        return self._vendors[name]

    def url(self, name: str) -> str:
        """Where a vendor answers: `http://127.0.0.1:PORT`, without a path."""
        return f"http://{HOST}:{self._doors[name].port}"

    @property
    def ledger(self) -> list[LedgerEntry]:
        """What all vendors processed, in the order in which the requests ended."""
        return self._ledger.entries()

    @property
    def requests(self) -> Traffic:
        """Every request that any vendor has seen."""
        return self._meter.traffic()


def _bound(port: int) -> socket.socket:
    # With the protocol named, asyncio turns Nagle's algorithm off; else a stream's pieces wait 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.setblocking(False)
    return listener
