"""What every transport promises of connections kept: reuse, cancelling, loops, threads and forks."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import warnings
from typing import Any

import pytest
from transport_harness import (
    BODY,
    HEAD,
    Make,
    end_at_once,
    make_aiohttp,
    post,
    replies,
    until,
)
from transport_server import Peer, Request, Server, answer, served, served_in_thread

from orchestrator.errors import ConnectionFailed, OrchestratorError
from orchestrator.spec.transport import Endpoint, HttpRequest


def test_connections_are_reused(make: Make) -> None:
    """Ten calls, one after the other, need one connection."""

    async def main() -> Server:
        transport = make()
        async with served(replies(answer(BODY))) as server:
            for _ in range(10):
                await transport.send(post(server.url()), Endpoint())
            await transport.close()
            return server

    server = asyncio.run(main())
    assert (server.connections, len(server.requests)) == (1, 10)


def test_dead_connections_are_not_asked_twice(make: Make) -> None:
    """When a kept connection dies on a request, that request is sent once: only the caller may send it again."""

    async def main() -> tuple[OrchestratorError, list[int]]:
        transport = make()
        async with served(replies(answer(BODY))) as server:
            await transport.send(post(server.url()), Endpoint())
            server.script = end_at_once
            with pytest.raises(ConnectionFailed) as caught:
                await transport.send(post(server.url()), Endpoint())
            await transport.close()
            return caught.value, [server.connections, len(server.requests)]

    error, seen = asyncio.run(main())
    assert error.maybe_billed
    assert seen == [1, 2]


@pytest.mark.parametrize("answered", [False, True], ids=["before-headers", "in-body"])
def test_cancelling_closes_the_socket(make: Make, answered: bool) -> None:
    """A cancelled call closes its connection within a second, whatever it was waiting for."""

    async def main() -> None:
        transport = make()

        async def hang(peer: Peer, request: Request) -> None:
            if answered:
                await peer.send(HEAD + b"content-length: 100\r\n\r\n" + BODY)
            await peer.until_gone()

        async with served(hang) as server:
            task = asyncio.create_task(transport.send(post(server.url()), Endpoint()))
            await until(lambda: len(server.requests) == 1)
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: server.open == 0)
            server.script = replies(answer(BODY))
            assert (await transport.send(post(server.url()), Endpoint())).body == BODY
            assert server.connections == 2
            await transport.close()

    asyncio.run(main())


def test_many_calls_at_once(make: Make) -> None:
    """200 calls in flight at the same time all get their own answer."""

    async def echo(peer: Peer, request: Request) -> None:
        await asyncio.sleep(0.05)
        await peer.send(answer(request.body))

    async def main() -> tuple[list[bytes], int]:
        transport = make()
        async with served(echo) as server:
            calls = [transport.send(HttpRequest(server.url(), b"%d" % i, {}), Endpoint()) for i in range(200)]
            got = [reply.body for reply in await asyncio.gather(*calls)]
            await transport.close()
            return got, server.connections

    got, connections = asyncio.run(main())
    assert got == [b"%d" % i for i in range(200)]
    assert connections <= 200


def test_close_ends_only_the_running_loop_and_may_be_called_again(make: Make) -> None:
    """`close` closes this loop's connections, is harmless twice, and the transport works again afterwards."""

    async def main() -> None:
        transport = make()
        await transport.close()
        async with served(replies(answer(BODY))) as server:
            for _ in range(2):
                await transport.send(post(server.url()), Endpoint())
                await transport.close()
                await transport.close()
                await until(lambda: server.open == 0)

    asyncio.run(main())


def test_two_loops_at_once(make: Make) -> None:
    """One transport serves two threads with a loop each, at the same time."""
    transport = make()
    done: list[bytes] = []

    async def calls(url: str) -> None:
        for _ in range(20):
            reply = await transport.send(post(url), Endpoint())
            done.append(reply.body)

    with served_in_thread(replies(answer(BODY))) as server:
        threads = [threading.Thread(target=lambda: asyncio.run(calls(server.url()))) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert (done, server.connections) == ([BODY] * 40, 2)


def descriptors() -> int:
    """Open files of this process."""
    return len(os.listdir("/proc/self/fd"))


needs_proc = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors under /proc")


@needs_proc
@pytest.mark.parametrize("closed", [True, False], ids=["closed", "left-open"])
def test_a_thousand_loops_leave_nothing_open(make: Make, closed: bool) -> None:
    """Loops that come and go leave neither descriptors nor warnings, also when nobody closes the transport."""
    runs = 1000 if make is make_aiohttp else 60
    transport = make()

    async def call(url: str) -> None:
        await transport.send(post(url), Endpoint())
        if closed:
            await transport.close()

    with served_in_thread(replies(answer(BODY))) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            asyncio.run(call(server.url()))
        before = descriptors()
        highest = 0
        for number in range(runs):
            asyncio.run(call(server.url()))
            if number % 50 == 0:
                highest = max(highest, descriptors())
        gc.collect()
        assert len(server.requests) == runs + 5
        assert highest - before <= 8
        assert descriptors() - before <= 2


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_loops_closed_by_hand_are_swept(make: Make) -> None:
    """Pools of loops that ended without a word are let go when the next pool is made."""
    transport = make()
    with served_in_thread(replies(answer(BODY))) as server:
        for _ in range(5):
            loop = asyncio.new_event_loop()
            loop.run_until_complete(transport.send(post(server.url()), Endpoint()))
            loop.close()
        pools: Any = transport._pools  # type: ignore[attr-defined]
        assert len(pools._pools) == 1
        asyncio.run(transport.send(post(server.url()), Endpoint()))
        assert len(pools._pools) == 0
    del loop
    gc.collect()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_children_use_their_own_connections(make: Make) -> None:
    """A child makes a connection of its own, also when forked amid a lock, and its parent's goes on working."""

    async def call(url: str) -> bytes:
        return (await transport.send(post(url), Endpoint())).body

    transport = make()
    with served_in_thread(replies(answer(BODY))) as server, asyncio.Runner() as runner:
        assert runner.run(call(server.url())) == BODY
        pools: Any = transport._pools  # type: ignore[attr-defined]
        with pools._lock:  # as another thread of the parent may have it
            pid = os.fork()
        if pid == 0:
            code = 1
            signal.alarm(10)
            try:
                code = 0 if asyncio.run(call(server.url())) == BODY else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert runner.run(call(server.url())) == BODY
        assert (server.connections, len(server.requests)) == (2, 3)
        runner.run(transport.close())
