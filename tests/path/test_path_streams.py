"""The stream contract through the public API, in virtual time: before and after the commit point, all endings."""

from __future__ import annotations

import asyncio
import gc
import pickle

import pytest
from vendor import World, error, sse

from orchestrator import MalformedReply, Overloaded, StreamInterrupted
from orchestrator.errors import CallTimeout, ConnectionFailed
from orchestrator.spec.transport import HttpReply
from orchestrator.types import Finish, ResponseMetadata, StreamStart, TextDelta, TextEnd, TextStart


def tool_chunk(**call):
    return {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, **call}]}, "finish_reason": None}]}


class Slow:
    """A body that comes piece by piece: bytes, seconds to wait, or an exception."""

    status = 200

    def __init__(self, *pieces):
        self.headers = {}
        self.pieces = list(pieces)
        self.closed = False

    async def read(self):
        while self.pieces:
            piece = self.pieces.pop(0)
            if isinstance(piece, bytes):
                return piece
            if isinstance(piece, Exception):
                raise piece
            await asyncio.sleep(piece)
        return b""

    def close(self):
        self.closed = True


def slow_world(*pieces, **more):
    world = World({"a": sse()}, **more)

    async def open_(request, endpoint):
        world.sent.append(("a", world.elapsed))
        world.body = Slow(*pieces)
        return world.body

    world.transport.open = open_
    return world


def bytes_of(*chunks, done=False):
    return sse(*chunks, done=done).body


async def read_all(llm, **options):
    async with llm.stream("answer", "hi", **options) as stream:
        events = [event async for event in stream]
    return events, stream.reply


def test_events_in_order_and_priced():
    """A stream gives start, metadata, a block, and a finish that carries usage and cost; the reply says the same."""
    world = World({"a": sse("hel", "lo")})
    events, reply = world.run(read_all)
    kinds = [type(event) for event in events]
    assert kinds == [StreamStart, ResponseMetadata, TextStart, TextDelta, TextDelta, TextEnd, Finish]
    assert events[-1].cost == reply.cost
    assert reply.cost.total > 0
    assert reply.text == "hello"
    assert reply.usage.input_tokens == 10
    (event,) = world.events
    assert (event.stream, event.status, event.cost) == (True, "ok", reply.cost)


@pytest.mark.parametrize(
    "first",
    [
        error(503),
        HttpReply(200, {}, b""),
        HttpReply(200, {}, b"<html>busy</html>"),
        sse({"error": {"message": "x", "code": 503}}, done=False),
        ConnectionFailed("reset", maybe_billed=True),
    ],
)
def test_failover_is_free_before_commit(first):
    """Whatever breaks before the first payload event, the next deployment gives one clean stream."""
    world = World({"a": first, "b": sse("b")})
    events, reply = world.run(read_all)
    assert reply.deployment == "b"
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["b"]
    assert sum(isinstance(event, StreamStart) for event in events) == 1


def test_error_before_commit_is_raised_on_entry():
    """Entering the block raises what a call without streaming would have raised."""
    world = World({"a": error(503)})
    with pytest.raises(Overloaded):
        world.run(read_all)


def test_interrupted_after_commit():
    """After the first event there is no second try: what arrived, the usage so far, and no half tool call."""
    call = tool_chunk(id="c1", function={"name": "f", "arguments": '{"a": '})
    world = World({"a": sse("one ", "two", call, done=False), "b": sse("b")})

    async def scenario(llm):
        seen = []
        async with llm.stream("answer", "hi") as stream:
            with pytest.raises(StreamInterrupted) as caught:
                async for event in stream:
                    seen.append(event)
        return seen, caught.value

    seen, broken = world.run(scenario)
    assert "".join(event.text for event in seen if isinstance(event, TextDelta)) == "one two"
    assert broken.text == "one two"
    assert broken.reply.tool_calls == ()
    assert broken.usage.source == "estimate"
    assert broken.usage.output_tokens > 0
    assert isinstance(broken.cause, MalformedReply)
    assert world.sent == [("a", 0.0)]
    assert pickle.loads(pickle.dumps(broken)).text == "one two"
    (event,) = world.events
    assert (event.status, event.error) == ("error", broken)
    assert event.cost.estimated


def test_error_event_after_commit():
    """An error inside the stream, even followed by [DONE], is an error after the events before it."""
    failing = {"error": {"message": "overloaded", "code": "server_is_overloaded"}}
    world = World({"a": sse("one", failing, {"choices": []})})

    async def scenario(llm):
        async with llm.stream("answer", "hi") as stream:
            assert "".join([text async for text in _until_broken(stream)]) == "one"
        return True

    async def _until_broken(stream):
        with pytest.raises(StreamInterrupted) as caught:
            async for text in stream.text:
                yield text
        assert isinstance(caught.value.cause, Overloaded)

    assert world.run(scenario)


def test_first_token_timeout_moves_on():
    """Keep-alives do not count: without a payload event within 60 seconds the attempt ends."""
    comment = b": keep-alive\n\n"
    pieces = [piece for _ in range(40) for piece in (comment, 2.0)]
    world = slow_world(*pieces)
    with pytest.raises(CallTimeout) as caught:
        world.run(read_all)
    assert caught.value.kind == "first_token"
    assert caught.value.maybe_billed


def test_stall_after_commit():
    """Thirty seconds of pings without payload end the stream; a slow but steady stream lives on."""
    ping = b": ping\n\n"
    world = slow_world(bytes_of("one"), 20.0, bytes_of("two"), 20.0, ping, 20.0, ping, 20.0)

    async def scenario(llm):
        async with llm.stream("answer", "hi") as stream:
            with pytest.raises(StreamInterrupted) as caught:
                async for _ in stream:
                    pass
        return caught.value

    broken = world.run(scenario)
    assert broken.text == "onetwo"
    assert broken.cause.kind == "stall"
    assert world.elapsed == pytest.approx(50, abs=0.1)
    assert world.body.closed


def test_endless_stream_meets_its_deadline():
    """A stream that never ends is ended by the call's deadline."""
    world = slow_world(*[piece for _ in range(100) for piece in (bytes_of("x"), 1.0)])

    async def scenario(llm):
        async with llm.stream("answer", "hi", deadline=10) as stream:
            with pytest.raises(StreamInterrupted) as caught:
                async for _ in stream:
                    pass
        return caught.value

    assert world.run(scenario).cause.kind == "deadline"
    assert world.elapsed == pytest.approx(10, abs=0.1)


def test_done_but_socket_open_returns_at_once():
    """[DONE] ends the stream although the server keeps the connection open."""
    world = slow_world(bytes_of("hello", done=True), 1000.0)
    _, reply = world.run(read_all)
    assert reply.text == "hello"
    assert world.elapsed < 0.1
    assert world.body.closed


def test_missing_end_marker_after_reason():
    """A terminal reason without the end marker is waited on for two seconds, then accepted."""
    stop = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    world = slow_world(bytes_of("hello", stop), 1000.0)
    _, reply = world.run(read_all)
    assert reply.finish_reason.unified == "stop"
    assert world.elapsed == pytest.approx(2, abs=0.1)


LIMITED = {"deployments": {"a": {"limits": {"concurrency": 1}}}}


def held(world):
    return world.llm._core.snapshot.deployments["a"].gate.slots[0].in_flight


def test_early_close_settles():
    """Leaving the block early closes the socket, frees the slot, and leaves a line with what had arrived."""
    world = slow_world(bytes_of("one"), 1.0, bytes_of("two"), **LIMITED)

    async def scenario(llm):
        async with llm.stream("answer", "hi") as stream:
            async for event in stream:
                if isinstance(event, TextDelta):
                    assert held(world) == 1
                    break

    world.run(scenario)
    assert held(world) == 0
    assert world.body.closed
    (event,) = world.events
    assert event.status == "cancelled"
    assert event.usage.output_tokens >= 1


def test_cancelled_stream_settles():
    """A cancelled task closes the socket and frees the slot."""
    world = slow_world(bytes_of("one"), 100.0, **LIMITED)

    async def scenario(llm):
        task = asyncio.create_task(read_all(llm))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    world.run(scenario)
    assert held(world) == 0
    assert world.body.closed
    assert [event.status for event in world.events] == ["cancelled"]


def test_abandoned_stream_settles():
    """A stream that is forgotten is settled and logged by the log's thread."""
    world = slow_world(bytes_of("one"), 100.0, **LIMITED)

    async def scenario(llm):
        stream = llm.stream("answer", "hi")
        await stream.__aenter__()
        assert held(world) == 1
        del stream
        gc.collect()
        llm._core.log.flush()
        await asyncio.sleep(0.01)

    world.run(scenario)
    assert held(world) == 0
    assert world.body.closed
    assert [event.status for event in world.events] == ["abandoned"]


def test_structured_stream_is_validated_at_its_end():
    """`output=` holds for streams too: the reply carries the value, and an answer that does not fit is an error."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    world = World({"a": [sse('{"n"', ": 1}"), sse("nonsense")]})

    async def scenario(llm):
        _, reply = await read_all(llm, output=schema)
        assert reply.output == {"n": 1}
        with pytest.raises(MalformedReply):
            await read_all(llm, output=schema)

    world.run(scenario)
    assert [event.status for event in world.events] == ["ok", "error"]


def test_stream_must_be_entered():
    """Iterating a stream that was not entered says how to."""
    world = World({"a": sse("x")})

    async def scenario(llm):
        stream = llm.stream("answer", "hi")
        with pytest.raises(RuntimeError, match="async with"):
            async for _ in stream:
                pass
        with pytest.raises(RuntimeError, match="async with"):
            _ = stream.reply

    world.run(scenario)


class Leavable(Slow):
    """A body whose transport can tell a complete answer from one that was given up."""

    def __init__(self, *pieces):
        super().__init__(*pieces)
        self.left = False

    def leave(self):
        self.left = True


@pytest.mark.parametrize("complete", [True, False])
def test_only_a_complete_answer_may_keep_its_connection(complete):
    """A stream is left once the vendor has said everything, and closed at once where its reader gives it up."""
    world = slow_world()
    body = Leavable(bytes_of("hel", "lo", done=True) if complete else bytes_of("hel"))

    async def open_(request, endpoint):
        return body

    world.transport.open = open_

    async def scenario(llm):
        async with llm.stream("answer", "hi") as stream:
            await anext(aiter(stream))

    world.run(scenario)
    assert (body.left, body.closed) == (complete, not complete)
