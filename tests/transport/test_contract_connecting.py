"""What every transport promises of connecting: refusals, names, time, TLS, and what is never sent."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from transport_harness import (
    BODY,
    KEY,
    PROMPT,
    Make,
    assert_no_secret,
    make_aiohttp,
    post,
    replies,
)
from transport_server import Server, answer, served

from orchestrator.errors import CallTimeout, ConfigError, ConnectionFailed, OrchestratorError
from orchestrator.spec.transport import Endpoint, HttpReply, HttpRequest, Transport, TransportLimits


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
