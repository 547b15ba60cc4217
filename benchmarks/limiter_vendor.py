"""A vendor that enforces a token limit: answers chat completions over HTTP, and counts what it admits and refuses."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, cast

from orchestrator.testing.simulator.limits import Limiter, Limits, TooMuch, Window

__all__ = ["Tally", "serve"]

_BASE_S = 0.3
_TOKENS_PER_S = 4_000.0


@dataclass
class Tally:
    """What a vendor has seen: when and how much it admitted, and when it refused. Monotonic seconds."""

    admitted: list[tuple[float, int]] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)


class _Vendor:
    """Charges what a request really uses, at the moment it arrives: the size is in the request's `user` field."""

    def __init__(self, limit: int, period_s: float, window: Window) -> None:
        self.tally = Tally()
        self._limiter = Limiter(Limits(tpm=limit, period_s=period_s, window=window))

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
                request = json.loads(await reader.readexactly(int(lines[b"content-length"])))
                status, reply = await self._answer(int(request["user"]))
                body = json.dumps(reply).encode()
                line = b"HTTP/1.1 %d x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                writer.write(line % (status, len(body)) + body)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):  # cancelled: the end of the run
            writer.close()

    async def _answer(self, size: int) -> tuple[int, dict[str, Any]]:
        now = time.monotonic()
        try:
            self._limiter.admit(size, 0, now)
        except TooMuch:
            self.tally.refused.append(now)
            return 429, {"error": {"message": "Rate limit reached", "type": "tokens", "code": "rate_limit_exceeded"}}
        self.tally.admitted.append((now, size))
        await asyncio.sleep(_BASE_S + size / _TOKENS_PER_S)
        choice = {"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": size, "completion_tokens": 0, "total_tokens": size}
        return 200, {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]} | {
            "usage": usage
        }


async def _serve(pipe: Connection, limit: int, period_s: float, window: Window) -> None:
    vendor = _Vendor(limit, period_s, window)
    server = await asyncio.start_server(vendor.connected, "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    while not pipe.poll():
        await asyncio.sleep(0.1)
    pipe.send(vendor.tally)


def serve(pipe: Connection, limit: int, period_s: float, window: str) -> None:
    """A process of its own: sends its port, waits for any message, sends its `Tally`."""
    asyncio.run(_serve(pipe, limit, period_s, cast("Window", window)))
