"""How a deployment is spoken to: a wire over our transport, or an engine that does its own I/O.

Both give the pipeline the same two things: a whole answer, or a source of stream events that is read in batches.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

from orchestrator.batches import batches, in_turns, joined
from orchestrator.errors import OrchestratorError, UnsupportedFeature
from orchestrator.spec.auth import Signer
from orchestrator.spec.provider import (
    Batched,
    Codec,
    Codecs,
    Decoded,
    Encoded,
    Engine,
    Failure,
    FrameParser,
    Framing,
    StreamDecoder,
)
from orchestrator.spec.stores import SeenLimit
from orchestrator.spec.transport import Endpoint, HttpReply, HttpRequest, HttpStream, Transport, request_id
from orchestrator.timers import Timer
from orchestrator.transport.sse import SseParser
from orchestrator.types.call import CallWarning, Task
from orchestrator.types.chat import ChatRequest, ChatResult
from orchestrator.types.retrieval import EmbedRequest, EmbedResult, RerankRequest, RerankResult
from orchestrator.types.stream import StreamStart
from orchestrator.types.usage import Usage
from orchestrator.types.values import value

__all__ = [
    "Answer",
    "Backend",
    "EngineBackend",
    "Interceptor",
    "LimitReader",
    "Request",
    "Result",
    "Source",
    "WireBackend",
    "backend_for",
    "frame_parser",
    "intercepted",
    "set_interceptor",
]

LimitReader: TypeAlias = Callable[[Mapping[str, str]], tuple[SeenLimit, ...]]
"""Reads the limits that an answer's headers state. Never raises."""

Request: TypeAlias = ChatRequest | EmbedRequest | RerankRequest
Result: TypeAlias = ChatResult | EmbedResult | RerankResult

_ADDRESS: Mapping[int, str] = {
    404: "the server has nothing at this address; look at the path of base_url (often /v1)",
    405: "the server takes no such request at this address; look at the path of base_url (often /v1)",
    **dict.fromkeys((301, 302, 307, 308), "redirects are not followed; write the new address as base_url"),
}
"""What a status means where the server knows no more than that."""

_NO_ADDRESS = re.compile(r"(not found|method not allowed|http \d+)\.?\Z|unknown request url|invalid url", re.IGNORECASE)

_TRAILER_S = 2.0
"""How long to wait for usage and the end marker once a stream's terminal reason was seen."""


@value(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    result: Any
    warnings: tuple[CallWarning, ...] = ()
    request_id: str | None = None
    limits: tuple[SeenLimit, ...] = ()
    """Limits that the answer's headers stated, where the deployment learns them."""


class Source(Protocol):
    """An open stream. `read` gives a batch of events, never empty before the end, and `[]` after it."""

    warnings: tuple[CallWarning, ...]
    request_id: str | None
    limits: tuple[SeenLimit, ...]

    async def read(self) -> Decoded:
        """The next events that are ready. A `Failure` is the last."""
        ...

    @property
    def usage(self) -> Usage | None:
        """The vendor's counts so far."""
        ...

    @property
    def closing(self) -> bool:
        """The vendor has said why the answer ended: what it has counted is of all of it."""
        ...

    def close(self) -> None:
        """Let go of the connection. Idempotent, never waits; on the loop that opened it."""
        ...


class Backend(Protocol):
    """One deployment's other end."""

    async def call(self, task: Task, request: Request, *, timeout_s: float, strict: bool) -> Answer:
        """Exchange a request for the whole answer. `strict`: a setting that had to be left out is an error."""
        ...

    async def open(self, request: ChatRequest, *, timeout_s: float, strict: bool) -> Source:
        """Open a stream; returns at the answer's headers."""
        ...

    def refresh_credential(self) -> bool:
        """Read the credential again; True if it changed."""
        ...


class WireBackend:
    """A wire: encode, sign, send, decode."""

    def __init__(
        self,
        codecs: Codecs,
        transport: Transport,
        endpoint: Endpoint,
        signer: Signer,
        *,
        read_limits: LimitReader | None = None,
    ) -> None:
        self._codecs: Mapping[Task, Codec[Any, Any] | None] = {
            "chat": codecs.chat,
            "embed": codecs.embed,
            "rerank": codecs.rerank,
        }
        self._chat = codecs.chat
        self._batch = codecs.embed.batch if isinstance(codecs.embed, Batched) else None
        self._transport = transport
        self._endpoint = endpoint
        self._signer = signer
        self._prepare_signer = getattr(signer, "prepare", None)
        self._read_limits = read_limits

    async def call(self, task: Task, request: Request, *, timeout_s: float, strict: bool) -> Answer:
        """See `Backend.call`. The pipeline's own timer bounds it."""
        codec = self._codecs[task]
        assert codec is not None  # the registry binds a deployment only to tasks its wire has
        if self._batch and isinstance(request, EmbedRequest) and len(request.texts) > self._batch:
            return await self._in_batches(codec, request, self._batch, strict=strict)
        return await self._exchange(codec, request, strict=strict)

    async def _in_batches(self, codec: Codec[Any, Any], request: EmbedRequest, size: int, *, strict: bool) -> Answer:
        try:
            answers = await in_turns(batches(request, size), lambda piece: self._exchange(codec, piece, strict=strict))
        except UnsupportedFeature:
            raise
        except OrchestratorError as error:
            error.maybe_billed = True  # other pieces may have been answered
            raise
        result = joined([answer.result for answer in answers])
        return replace(answers[-1], result=result)

    async def _exchange(self, codec: Codec[Any, Any], request: Request, *, strict: bool) -> Answer:
        encoded = codec.encode(request)
        if self._prepare_signer is not None:
            await self._prepare_signer()
        reply = await self._transport.send(self._prepare(encoded, strict=strict), self._endpoint)
        if reply.status != 200:
            raise self._error(codec, reply)
        id_ = request_id(reply.headers)
        try:
            result = codec.decode(reply)
        except OrchestratorError as error:
            error.status = error.status or reply.status
            error.request_id = error.request_id or id_
            raise
        limits = self._read_limits(reply.headers) if self._read_limits is not None else ()
        return Answer(result, encoded.warnings, id_, limits)

    async def open(self, request: ChatRequest, *, timeout_s: float, strict: bool) -> Source:
        """See `Backend.open`."""
        codec = self._chat
        assert codec is not None
        encoded = codec.encode_stream(request)
        if self._prepare_signer is not None:
            await self._prepare_signer()
        stream = await self._transport.open(self._prepare(encoded, strict=strict), self._endpoint)
        try:
            if stream.status != 200:
                raise self._error(codec, await stream.read_all())
        except BaseException:
            stream.close()
            raise
        parser = frame_parser(codec.framing)
        source = _WireSource(stream, parser, codec.decoder(), encoded.warnings, request_id(stream.headers))
        source.limits = self._limits(stream.headers)
        return source

    def _error(self, codec: Codec[Any, Any], reply: HttpReply) -> OrchestratorError:
        error = codec.error(reply)
        error.seen_limits = self._limits(reply.headers)
        if reply.status in _ADDRESS and _NO_ADDRESS.match(error.message):
            error.message = f"{error.message.rstrip('.')}: {_ADDRESS[reply.status]}"
        return error

    def _limits(self, headers: Mapping[str, str]) -> tuple[SeenLimit, ...]:
        return self._read_limits(headers) if self._read_limits is not None else ()

    def _prepare(self, encoded: Encoded, *, strict: bool) -> HttpRequest:
        if strict:
            _refuse_left_out(encoded.warnings)
        request = encoded.request
        return HttpRequest(request.url, request.body, self._signer.sign(request))

    def refresh_credential(self) -> bool:
        """See `Backend.refresh_credential`."""
        return self._signer.refresh()


def frame_parser(framing: Framing) -> FrameParser:
    """A parser for one stream."""
    return SseParser() if framing == "sse" else framing()


class _WireSource:
    """Bytes to frames to events. Reads whatever is ready, so a burst of events costs one read."""

    __slots__ = ("_decoder", "_leave", "_parser", "_stream", "limits", "request_id", "warnings")

    def __init__(
        self,
        stream: HttpStream,
        parser: FrameParser,
        decoder: StreamDecoder,
        warnings: tuple[CallWarning, ...],
        request_id: str | None,
    ) -> None:
        self._stream = stream
        self._leave: Callable[[], None] = getattr(stream, "leave", stream.close)
        self._decoder = decoder
        self._parser = parser
        self.warnings = warnings
        self.request_id = request_id
        self.limits: tuple[SeenLimit, ...] = ()

    async def read(self) -> Decoded:
        decoder = self._decoder
        while not decoder.done:
            chunk = await self._stream.read() if not decoder.closing else await self._read_trailer()
            if not chunk:
                self._stream.close()
                return [*decoder.feed(self._parser.end()), *decoder.end()]
            frames = self._parser.feed(chunk)
            if frames and (events := decoder.feed(frames)):
                return events
        self.close()
        return []

    async def _read_trailer(self) -> bytes:
        try:
            with Timer(_TRAILER_S):
                return await self._stream.read()
        except TimeoutError:
            return b""

    @property
    def usage(self) -> Usage | None:
        return self._decoder.usage

    @property
    def closing(self) -> bool:
        return self._decoder.closing

    def close(self) -> None:
        if self._decoder.done:
            self._leave()
        else:
            self._stream.close()


class EngineBackend:
    """An engine: it does its own I/O and raises our errors."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def call(self, task: Task, request: Any, *, timeout_s: float, strict: bool) -> Answer:
        """See `Backend.call`."""
        method = getattr(self._engine, task)
        result: Result = await method(request, timeout_s=timeout_s)
        if strict:
            _refuse_left_out(result.warnings)
        return Answer(result, result.warnings)

    async def open(self, request: ChatRequest, *, timeout_s: float, strict: bool) -> Source:
        """See `Backend.open`."""
        events = self._engine.stream(request, timeout_s=timeout_s)
        first = await anext(aiter(events))
        warnings = first.warnings if isinstance(first, StreamStart) else ()
        source = _EngineSource(events, warnings)
        if strict:
            try:
                _refuse_left_out(warnings)
            except UnsupportedFeature:
                source.close()
                raise
        return source

    def refresh_credential(self) -> bool:
        """See `Backend.refresh_credential`. Engines read the secret at each call."""
        return False


class _EngineSource:
    """An engine's events, one batch per event."""

    request_id: str | None = None
    usage: Usage | None = None
    closing = False
    limits: tuple[SeenLimit, ...] = ()

    def __init__(self, events: AsyncIterator[Any], warnings: tuple[CallWarning, ...]) -> None:
        self._events = events
        self.warnings = warnings

    async def read(self) -> Decoded:
        try:
            return [await anext(self._events)]
        except StopAsyncIteration:
            return []
        except OrchestratorError as error:
            return [Failure(error)]

    def close(self) -> None:
        aclose = getattr(self._events, "aclose", None)
        if aclose is not None:
            task = asyncio.ensure_future(aclose())
            _CLOSING.add(task)
            task.add_done_callback(_CLOSING.discard)


Interceptor: TypeAlias = Callable[[str], "Backend"]
"""Gives the backend to use for a route, instead of its deployments' own."""

_interceptor: Interceptor | None = None


def set_interceptor(interceptor: Interceptor | None) -> Interceptor | None:
    """For `orchestrator.testing`: put something between routes and their deployments. Gives what was there before."""
    global _interceptor
    before, _interceptor = _interceptor, interceptor
    return before


def intercepted() -> bool:
    """Whether nothing will really be sent."""
    return _interceptor is not None


def backend_for(route: str, backend: Backend) -> Backend:
    """The deployment's own backend, or what stands in for it."""
    return backend if _interceptor is None else _interceptor(route)


_CLOSING: set[asyncio.Future[None]] = set()


def _refuse_left_out(warnings: tuple[CallWarning, ...]) -> None:
    left_out = [warning for warning in warnings if warning.kind == "unsupported"]
    if left_out:
        raise UnsupportedFeature("; ".join(f"{warning.setting}: {warning.message}" for warning in left_out))
