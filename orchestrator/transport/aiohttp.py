"""The default transport: aiohttp."""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any
from weakref import WeakValueDictionary

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from orchestrator.errors import ConfigError, ConnectionFailed, OrchestratorError
from orchestrator.spec.transport import Endpoint, HttpReply, HttpRequest, TransportLimits
from orchestrator.transport.failures import broken, connect_timeout, malformed, not_connected
from orchestrator.transport.incoming import BodyStream
from orchestrator.transport.outgoing import check_proxy, check_url, complete_headers, host_of
from orchestrator.transport.pools import LoopPools

__all__ = ["AiohttpTransport"]

_KEEPALIVE_S = 30.0
_DNS_CACHE_S = 30
_HEADER_BYTES = 64 * 1024
_MOST_CONNECTIONS = 10_000
_CONNECTING_AT_ONCE = 512
# aiohttp writes a larger body in pieces when it comes as a file, and warns when it comes as bytes.
_ONE_WRITE_BYTES = 1024 * 1024

_OWN_HEADERS = {"accept": "*/*", "user-agent": "model-orchestrator"}

# What aiohttp says, as a bare RuntimeError, to those who still use a session that was closed.
_POOL_CLOSED = {"Connection closed.", "Session is closed"}
_ClientError = (aiohttp.ClientError, HttpProcessingError, OSError)


class AiohttpTransport:
    """See `Transport`. One session per event loop and endpoint, made when first used there.

    A mapping of headers is checked and prepared once for as long as the same headers come again.
    """

    def __init__(self, limits: TransportLimits | None = None) -> None:
        self._limits = limits or TransportLimits()
        self._pools: LoopPools[aiohttp.ClientSession] = LoopPools(self._session, _close, _forget)
        self._headers = lru_cache(maxsize=256)(_prepare_headers)
        self._trust: dict[str, ssl.SSLContext] = {}

    async def send(self, request: HttpRequest, endpoint: Endpoint) -> HttpReply:
        """See `Transport.send`."""
        stream = await self.open(request, endpoint)
        try:
            return await stream.read_all()
        finally:
            stream.close()

    async def open(self, request: HttpRequest, endpoint: Endpoint) -> BodyStream:
        """See `Transport.open`."""
        session = self._pools.find(endpoint) or await self._open_pool(endpoint)
        url = _parse_url(request.url)
        body = request.body
        try:
            response = await session.post(
                url,
                data=body if len(body) <= _ONE_WRITE_BYTES else io.BytesIO(body),
                headers=self._headers(tuple(request.headers.items())),
                allow_redirects=False,
            )
        except (*_ClientError, RuntimeError) as error:
            failure = self._failure(request.url, self._connect_s(endpoint), error)
        else:
            return self._stream(request.url, endpoint, response)
        # Raised out here, aiohttp's exception is no context of ours: it holds the headers that were sent.
        raise failure

    async def close(self) -> None:
        """See `Transport.close`."""
        await self._pools.close()

    def _connect_s(self, endpoint: Endpoint) -> float:
        return self._limits.connect_s if endpoint.connect_s is None else endpoint.connect_s

    def _stream(self, url: str, endpoint: Endpoint, response: aiohttp.ClientResponse) -> BodyStream:
        try:
            return BodyStream(
                response.status,
                response.headers,
                pull=_reader(response),
                release=response.close,
                ended=response.content.is_eof,
                failure=partial(self._failure, url, self._connect_s(endpoint)),
                limit=self._limits.body_bytes,
            )
        except BaseException:
            response.close()
            raise

    async def _open_pool(self, endpoint: Endpoint) -> aiohttp.ClientSession:
        file = endpoint.ca_file
        if file is not None and file not in self._trust:
            self._trust[file] = await asyncio.to_thread(_load_trust, file)
        return await self._pools.open(endpoint)

    def _session(self, endpoint: Endpoint) -> aiohttp.ClientSession:
        proxy = None if endpoint.proxy is None else check_proxy(endpoint.proxy)
        connector = _Connector(
            ssl=True if endpoint.ca_file is None else self._trust[endpoint.ca_file],
            limit=_most_connections(),
            keepalive_timeout=_KEEPALIVE_S,
            ttl_dns_cache=_DNS_CACHE_S,
            resolver=_TimedResolver(self._connect_s(endpoint)),
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_s(endpoint)),
            auto_decompress=False,
            trust_env=False,
            proxy=proxy,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
        )

    def _failure(self, url: str, connect_s: float, error: Exception) -> OrchestratorError:
        host = host_of(url)
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return connect_timeout(host, connect_s)
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return ConnectionFailed(f"the proxy does not connect to {host}: status {error.status}")
        if isinstance(error, aiohttp.ClientConnectorError):
            return not_connected(host, error)
        if isinstance(error, aiohttp.ClientResponseError | HttpProcessingError):
            return malformed(host)
        if isinstance(error, _ClientError) or str(error) in _POOL_CLOSED:
            return broken(host)
        raise error


def _reader(response: aiohttp.ClientResponse) -> Callable[[], Awaitable[bytes]]:
    framed = "content-length" in response.headers or "transfer-encoding" in response.headers
    if framed or response.connection is None or response.connection.protocol is None:
        return response.content.readany
    return partial(_read_until_eof, response.content, response.connection.protocol)


async def _read_until_eof(content: aiohttp.StreamReader, protocol: ResponseHandler) -> bytes:
    # To aiohttp a reset ends such a body as well as a regular end does.
    data = await content.readany()
    error = protocol.exception()
    if not data and isinstance(error, aiohttp.ClientOSError):
        raise error
    return data


class _Connector(aiohttp.TCPConnector):
    """Makes few connections to a host at a time: thousands of calls at once would overflow the backlog of who accepts
    them.

    Who waits here is not timed as connecting. A host that takes no connections holds up nobody who asks another.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._making: WeakValueDictionary[Any, asyncio.Semaphore] = WeakValueDictionary()

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        making = self._making.get(req.connection_key)
        if making is None:
            making = self._making[req.connection_key] = asyncio.Semaphore(_CONNECTING_AT_ONCE)
        async with making:
            # Thousands of calls that begin together take seconds of the loop, in which no connection can be seen made.
            await asyncio.sleep(0)
            return await super()._create_connection(req, traces, timeout)


class _TimedResolver(aiohttp.ThreadedResolver):
    """aiohttp's connect timeout leaves the look-up of the name out."""

    def __init__(self, connect_s: float) -> None:
        super().__init__()
        self._connect_s = connect_s

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        async with asyncio.timeout(self._connect_s):
            return await super().resolve(host, port, family)


@lru_cache(maxsize=1024)
def _parse_url(url: str) -> URL:
    return URL(check_url(url), encoded=True)


def _prepare_headers(items: tuple[tuple[str, str], ...]) -> CIMultiDict[str]:
    return CIMultiDict(_OWN_HEADERS | complete_headers(items))


def _load_trust(file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=file)
    except OSError as error:
        raise ConfigError(f"ca_file cannot be used: {error.strerror or error}", key="ca_file") from None


def _most_connections() -> int:
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return 256
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(8, min(soft // 2, _MOST_CONNECTIONS))


async def _close(session: aiohttp.ClientSession) -> None:
    await session.close()


def _forget(session: aiohttp.ClientSession) -> None:
    closing = session.close()
    # On a closed loop this marks the session as closed and waits for nothing.
    with suppress(StopIteration, RuntimeError):
        closing.send(None)
    closing.close()
