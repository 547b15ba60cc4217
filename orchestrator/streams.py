"""A stream after its commit point: read, timed, settled once, whatever ends it.

No policy wraps the iterator. Whoever ends the stream (the vendor, an error, the caller, the finalizer of a stream
that was forgotten) comes to one of the synchronous endings here, and the first one wins.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import cast

from orchestrator.attempt import Exchange, Opened
from orchestrator.backends import Source
from orchestrator.errors import CallTimeout, ContentFiltered, MalformedReply, OrchestratorError, StreamInterrupted
from orchestrator.pipeline import Pipeline
from orchestrator.spec.clock import Clock
from orchestrator.spec.provider import Decoded, Failure
from orchestrator.tasks import chat_usage_so_far, expect
from orchestrator.timers import Timer
from orchestrator.types.chat import ChatReply
from orchestrator.types.collect import Collector
from orchestrator.types.stream import Finish, StreamEvent
from orchestrator.types.usage import Usage

__all__ = ["OpenStream"]


class OpenStream:
    """The rest of a stream, in batches. Belongs to the event loop that opened it, but for `abandon`."""

    def __init__(self, pipeline: Pipeline, opened: Opened, clock: Clock) -> None:
        self._pipeline = pipeline
        self._exchange: Exchange = opened.exchange
        self._source: Source = opened.source
        self._clock = clock
        self._collector = Collector()
        self.loop = asyncio.get_running_loop()
        self._timer: Timer | None = None
        self._error: OrchestratorError | None = None
        self._first_token_ms = (clock.monotonic() - opened.exchange.call.started) * 1e3
        self.reply: ChatReply | None = None
        opened.exchange.call.work = self
        self._ready: list[StreamEvent] = self._take(opened.events)

    async def read(self) -> list[StreamEvent]:
        """The next events, all that are ready; `[]` at the end.

        Raises:
            StreamInterrupted: it broke. Raised after the events that came before the break.
        """
        if self._ready:
            events, self._ready = self._ready, []
            return events
        if self._error is not None:
            raise self._error
        if not self._exchange.open:
            return []
        batch = await self._read_source()
        if not self._exchange.open:
            return await self.read()  # somebody ended it meanwhile
        return self._take(batch) or await self.read()

    async def _read_source(self) -> Decoded:
        call = self._exchange.call
        left_s, stall_s = call.deadline - self._clock.monotonic(), call.route.timeouts.stall_s
        try:
            with Timer(min(stall_s, left_s)) as self._timer:
                return await self._source.read() or [Failure(MalformedReply("the stream ended without its last event"))]
        except TimeoutError:
            if left_s <= stall_s:
                return [Failure(CallTimeout("the stream outlasted the call's deadline", kind="deadline"))]
            return [Failure(CallTimeout(f"no event for {stall_s:g} s", kind="stall"))]
        except OrchestratorError as error:
            return [Failure(error)]
        except BaseException:
            self.close()
            raise

    def _take(self, batch: Decoded) -> list[StreamEvent]:
        """The batch's events for the caller. What ends a stream, well or not, ends its batch."""
        last = batch[-1]
        ends = isinstance(last, Finish | Failure)
        events = cast("list[StreamEvent]", batch[:-1] if ends else batch)
        self._collector.add(events)
        if isinstance(last, Finish):
            self._complete(last, events)
        elif isinstance(last, Failure):
            self._interrupt(last.error)
        return events

    def _complete(self, finish: Finish, events: list[StreamEvent]) -> None:
        """The stream has said everything: settle by the vendor's usage."""
        self._collector.add((finish,))
        self._source.close()
        exchange, call = self._exchange, self._exchange.call
        result = self._collector.result()
        usage = exchange.usage(result)
        try:
            call.output = expect(call.expectation, result)
        except (MalformedReply, ContentFiltered) as error:
            error.request_id = self._source.request_id
            exchange.fail(error, usage=usage, served=result.model, verdict="answered")
            self._fail(error)
            return
        exchange.settle("answered", usage=usage, served=result.model, status=200, request_id=self._source.request_id)
        self.reply = self._pipeline.reply(
            call, exchange, result, usage, result.warnings, first_token_ms=self._first_token_ms
        )
        events.append(
            Finish(reason=finish.reason, usage=usage, cost=self.reply.cost, provider_metadata=finish.provider_metadata)
        )

    def _interrupt(self, error: OrchestratorError) -> None:
        self._source.close()
        exchange = self._exchange
        usage = self._usage_so_far()
        interrupted = StreamInterrupted(
            f"the stream broke: {error.message}",
            text=self._collector.text,
            usage=usage,
            cause=error,
            status=error.status,
            vendor_code=error.vendor_code,
            request_id=error.request_id or self._source.request_id,
            retry_after=error.retry_after,
            maybe_billed=True,
        )
        interrupted.__cause__ = error
        exchange.fail(interrupted, usage=usage, served=self._collector.model)
        self._fail(interrupted)

    def _fail(self, error: OrchestratorError) -> None:
        error.attempts = tuple(self._exchange.call.attempts)
        self._error = error
        partial = self._pipeline.reply(
            self._exchange.call,
            self._exchange,
            self._collector.result(),
            self._exchange.call.attempts[-1].usage or Usage(),
            (),
            first_token_ms=self._first_token_ms,
            error=error,
        )
        if isinstance(error, StreamInterrupted):
            error.reply = partial

    def end(self) -> None:
        """The client was closed. See `Endable`."""
        if self._exchange.open:
            self._interrupt(OrchestratorError("the client was closed during this stream", retryable=True))
            if self._timer is not None:
                self._timer.cut_short()

    def _usage_so_far(self) -> Usage:
        exchange, source, parts = self._exchange, self._source, self._collector.result().message.parts
        frame = exchange.deployment.frame
        return chat_usage_so_far(exchange.request, source.usage, frame, parts, counted=source.closing)

    def close(self) -> None:
        """The caller wants no more. Closes the socket, settles by what had arrived, leaves the log line. Idempotent."""
        self._source.close()
        self._end("cancelled")

    @property
    def unfinished(self) -> bool:
        """Nobody has come to an end of it yet."""
        return self._exchange.open

    @property
    def closed(self) -> bool:
        """It was ended by its reader before its end: nothing more can be had of it."""
        return not (self._exchange.open or self._ready or self.reply or self._error)

    def abandon(self) -> None:
        """Like `close`, for a stream that was forgotten: from any thread, after its event loop too."""
        if self._exchange.open:
            with contextlib.suppress(RuntimeError):  # its loop is closed, and its sockets with it
                self.loop.call_soon_threadsafe(self._source.close)
            self._end("abandoned")

    def _end(self, status: str) -> None:
        exchange = self._exchange
        if not exchange.open:
            return
        usage = self._usage_so_far()
        exchange.settle(
            "answered",
            usage=usage,
            served=self._collector.model,
            error=status.capitalize(),
            status=200,
            request_id=self._source.request_id,
            maybe_billed=True,
        )
        exchange.call.deployment = exchange.deployment
        result = self._collector.result()
        self._pipeline.observe(exchange.call, result=result, request=exchange.request, usage=usage, status=status)
