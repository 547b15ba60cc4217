"""What every transport promises, against a server that misbehaves byte by byte."""

from __future__ import annotations

import asyncio
import gc
import gzip
import os
import resource
import shutil
import signal
import ssl
import subprocess
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from server import Peer, Request, Script, Server, answer, chunked, served, served_in_thread

from orchestrator.errors import CallTimeout, ConfigError, ConnectionFailed, MalformedReply, OrchestratorError
from orchestrator.spec.transport import Endpoint, HttpReply, HttpRequest, Transport, TransportLimits
from orchestrator.transport.aiohttp import AiohttpTransport
from orchestrator.transport.httpx import HttpxTransport

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


@pytest.fixture(params=[make_aiohttp, make_httpx, make_httpx2], ids=["aiohttp", "httpx", "httpx2"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a transport of each kind."""
    made: Make = request.param
    return made


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


# Whole answers


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


# Answers that break


async def reset_at_once(peer: Peer, request: Request) -> None:
    """No byte of an answer."""
    peer.reset()


async def end_at_once(peer: Peer, request: Request) -> None:
    """No byte of an answer, politely."""
    peer.close()


def then_reset(data: bytes) -> Script:
    """A script that writes, waits until that has gone out, and resets."""

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(data)
        await asyncio.sleep(0.1)
        peer.reset()

    return script


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


# Bounds


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


# Streams


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


async def until(done: Callable[[], bool], within_s: float = 1.0) -> None:
    """Wait until something holds, and fail if it does not in time."""
    deadline = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.01)


# Connecting


def failing(make: Make, url: str, endpoint: Endpoint | None = None, **limits: float) -> OrchestratorError:
    """The error of a request that never leaves."""

    async def main() -> None:
        transport = make(TransportLimits(**limits))
        try:
            await transport.send(post(url), endpoint or Endpoint())
        finally:
            await transport.close()

    with pytest.raises(OrchestratorError) as caught:
        asyncio.run(main())
    assert_no_secret(caught.value)
    return caught.value


def test_refused_ports_are_not_billed(make: Make) -> None:
    """A port where nobody listens is a failed connection that cost nothing."""
    error = failing(make, "http://127.0.0.1:1/v1?key=query-secret")
    assert isinstance(error, ConnectionFailed)
    assert not error.maybe_billed
    assert str(error) == "cannot connect to 127.0.0.1:1: Connection refused"


def test_unknown_hosts_are_not_billed(make: Make) -> None:
    """A name that does not resolve is a failed connection that cost nothing."""
    error = failing(make, "http://nowhere.invalid/v1?key=query-secret")
    assert isinstance(error, ConnectionFailed)
    assert not error.maybe_billed
    assert str(error).startswith("cannot resolve nowhere.invalid")


def test_slow_connects_time_out(make: Make) -> None:
    """A server that takes the connection but never shakes hands runs into the connect timeout, unbilled."""

    async def main() -> tuple[OrchestratorError, float]:
        transport = make(TransportLimits(connect_s=0.3))
        async with served(replies(b"")) as server:
            server.scheme = "https"
            start = time.monotonic()
            with pytest.raises(CallTimeout) as caught:
                await transport.send(post(server.url()), Endpoint())
            took = time.monotonic() - start
            await transport.close()
            return caught.value, took

    error, took = asyncio.run(main())
    assert_no_secret(error)
    assert isinstance(error, CallTimeout)
    assert (error.kind, error.maybe_billed) == ("connect", False)
    assert took < 3


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/x",
        "/v1/chat",
        "http:///x",
        "http://u:p@127.0.0.1/x",
        "http://127.0.0.1/a b",
        "http://h:99999/x",
    ],
)
def test_unusable_urls_are_configuration_errors(make: Make, url: str) -> None:
    """A URL that cannot be asked is refused before anything is sent."""
    error = failing(make, url)
    assert isinstance(error, ConfigError)
    assert url not in str(error)


@pytest.mark.parametrize(
    "headers",
    [{"x-a": f"{KEY}\r\nx-b: 1"}, {"x-a": f"{KEY}\n"}, {"x-a": f"{KEY}\0"}, {"x-a": f"{KEY}é"}, {f"{KEY}\r\nx": "1"}],
    ids=["crlf", "lf", "nul", "non-ascii", "name"],
)
def test_header_injection_is_refused(make: Make, headers: dict[str, str]) -> None:
    """A header that could end its line is refused without repeating its value, and nothing is sent."""

    async def main() -> tuple[OrchestratorError, int]:
        transport = make()
        async with served(replies(answer(BODY))) as server:
            with pytest.raises(ConfigError) as caught:
                await transport.send(HttpRequest(server.url(), PROMPT, headers), Endpoint())
            await transport.close()
            return caught.value, len(server.requests)

    error, sent = asyncio.run(main())
    assert_no_secret(error)
    assert sent == 0


def test_earlier_errors_do_not_colour_later_ones(make: Make) -> None:
    """A call made while another host's failure is handled tells of its own host's failure."""

    async def main() -> str:
        transport = make()
        try:
            await transport.send(post("http://nowhere.invalid/"), Endpoint())
        except ConnectionFailed:
            with pytest.raises(ConnectionFailed) as caught:
                await transport.send(post("http://127.0.0.1:1/"), Endpoint())
        await transport.close()
        return str(caught.value)

    assert asyncio.run(main()) == "cannot connect to 127.0.0.1:1: Connection refused"


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost, with its key, in one file."""
    tool = shutil.which("openssl")
    if tool is None:
        pytest.skip("needs the openssl command to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    about = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run(
        [tool, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *about, *files],
        check=True,
        capture_output=True,
    )
    return folder


def tls_of(folder: Path) -> ssl.SSLContext:
    """The server's side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def over_tls(transport: Transport, endpoint: Endpoint, folder: Path, host: str) -> tuple[HttpReply, Server]:
    """One request over TLS."""

    async def main() -> tuple[HttpReply, Server]:
        async with served(replies(answer(BODY)), tls=tls_of(folder)) as server:
            try:
                return await transport.send(post(server.url(host=host)), endpoint), server
            finally:
                await transport.close()

    return asyncio.run(main())


@pytest.mark.parametrize("trusted", [False, True], ids=["unknown-issuer", "other-name"])
def test_bad_certificates_are_refused(make: Make, certificate: Path, trusted: bool) -> None:
    """A certificate that nobody vouches for, or for another name, ends the connection before the request is sent."""
    file = str(certificate / "cert.pem") if trusted else None
    transport, endpoint = trusting(make, file)
    with pytest.raises(ConnectionFailed) as caught:
        over_tls(transport, endpoint, certificate, "127.0.0.1" if trusted else "localhost")
    assert_no_secret(caught.value)
    assert not caught.value.maybe_billed
    assert str(caught.value).startswith("TLS with ")


def test_ca_file_makes_a_certificate_good(make: Make, certificate: Path) -> None:
    """A certificate of the file's issuer is trusted."""
    transport, endpoint = trusting(make, str(certificate / "cert.pem"))
    reply, server = over_tls(transport, endpoint, certificate, "localhost")
    assert (reply.body, server.requests[0].body) == (BODY, PROMPT)


def trusting(make: Make, file: str | None) -> tuple[Transport, Endpoint]:
    """A transport that trusts a file: by its endpoint, or on the user's own client."""
    if make is make_aiohttp:
        return make(), Endpoint(ca_file=file)
    return make(verify=True if file is None else ssl.create_default_context(cafile=file)), Endpoint()


# Pools


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
        with pools._lock:
            pid = os.fork()
        if pid == 0:
            code = 1
            pools._lock.acquire(blocking=False)  # as another thread of the parent would have left it
            signal.alarm(10)
            try:
                code = 0 if asyncio.run(call(server.url())) == BODY else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert runner.run(call(server.url())) == BODY
        assert (server.connections, len(server.requests)) == (2, 3)
        runner.run(transport.close())
