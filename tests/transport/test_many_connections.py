"""Hundreds and thousands of connections that are asked for at the same moment."""

from __future__ import annotations

import asyncio
import time

import pytest
from transport_server import Peer, Request, answer, served

from orchestrator.errors import ConnectionFailed
from orchestrator.spec.transport import Endpoint, HttpRequest, TransportLimits
from orchestrator.transport.aiohttp import AiohttpTransport


def test_few_connections_are_made_at_a_time() -> None:
    """Of 700 calls that need a connection, 512 make one at a time; the others wait, and all get their turn."""
    under_way, most = 0, 0

    async def slow(peer: Peer, request: Request) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(1.0)
        under_way -= 1
        await peer.send(answer(b"", status="407 Proxy Authentication Required"))

    async def main() -> list[BaseException | object]:
        transport = AiohttpTransport(TransportLimits(connect_s=30.0))
        async with served(slow) as proxy:  # a tunnel is made by asking for it, so that the far side sees when
            endpoint = Endpoint(proxy=f"http://127.0.0.1:{proxy.port}")
            request = HttpRequest("https://vendor.invalid/v1/chat", b"{}", {})
            asked = [transport.send(request, endpoint) for _ in range(700)]
            found = await asyncio.gather(*asked, return_exceptions=True)
            await transport.close()
            return found

    found = asyncio.run(main())
    assert {type(one) for one in found} == {ConnectionFailed}
    assert len(found) == 700
    assert most == 512


def test_a_host_that_hangs_holds_up_nobody_else() -> None:
    """While 600 calls try to connect to a host that does not answer, another host is connected to at once."""

    async def tunnel(peer: Peer, request: Request) -> None:
        if "hangs" in request.line:
            await asyncio.sleep(10.0)
        await peer.send(answer(b"", status="407 Proxy Authentication Required"))

    async def main() -> float:
        transport = AiohttpTransport(TransportLimits(connect_s=30.0))
        async with served(tunnel) as proxy:
            endpoint = Endpoint(proxy=f"http://127.0.0.1:{proxy.port}")

            async def ask(host: str) -> None:
                await transport.send(HttpRequest(f"https://{host}/v1/chat", b"{}", {}), endpoint)

            hanging = [asyncio.create_task(ask("hangs.invalid")) for _ in range(600)]
            await asyncio.sleep(1.0)
            begun = time.monotonic()
            with pytest.raises(ConnectionFailed):
                await ask("well.invalid")
            took_s = time.monotonic() - begun
            for task in hanging:
                task.cancel()
            await asyncio.wait(hanging)
            await transport.close()
            return took_s

    assert asyncio.run(main()) < 3.0


def test_calls_that_begin_together_do_not_time_each_other_out() -> None:
    """Calls whose beginnings keep the loop busy for longer than a connection may take are all connected."""

    async def ok(peer: Peer, request: Request) -> None:
        await peer.send(answer(b"{}"))

    async def main() -> list[int]:
        transport = AiohttpTransport(TransportLimits(connect_s=0.2))
        async with served(ok) as server:
            request = HttpRequest(server.url("/v1"), b"{}", {})

            async def call() -> int:
                time.sleep(0.005)  # what a call does before it is sent
                return (await transport.send(request, Endpoint())).status

            found = await asyncio.gather(*[call() for _ in range(100)])
            await transport.close()
            return found

    assert asyncio.run(main()) == [200] * 100
