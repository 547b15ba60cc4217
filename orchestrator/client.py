"""The asyncio client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypedDict, TypeVar, overload

from orchestrator.arguments import (
    ChatArguments,
    EmbedArguments,
    RerankArguments,
    call_context,
    chat_request,
    embed_request,
    rerank_request,
)
from orchestrator.attempt import Call
from orchestrator.core import Core
from orchestrator.errors import OrchestratorError
from orchestrator.mistaken import Awaited, Client, known_seams
from orchestrator.policies.validate import MessageInput
from orchestrator.spec.clock import Clock
from orchestrator.spec.events import CallContext, Sink
from orchestrator.spec.transport import Transport
from orchestrator.streams import OpenStream
from orchestrator.telemetry.content import Redactor
from orchestrator.telemetry.jsonl import Processor
from orchestrator.types.call import Task
from orchestrator.types.chat import ChatReply
from orchestrator.types.retrieval import EmbedReply, RerankReply
from orchestrator.types.stream import StreamEvent, TextDelta

if TYPE_CHECKING:
    from typing import Unpack

    from pydantic import BaseModel

    from orchestrator.config import Config

__all__ = ["AsyncChatStream", "AsyncOrchestrator", "Seams"]

ModelT = TypeVar("ModelT", bound="BaseModel")
OutputT = TypeVar("OutputT")


class Seams(TypedDict, total=False):
    """What may be given to a client besides its configuration.

    transport: how requests travel; `HttpxTransport(...)` for those who bring httpx. aiohttp by default.
    sinks: called with every event (`orchestrator.spec.events`), in the thread where it happens; must be quick.
    log_processors: structlog processors that see every log line before it is written.
    redactor: sees every text of routes with `log_content: true`, after the named redactions, and gives what is logged.
    clock, random: time and chance, for tests.
    """

    transport: Transport
    sinks: Sequence[Sink]
    log_processors: Sequence[Processor]
    redactor: Redactor
    clock: Clock
    random: Random


class AsyncOrchestrator(Client, Awaited):
    """Calls models by task name, from asyncio code.

    One client serves a whole process: any number of tasks, threads and event loops, before and after fork. Construction
    reads the configuration and nothing else.

    Example:
        >>> async def ask(question: str) -> str:
        ...     async with AsyncOrchestrator.from_file("orchestrator.yaml") as llm:
        ...         reply = await llm.chat("answer", question, tenant="acme")
        ...         return reply.text
        >>> asyncio.run(ask("Which plan includes SSO?"))
        'The Team plan.'
    """

    def __init__(self, config: Mapping[str, Any] | Config, **seams: Unpack[Seams]) -> None:
        """Build a client from a mapping with the file's keys.

        Raises:
            ConfigError: the configuration is wrong, a secret is missing, or a package is not installed.
        """
        known_seams(seams, Seams.__annotations__)
        self._core = Core.from_mapping(config, **seams)

    @classmethod
    def from_file(cls, path: str | Path, *, watch: bool = True, **seams: Unpack[Seams]) -> AsyncOrchestrator:
        """Build a client from a YAML file; with `watch`, edits of the file take effect in the running process.

        Raises:
            ConfigError: as the constructor; says file and line.
        """
        known_seams(seams, Seams.__annotations__)
        return cls._over(Core.from_file(path, watch=watch, **seams))

    @classmethod
    def _over(cls, core: Core) -> AsyncOrchestrator:
        client = cls.__new__(cls)
        client._core = core
        return client

    @overload
    async def chat(
        self, route: str, messages: MessageInput, *, output: type[ModelT], **options: Unpack[ChatArguments]
    ) -> ChatReply[ModelT]: ...
    @overload
    async def chat(
        self, route: str, messages: MessageInput, *, output: Mapping[str, Any], **options: Unpack[ChatArguments]
    ) -> ChatReply[Any]: ...
    @overload
    async def chat(
        self, route: str, messages: MessageInput, *, output: None = None, **options: Unpack[ChatArguments]
    ) -> ChatReply[None]: ...
    async def chat(
        self, route: str, messages: MessageInput, *, output: Any = None, **options: Unpack[ChatArguments]
    ) -> ChatReply[Any]:
        """Answer a chat.

        Args:
            route: a chat route of the configuration.
            messages: a user's sentence, or a history of `Message`s and role/content mappings.
            output: a pydantic model or JSON Schema that the answer must follow; `reply.output` is then the value.
            options: see `ChatArguments`.

        Raises:
            OrchestratorError: see `orchestrator.errors`; `attempts` tells what was tried.
        """
        call = self._chat_call(route, messages, output, dict(options))
        del messages  # a traceback that shows local variables shows no prompt
        reply: ChatReply[Any] = await self._core.pipeline.run(call)
        return reply

    @overload
    def stream(
        self, route: str, messages: MessageInput, *, output: type[ModelT], **options: Unpack[ChatArguments]
    ) -> AsyncChatStream[ModelT]: ...
    @overload
    def stream(
        self, route: str, messages: MessageInput, *, output: Mapping[str, Any], **options: Unpack[ChatArguments]
    ) -> AsyncChatStream[Any]: ...
    @overload
    def stream(
        self, route: str, messages: MessageInput, *, output: None = None, **options: Unpack[ChatArguments]
    ) -> AsyncChatStream[None]: ...
    def stream(
        self, route: str, messages: MessageInput, *, output: Any = None, **options: Unpack[ChatArguments]
    ) -> AsyncChatStream[Any]:
        """Answer a chat in events: `async with llm.stream(...) as stream: async for event in stream: ...`.

        Entering the block returns once the first event is there; every error before that is raised there, after retries
        and failover. An error later is a `StreamInterrupted`. With `output=` the answer is checked at the end: then
        `stream.reply.output` is the value, or reading raises `MalformedReply` or `ContentFiltered`. A stream is never
        repaired: its text has been handed over.
        """
        return AsyncChatStream(self._core, self._chat_call(route, messages, output, dict(options), stream=True))

    def _chat_call(
        self, route: str, messages: MessageInput, output: Any, given: dict[str, Any], *, stream: bool = False
    ) -> Call:
        core = self._core
        snapshot = core.current()
        context, time_s, priority = self._context(route, "chat", given)
        try:
            picked = snapshot.route(route, "chat")
            request, expected = chat_request(messages, output, given)
        except OrchestratorError as error:
            core.refuse(route, "chat", context, error)
            raise
        return core.pipeline.begin(
            picked,
            request,
            context,
            snapshot.config_hash,
            time_s=time_s,
            priority=priority,
            stream=stream,
            expectation=expected,
        )

    async def embed(self, route: str, texts: str | Sequence[str], **options: Unpack[EmbedArguments]) -> EmbedReply:
        """Embed texts: `reply.vectors` has one list of floats per text, in order; `reply.space` names their space.

        Args:
            route: an embed route of the configuration.
            texts: one text or several, none of them empty.
            options: see `EmbedArguments`.
        """
        call = self._retrieval_call(route, "embed", dict(options), partial(embed_request, texts))
        del texts
        reply: EmbedReply = await self._core.pipeline.run(call)
        return reply

    async def rerank(
        self, route: str, *, query: str, documents: Sequence[str], **options: Unpack[RerankArguments]
    ) -> RerankReply:
        """Order documents by how well they answer the query: `reply.results` has index and score, best first.

        Args:
            route: a rerank route of the configuration.
            query: what is asked.
            documents: texts, none of them empty.
            options: see `RerankArguments`.
        """
        call = self._retrieval_call(route, "rerank", dict(options), partial(rerank_request, query, documents))
        del query, documents
        reply: RerankReply = await self._core.pipeline.run(call)
        return reply

    def _retrieval_call(self, route: str, task: Task, given: dict[str, Any], read: Any) -> Call:
        core = self._core
        snapshot = core.current()
        context, time_s, priority = self._context(route, task, given)
        try:
            picked = snapshot.route(route, task)
            request = read(given)
        except OrchestratorError as error:
            core.refuse(route, task, context, error)
            raise
        return core.pipeline.begin(picked, request, context, snapshot.config_hash, time_s=time_s, priority=priority)

    def _context(self, route: str, task: Task, given: dict[str, Any]) -> tuple[CallContext, float | None, int]:
        try:
            return call_context(given)
        except OrchestratorError as error:
            self._core.refuse(route, task, CallContext(), error)
            raise

    @property
    def config(self) -> Config:
        """The configuration in force: `llm.config.routes`, `.deployments`, `.config_hash`, `.warnings`."""
        return self._core.snapshot.config

    def reload(self, config: Mapping[str, Any] | Config) -> None:
        """Put another configuration in force; calls in flight finish on theirs.

        Raises:
            ConfigError: it is wrong; nothing has changed.
        """
        self._core.reload(config)

    async def close(self, *, grace: float = 0.0) -> None:
        """End calls and streams under way with an error, close the running event loop's connections, write the log out.
        Later calls are refused.

        Args:
            grace: seconds to wait for calls and streams under way, of every thread and loop; meanwhile new ones are
                refused. What a handler of SIGTERM wants.
        """
        await self._core.close(grace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def in_flight(self) -> int:
        """Calls and streams under way, of every thread and loop."""
        return self._core.pipeline.in_flight

    def __repr__(self) -> str:
        snapshot = self._core.snapshot
        source = snapshot.config.source or "a mapping"
        return f"<{type(self).__name__} {source} routes={sorted(snapshot.routes)} config={snapshot.config_hash}>"


class AsyncChatStream(Awaited, Generic[OutputT]):
    """A chat in events. Enter it with `async with`; iterate it, or `stream.text` for the text alone.

    `reply` is complete once the stream has finished.

    Example:
        >>> async def ask(question: str) -> str:
        ...     async with AsyncOrchestrator.from_file("orchestrator.yaml") as llm:
        ...         async with llm.stream("answer", question) as stream:
        ...             return "|".join([text async for text in stream.text])
        >>> asyncio.run(ask("Which plan includes SSO?"))
        'The |Team |plan.'
    """

    def __init__(self, core: Core, call: Call) -> None:
        self._core = core
        self._call = call
        self._open: OpenStream | None = None
        self._how = "async with"

    async def __aenter__(self) -> AsyncChatStream[OutputT]:
        core = self._core
        if self._open is not None:
            raise RuntimeError("a stream is entered once; llm.stream gives another one")
        core.log.start()  # so that a finalizer never has to
        opened = await core.pipeline.open(self._call)
        self._open = OpenStream(core.pipeline, opened, core.clock)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def read(self) -> list[StreamEvent]:
        """The next events, all that are ready; an empty list at the end."""
        return await self._entered().read()

    async def __aiter__(self) -> AsyncIterator[StreamEvent]:
        read = self._entered().read
        while events := await read():
            for event in events:
                yield event

    @property
    def text(self) -> AsyncIterator[str]:
        """The answer's text in pieces, as it comes."""
        return self._text()

    async def _text(self) -> AsyncIterator[str]:
        read = self._entered().read
        while events := await read():
            for event in events:
                if isinstance(event, TextDelta):
                    yield event.text

    @property
    def reply(self) -> ChatReply[OutputT]:
        """The reply that the same call without streaming would have given.

        Raises:
            RuntimeError: the stream has not finished yet.
        """
        return finished(self._open, self._how)

    async def close(self) -> None:
        """End the stream early: the connection is closed, what had arrived is paid for and logged. Idempotent."""
        if self._open is not None and self._unfinished:
            self._open.close()
            await asyncio.sleep(0)

    @property
    def _unfinished(self) -> bool:
        return self._open is not None and self._open.unfinished

    def __repr__(self) -> str:
        opened = self._open
        state = "not entered" if opened is None else repr(opened.reply) if opened.reply else "open"
        if opened is not None and opened.reply is None and not opened.unfinished:
            state = "ended early"
        return f"<{type(self).__name__} {self._call.route.name}: {state}>"

    def _entered(self) -> OpenStream:
        opened = entered(self._open, self._how)
        if opened.closed:
            raise RuntimeError("the stream was closed before its end; read it inside the block that opens it")
        return opened

    def __del__(self) -> None:
        # A stream that was forgotten half way. Takes no lock: the log's thread does the rest.
        opened = getattr(self, "_open", None)
        if opened is not None and opened.unfinished:
            with contextlib.suppress(Exception):
                self._core.log.defer(opened.abandon)


def entered(opened: OpenStream | None, how: str) -> OpenStream:
    """The open stream; RuntimeError if the block was not entered."""
    if opened is None:
        raise RuntimeError(f"a stream is opened by entering it: `{how} llm.stream(...) as stream:`")
    return opened


def finished(opened: OpenStream | None, how: str) -> ChatReply[Any]:
    """The stream's reply; RuntimeError before its end."""
    reply = entered(opened, how).reply
    if reply is None:
        why = "it was closed before its end" if opened is not None and opened.closed else "read it to its end first"
        raise RuntimeError(f"the stream has no reply: {why}")
    return reply
