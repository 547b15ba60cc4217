"""The whole client over real sockets, against servers that write what a test says."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from transport_harness import Make
from transport_server import Peer, Request, Script, Server, answer, chunked, served
from vendor import completion, config, sse

from orchestrator import AsyncOrchestrator, OrchestratorError
from orchestrator.testing import CapturedEvents
from orchestrator.types import TextDelta

__all__ = ["GOOD", "GOOD_STREAM", "Met", "chat", "events", "meet", "stream", "then", "writes"]

GOOD = answer(completion("good").body)
GOOD_STREAM = chunked(sse("good").body)


@dataclass(slots=True)
class Met:
    """How a call fared: its reply or error, the texts a stream gave, seconds taken, and what each server saw."""

    servers: list[Server]
    llm: AsyncOrchestrator
    captured: CapturedEvents
    result: Any = None
    texts: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def requests(self) -> list[int]:
        """Per server."""
        return [len(server.requests) for server in self.servers]

    @property
    def attempts(self) -> list[str | None]:
        """What each attempt ended with."""
        return [attempt.error for attempt in self.captured[-1].attempts]  # type: ignore[union-attr]


Act = Callable[[AsyncOrchestrator, Met], Awaitable[Any]]


async def chat(llm: AsyncOrchestrator, met: Met) -> Any:
    """A chat."""
    return await llm.chat("answer", "prompt-secret", deadline=20)


async def stream(llm: AsyncOrchestrator, met: Met) -> Any:
    """A stream, read to its end; what it gave before an error stays in `texts`."""
    async with llm.stream("answer", "prompt-secret", deadline=20) as opened:
        async for event in opened:
            if isinstance(event, TextDelta):
                met.texts.append(event.text)
    return opened.reply


def meet(make: Make, act: Act, scripts: Sequence[Script | None], **route: Any) -> Met:
    """One call over deployments a, b, …, whose servers follow these scripts; where there is None, nobody listens.

    All sockets must be closed after it.
    """

    async def main() -> Met:
        async with contextlib.AsyncExitStack() as stack:
            servers = [await stack.enter_async_context(served(script or _never)) for script in scripts]
            names = [chr(ord("a") + i) for i in range(len(servers))]
            values = config(names, route or None)
            for name, server, script in zip(names, servers, scripts, strict=True):
                values["providers"][name]["base_url"] = server.url("/v1") if script else _nowhere()
            captured = CapturedEvents()
            async with AsyncOrchestrator(values, transport=make(), sinks=[captured]) as llm:
                met = Met(servers, llm, captured)
                began = time.monotonic()
                try:
                    met.result = await asyncio.wait_for(act(llm, met), 30)
                except OrchestratorError as error:
                    met.result = error
                met.seconds = time.monotonic() - began
            await _closed(servers)
            return met

    return asyncio.run(main())


async def _never(peer: Peer, request: Request) -> None:
    raise AssertionError("a request arrived where none was to be sent")


def _nowhere() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


async def _closed(servers: list[Server]) -> None:
    for _ in range(100):
        if not any(server.open for server in servers):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"connections left open: {[server.open for server in servers]}")


def events(met: Met) -> list[Any]:
    """Events of calls."""
    return [event for event in met.captured if hasattr(event, "attempts")]


def writes(data: bytes, *, end: Callable[[Peer], None] | None = None, after_s: float = 0.05) -> Script:
    """Write bytes; with `end`, a moment later end the connection that way."""

    async def script(peer: Peer, request: Request) -> None:
        await peer.send(data)
        if end is not None:
            await asyncio.sleep(after_s)
            end(peer)

    return script


def then(*scripts: Script) -> Script:
    """The first request gets the first script, and so on; the last one repeats."""
    left = list(scripts)

    async def script(peer: Peer, request: Request) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(peer, request)

    return script
