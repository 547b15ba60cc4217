"""What only the default transport has: endpoints with a proxy or trust of their own, lazy import, pool size."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from pathlib import Path

import pytest
from transport_server import Peer, Request, Server, answer, served

from orchestrator.errors import ConfigError, ConnectionFailed, OrchestratorError
from orchestrator.spec.transport import Endpoint, HttpRequest, TransportLimits
from orchestrator.transport.aiohttp import AiohttpTransport

BODY = b'{"ok":true}'


async def ok(peer: Peer, request: Request) -> None:
    """The usual answer."""
    await peer.send(answer(BODY))


async def denied(peer: Peer, request: Request) -> None:
    """A proxy that wants a password."""
    await peer.send(answer(b"", status="407 Proxy Authentication Required"))


def test_proxies_are_asked_for_the_whole_url() -> None:
    """With a proxy, the request goes to it with the whole URL and the proxy's credential, and not to the host."""

    async def main() -> Server:
        transport = AiohttpTransport()
        async with served(ok) as proxy:
            endpoint = Endpoint(proxy=f"http://user:pass@127.0.0.1:{proxy.port}")
            reply = await transport.send(HttpRequest("http://vendor.invalid/v1/chat", b"{}", {}), endpoint)
            await transport.close()
            assert reply.body == BODY
            return proxy

    (request,) = asyncio.run(main()).requests
    assert request.line == "POST http://vendor.invalid/v1/chat HTTP/1.1"
    assert request.headers["proxy-authorization"] == "Basic " + base64.b64encode(b"user:pass").decode()


def test_proxies_that_refuse_are_failed_connections() -> None:
    """A tunnel that the proxy refuses cost nothing, and the error shows neither its credential nor the path."""

    async def main() -> OrchestratorError:
        transport = AiohttpTransport()
        async with served(denied) as proxy:
            endpoint = Endpoint(proxy=f"http://user:proxy-secret@127.0.0.1:{proxy.port}")
            with pytest.raises(ConnectionFailed) as caught:
                await transport.send(HttpRequest("https://vendor.invalid/v1?key=query-secret", b"{}", {}), endpoint)
            await transport.close()
            assert proxy.requests[0].line == "CONNECT vendor.invalid:443 HTTP/1.1"
            return caught.value

    error = asyncio.run(main())
    assert not error.maybe_billed
    assert str(error) == "the proxy does not connect to vendor.invalid: status 407"
    assert error.__cause__ is None
    assert error.__context__ is None


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment changes nothing: only the file says how a provider is reached."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    async def main() -> bytes:
        transport = AiohttpTransport()
        async with served(ok) as server:
            reply = await transport.send(HttpRequest(server.url(), b"{}", {}), Endpoint())
            await transport.close()
            return reply.body

    assert asyncio.run(main()) == BODY


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "127.0.0.1:3128", "http://", "http://user:proxy-secret@h:x"])
def test_unusable_proxies_are_configuration_errors(proxy: str) -> None:
    """A proxy that cannot be used is refused by name of the key, without its value."""
    with pytest.raises(ConfigError, match="proxy") as caught:
        asyncio.run(AiohttpTransport().send(HttpRequest("http://127.0.0.1:1/", b"{}", {}), Endpoint(proxy=proxy)))
    assert "secret" not in str(caught.value)


def test_unusable_ca_files_are_configuration_errors(tmp_path: Path) -> None:
    """A missing file and one without certificates are refused before anything is sent."""
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")
    for file in (str(tmp_path / "missing.pem"), str(empty)):
        with pytest.raises(ConfigError, match="ca_file cannot be used"):
            asyncio.run(AiohttpTransport().send(HttpRequest("https://127.0.0.1:1/", b"{}", {}), Endpoint(ca_file=file)))


def test_endpoints_have_pools_of_their_own() -> None:
    """Two endpoints do not share connections; one endpoint, equal by value, does."""

    async def main() -> int:
        transport = AiohttpTransport(TransportLimits(connect_s=2))
        async with served(ok) as server:
            proxied = [Endpoint(proxy=f"http://127.0.0.1:{server.port}") for _ in range(2)]
            for endpoint in (Endpoint(), Endpoint(), *proxied):
                await transport.send(HttpRequest(server.url(), b"{}", {}), endpoint)
            await transport.close()
            return server.connections

    assert asyncio.run(main()) == 2


def test_changed_headers_are_sent_changed() -> None:
    """A mapping that was changed in place since the last call is sent as it is now, not as it was."""

    async def main() -> list[str]:
        transport = AiohttpTransport()
        headers = {"authorization": "Bearer old"}
        async with served(ok) as server:
            await transport.send(HttpRequest(server.url(), b"{}", headers), Endpoint())
            headers["authorization"] = "Bearer new"
            await transport.send(HttpRequest(server.url(), b"{}", headers), Endpoint())
            await transport.close()
            return [request.headers["authorization"] for request in server.requests]

    assert asyncio.run(main()) == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize(
    "module", ["orchestrator.transport", "orchestrator.transport.sse", "orchestrator.transport.httpx"]
)
def test_importing_loads_no_http_client(module: str) -> None:
    """HTTP clients load when one is used, not with the package."""
    code = (
        f"import {module}, sys; print([name for name in ('aiohttp', 'httpx', 'httpx2', 'ssl') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "aiohttp" not in done.stdout
    assert "httpx" not in done.stdout
