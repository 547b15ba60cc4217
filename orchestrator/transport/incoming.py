"""What is read of an answer: decompressed, bounded, and with the HTTP client's exceptions turned into ours."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from orchestrator.errors import ConnectionFailed, MalformedReply, OrchestratorError
from orchestrator.spec.transport import HttpReply

__all__ = ["LINGER_S", "BodyStream"]

LINGER_S = 1.0
"""How long the end of a body may follow an answer that is complete, for its connection to be kept."""

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_INFLATED = {"gzip", "x-gzip", "deflate"}
_LINGERING: set[asyncio.Task[None]] = set()
_REFUSED = {"br", "zstd", "compress", "x-compress"}


class BodyStream:
    """An `HttpStream` over any HTTP client.

    The client gives raw bytes: decompression is done here because clients bound it badly or not at all, and a gzip bomb
    grows a thousandfold within one chunk.

    Args:
        status, headers: of the answer.
        pull: raw bytes as they arrive, `b""` at the end of the body.
        release: gives the connection back, or closes it if the body has not ended.
        ended: whether all of the body has arrived, read or not.
        failure: from the client's exception to ours.
        limit: the most bytes of the body, decompressed.
    """

    __slots__ = (
        "_closed",
        "_ended",
        "_failure",
        "_inflate",
        "_limit",
        "_pull",
        "_release",
        "_room",
        "headers",
        "status",
    )

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        *,
        pull: Callable[[], Awaitable[bytes]],
        release: Callable[[], None],
        ended: Callable[[], bool],
        failure: Callable[[Exception], OrchestratorError],
        limit: int,
    ) -> None:
        self.status = status
        self.headers = headers
        self._pull = pull
        self._release = release
        self._ended = ended
        self._failure = failure
        self._limit = limit
        self._room = limit
        self._closed = False
        encoding = headers.get("content-encoding")
        self._inflate = None if encoding is None else _inflater(encoding)

    async def read(self) -> bytes:
        """See `HttpStream.read`."""
        if self._closed:
            raise ConnectionFailed("the answer was closed before its end", maybe_billed=True)
        try:
            return await self._next()
        except OrchestratorError as error:
            failure = error
        except Exception as error:  # noqa: BLE001  # whatever the client raises; `failure` raises what is a bug
            failure = self._failure(error)
        # Raised out here, the client's exception is no context of ours: it holds the headers that were sent.
        self.close()
        raise failure

    async def read_all(self) -> HttpReply:
        """See `HttpStream.read_all`."""
        parts = []
        while chunk := await self.read():
            parts.append(chunk)
        return HttpReply(self.status, self.headers, parts[0] if len(parts) == 1 else b"".join(parts))

    def close(self) -> None:
        """See `HttpStream.close`."""
        if not self._closed:
            self._closed = True
            self._release()

    def leave(self) -> None:
        """See `HttpStream.leave`."""
        if self._closed or self._ended():
            self.close()
            return
        self._closed = True
        task = asyncio.get_running_loop().create_task(self._linger())
        _LINGERING.add(task)
        task.add_done_callback(_LINGERING.discard)

    async def _linger(self) -> None:
        try:
            with suppress(Exception):  # the answer is complete: nobody need know how its connection ends
                async with asyncio.timeout(LINGER_S):
                    while await self._pull():
                        pass
        finally:
            self._release()

    async def _next(self) -> bytes:
        while raw := await self._pull():
            data = raw if self._inflate is None else self._inflate.feed(raw, self._room)
            self._room -= len(data)
            if self._room < 0:
                raise MalformedReply(f"the answer is larger than {self._limit} bytes", maybe_billed=True)
            if data:
                return data
        if self._inflate is not None:
            self._inflate.end()
        return b""


class _Inflater:
    """Undoes gzip or deflate, never making more than one byte above what there is room for."""

    __slots__ = ("_begun", "_zlib")

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._begun = False

    def feed(self, raw: bytes, room: int) -> bytes:
        self._begun = True
        try:
            data = self._zlib.decompress(raw, room + 1)
        except zlib.error:
            raise MalformedReply("the answer is not compressed as it says", maybe_billed=True) from None
        if self._zlib.unused_data:
            raise MalformedReply("bytes follow the end of the compressed answer", maybe_billed=True)
        return data

    def end(self) -> None:
        if self._begun and not self._zlib.eof:
            raise MalformedReply("the compressed answer is cut off", maybe_billed=True)


def _inflater(encoding: str) -> _Inflater | None:
    name = encoding.strip().lower()
    if name in _REFUSED:
        raise MalformedReply(f"the answer is compressed with {name}, which was not asked for", maybe_billed=True)
    # Names that are no compression (`utf-8` is seen in the wild) say nothing about the bytes.
    return _Inflater() if name in _INFLATED else None
