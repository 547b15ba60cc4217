"""A transport over the user's own httpx or httpx2 client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import lru_cache, partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any

from orchestrator.errors import CallTimeout, ConfigError, ConnectionFailed, OrchestratorError
from orchestrator.spec.transport import Endpoint, HttpReply, HttpRequest, TransportLimits
from orchestrator.transport.failures import broken, connect_timeout, malformed, not_connected
from orchestrator.transport.incoming import BodyStream
from orchestrator.transport.outgoing import check_url, complete_headers, host_of
from orchestrator.transport.pools import LoopPools

__all__ = ["HttpxTransport"]

_CLOSED = ("disconnected", "peer closed", "connectionterminated", "streamreset", "connection closed")
_OURS = {"TransportError", "HTTPError", "StreamError", "InvalidURL", "OSError", "BrokenResourceError", "EndOfStream"}


class HttpxTransport:
    """See `Transport`. For users whose client has what ours has not: an authentication flow, a proxy, HTTP/2, a mock.

    The client is used by its methods alone, so one of httpx (0.28) and one of httpx2 will do. Its proxy, trust and
    limits are its own; redirects, retries and read timeouts are switched off per request and cookies are not kept.

    Args:
        factory: makes a client, a new one each time; called once per event loop, on that loop.
        limits: connect timeout and size of answers.

    Example:
        >>> transport = HttpxTransport(lambda: httpx.AsyncClient(trust_env=True))
        >>> with Orchestrator.from_file("orchestrator.yaml", transport=transport) as llm:
        ...     llm.chat("answer", "Which plan includes SSO?").text
        'The Team plan.'
    """

    def __init__(self, factory: Callable[[], Any], limits: TransportLimits | None = None) -> None:
        self._factory = factory
        self._limits = limits or TransportLimits()
        self._pools: LoopPools[Any] = LoopPools(self._client, _close)
        self._headers = lru_cache(maxsize=256)(complete_headers)
        self._closing: set[asyncio.Task[None]] = set()

    async def send(self, request: HttpRequest, endpoint: Endpoint) -> HttpReply:
        """See `Transport.send`."""
        response = await self._exchange(request, endpoint)
        try:
            return await self._stream(request.url, endpoint, response, _raw(response)).read_all()
        finally:
            await response.aclose()

    async def open(self, request: HttpRequest, endpoint: Endpoint) -> BodyStream:
        """See `Transport.open`."""
        response = await self._exchange(request, endpoint)
        return self._stream(request.url, endpoint, response, _raw(response))

    async def close(self) -> None:
        """See `Transport.close`."""
        await self._pools.close()

    def _client(self, endpoint: Endpoint) -> Any:
        if endpoint.proxy is not None or endpoint.ca_file is not None:
            raise ConfigError("proxy and ca_file have no effect on a client of your own: configure them there")
        client = self._factory()
        client.cookies.jar.set_policy(_KeepNoCookies())
        return client

    async def _exchange(self, request: HttpRequest, endpoint: Endpoint) -> Any:
        client = self._pools.find(endpoint) or await self._pools.open(endpoint)
        _check_url(request.url)
        try:
            return await client.send(
                client.build_request(
                    "POST",
                    request.url,
                    content=request.body,
                    headers=self._headers(tuple(request.headers.items())),
                    timeout=(self._connect_s(endpoint), None, None, None),  # connect, read, write, pool
                ),
                stream=True,
                follow_redirects=False,
            )
        except Exception as error:  # noqa: BLE001  # two families of exceptions; `_failure` raises what is a bug
            failure = self._failure(request.url, self._connect_s(endpoint), error)
        # Raised out here, the client's exception is no context of ours: it holds the headers that were sent.
        raise failure

    def _connect_s(self, endpoint: Endpoint) -> float:
        return self._limits.connect_s if endpoint.connect_s is None else endpoint.connect_s

    def _stream(
        self,
        url: str,
        endpoint: Endpoint,
        response: Any,
        raw: AsyncGenerator[bytes, None],
    ) -> BodyStream:
        return BodyStream(
            response.status_code,
            response.headers,
            pull=partial(anext, raw, b""),
            release=partial(self._release, response, raw),
            ended=lambda: response.is_closed,
            failure=partial(self._failure, url, self._connect_s(endpoint)),
            limit=self._limits.body_bytes,
        )

    def _release(self, response: Any, raw: AsyncGenerator[bytes, None]) -> None:
        """Close without waiting: httpx can only be closed by awaiting, so a task does."""
        if response.is_closed:
            return
        task = asyncio.get_running_loop().create_task(_close_response(response, raw))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _failure(self, url: str, connect_s: float, error: Exception) -> OrchestratorError:
        host = host_of(url)
        names = {cls.__name__ for cls in type(error).__mro__}
        if "ConnectTimeout" in names:
            return connect_timeout(host, connect_s)
        if names & {"ConnectError", "UnsupportedProtocol"}:
            return not_connected(host, error)
        if "ProxyError" in names:
            return ConnectionFailed(f"the proxy does not connect to {host}")
        if "TimeoutException" in names:
            return CallTimeout(f"{host} did not answer in the client's own time", kind="stall", maybe_billed=True)
        if "RemoteProtocolError" in names and not any(word in str(error).lower() for word in _CLOSED):
            return malformed(host)
        if names & _OURS:
            return broken(host)
        raise error


class _KeepNoCookies(DefaultCookiePolicy):
    """Sends the cookies that the user put into the client, and takes none from an answer."""

    def set_ok(self, cookie: Any, request: Any) -> bool:
        return False


_check_url = lru_cache(maxsize=1024)(check_url)


async def _close(client: Any) -> None:
    await client.aclose()


async def _close_response(response: Any, raw: AsyncGenerator[bytes, None]) -> None:
    await raw.aclose()
    await response.aclose()


def _raw(response: Any) -> AsyncGenerator[bytes, None]:
    # The answer of a mock comes with its body read already.
    return _once(response.content) if response.is_stream_consumed else response.aiter_raw()


async def _once(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body
