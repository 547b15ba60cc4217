"""A vendor without a network: what is left is the library's own cost."""

from __future__ import annotations

import json
from collections.abc import Sequence

from orchestrator.spec.transport import Endpoint, HttpReply, HttpRequest
from speed import canned

__all__ = ["AtOnce", "Chunks"]


class AtOnce:
    """Answers at once; streams in one write (`whole`) or one write per event."""

    def __init__(self, *, whole: bool = True) -> None:
        self._stream = [b"".join(canned.events())] if whole else canned.events()

    async def send(self, request: HttpRequest, endpoint: Endpoint) -> HttpReply:
        """See `Transport.send`."""
        if "embeddings" not in request.url:
            return HttpReply(200, canned.VENDOR_HEADERS, canned.chat())
        body = json.loads(request.body)
        return HttpReply(200, canned.VENDOR_HEADERS, canned.embeddings(len(body["input"]), body.get("encoding_format")))

    async def open(self, request: HttpRequest, endpoint: Endpoint) -> Chunks:
        """See `Transport.open`."""
        return Chunks(self._stream)

    async def close(self) -> None:
        """See `Transport.close`."""


class Chunks:
    """A stream whose bytes are all there."""

    status = 200
    headers = canned.VENDOR_HEADERS | {"content-type": "text/event-stream"}

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = iter(chunks)

    async def read(self) -> bytes:
        """See `HttpStream.read`."""
        return next(self._chunks, b"")

    async def read_all(self) -> HttpReply:
        """See `HttpStream.read_all`."""
        return HttpReply(self.status, self.headers, b"".join(self._chunks))

    def close(self) -> None:
        """See `HttpStream.close`."""
