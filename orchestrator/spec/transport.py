"""How bytes travel. A transport knows nothing of vendors; a codec knows nothing of sockets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.types.values import value

__all__ = ["Endpoint", "HttpReply", "HttpRequest", "HttpStream", "Transport", "TransportLimits", "request_id"]

_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid")
_OF_THE_WAY = ("x-debug-trace-id", "cf-ray")
_LONGEST = 200


def request_id(headers: Mapping[str, str], in_body: str | None = None) -> str | None:
    """The vendor's id of an exchange, for asking them about it: of a header, else of the body, else a trace's.

    `headers` is looked up by lower-case name; `in_body` is an id that the body states.
    """
    of_vendor = _first(headers, _REQUEST_IDS) or in_body
    return of_vendor[:_LONGEST] if of_vendor else _first(headers, _OF_THE_WAY)


def _first(headers: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    for name in names:
        value = headers.get(name)
        if value:
            return value[:_LONGEST]
    return None


@value(frozen=True, slots=True)
class HttpRequest:
    """One POST. Header names are lower case. `body` is complete; nothing is streamed up."""

    url: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@value(frozen=True, slots=True)
class HttpReply:
    """A whole answer. `headers` is looked up by lower-case name. `body` is decompressed and bounded."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """Bounds of one exchange, in seconds and bytes after decompression."""

    connect_s: float = 5.0
    body_bytes: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Endpoint:
    """How one provider is reached: one connection pool per event loop and distinct endpoint."""

    proxy: str | None = None
    ca_file: str | None = None
    connect_s: float | None = None
    """Seconds to wait for a connection; None: as `TransportLimits` says."""


class HttpStream(Protocol):
    """An answer whose body is read as it arrives. Used on the event loop that opened it."""

    @property
    def status(self) -> int:
        """HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Looked up by lower-case name."""
        ...

    async def read(self) -> bytes:
        """Whatever bytes are ready, at least one; `b""` once the body has ended as its framing says.

        Raises:
            ConnectionFailed: the connection broke before the body was complete.
            MalformedReply: more than the bound.
        """
        ...

    async def read_all(self) -> HttpReply:
        """The rest of the body in one piece, for error answers."""
        ...

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else close the socket. Idempotent, never waits.

        A stream may also have `leave()`, which is called in place of it once the answer is complete: what is still
        missing is the end of the body, which servers tend to send a moment after the last event. The connection is
        given back when it comes, and closed if it does not come soon.
        """
        ...


class Transport(Protocol):
    """Sends requests. Safe to use from any event loop and thread, before and after fork.

    Never follows redirects, never retries, never reads proxies or credentials from the environment, keeps no cookies.
    """

    async def send(self, request: HttpRequest, endpoint: Endpoint) -> HttpReply:
        """Exchange a request for the whole answer, whatever its status.

        Raises:
            ConnectionFailed: resolve, connect, TLS, reset. `maybe_billed` once the request may have reached the server.
            CallTimeout: kind `connect`.
            MalformedReply: the answer is not HTTP or larger than the bound.
        """
        ...

    async def open(self, request: HttpRequest, endpoint: Endpoint) -> HttpStream:
        """Like `send`, but returns at the answer's headers."""
        ...

    async def close(self) -> None:
        """Close the pool of the running event loop."""
        ...
