"""What every transport promises of answers: whole, broken, malformed and too large."""

from __future__ import annotations

import asyncio
import gzip
import resource
import zlib

import pytest
from transport_harness import (
    BODY,
    HEAD,
    KEY,
    PROMPT,
    Make,
    end_at_once,
    exchange,
    post,
    refused,
    replies,
    then_reset,
)
from transport_server import Peer, Request, Script, answer, chunked, served

from orchestrator.errors import ConnectionFailed, MalformedReply
from orchestrator.spec.transport import Endpoint, HttpReply, HttpRequest, TransportLimits


def test_request_arrives_as_it_was_given(make: Make) -> None:
    """Method, path, query, headers and body are sent unchanged, with identity as the only encoding asked for."""
    reply, server = exchange(make, replies(answer(BODY, "X-Request-Id: r1")))
    (request,) = server.requests
    assert request.line == "POST /v1/chat?key=query-secret HTTP/1.1"
    assert request.body == PROMPT
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-length"] == str(len(PROMPT))
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert "cookie" not in request.headers
    assert "transfer-encoding" not in request.headers
    assert (reply.status, reply.body, reply.headers["x-request-id"]) == (200, BODY, "r1")


def test_large_request_arrives_whole(make: Make) -> None:
    """A body of several megabytes is sent with its length, in full."""

    async def main() -> Request:
        transport = make()
        async with served(replies(answer(BODY))) as server:
            await transport.send(HttpRequest(server.url(), b"x" * 5_000_000, {}), Endpoint())
            await transport.close()
            return server.requests[0]

    request = asyncio.run(main())
    assert (len(request.body), request.headers["content-length"]) == (5_000_000, "5000000")


@pytest.mark.parametrize(
    "data",
    [
        answer(BODY),
        chunked(BODY[:4], BODY[4:]),
        chunked(*[BODY[i : i + 1] for i in range(len(BODY))]),
        HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(gzip.compress(BODY)) + gzip.compress(BODY),
        HEAD + b"content-encoding: deflate\r\ncontent-length: 19\r\n\r\n" + zlib.compress(BODY),
        HEAD + b"content-encoding: utf-8\r\ncontent-length: 11\r\n\r\n" + BODY,
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + answer(BODY),
    ],
    ids=["length", "chunked", "tiny-chunks", "gzip", "deflate", "no-encoding", "informational"],
)
def test_framings_give_the_same_body(make: Make, data: bytes) -> None:
    """However the body is framed or compressed, it is the same body."""
    assert exchange(make, replies(data))[0].body == BODY


def test_body_may_end_with_the_connection(make: Make) -> None:
    """Without length or chunks, the end of the connection is the end of the body."""
    assert exchange(make, replies(HEAD + b"connection: close\r\n\r\n" + BODY, close=True))[0].body == BODY


def test_dripping_answer_is_read(make: Make) -> None:
    """An answer that comes in one byte at a time is the same answer."""
    reply, _ = exchange(make, lambda peer, request: peer.drip(answer(BODY)))
    assert reply.body == BODY


@pytest.mark.parametrize("status", ["400 Bad Request", "429 Too Many Requests", "500 Oops", "204 No Content"])
def test_any_status_is_an_answer(make: Make, status: str) -> None:
    """A status is never an error here: it is the codec's to judge."""
    body = b"" if status.startswith("204") else BODY
    reply, _ = exchange(make, replies(answer(body, status=status)))
    assert (reply.status, reply.body) == (int(status[:3]), body)


def test_html_is_an_answer(make: Make) -> None:
    """The transport does not look into a body: a proxy's page arrives as it is."""
    page = b"<html>502 Bad Gateway</html>"
    assert exchange(make, replies(answer(page, status="502 Bad Gateway")))[0].body == page


def test_cookies_are_not_kept(make: Make) -> None:
    """A cookie that an answer sets is not sent with the next request."""

    async def main() -> list[Request]:
        transport = make()
        async with served(replies(answer(BODY, "set-cookie: session=1; path=/"))) as server:
            for _ in range(2):
                await transport.send(post(server.url()), Endpoint())
            await transport.close()
            return server.requests

    requests = asyncio.run(main())
    assert len(requests) == 2
    assert not any("cookie" in request.headers for request in requests)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_redirects_are_answers(make: Make, status: str) -> None:
    """A redirect to another host is handed back, and neither key nor prompt goes there."""

    async def main() -> tuple[HttpReply, int, int]:
        transport = make()
        async with served(replies(answer(BODY))) as other:
            moved = replies(answer(b"", f"location: {other.url('/stolen')}", status=status))
            async with served(moved) as server:
                reply = await transport.send(post(server.url(host="localhost")), Endpoint())
                await transport.close()
                return reply, len(server.requests), other.connections

    reply, asked, stolen = asyncio.run(main())
    assert (reply.status, asked, stolen) == (int(status[:3]), 1, 0)


async def reset_at_once(peer: Peer, request: Request) -> None:
    """No byte of an answer."""
    peer.reset()


@pytest.mark.parametrize(
    "script",
    [
        reset_at_once,
        end_at_once,
        then_reset(HEAD),
        then_reset(HEAD + b"content-length: 11\r\n\r\n"),
        then_reset(HEAD + b"content-length: 11\r\n\r\n" + BODY[:5]),
        then_reset(chunked(BODY[:5], end=False)),
        then_reset(HEAD + b"connection: close\r\n\r\n" + BODY),
        replies(HEAD + b"content-length: 11\r\n\r\n" + BODY[:5], close=True),
        replies(chunked(BODY, end=False), close=True),
        replies(chunked(BODY, end=False) + b"0\r\n", close=True),
    ],
    ids=[
        "reset-first",
        "eof-first",
        "reset-in-headers",
        "reset-after-headers",
        "reset-in-body",
        "reset-in-chunks",
        "reset-for-eof",
        "eof-in-body",
        "eof-in-chunks",
        "eof-in-last-chunk",
    ],
)
def test_broken_answers_are_failures(make: Make, script: Script) -> None:
    """A connection that ends before its answer is no answer, may be billed, and is not tried again by the transport."""
    error = refused(make, script)
    assert isinstance(error, ConnectionFailed), error
    assert error.maybe_billed
    assert error.retryable
    assert "127.0.0.1" in str(error)


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02garbage reply-secret\r\n\r\n",
        b"<html>reply-secret</html>\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: eleven\r\n\r\n" + BODY,
        b"HTTP/1.1 200 OK\r\nx-large: " + b"x" * 1_000_000 + b"\r\n\r\n",
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\nreply-secret\r\n",
        HEAD + b"content-encoding: gzip\r\ncontent-length: 11\r\n\r\n" + BODY,
        HEAD + b"content-encoding: gzip\r\ncontent-length: 12\r\n\r\n" + gzip.compress(BODY)[:12],
        HEAD + b"content-encoding: br\r\ncontent-length: 11\r\n\r\n" + BODY,
    ],
    ids=["binary", "html", "ssh", "length", "huge-header", "chunk-size", "not-gzip", "cut-gzip", "brotli"],
)
def test_garbage_is_malformed(make: Make, data: bytes) -> None:
    """Bytes that are not HTTP, boundless headers and wrong compression are a malformed reply, and are not shown."""
    error = refused(make, replies(data, close=True))
    assert isinstance(error, MalformedReply), repr(error)
    assert error.maybe_billed


def peak_kib() -> int:
    """The most memory that this process ever had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def pour(peer: Peer, request: Request) -> None:
    """100 MB of body, as fast as it is taken."""
    await peer.send(HEAD + b"content-length: 100000000\r\n\r\n")
    piece = b"x" * 100_000
    for _ in range(1000):
        await peer.send(piece)


async def pour_forever(peer: Peer, request: Request) -> None:
    """Chunks without end."""
    await peer.send(chunked(end=False))
    piece = b"%x\r\n%b\r\n" % (100_000, b"x" * 100_000)
    while True:
        await peer.send(piece)


@pytest.mark.parametrize("script", [pour, pour_forever], ids=["length", "chunked"])
def test_large_bodies_stop_at_the_bound(make: Make, script: Script) -> None:
    """A body of 100 MB, or without end, is refused at the bound, and memory stays near it."""
    before = peak_kib()
    error = refused(make, script)
    assert isinstance(error, MalformedReply)
    assert "larger than 33554432 bytes" in str(error)
    assert peak_kib() - before < 90 * 1024


def test_gzip_bombs_stop_at_the_bound(make: Make) -> None:
    """204 kB that decompress to 210 MB are refused at the bound, and memory stays near it."""
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join([packer.compress(bytes(1_000_000)) for _ in range(210)]) + packer.flush()
    assert len(bomb) < 300_000
    before = peak_kib()
    data = HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb) + bomb
    error = refused(make, replies(data))
    assert isinstance(error, MalformedReply)
    assert "larger than" in str(error)
    assert peak_kib() - before < 90 * 1024


def test_bound_is_exact(make: Make) -> None:
    """A body of just the bound is taken, one byte more is not, compressed or not."""
    limits = TransportLimits(body_bytes=1000)
    for data in (answer(b"x" * 1000), answer(gzip.compress(b"x" * 1000), "content-encoding: gzip")):
        assert len(exchange(make, replies(data), limits=limits)[0].body) == 1000
    for data in (answer(b"x" * 1001), answer(gzip.compress(b"x" * 1001), "content-encoding: gzip")):
        assert isinstance(refused(make, replies(data), limits=limits), MalformedReply)
