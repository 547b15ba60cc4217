"""Scripted answers instead of vendors, at two depths.

`use` replaces what a route's deployments answer: for an application's tests. `ScriptedTransport` replaces the network
below the codecs: for tests that look at what is sent.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeAlias

import orjson

from orchestrator import backends
from orchestrator.backends import Answer, Request, Source
from orchestrator.pricing.estimates import estimate_tokens
from orchestrator.spec.events import Event
from orchestrator.spec.provider import Decoded
from orchestrator.spec.stores import SeenLimit
from orchestrator.spec.transport import Endpoint, HttpReply, HttpRequest, HttpStream
from orchestrator.types.call import CallWarning, Task
from orchestrator.types.chat import ChatRequest, ChatResult, FinishReason, Message, Reasoning, Text, ToolCall
from orchestrator.types.retrieval import EmbedRequest, EmbedResult, RerankItem, RerankRequest, RerankResult
from orchestrator.types.stream import (
    Finish,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    ResponseMetadata,
    TextDelta,
    TextEnd,
    TextStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from orchestrator.types.usage import Usage

__all__ = ["CapturedEvents", "ScriptedCall", "ScriptedTransport", "json_reply", "use"]

_WORD = re.compile(r"\s*\S+\s*|\s+")

Script: TypeAlias = Any
"""What a route answers; see `use`."""


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """One request that reached a scripted route, as a model would have got it: defaults merged, messages normalised."""

    route: str
    task: Task
    request: Request


@contextmanager
def use(**scripts: Script) -> Iterator[list[ScriptedCall]]:
    """Let routes answer from a script, in every client of the process, with no network and no credential.

        with testing.use(answer="The Team plan.", rank=[2, 0, 1]) as calls:
            assert my_app.faq("Which plan includes SSO?") == "The Team plan."
        assert calls[0].request.messages[-1].text == "Which plan includes SSO?"

    A chat is scripted by a text, a `ToolCall`, a `Message` or a mapping (sent as JSON text, for structured output), or
    by a list of those, used up in order, the last one again and again. An embed route is scripted by True (stable
    vectors of 8 numbers made from the texts) or a list of vectors; a rerank route by True (the given order) or a list
    of indexes, best first. Anywhere, an exception is raised, and a function gets the request and gives one of these.
    Routing, limits, costs and the log work as usual. A route without a script raises `RuntimeError`: nothing is sent.
    """
    calls: list[ScriptedCall] = []
    scripted = {route: _ScriptedBackend(route, script, calls) for route, script in scripts.items()}

    def intercept(route: str) -> _ScriptedBackend:
        if route not in scripted:
            raise RuntimeError(f"route {route!r} has no script; scripted: {', '.join(sorted(scripted)) or 'none'}")
        return scripted[route]

    before = backends.set_interceptor(intercept)
    try:
        yield calls
    finally:
        backends.set_interceptor(before)


class _ScriptedBackend:
    def __init__(self, route: str, script: Script, calls: list[ScriptedCall]) -> None:
        self._route = route
        self._script = script
        self._calls = calls
        self._used = 0
        self._lock = Lock()

    async def call(self, task: Task, request: Request, *, timeout_s: float, strict: bool) -> Answer:
        return Answer(await self._answer(task, request), request_id="scripted")

    async def open(self, request: ChatRequest, *, timeout_s: float, strict: bool) -> Source:
        return _ScriptedSource(await self._answer("chat", request))

    def refresh_credential(self) -> bool:
        return False

    async def _answer(self, task: Task, request: Request) -> Any:
        with self._lock:
            self._calls.append(ScriptedCall(self._route, task, request))
            script = self._script
            if task == "chat" and isinstance(script, list):
                script = script[min(self._used, len(script) - 1)]
            self._used += 1
        if callable(script) and not isinstance(script, type):
            script = script(request)
            if inspect.isawaitable(script):
                script = await script
        if isinstance(script, BaseException) or (isinstance(script, type) and issubclass(script, BaseException)):
            raise script
        return _READERS[task](request, script)


def _chat_result(request: ChatRequest, script: Any) -> ChatResult:
    if isinstance(script, Mapping):
        script = orjson.dumps(dict(script)).decode()
    if isinstance(script, str):
        script = Message("assistant", (Text(script),))
    elif isinstance(script, ToolCall):
        script = Message("assistant", (script,))
    if not isinstance(script, Message):
        raise TypeError(f"a chat cannot answer with {type(script).__name__}")
    prompt = "".join([message.text for message in request.messages])
    return ChatResult(
        message=script,
        finish_reason=FinishReason("tool_calls" if script.tool_calls else "stop", "scripted"),
        usage=_estimate(prompt, script.text),
        response_id="scripted",
        model="scripted",
    )


def _estimate(prompt: str, answer: str) -> Usage:
    return Usage(input_tokens=estimate_tokens(prompt), output_tokens=estimate_tokens(answer), source="estimate")


def _embed_result(request: EmbedRequest, script: Any) -> EmbedResult:
    size = request.options.dimensions or 8
    vectors = [_vector(text, size) for text in request.texts] if script is True else [list(v) for v in script]
    tokens = sum([estimate_tokens(text) for text in request.texts])
    return EmbedResult(vectors=vectors, usage=Usage(input_tokens=tokens, source="estimate"), model="scripted")


def _vector(text: str, size: int) -> list[float]:
    digest = hashlib.shake_128(text.encode()).digest(size)
    raw = [byte - 127.5 for byte in digest]
    length = math.hypot(*raw)
    return [value / length for value in raw]


def _rerank_result(request: RerankRequest, script: Any) -> RerankResult:
    order: Sequence[int] = range(len(request.documents)) if script is True else script
    items = tuple([RerankItem(index, 1.0 - place / len(order)) for place, index in enumerate(order)])
    return RerankResult(results=items, usage=Usage(search_units=1, source="estimate"), model="scripted")


_READERS: Mapping[Task, Callable[[Any, Any], Any]] = {
    "chat": _chat_result,
    "embed": _embed_result,
    "rerank": _rerank_result,
}


class _ScriptedSource:
    """The answer word by word."""

    warnings: tuple[CallWarning, ...] = ()
    request_id: str | None = "scripted"
    usage: Usage | None = None
    closing = False
    limits: tuple[SeenLimit, ...] = ()

    def __init__(self, result: ChatResult) -> None:
        finish: Decoded = [Finish(reason=result.finish_reason, usage=result.usage)]
        self._batches: Iterator[Decoded] = iter([*_pieces(result), finish])

    async def read(self) -> Decoded:
        return next(self._batches, [])

    def close(self) -> None:
        self._batches = iter(())


def _pieces(result: ChatResult) -> Iterator[Decoded]:
    yield [ResponseMetadata(response_id=result.response_id, model=result.model)]
    for i, part in enumerate(result.message.parts):
        id_ = str(i)
        match part:
            case Text():
                yield [TextStart(id_)]
                for word in _WORD.findall(part.text):
                    yield [TextDelta(id_, word)]
                yield [TextEnd(id_)]
            case Reasoning():
                yield [ReasoningStart(id_), ReasoningDelta(id_, part.text), ReasoningEnd(id_)]
            case ToolCall():
                arguments = orjson.dumps(dict(part.arguments)).decode()
                yield [ToolCallStart(part.id, part.name), ToolCallDelta(part.id, arguments), ToolCallEnd(part.id, part)]
            case _:
                raise TypeError(f"a scripted stream cannot hold {type(part).__name__}")


HttpAnswer: TypeAlias = "HttpReply | BaseException"


class ScriptedTransport:
    """A transport whose far side is a function: it gets each request and gives an `HttpReply` or an exception.

    `requests` lists what was sent, credentials included. Bodies of streams are handed out in pieces of `chunk_bytes`.
    """

    def __init__(
        self, answer: Callable[[HttpRequest], HttpAnswer | Awaitable[HttpAnswer]], *, chunk_bytes: int = 65_536
    ) -> None:
        self._answer = answer
        self._chunk_bytes = chunk_bytes
        self.requests: list[HttpRequest] = []

    async def send(self, request: HttpRequest, endpoint: Endpoint) -> HttpReply:
        """See `orchestrator.spec.transport.Transport`."""
        self.requests.append(request)
        answer = self._answer(request)
        if inspect.isawaitable(answer):
            answer = await answer
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def open(self, request: HttpRequest, endpoint: Endpoint) -> HttpStream:
        """See `orchestrator.spec.transport.Transport`."""
        return _ScriptedStream(await self.send(request, endpoint), self._chunk_bytes)

    async def close(self) -> None:
        """See `orchestrator.spec.transport.Transport`."""


class _ScriptedStream:
    def __init__(self, reply: HttpReply, chunk_bytes: int) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self._body = reply.body
        self._chunk_bytes = chunk_bytes
        self.closed = False

    async def read(self) -> bytes:
        chunk, self._body = self._body[: self._chunk_bytes], self._body[self._chunk_bytes :]
        return chunk

    async def read_all(self) -> HttpReply:
        body, self._body = self._body, b""
        return HttpReply(self.status, self.headers, body)

    def close(self) -> None:
        self.closed = True


def json_reply(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpReply:
    """An `HttpReply` with a JSON body."""
    return HttpReply(status, {"content-type": "application/json", **(headers or {})}, orjson.dumps(value))


class CapturedEvents(list[Event]):
    """A sink that keeps events: `AsyncOrchestrator(config, sinks=[events])`."""

    def __call__(self, event: Event) -> None:
        """Take an event."""
        self.append(event)
