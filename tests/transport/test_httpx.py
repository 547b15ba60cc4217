"""What only the transport over a user's client has."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import httpx2
import pytest
from transport_server import Peer, Request, answer, served, served_in_thread

from orchestrator.errors import CallTimeout, ConfigError, ConnectionFailed
from orchestrator.spec.transport import Endpoint, HttpRequest
from orchestrator.transport.httpx import HttpxTransport

BODY = b'{"ok":true}'


@pytest.fixture(params=[httpx, httpx2], ids=["httpx", "httpx2"])
def library(request: pytest.FixtureRequest) -> Any:
    """Both families."""
    return request.param


async def ok(peer: Peer, request: Request) -> None:
    """The usual answer."""
    await peer.send(answer(BODY))


def asked(transport: HttpxTransport, url: str = "http://vendor.invalid/v1", endpoint: Endpoint | None = None) -> bytes:
    """One request on a loop of its own."""

    async def main() -> bytes:
        try:
            return (await transport.send(HttpRequest(url, b"{}", {"x-a": "1"}), endpoint or Endpoint())).body
        finally:
            await transport.close()

    return asyncio.run(main())


@pytest.mark.parametrize("endpoint", [Endpoint(proxy="http://127.0.0.1:1"), Endpoint(ca_file="ca.pem")])
def test_endpoints_of_the_file_are_refused(library: Any, endpoint: Endpoint) -> None:
    """A proxy or CA file of the configuration would have no effect on the user's client, so it is an error."""
    with pytest.raises(ConfigError, match="configure them there"):
        asked(HttpxTransport(library.AsyncClient), endpoint=endpoint)


def test_factory_is_called_once_per_loop(library: Any) -> None:
    """Each event loop has one client, whatever the number of calls, and it is closed with the loop."""
    made: list[Any] = []

    def factory() -> Any:
        made.append(library.AsyncClient(trust_env=False))
        return made[-1]

    transport = HttpxTransport(factory)

    async def calls(url: str) -> None:
        for _ in range(3):
            await transport.send(HttpRequest(url, b"{}", {}), Endpoint())

    with served_in_thread(ok) as server:
        for _ in range(2):
            asyncio.run(calls(server.url()))
    assert [client.is_closed for client in made] == [True, True]


def test_settings_of_the_client_are_kept(library: Any) -> None:
    """The client's own headers, cookies and authentication go with the request, and ours beside them."""

    async def main() -> Request:
        transport = HttpxTransport(
            lambda: library.AsyncClient(headers={"x-own": "2"}, cookies={"gateway": "3"}, auth=("user", "pass"))
        )
        async with served(ok) as server:
            await transport.send(HttpRequest(server.url(), b"{}", {"x-a": "1"}), Endpoint())
            await transport.close()
            return server.requests[0]

    headers = asyncio.run(main()).headers
    assert (headers["x-own"], headers["x-a"], headers["cookie"]) == ("2", "1", "gateway=3")
    assert headers["authorization"].startswith("Basic ")


def test_mock_transports_work(library: Any) -> None:
    """A client over the library's mock transport answers without a network, and sees the request."""
    seen: list[Any] = []

    def handler(request: Any) -> Any:
        seen.append(request)
        return library.Response(200, content=BODY)

    transport = HttpxTransport(lambda: library.AsyncClient(transport=library.MockTransport(handler)))
    assert asked(transport) == BODY
    assert (seen[0].method, str(seen[0].url), seen[0].content) == ("POST", "http://vendor.invalid/v1", b"{}")
    assert (seen[0].headers["x-a"], seen[0].headers["accept-encoding"]) == ("1", "identity")


@pytest.mark.parametrize(
    ("name", "ours", "billed"),
    [
        ("ConnectError", ConnectionFailed, False),
        ("ConnectTimeout", CallTimeout, False),
        ("ProxyError", ConnectionFailed, False),
        ("ReadError", ConnectionFailed, True),
        ("WriteError", ConnectionFailed, True),
        ("ReadTimeout", CallTimeout, True),
        ("RemoteProtocolError", ConnectionFailed, True),
    ],
)
def test_exceptions_of_both_families_are_ours(library: Any, name: str, ours: type[Exception], billed: bool) -> None:
    """Each exception of the client becomes the error that says the same, with no trace of the client's own."""

    def handler(request: Any) -> Any:
        raise getattr(library, name)("Server disconnected without sending a response.", request=request)

    with pytest.raises(ours) as caught:
        asked(HttpxTransport(lambda: library.AsyncClient(transport=library.MockTransport(handler))))
    error: Any = caught.value
    assert error.maybe_billed is billed
    assert error.__cause__ is None
    assert error.__context__ is None


def test_bugs_are_not_disguised(library: Any) -> None:
    """An exception that is no failure of the network comes out as it is."""

    def handler(request: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asked(HttpxTransport(lambda: library.AsyncClient(transport=library.MockTransport(handler))))
