"""Transports of each kind, and ways to ask them something."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import pytest
from transport_server import Peer, Request, Script, Server, served

from orchestrator.errors import OrchestratorError
from orchestrator.spec.transport import Endpoint, HttpReply, HttpRequest, Transport, TransportLimits
from orchestrator.transport.aiohttp import AiohttpTransport
from orchestrator.transport.httpx import HttpxTransport

__all__ = [
    "BODY",
    "HEAD",
    "KEY",
    "PROMPT",
    "SECRETS",
    "Make",
    "assert_no_secret",
    "drain",
    "end_at_once",
    "exchange",
    "make_aiohttp",
    "make_httpx",
    "make_httpx2",
    "post",
    "refused",
    "replies",
    "streamed",
    "then_reset",
    "until",
]

KEY = "sk-header-secret"
PROMPT = b'{"messages":[{"role":"user","content":"prompt-secret"}]}'
SECRETS = (KEY, "prompt-secret", "query-secret", "reply-secret")
BODY = b'{"ok":true}'
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"

Make = Callable[..., Transport]


def make_aiohttp(limits: TransportLimits | None = None, **client: Any) -> Transport:
    """The default transport; trust comes with the endpoint."""
    return AiohttpTransport(limits)


def make_httpx(limits: TransportLimits | None = None, **client: Any) -> Transport:
    """A transport over a client as a user makes it."""
    return HttpxTransport(lambda: httpx.AsyncClient(trust_env=False, **client), limits)


def make_httpx2(limits: TransportLimits | None = None, **client: Any) -> Transport:
    """A transport over the successor's client."""
    return HttpxTransport(lambda: httpx2.AsyncClient(trust_env=False, **client), limits)


def post(url: str, **headers: str) -> HttpRequest:
    """A request with a secret wherever one could be."""
    return HttpRequest(url, PROMPT, {"authorization": f"Bearer {KEY}", **headers})


def replies(data: bytes, *, close: bool = False) -> Script:
    """A script that writes the same bytes to every request."""

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(data)
        if close:
            peer.close()

    return script


def exchange(make: Make, script: Script, *, limits: TransportLimits | None = None) -> tuple[HttpReply, Server]:
    """One request to a server with this script."""

    async def main() -> tuple[HttpReply, Server]:
        transport = make(limits)
        async with served(script) as server:
            try:
                return await asyncio.wait_for(transport.send(post(server.url()), Endpoint()), 20), server
            finally:
                await transport.close()

    return asyncio.run(main())


def refused(make: Make, script: Script, *, limits: TransportLimits | None = None) -> OrchestratorError:
    """The error of one request; it must show no secret, by whatever way it is printed."""
    with pytest.raises(OrchestratorError) as caught:
        exchange(make, script, limits=limits)
    assert_no_secret(caught.value)
    return caught.value


def assert_no_secret(error: BaseException | None) -> None:
    """Neither the error nor one it came from shows a secret."""
    while error is not None:
        shown = f"{error} {error!r} {error.__dict__} {error.args}"
        assert not [secret for secret in SECRETS if secret in shown], shown
        error = error.__cause__ or error.__context__


async def drain(transport: Transport, request: HttpRequest, got: list[bytes]) -> None:
    """Open a stream and read it to its end, keeping what came."""
    stream = await transport.open(request, Endpoint())
    try:
        while data := await stream.read():
            got.append(data)
    finally:
        stream.close()


def streamed(make: Make, script: Script) -> tuple[list[bytes], BaseException | None]:
    """What a stream gave, and the error it ended with."""
    got: list[bytes] = []

    async def main() -> None:
        transport = make()
        async with served(script) as server:
            try:
                await asyncio.wait_for(drain(transport, post(server.url()), got), 20)
            finally:
                await transport.close()

    try:
        asyncio.run(main())
    except OrchestratorError as error:
        assert_no_secret(error)
        return got, error
    return got, None


def then_reset(data: bytes) -> Script:
    """A script that writes, waits until that has gone out, and resets."""

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(data)
        await asyncio.sleep(0.1)
        peer.reset()

    return script


async def end_at_once(peer: Peer, request: Request) -> None:
    """No byte of an answer, politely."""
    peer.close()


async def until(done: Callable[[], bool], within_s: float = 1.0) -> None:
    """Wait until something holds, and fail if it does not in time."""
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.01)
