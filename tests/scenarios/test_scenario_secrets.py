"""Scenarios 34, 35, 37 and 53: what is shown, and to whom."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest
from bytes_harness import GOOD, chat, meet, stream, writes
from transport_harness import Make, make_aiohttp, make_httpx, make_httpx2
from transport_server import Peer, answer, chunked
from vendor import World, completion, error, sse

from orchestrator import AsyncOrchestrator, ConnectionFailed, OrchestratorError
from orchestrator.spec.events import Event
from orchestrator.spec.transport import HttpReply
from orchestrator.testing import ScriptedTransport, VirtualClock

KEY = "sk-test-0123456789abcdef"
PROMPT = "prompt-secret"
REPLY = "reply-secret"


@pytest.mark.parametrize("make", [make_aiohttp, make_httpx, make_httpx2], ids=["aiohttp", "httpx", "httpx2"])
def test_34_35_logs_of_libraries_show_nothing(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """With every logger at DEBUG, no library writes down key, prompt or reply, and no address with a query."""
    caplog.set_level(logging.DEBUG)
    broken = writes(chunked(sse(REPLY, done=False).body, end=False), end=Peer.reset)
    for act, script in ((chat, writes(GOOD)), (chat, writes(answer(b"{", status="401 X"))), (stream, broken)):
        meet(make, act, [script])
    assert not [text for text in caplog.messages for secret in (KEY, PROMPT, REPLY, "?key=") if secret in text]


def test_37_sinks_that_raise(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever listens and raises costs no call; the operator is told once, and the next sink still hears it."""
    heard: list[Event] = []

    def raising(event: Event) -> None:
        raise ValueError(PROMPT)

    world = World({"a": completion()})
    llm = AsyncOrchestrator(
        world.llm._core.snapshot.config,
        transport=ScriptedTransport(lambda _: completion()),
        clock=VirtualClock(),
        sinks=[raising, heard.append],
    )

    async def scenario() -> None:
        for _ in range(3):
            await llm.chat("answer", "hi")

    world.clock.run(scenario())
    assert len(heard) == 3
    assert caplog.messages == ["a sink failed, calls go on without it: ValueError"]


FAULTS = [
    error(500, message=f"cannot serve {KEY}"),
    error(401, message=f"Incorrect API key provided: {KEY}"),
    error(400, "invalid_value"),
    error(429, "insufficient_quota"),
    HttpReply(200, {}, f"<html>{REPLY}".encode()),
    HttpReply(200, {}, b'{"choices": []}'),
    ConnectionFailed("reset", maybe_billed=True),
    sse(REPLY, done=False),
]


def shown(failure: BaseException) -> Iterator[tuple[str, str]]:
    """Everything that a logger of exceptions may write: texts, and local variables of our own frames."""
    chain = traceback.TracebackException.from_exception(failure, capture_locals=True)
    told: traceback.TracebackException | None = chain
    while told is not None:
        yield "text", "".join(told.format_exception_only())
        for frame in told.stack:
            if "/orchestrator" in frame.filename.replace("/tests/", "/"):
                for name, value in (frame.locals or {}).items():
                    if "/tests/" not in frame.filename:
                        yield f"{frame.filename}:{frame.name}: {name}", value
        told = told.__cause__ or told.__context__


@pytest.mark.parametrize("fault", FAULTS, ids=range(len(FAULTS)))
@pytest.mark.parametrize("streamed", [False, True], ids=["chat", "stream"])
def test_53_errors_show_nothing(fault: Any, streamed: bool) -> None:
    """Printed, pickled, or logged with local variables: no error shows the key or the prompt."""
    world = World({"a": fault})

    async def scenario(llm: AsyncOrchestrator) -> None:
        if not streamed:
            await llm.chat("answer", PROMPT)
            return
        async with llm.stream("answer", PROMPT) as opened:
            async for _ in opened:
                pass

    with pytest.raises(OrchestratorError) as caught:
        world.run(scenario)
    failure = caught.value
    found = [(place, text) for place, text in shown(failure) for secret in (KEY, PROMPT) if secret in text]
    assert not found
    again = pickle.loads(pickle.dumps(failure))
    assert type(again) is type(failure)
    assert not [secret for secret in (KEY, PROMPT, REPLY) if secret in f"{again} {again!r} {failure!r} {failure.args}"]
    assert KEY.encode() not in pickle.dumps(failure)
    assert PROMPT.encode() not in pickle.dumps(failure)
