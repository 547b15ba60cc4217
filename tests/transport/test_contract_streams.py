"""What every transport promises of streams."""

from __future__ import annotations

import asyncio
import zlib

import pytest
from transport_harness import (
    BODY,
    HEAD,
    Make,
    drain,
    post,
    replies,
    streamed,
    then_reset,
    until,
)
from transport_server import Peer, Request, answer, chunked, served

from orchestrator.errors import ConnectionFailed
from orchestrator.spec.transport import Endpoint, HttpReply
from orchestrator.transport.incoming import LINGER_S


def test_streams_give_bytes_as_they_arrive(make: Make) -> None:
    """A stream's first bytes are read while the server still holds back the rest."""

    async def main() -> list[bytes]:
        transport = make()
        go = asyncio.Event()

        async def script(peer: Peer, request: Request) -> None:
            await peer.send(chunked(b"data: 1\n\n", end=False))
            await go.wait()
            await peer.send(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

        async with served(script) as server:
            stream = await transport.open(post(server.url()), Endpoint())
            assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
            got = [await asyncio.wait_for(stream.read(), 5)]
            go.set()
            while data := await stream.read():
                got.append(data)
            assert await stream.read() == b""
            stream.close()
            stream.close()
            await transport.close()
            return got

    assert b"".join(asyncio.run(main())) == b"data: 1\n\ndata: 2\n\n"


def test_streams_of_gzip_give_bytes_as_they_arrive(make: Make) -> None:
    """A compressed stream that its server flushes is not held back until its end."""
    packer = zlib.compressobj(wbits=31)
    pieces = [packer.compress(b"data: 1\n\n") + packer.flush(zlib.Z_SYNC_FLUSH), packer.compress(b"data: 2\n\n")]
    pieces[1] += packer.flush()

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(HEAD + b"content-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in pieces:
            await peer.drip(b"%x\r\n%b\r\n" % (len(piece), piece), size=1000, every_s=0.05)
        await peer.send(b"0\r\n\r\n")

    assert streamed(make, script) == ([b"data: 1\n\n", b"data: 2\n\n"], None)


def test_broken_streams_give_what_came_first(make: Make) -> None:
    """Bytes that arrived before a stream broke are read before its error is raised."""
    got, error = streamed(make, then_reset(chunked(b"data: 1\n\n", end=False)))
    assert b"".join(got) == b"data: 1\n\n"
    assert isinstance(error, ConnectionFailed)
    assert error.maybe_billed


@pytest.mark.parametrize(
    "data", [chunked(BODY, end=False), HEAD + b"content-length: 99\r\n\r\n" + BODY], ids=["chunked", "length"]
)
def test_streams_fail_when_their_pool_is_closed(make: Make, data: bytes) -> None:
    """A stream that is still open when its transport is closed says that its connection broke."""

    async def hang(peer: Peer, request: Request) -> None:
        await peer.send(data)
        await peer.until_gone()

    async def main() -> None:
        transport = make()
        async with served(hang) as server:
            stream = await transport.open(post(server.url()), Endpoint())
            assert await stream.read() == BODY
            await transport.close()
            with pytest.raises(ConnectionFailed):
                await asyncio.wait_for(stream.read(), 2)
            stream.close()

    asyncio.run(main())


def test_error_answers_of_streams_are_read_whole(make: Make) -> None:
    """`read_all` gives an error answer in one piece, with its status and headers."""

    async def main() -> HttpReply:
        transport = make()
        async with served(replies(answer(BODY, "retry-after: 2", status="429 Slow"))) as server:
            stream = await transport.open(post(server.url()), Endpoint())
            reply = await stream.read_all()
            stream.close()
            await transport.close()
            return reply

    reply = asyncio.run(main())
    assert (reply.status, reply.headers["retry-after"], reply.body) == (429, "2", BODY)


def test_streams_read_to_their_end_give_the_connection_back(make: Make) -> None:
    """A stream that was read to its end leaves its connection to the next; one that was not closes it."""

    async def main() -> list[int]:
        transport = make()
        async with served(replies(chunked(b"data: 1\n\n"))) as server:
            for _ in range(3):
                await drain(transport, post(server.url()), [])
            reused = server.connections

            async def hang(peer: Peer, request: Request) -> None:
                await peer.send(chunked(b"data: 1\n\n", end=False))
                await peer.until_gone()

            server.script = hang
            stream = await transport.open(post(server.url()), Endpoint())
            await stream.read()
            stream.close()
            await until(lambda: server.open == 0)
            with pytest.raises(ConnectionFailed):
                await stream.read()
            await transport.close()
            return [reused, server.connections]

    assert asyncio.run(main()) == [1, 1]


def test_a_complete_answer_waits_for_the_end_of_its_body(make: Make) -> None:
    """A stream that is left before its body has ended leaves its connection to the next once it has; `read` is over."""

    async def late(peer: Peer, request: Request) -> None:
        await peer.send(chunked(b"data: [DONE]\n\n", end=False))
        await asyncio.sleep(0.02)
        await peer.send(b"0\r\n\r\n")

    async def main() -> int:
        transport = make()
        async with served(late) as server:
            for _ in range(3):
                stream = await transport.open(post(server.url()), Endpoint())
                assert await stream.read() == b"data: [DONE]\n\n"
                stream.leave()
                stream.leave()
                stream.close()
                with pytest.raises(ConnectionFailed):
                    await stream.read()
                await asyncio.sleep(0.06)
            await transport.close()
            return server.connections

    assert asyncio.run(main()) == 1


def test_a_body_without_end_is_not_waited_for(make: Make) -> None:
    """A connection whose body does not end is closed a second after it was left, or with its transport or loop."""

    async def on_and_on(peer: Peer, request: Request) -> None:
        await peer.send(chunked(b"data: [DONE]\n\n", end=False))
        await peer.until_gone()

    async def main() -> tuple[int, int]:
        transport = make()
        async with served(on_and_on) as server:
            stream = await transport.open(post(server.url()), Endpoint())
            await stream.read()
            stream.leave()
            await asyncio.sleep(0.3)
            lingering = server.open
            await until(lambda: server.open == 0, within_s=5)
            stream = await transport.open(post(server.url()), Endpoint())
            await stream.read()
            stream.leave()
            await transport.close()
            await until(lambda: server.open == 0, within_s=LINGER_S / 2)
            stream = await transport.open(post(server.url()), Endpoint())
            await stream.read()
            stream.leave()
            return lingering, server.connections

    assert asyncio.run(main()) == (1, 3)
