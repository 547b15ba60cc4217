"""A server that writes exactly the bytes a test says, and breaks as it says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Peer", "Request", "Script", "Server", "answer", "chunked", "served", "served_in_thread"]


@dataclass(frozen=True, slots=True)
class Request:
    """What one request was: its first line, headers by lower-case name, body."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Peer:
    """The server's end of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Write and flush."""
        self.writer.write(data)
        await self.writer.drain()

    async def drip(self, data: bytes, *, size: int = 1, every_s: float = 0.0) -> None:
        """Write in pieces, each in a packet of its own as far as the loop can help it."""
        for start in range(0, len(data), size):
            await self.send(data[start : start + size])
            await asyncio.sleep(every_s)

    def reset(self) -> None:
        """End the connection with RST."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        """End the connection with FIN."""
        self.writer.close()

    async def until_gone(self) -> None:
        """Return when the client has closed its end."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


Script = Callable[[Peer, Request], Awaitable[None]]


class Server:
    """Reads requests, leaves the answers to the script, and remembers what it saw."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.connections = 0
        self.open = 0
        self._serving: set[asyncio.Task[Any]] = set()
        self.port = 0
        self.scheme = "http"

    def url(self, path: str = "/v1/chat?key=query-secret", host: str = "127.0.0.1") -> str:
        """Where the server listens."""
        return f"{self.scheme}://{host}:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either end closes it."""
        self.connections += 1
        self.open += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        peer = Peer(reader, writer)
        try:
            while not writer.is_closing():
                request = await _read_request(reader)
                self.requests.append(request)
                await self.script(peer, request)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError, ssl.SSLError):
            pass
        finally:
            self.open -= 1
            self._serving.discard(task)
            writer.close()

    async def stop(self) -> None:
        """End all connections."""
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0)


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(line, headers, body)


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole answer with a content length."""
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(*chunks: bytes, end: bool = True) -> bytes:
    """An answer in chunks, with or without the last one."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks) + (b"0\r\n\r\n" if end else b"")


@contextlib.asynccontextmanager
async def served(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """A server on the running loop."""
    server = Server(script)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls, backlog=512)
    server.port = listener.sockets[0].getsockname()[1]
    server.scheme = "https" if tls else "http"
    try:
        yield server
    finally:
        listener.close()
        await server.stop()


@contextlib.contextmanager
def served_in_thread(script: Script) -> Iterator[Server]:
    """A server on a loop and thread of its own, for tests that run several loops or fork."""
    ready: list[Server] = []
    started, stop = threading.Event(), threading.Event()

    async def main() -> None:
        async with served(script) as server:
            ready.append(server)
            started.set()
            while not stop.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    started.wait(5)
    try:
        yield ready[0]
    finally:
        stop.set()
        thread.join(5)
