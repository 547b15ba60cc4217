"""The blocking client: the asyncio one, driven from a background thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from orchestrator.arguments import ChatArguments, EmbedArguments, RerankArguments
from orchestrator.client import AsyncChatStream, AsyncOrchestrator, Seams
from orchestrator.core import Core
from orchestrator.ending import closed
from orchestrator.errors import OrchestratorError
from orchestrator.mistaken import Blocking, Client, known_seams, warn_of_blocking
from orchestrator.policies.validate import MessageInput
from orchestrator.types.chat import ChatReply
from orchestrator.types.retrieval import EmbedReply, RerankReply
from orchestrator.types.stream import StreamEvent, TextDelta

if TYPE_CHECKING:
    from typing import Unpack

    from pydantic import BaseModel

    from orchestrator.config import Config

__all__ = ["ChatStream", "Orchestrator"]

ModelT = TypeVar("ModelT", bound="BaseModel")
OutputT = TypeVar("OutputT")
T = TypeVar("T")


class _Errand(Generic[T]):
    """Work for the loop's thread. Its giver waits at a lock: two thirds of what a concurrent future costs."""

    __slots__ = ("_done", "_task", "_work")

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work
        self._task: asyncio.Task[T] | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def begin(self) -> None:
        """On the loop."""
        self._task = asyncio.get_running_loop().create_task(self._work)
        self._task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # seen, also if nobody waits any more
        self._done.release()

    def cancel(self) -> None:
        """On the loop."""
        if self._task is not None:
            self._task.cancel()

    def wait(self) -> None:
        """Until it has ended. Signals get through."""
        self._done.acquire()

    def result(self) -> T:
        """Of work that has ended. Only the end of its loop cancels it: who interrupts `wait` does not come here."""
        assert self._task is not None
        if self._task.cancelled():
            raise OrchestratorError("the client was closed during this call", retryable=True)
        return self._task.result()


class _Runner:
    """An event loop in a daemon thread, started when first needed and again after fork."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # reentrant: a signal's handler may close the client in a thread that calls it
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._warned = False
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether its thread has ended for good."""
        return self._stopped

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end and give the result. Ctrl-C in the waiting thread cancels the work."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a blocking call inside the client's own event loop would wait for itself; use llm.aio")
        if not self._warned and asyncio._get_running_loop() is not None:
            self._warned = True
            warn_of_blocking(work)
        errand = _Errand(work)
        try:
            loop = self._begin(errand)
        except BaseException:
            work.close()
            raise
        try:
            errand.wait()
        except BaseException:
            with suppress(RuntimeError):  # the loop has ended, and the errand with it
                loop.call_soon_threadsafe(errand.cancel)
            raise
        return errand.result()

    def _begin(self, errand: _Errand[Any]) -> asyncio.AbstractEventLoop:
        if self._pid != os.getpid():
            # The parent's thread does not exist here, and its lock may have been held at the fork. Its loop is left
            # alone: closing it would take the parent's sockets out of the epoll set that both share.
            self._lock = threading.RLock()
            self._pid = os.getpid()
            _LEFT_BY_FORK.append(self._loop)
            self._loop = None
        with self._lock:  # or the loop could end before it sees the errand, and nobody would end that
            if self._stopped:
                raise closed()
            loop = self._loop or self._start()
            loop.call_soon_threadsafe(errand.begin)
            return loop

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_serve, args=(loop,), name="orchestrator", daemon=True)
        self._thread.start()
        self._loop = loop
        return loop

    def stop(self) -> None:
        """End the thread, if it runs, for good. Idempotent."""
        with self._lock:
            self._stopped = True
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None and self._pid == os.getpid():
            loop.call_soon_threadsafe(loop.stop)
            thread.join(5.0)


_LEFT_BY_FORK: list[Any] = []


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:  # somebody may wait for it
            task.cancel()
        loop.run_until_complete(asyncio.wait(left) if left else asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


class Orchestrator(Client, Blocking):
    """Calls models by task name, from blocking code.

    One client serves a whole process: any number of threads, before and after fork. `aio` is its asyncio twin over the
    same limits, connections and log.

    Example:
        >>> with Orchestrator.from_file("orchestrator.yaml") as llm:
        ...     print(llm.chat("answer", "Which plan includes SSO?", tenant="acme").text)
        The Team plan.
    """

    def __init__(self, config: Mapping[str, Any] | Config, **seams: Unpack[Seams]) -> None:
        """Build a client from a mapping with the file's keys.

        Raises:
            ConfigError: the configuration is wrong, a secret is missing, or a package is not installed.
        """
        known_seams(seams, Seams.__annotations__)
        self._attach(Core.from_mapping(config, **seams))

    @classmethod
    def from_file(cls, path: str | Path, *, watch: bool = True, **seams: Unpack[Seams]) -> Orchestrator:
        """Build a client from a YAML file; with `watch`, edits of the file take effect in the running process.

        Raises:
            ConfigError: as the constructor; says file and line.
        """
        known_seams(seams, Seams.__annotations__)
        client = cls.__new__(cls)
        client._attach(Core.from_file(path, watch=watch, **seams))
        return client

    def _attach(self, core: Core) -> None:
        self._runner = _Runner()
        self.aio = AsyncOrchestrator._over(core)

    @overload
    def chat(
        self, route: str, messages: MessageInput, *, output: type[ModelT], **options: Unpack[ChatArguments]
    ) -> ChatReply[ModelT]: ...
    @overload
    def chat(
        self, route: str, messages: MessageInput, *, output: Mapping[str, Any], **options: Unpack[ChatArguments]
    ) -> ChatReply[Any]: ...
    @overload
    def chat(
        self, route: str, messages: MessageInput, *, output: None = None, **options: Unpack[ChatArguments]
    ) -> ChatReply[None]: ...
    def chat(
        self, route: str, messages: MessageInput, *, output: Any = None, **options: Unpack[ChatArguments]
    ) -> ChatReply[Any]:
        """Answer a chat; see `AsyncOrchestrator.chat`.

        Example:
            >>> reply = llm.chat("answer", "Which plan includes SSO?", max_output_tokens=200)
            >>> reply.text, reply.deployment
            ('The Team plan.', 'mini')
        """
        work = self.aio.chat(route, messages, output=output, **options)
        del messages  # a traceback that shows local variables shows no prompt
        return self._runner.run(work)

    @overload
    def stream(
        self, route: str, messages: MessageInput, *, output: type[ModelT], **options: Unpack[ChatArguments]
    ) -> ChatStream[ModelT]: ...
    @overload
    def stream(
        self, route: str, messages: MessageInput, *, output: Mapping[str, Any], **options: Unpack[ChatArguments]
    ) -> ChatStream[Any]: ...
    @overload
    def stream(
        self, route: str, messages: MessageInput, *, output: None = None, **options: Unpack[ChatArguments]
    ) -> ChatStream[None]: ...
    def stream(
        self, route: str, messages: MessageInput, *, output: Any = None, **options: Unpack[ChatArguments]
    ) -> ChatStream[Any]:
        """Answer a chat in events: `with llm.stream(...) as stream: for event in stream: ...`.

        Example:
            >>> with llm.stream("answer", "Which plan includes SSO?") as stream:
            ...     for text in stream.text:
            ...         print(text, end="")
            The Team plan.
            >>> stream.reply.finish_reason.unified
            'stop'
        """
        return ChatStream(self._runner, self.aio.stream(route, messages, output=output, **options))

    def embed(self, route: str, texts: str | Sequence[str], **options: Unpack[EmbedArguments]) -> EmbedReply:
        """Embed texts; see `AsyncOrchestrator.embed`.

        Example:
            >>> reply = llm.embed("search", ["single sign-on", "invoices"], input_type="document")
            >>> len(reply.vectors), reply.space
            (2, 'text-embedding-3-small@8')
        """
        work = self.aio.embed(route, texts, **options)
        del texts
        return self._runner.run(work)

    def rerank(
        self, route: str, *, query: str, documents: Sequence[str], **options: Unpack[RerankArguments]
    ) -> RerankReply:
        """Order documents; see `AsyncOrchestrator.rerank`.

        Example:
            >>> reply = llm.rerank("rank", query="sso", documents=["billing", "single sign-on"], top_n=1)
            >>> reply.results[0].index
            1
        """
        work = self.aio.rerank(route, query=query, documents=documents, **options)
        del query, documents
        return self._runner.run(work)

    @property
    def config(self) -> Config:
        """The configuration in force; see `AsyncOrchestrator.config`."""
        return self.aio.config

    def reload(self, config: Mapping[str, Any] | Config) -> None:
        """Put another configuration in force; see `AsyncOrchestrator.reload`.

        Example:
            >>> llm.reload({"version": 1, "routes": {"answer": "openai/gpt-4o"}})
            >>> llm.chat("answer", "Which plan includes SSO?").request_model
            'gpt-4o'
        """
        self.aio.reload(config)

    def close(self, *, grace: float = 0.0) -> None:
        """End calls under way with an error, close connections, write the log out, end the background thread.

        Later calls are refused.

        Args:
            grace: seconds to wait for calls and streams under way, of every thread; meanwhile new ones are refused.

        Example:
            >>> llm.close(grace=10)
        """
        with suppress(OrchestratorError):  # it is closed, or another thread closes it meanwhile
            self._runner.run(self.aio.close(grace=grace))
        self._runner.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def in_flight(self) -> int:
        """Calls and streams under way, of every thread and loop."""
        return self.aio.in_flight

    def __repr__(self) -> str:
        return repr(self.aio).replace("<Async", "<", 1)


def _at_once(work: Coroutine[Any, Any, T]) -> T:
    """What is done without waiting: a stream that ended with its client still says what it got, and why it broke."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise closed()


class ChatStream(Blocking, Generic[OutputT]):
    """A chat in events. Enter it with `with`; iterate it, or `stream.text` for the text alone.

    `reply` is complete once the stream has finished.

    Example:
        >>> with llm.stream("answer", "Which plan includes SSO?") as stream:
        ...     texts = [event.text for event in stream if isinstance(event, TextDelta)]
        >>> "".join(texts) == stream.reply.text
        True
    """

    def __init__(self, runner: _Runner, stream: AsyncChatStream[OutputT]) -> None:
        self._runner = runner
        self._stream = stream
        stream._how = "with"

    def __enter__(self) -> ChatStream[OutputT]:
        self._runner.run(self._stream.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self) -> list[StreamEvent]:
        """The next events, all that are ready; an empty list at the end."""
        work = self._stream.read()
        return _at_once(work) if self._runner.stopped else self._runner.run(work)

    def __iter__(self) -> Iterator[StreamEvent]:
        while events := self.read():  # one hop between threads per batch, not per event
            yield from events

    @property
    def text(self) -> Iterator[str]:
        """The answer's text in pieces, as it comes."""
        return (event.text for event in self if isinstance(event, TextDelta))

    @property
    def reply(self) -> ChatReply[OutputT]:
        """The reply that the same call without streaming would have given.

        Raises:
            RuntimeError: the stream has not finished yet.
        """
        return self._stream.reply

    def close(self) -> None:
        """End the stream early: the connection is closed, what had arrived is paid for and logged. Idempotent."""
        if self._stream._unfinished:  # else there is nothing to do over there
            self._runner.run(self._stream.close())

    def __repr__(self) -> str:
        return repr(self._stream).replace("<Async", "<", 1)
