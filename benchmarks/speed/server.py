"""A vendor on loopback with answers made once, as cheap as Python allows, in a process of its own.

    python -m speed.server [--tls CERTIFICATE KEY]

Prints its port. The base URL says how it answers: `/v1` at once, `/delay50/v1` after 50 ms, `/chunk2/v1` streams one
event per write, 2 ms apart. `/count` gives the number of requests answered since it was last asked. A request that is
not what the work asks for is refused, so that no library can be measured doing something else.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import ssl
from functools import cache

from speed import canned

__all__ = ["Vendor", "main"]

_WAY = re.compile(r"/(?:(delay|chunk)(\d+)/)?v1/(chat/completions|embeddings|messages)")
_AT_MOST_WAITING = 16_384  # connections that the kernel keeps until they are accepted


class Vendor(asyncio.Protocol):
    """One connection."""

    answered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            size = _body_bytes(head.lower())
            if len(self._received) < end + 4 + size:
                return
            body, self._received = self._received[end + 4 : end + 4 + size], self._received[end + 4 + size :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        path = head.split(b" ", 2)[1].decode()
        if path == "/count":
            self._transport.write(_http(str(Vendor.answered).encode()))
            Vendor.answered = 0
            return
        way = _WAY.fullmatch(path)
        if way is None or canned.KEY.encode() not in head:
            self._transport.write(_http(b'{"error": {"message": "no such work"}}', status="400 Bad Request"))
            return
        Vendor.answered += 1
        self._act(way[1], int(way[2] or 0) / 1e3, _reply(way[3], body))

    def _act(self, how: str | None, pause_s: float, reply: bytes) -> None:
        if how == "chunk" and reply is _stream():
            Trickle(self._transport, pause_s).step()
        elif how == "delay":
            asyncio.get_running_loop().call_later(pause_s, self._transport.write, reply)
        else:
            self._transport.write(reply)


class Trickle:
    """A stream, one event per write."""

    def __init__(self, transport: asyncio.Transport, pause_s: float) -> None:
        self._transport = transport
        self._pause_s = pause_s
        self._left = iter(canned.events())
        transport.write(_stream().partition(b"\r\n\r\n")[0] + b"\r\n\r\n")

    def step(self) -> None:
        """The next event, and so on."""
        event = next(self._left, None)
        if event is not None and not self._transport.is_closing():
            self._transport.write(event)
            asyncio.get_running_loop().call_later(self._pause_s, self.step)


def _body_bytes(head: bytes) -> int:
    found = re.search(rb"content-length: *(\d+)", head)
    return int(found[1]) if found else 0


def _reply(task: str, body: bytes) -> bytes:
    if task == "messages":
        return _claude()
    if task == "embeddings":
        asked = json.loads(body)
        return _embeddings(len(asked["input"]), asked.get("encoding_format"))
    return _stream() if b'"stream":true' in body or b'"stream": true' in body else _chat()


def _http(body: bytes, kind: str = "application/json", status: str = "200 OK") -> bytes:
    headers = {"content-type": kind, "content-length": str(len(body)), **canned.VENDOR_HEADERS}
    lines = [f"HTTP/1.1 {status}", *[f"{name}: {value}" for name, value in headers.items()]]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@cache
def _chat() -> bytes:
    return _http(canned.chat())


@cache
def _claude() -> bytes:
    return _http(canned.claude())


@cache
def _stream() -> bytes:
    return _http(b"".join(canned.events()), "text/event-stream")


@cache
def _embeddings(count: int, encoding: str | None) -> bytes:
    return _http(canned.embeddings(count, encoding))


async def _serve(tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Vendor, "127.0.0.1", 0, ssl=tls, backlog=_AT_MOST_WAITING)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    files = parser.parse_args().tls
    tls = None
    if files:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*files)
    asyncio.run(_serve(tls))


if __name__ == "__main__":
    main()
