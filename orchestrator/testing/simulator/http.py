"""HTTP/1.1 on a socket: reads requests, plays scripted answers. Knows nothing of vendors."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Protocol, cast

__all__ = ["BadHttp", "Connection", "Ending", "Exchange", "Request", "RequestReader", "Script", "Step"]

HEAD_BYTES = 64 * 1024
BODY_BYTES = 64 * 1024 * 1024
_REASONS = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded", 498: "Invalid Token"}
_RESET = struct.pack("ii", 1, 0)
_SILENCE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are lower case; `path` has no query."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    keep_alive: bool = True
    chunks_understood: bool = True


class BadHttp(Exception):
    """The bytes are not an HTTP request we take; the connection ends with `status`."""

    def __init__(self, status: int) -> None:
        super().__init__(_REASONS[status])
        self.status = status


class RequestReader:
    """Cuts requests out of received bytes."""

    __slots__ = ("_buffer", "_head", "_told_to_continue")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: tuple[str, str, str, dict[str, str]] | None = None
        self._told_to_continue = False

    def feed(self, data: bytes) -> None:
        """Take bytes in.

        Raises:
            BadHttp: 413, more than a request may hold.
        """
        self._buffer += data
        if len(self._buffer) > HEAD_BYTES + BODY_BYTES:
            raise BadHttp(413)

    def next(self) -> Request | None:
        """The next whole request, None until it is there.

        Raises:
            BadHttp: 400, 413 or 431.
        """
        if self._head is None and not self._read_head():
            return None
        method, target, version, headers = cast("tuple[str, str, str, dict[str, str]]", self._head)
        body = self._read_chunked() if "transfer-encoding" in headers else self._read_sized(headers)
        if body is None:
            return None
        self._head = None
        self._told_to_continue = False
        modern = version != "HTTP/1.0"
        keep_alive = headers.get("connection", "keep-alive" if modern else "close").lower() != "close"
        return Request(method, target.partition("?")[0], headers, body, keep_alive, modern)

    def wants_continue(self) -> bool:
        """True once per request whose sender waits for `100 Continue` before it sends the body."""
        if self._head is None or self._told_to_continue or "expect" not in self._head[3]:
            return False
        self._told_to_continue = True
        return True

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > HEAD_BYTES:
                raise BadHttp(431)
            return False
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        start = lines[0].split(" ")
        if len(start) != 3 or not start[2].startswith("HTTP/1."):
            raise BadHttp(400)
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self._head = (start[0], start[1], start[2], headers)
        return True

    def _read_sized(self, headers: Mapping[str, str]) -> bytes | None:
        text = headers.get("content-length", "0")
        if not (text.isascii() and text.isdigit()):
            raise BadHttp(400)
        size = int(text)
        if size > BODY_BYTES:
            raise BadHttp(413)
        if len(self._buffer) < size:
            return None
        body = bytes(self._buffer[:size])
        del self._buffer[:size]
        return body

    def _read_chunked(self) -> bytes | None:
        pieces: list[bytes] = []
        at = 0
        while True:
            line = self._buffer.find(b"\r\n", at)
            if line < 0:
                return None
            try:
                size = int(bytes(self._buffer[at:line]).partition(b";")[0], 16)
            except ValueError:
                raise BadHttp(400) from None
            at = line + 2 + size + 2
            if len(self._buffer) < at:
                return None
            if size == 0:
                del self._buffer[:at]
                return b"".join(pieces)
            pieces.append(bytes(self._buffer[line + 2 : at - 2]))


class Ending(Enum):
    """What happens after the last step of a script."""

    COMPLETE = "complete"
    CLEAN = "clean"
    """The body ends as HTTP says it should (or the connection closes), whatever is still missing in it."""
    RESET = "reset"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Step:
    """Bytes to write, and how long to wait before. `tokens` of the answer ride on them."""

    data: bytes
    tokens: int = 0
    delay_s: float = 0.0


class Exchange(Protocol):
    """Is told how a script ended. Both may be called again; only the first call of each counts."""

    def settle(self, steps_sent: int, *, complete: bool) -> None:
        """So many steps are out. Told before the last bytes, so that whoever has read them finds it in the books."""
        ...

    def leave(self) -> None:
        """The request is over."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """An answer to play. `status` 0 sends no head; `length` is the body's length if it is not that of the steps."""

    exchange: Exchange
    status: int = 0
    headers: Mapping[str, str] | None = None
    steps: Sequence[Step] = ()
    stream: bool = False
    length: int | None = None
    head_delay_s: float = 0.0
    ending: Ending = Ending.COMPLETE
    keepalive: bytes = b""
    keepalive_s: float | None = None

    @property
    def immediate(self) -> bool:
        """Nothing to wait for: it can be written at once."""
        return (
            self.ending is Ending.COMPLETE
            and not self.head_delay_s
            and (not any(step.delay_s for step in self.steps) if self.stream else not self.steps[0].delay_s)
        )


class Connection(asyncio.Protocol):
    """One client's connection. Requests are answered in order, one at a time."""

    __slots__ = ("_chunked", "_open", "_reader", "_serve", "_task", "_transport", "_writable")

    def __init__(self, serve: Callable[[Request], Script], connections: set[Connection]) -> None:
        self._serve = serve
        self._open = connections
        self._reader = RequestReader()
        self._task: asyncio.Task[None] | None = None
        self._writable: asyncio.Event | None = None
        self._chunked = False
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.Transport", transport)
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._open.discard(self)
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        try:
            self._reader.feed(data)
            if self._task is None:
                self._advance()
        except BadHttp as error:
            self._transport.write(_head(error.status, {"content-type": "text/plain", "connection": "close"}, 0))
            self._transport.close()

    def reset(self) -> asyncio.Task[None] | None:
        """Break the connection with a TCP reset; gives the task that was answering on it."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None and not self._transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()
        return self._task

    def _advance(self) -> None:
        while self._task is None and not self._transport.is_closing():
            request = self._reader.next()
            if request is None:
                if self._reader.wants_continue():
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            self._answer(request, self._serve(request))

    def _answer(self, request: Request, script: Script) -> None:
        self._chunked = script.stream and request.chunks_understood
        if not script.immediate:
            self._task = asyncio.get_running_loop().create_task(self._play(request, script))
            return
        delivered = not self._transport.is_closing()
        script.exchange.settle(len(script.steps) if delivered else 0, complete=delivered)
        script.exchange.leave()
        pieces = [self._head(script), *(self._framed(step.data) for step in script.steps), self._tail()]
        self._transport.write(b"".join(pieces))
        self._finish(keep=request.keep_alive and (self._chunked or not script.stream))

    async def _play(self, request: Request, script: Script) -> None:
        sent = 0
        keep = False
        try:
            sent = await self._play_steps(script)
            keep = request.keep_alive and await self._end(script)
        except asyncio.CancelledError:
            if not self._transport.is_closing():
                raise
        finally:
            script.exchange.settle(sent, complete=False)
            script.exchange.leave()
            self._task = None
        self._finish(keep=keep)
        if keep:
            self._go_on()

    def _go_on(self) -> None:
        try:
            self._advance()
        except BadHttp:
            self._transport.close()

    async def _play_steps(self, script: Script) -> int:
        """Write head and steps when they are due; a late step does not delay those after it."""
        now = asyncio.get_running_loop().time
        due = now() + script.head_delay_s
        sent = 0
        try:
            await _sleep_until(due, now)
            if script.status and script.stream:
                self._transport.write(self._head(script))
            for sent, step in enumerate(script.steps, 1):
                due += step.delay_s
                await _sleep_until(due, now)
                if sent == len(script.steps) and script.ending is Ending.COMPLETE:
                    script.exchange.settle(sent, complete=True)
                    script.exchange.leave()
                lead = b"" if script.stream or not script.status else self._head(script)
                await self._write(lead + self._framed(step.data))
        except asyncio.CancelledError:
            script.exchange.settle(max(0, sent - 1), complete=False)
            raise
        return sent

    async def _end(self, script: Script) -> bool:
        """True if the connection may carry another request."""
        if script.ending is Ending.COMPLETE:
            self._transport.write(self._tail())
            return self._chunked or not script.stream
        script.exchange.settle(len(script.steps), complete=False)
        if script.ending is Ending.SILENT:
            await self._stay_silent(script)
        if script.ending is Ending.CLEAN:
            self._transport.write(self._tail())
            return False
        await self._flushed()
        self.reset()
        return False

    async def _stay_silent(self, script: Script) -> None:
        while True:
            await asyncio.sleep(script.keepalive_s or _SILENCE_S)
            if script.keepalive_s and script.stream:
                await self._write(self._framed(script.keepalive))

    async def _flushed(self) -> None:
        # A reset throws away what is still in our buffer, and a cut has to show everything before it.
        while self._transport.get_write_buffer_size() and not self._transport.is_closing():
            await asyncio.sleep(0.001)

    async def _write(self, data: bytes) -> None:
        self._transport.write(data)
        if self._writable is not None:
            await self._writable.wait()

    def _head(self, script: Script) -> bytes:
        headers = script.headers or {}
        if script.stream:
            return _head(script.status, headers, None, chunked=self._chunked)
        length = script.length if script.length is not None else sum(len(step.data) for step in script.steps)
        return _head(script.status, headers, length)

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data

    def _tail(self) -> bytes:
        return b"0\r\n\r\n" if self._chunked else b""

    def _finish(self, *, keep: bool) -> None:
        if not keep and not self._transport.is_closing():
            self._transport.close()


async def _sleep_until(due: float, now: Callable[[], float]) -> None:
    delay = due - now()
    if delay > 0:
        await asyncio.sleep(delay)


def _head(status: int, headers: Mapping[str, str], length: int | None, *, chunked: bool = False) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if length is not None:
        lines.append(f"content-length: {length}")
    else:
        lines.append("transfer-encoding: chunked" if chunked else "connection: close")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("latin-1")
