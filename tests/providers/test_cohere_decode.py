"""What the Cohere wire reads: chats, streams, embeddings, rankings and errors, whole, cut anywhere, and broken."""

from __future__ import annotations

import base64
from array import array
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import (
    AuthenticationFailed,
    ContentFiltered,
    ContextTooLong,
    InvalidRequest,
    MalformedReply,
    OrchestratorError,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from orchestrator.spec.provider import Codecs, Decoded, Failure, Frame, Target
from orchestrator.spec.transport import HttpReply
from orchestrator.transport.sse import SseParser
from orchestrator.types.chat import ChatResult, FinishReason, Message, Reasoning, Text, ToolCall
from orchestrator.types.collect import collect
from orchestrator.types.retrieval import EmbedResult, RerankItem
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
from orchestrator_providers.cohere import WIRE

USAGE = {
    "billed_units": {"input_tokens": 5, "output_tokens": 2},
    "tokens": {"input_tokens": 40.0, "output_tokens": 9, "reasoning_tokens": 3, "image_tokens": 10},
    "cached_tokens": 16,
}
CALL = {"id": "f_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
START = {"type": "message-start", "id": "r1", "delta": {"message": {"role": "assistant"}}}


def _codecs() -> Codecs:
    return WIRE.bind(Target(profile=WIRE.profile, provider="p", deployment="d", model="m", base_url="http://127.0.0.1"))


def _reply(value: Any, status: int = 200, **headers: str) -> HttpReply:
    return HttpReply(status, headers, value if isinstance(value, bytes) else orjson.dumps(value))


def _chat(message: dict[str, Any] | None = None, **fields: Any) -> ChatResult:
    message = {"role": "assistant", "content": [{"type": "text", "text": "Hi"}]} if message is None else message
    return _codecs().chat.decode(
        _reply({"id": "r1", "message": message, "finish_reason": "COMPLETE", "usage": USAGE} | fields)
    )


def _event(kind: str, index: int = 0, **message: Any) -> dict[str, Any]:
    return {"type": kind, "index": index, "delta": {"message": message}}


def _text(index: int, *pieces: str) -> list[dict[str, Any]]:
    return [
        _event("content-start", index, content={"type": "text", "text": ""}),
        *(_event("content-delta", index, content={"text": piece}) for piece in pieces),
        {"type": "content-end", "index": index},
    ]


def _end(reason: str | None = "COMPLETE", **delta: Any) -> dict[str, Any]:
    return {"type": "message-end", "delta": {"finish_reason": reason, "usage": USAGE} | delta}


def _frames(*events: dict[str, Any]) -> list[Frame]:
    return [(event.get("type", ""), orjson.dumps(event)) for event in events]


def _events(*events: dict[str, Any]) -> Decoded:
    decoder = _codecs().chat.decoder()
    return [*decoder.feed(_frames(*events)), *decoder.end()]


def _failure(found: Decoded) -> OrchestratorError:
    assert isinstance(found[-1], Failure)
    assert not [event for event in found if isinstance(event, Finish)]
    return found[-1].error


def test_usage_counts_what_was_processed() -> None:
    """Input is what the model processed, images on top; billed units, another count, stay in `raw`."""
    assert _chat().usage == Usage(
        input_tokens=50, output_tokens=9, cache_read_tokens=16, reasoning_tokens=3, input_image_tokens=10, raw=USAGE
    )
    assert _chat(usage=None).usage is None


@pytest.mark.parametrize(
    ("raw", "unified"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("ERROR_LIMIT", "length"),
        ("ERROR_TOXIC", "content_filter"),
        ("USER_CANCEL", "other"),
    ],
)
def test_finish_reasons(raw: str, unified: Any) -> None:
    """Each finish reason has a unified meaning and is kept as it came, in answers and streams alike."""
    assert _chat(finish_reason=raw).finish_reason == FinishReason(unified, raw)
    finish = _events(START, *_text(0, "Hi"), _end(raw))[-1]
    assert isinstance(finish, Finish)
    assert finish.reason == FinishReason(unified, raw)


@pytest.mark.parametrize("raw", ["ERROR", "TIMEOUT"])
def test_a_failed_generation_is_an_error(raw: str) -> None:
    """An answer with status 200 that says it failed is the vendor's failure, in answers and streams alike."""
    with pytest.raises(ServerError) as caught:
        _chat(finish_reason=raw)
    streamed = _failure(_events(START, *_text(0, "Hi"), _end(raw)))
    for error in (caught.value, streamed):
        assert type(error) is ServerError
        assert (error.vendor_code, error.request_id, error.retryable, error.maybe_billed) == (raw, "r1", True, True)


def test_parts_of_a_message() -> None:
    """A plan is a mark without text, thinking is reasoning, and an unknown block is kept whole in its place."""
    image = {"type": "image", "id": "i"}
    message = {
        "tool_plan": "I will look.",
        "content": [{"type": "thinking", "thinking": "hm"}, image, {"type": "text", "text": "Hi"}],
        "tool_calls": [CALL, CALL | {"id": "f_2", "function": {"name": "f", "arguments": "null"}}],
        "citations": [{"start": 0, "end": 2}],
    }
    result = _chat(message, finish_reason="TOOL_CALL")
    assert result.message.parts == (
        Reasoning("", provider_metadata={"cohere": {"tool_plan": "I will look."}}),
        Reasoning("hm"),
        Reasoning("", provider_metadata={"cohere": {"block": image}}),
        Text("Hi"),
        ToolCall(id="f_1", name="f", arguments={"a": 1}),
        ToolCall(id="f_2", name="f"),
    )
    assert result.provider_metadata == {"cohere": {"citations": [{"start": 0, "end": 2}]}}
    assert (result.response_id, result.model) == ("r1", None)


def test_content_as_plain_text() -> None:
    """Content that is a string instead of a list of blocks reads the same."""
    assert _chat({"role": "assistant", "content": "Hi"}).message == Message("assistant", (Text("Hi"),))


def test_answers_of_the_first_version() -> None:
    """A v1 answer decodes with the same functions, its calls without ids included."""
    body = {
        "response_id": "r1",
        "text": "Hi",
        "finish_reason": "COMPLETE",
        "tool_calls": [{"name": "f", "parameters": {"a": 1}}],
        "meta": USAGE,
    }
    result = _codecs().chat.decode(_reply(body))
    assert result.message.parts == (Text("Hi"), ToolCall(id="call_0", name="f", arguments={"a": 1}))
    assert result.usage == _chat().usage
    lines = [
        {"event_type": "stream-start", "is_finished": False},
        {"event_type": "text-generation", "text": "H"},
        {"event_type": "text-generation", "text": "i"},
        {"event_type": "stream-end", "is_finished": True, "finish_reason": "COMPLETE", "response": body},
    ]
    assert collect(_events(*lines)) == result


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"id": "r1", "message": {"content": [',
        b"[]",
        b'{"id": "r1", "message": "not found"}',
        {"id": "r1", "message": {"content": []}, "finish_reason": None},
        {"id": "r1", "message": {"content": ["x"]}, "finish_reason": "COMPLETE"},
        {"id": "r1", "message": {"content": [{"type": "text"}]}, "finish_reason": "COMPLETE"},
        {"id": "r1", "message": {"tool_calls": [{"id": "x"}]}, "finish_reason": "TOOL_CALL"},
    ],
)
def test_an_answer_that_is_none(body: Any) -> None:
    """Whatever is not a complete chat of this API is malformed, and nothing else."""
    with pytest.raises(MalformedReply):
        _codecs().chat.decode(_reply(body))


def test_events_of_a_stream() -> None:
    """Plan, thinking, text and calls open, grow and close in order, a call with whole arguments at its end."""
    started = CALL | {"function": {"name": "f", "arguments": ""}}
    found = _events(
        START,
        _event("tool-plan-delta", tool_plan="I will"),
        _event("tool-plan-delta", tool_plan=" look."),
        _event("content-start", 0, content={"type": "thinking", "thinking": ""}),
        _event("content-delta", 0, content={"thinking": "hm"}),
        {"type": "content-end", "index": 0},
        *_text(1, "Hel", "lo"),
        _event("citation-start", 0, citations={"start": 0, "end": 2}),
        {"type": "citation-end", "index": 0},
        _event("tool-call-start", 0, tool_calls=started),
        _event("tool-call-delta", 0, tool_calls={"function": {"arguments": '{"a"'}}),
        _event("tool-call-delta", 0, tool_calls={"function": {"arguments": ":1}"}}),
        {"type": "tool-call-end", "index": 0},
        _end("TOOL_CALL"),
    )
    assert found == [
        ResponseMetadata(response_id="r1"),
        ReasoningStart("plan"),
        ReasoningEnd("plan", {"cohere": {"tool_plan": "I will look."}}),
        ReasoningStart("0"),
        ReasoningDelta("0", "hm"),
        ReasoningEnd("0"),
        TextStart("1"),
        TextDelta("1", "Hel"),
        TextDelta("1", "lo"),
        TextEnd("1"),
        ToolCallStart("call_0", "f"),
        ToolCallDelta("call_0", '{"a"'),
        ToolCallDelta("call_0", ":1}"),
        ToolCallEnd("call_0", ToolCall(id="f_1", name="f", arguments={"a": 1})),
        Finish(
            reason=FinishReason("tool_calls", "TOOL_CALL"),
            usage=_chat().usage,
            provider_metadata={"cohere": {"citations": [{"start": 0, "end": 2}]}},
        ),
    ]


def test_a_plan_ends_where_its_calls_begin() -> None:
    """A plan straight before a call is complete before the call opens."""
    found = _events(
        START,
        _event("tool-plan-delta", tool_plan="p"),
        _event("tool-call-start", 0, tool_calls=CALL),
        {"type": "tool-call-end", "index": 0},
        _end("TOOL_CALL"),
    )
    kinds = [type(event) for event in found]
    assert kinds[1:5] == [ReasoningStart, ReasoningEnd, ToolCallStart, ToolCallDelta]


@pytest.mark.parametrize("calls", [("answer",), ("tool", "answer"), ("tool",)])
def test_the_stand_in_is_the_answer(calls: tuple[str, ...]) -> None:
    """The call that stands in for an output schema is text, in a stream as in a whole answer, and no call is left."""
    answer = {"id": "o_1", "type": "function", "function": {"name": "orchestrator_output", "arguments": '{"a":1}'}}
    asked = [answer if call == "answer" else CALL for call in calls]
    frames = []
    for index, call in enumerate(asked):
        opening = {**call, "function": {**call["function"], "arguments": ""}}
        pieces = call["function"]["arguments"][:3], call["function"]["arguments"][3:]
        frames.append(_event("tool-call-start", index, tool_calls=opening))
        frames += [_event("tool-call-delta", index, tool_calls={"function": {"arguments": piece}}) for piece in pieces]
        frames.append({"type": "tool-call-end", "index": index})
    streamed = collect(_events(START, *frames, _end("TOOL_CALL")))
    message = {"role": "assistant", "tool_calls": asked}
    whole = _codecs().chat.decode(_reply({"id": "r1", "message": message, "finish_reason": "TOOL_CALL"}))
    assert streamed.message == whole.message
    assert whole.message.text == ('{"a":1}' if "answer" in calls else "")
    expected = "tool_calls" if "tool" in calls else "stop"
    assert streamed.finish_reason.unified == whole.finish_reason.unified == expected


def test_unknown_content_of_a_stream_is_whole() -> None:
    """Content of a kind nobody knows yet is put together in its place, as in a whole answer."""
    block = {"type": "sketch", "sketch": "ab"}
    streamed = collect(
        _events(
            START,
            _event("content-start", 0, content={"type": "sketch", "sketch": ""}),
            _event("content-delta", 0, content={"sketch": "a"}),
            _event("content-delta", 0, content={"sketch": "b"}),
            {"type": "content-end", "index": 0},
            _end(),
        )
    )
    assert streamed == _chat({"content": [block]})


def test_what_was_left_open_is_closed() -> None:
    """A plan, text or call that nobody closed is closed by the end of the message."""
    found = _events(
        START,
        *_text(0, "Hi")[:-1],
        _event("tool-plan-delta", tool_plan="p"),
        _event("tool-call-start", 0, tool_calls=CALL),
        _end("TOOL_CALL"),
    )
    parts = collect(found).message.parts
    assert parts[0] == Text("Hi")
    assert parts[-1] == ToolCall(id="f_1", name="f", arguments={"a": 1})


def test_closing_and_done() -> None:
    """`message-end` is the end: usage is known, and nothing after it is read, the vendor's `[DONE]` included."""
    decoder = _codecs().chat.decoder()
    decoder.feed(_frames(START, *_text(0, "Hi")))
    assert (decoder.closing, decoder.done, decoder.usage) == (False, False, None)
    decoder.feed([*_frames(_end()), ("", b"[DONE]")])
    assert (decoder.closing, decoder.done, decoder.usage) == (True, True, _chat().usage)
    assert decoder.end() == []


@pytest.mark.parametrize("events", [[], [START], [START, *_text(0, "Hi")]])
@pytest.mark.parametrize("marker", [[], [("", b"[DONE]")]])
def test_the_end_of_bytes_is_not_the_end(events: list[dict[str, Any]], marker: list[Frame]) -> None:
    """A stream without its terminal signal is malformed, with or without `[DONE]`."""
    decoder = _codecs().chat.decoder()
    found = [*decoder.feed([*_frames(*events), *marker]), *decoder.end()]
    assert isinstance(_failure(found), MalformedReply)
    assert decoder.end() == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[1]",
        b"null",
        b'"x"',
        b'{"type":"content-delta"}',
        b'{"type":"content-delta","index":9,"delta":{"message":{"content":{"text":"x"}}}}',
        b'{"type":"content-delta","index":0,"delta":{"message":{"content":{"text":5}}}}',
        b'{"type":"content-delta","index":0,"delta":{"message":{"content":[]}}}',
        b'{"type":"tool-call-end","index":4}',
        b'{"type":"message-end"}',
        b'{"type":"message-end","delta":{}}',
    ],
)
def test_broken_frames_never_raise(data: bytes) -> None:
    """An event of the wrong shape ends the stream with one failure, and no event follows it."""
    decoder = _codecs().chat.decoder()
    decoder.feed(_frames(START, _text(0)[0]))
    found = decoder.feed([("", data), *_frames(_end())])
    assert len(found) == 1
    assert isinstance(_failure(found), MalformedReply)
    assert decoder.end() == []


def test_an_error_inside_a_stream() -> None:
    """An error object in a stream is the vendor's failure, events that come to be known later are not."""
    error = _failure(_events(START, {"id": "e1", "message": "upstream broke"}))
    assert type(error) is ServerError
    assert (error.request_id, error.message) == ("e1", "upstream broke")
    assert collect(_events(START, {"type": "debug", "prompt": "x"}, *_text(0, "Hi"), _end())).message.text == "Hi"


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "invalid request: x", (InvalidRequest, "request", False)),
        (400, "too many tokens: size limit exceeded by 9 tokens", (ContextTooLong, "deployment", False)),
        (401, "invalid api token", (AuthenticationFailed, "credential", False)),
        (402, "billing", (QuotaExhausted, "credential", False)),
        (403, "forbidden", (AuthenticationFailed, "credential", False)),
        (404, "model 'x' not found", (InvalidRequest, "deployment", False)),
        (422, "unprocessable", (InvalidRequest, "request", False)),
        (
            429,
            "You are using a Trial key, which is limited to 40 API calls / minute",
            (RateLimited, "deployment", True),
        ),
        (
            429,
            "You are using a Trial key, which is limited to 1000 API calls / month",
            (QuotaExhausted, "credential", False),
        ),
        (498, "blocked token", (ContentFiltered, "request", False)),
        (499, "cancelled", (ServerError, "deployment", True)),
        (500, "internal", (ServerError, "deployment", True)),
    ],
)
def test_errors(status: int, message: str, expected: tuple[type[Exception], str, bool]) -> None:
    """Each documented status has its class, scope and retryability, for all three tasks."""
    reply = _reply({"id": "e1", "message": message}, status)
    codecs = _codecs()
    for codec in (codecs.chat, codecs.embed, codecs.rerank):
        error = codec.error(reply)
        assert (type(error), error.scope, error.retryable) == expected
        assert (error.status, error.request_id) == (status, "e1")


def _embed(embeddings: Any, **fields: Any) -> EmbedResult:
    meta = {"billed_units": {"input_tokens": 4}}
    return _codecs().embed.decode(_reply({"id": "e1", "embeddings": embeddings, "meta": meta} | fields))


def test_embeddings() -> None:
    """Vectors come as a list, by type, or as base64 of little-endian floats; usage is the billed input."""
    floats = [[0.5, -1.0], [2.0, 0.0]]
    assert _embed(floats).vectors == floats
    assert _embed({"int8": [[1, 2]], "float": floats}).vectors == floats
    assert _embed({"int8": [[1, 2]]}).vectors == [[1, 2]]
    packed = base64.b64encode(bytes.fromhex("0000003f000080bf")).decode()
    assert _embed({"base64": [packed]}).vectors == [array("f", [0.5, -1.0])]
    assert _embed(floats, meta=None).usage is None
    result = _embed({"float": floats})
    assert result.usage == Usage(input_tokens=4, raw={"billed_units": {"input_tokens": 4}})
    assert (result.response_id, result.model) == ("e1", None)


@pytest.mark.parametrize(
    "embeddings", [None, {}, "x", [1.0], {"float": [1.0]}, {"base64": ["###"]}, {"base64": ["AA=="]}]
)
def test_embeddings_that_are_none(embeddings: Any) -> None:
    """Whatever holds no vectors is malformed, and nothing else."""
    with pytest.raises(MalformedReply):
        _embed(embeddings)


def test_ranking() -> None:
    """Results keep the vendor's order, best first; the count is in search units, not tokens."""
    rows = [{"index": 2, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0}]
    result = _codecs().rerank.decode(
        _reply({"id": "k1", "results": rows, "meta": {"billed_units": {"search_units": 1}}})
    )
    assert result.results == (RerankItem(2, 0.9), RerankItem(0, 0.0))
    assert result.usage == Usage(search_units=1.0, raw={"billed_units": {"search_units": 1}})
    assert result.response_id == "k1"
    assert _codecs().rerank.decode(_reply({"results": []})).usage is None


@pytest.mark.parametrize("body", [{}, {"results": None}, {"results": [{"index": 1}]}, {"results": ["x"]}, b"{"])
def test_a_ranking_that_is_none(body: Any) -> None:
    """Whatever holds no ranking is malformed, and nothing else."""
    with pytest.raises(MalformedReply):
        _codecs().rerank.decode(_reply(body))


STREAM = b"".join(
    b"event: %s\ndata: %s\n\n" % (name.encode(), data)
    for name, data in _frames(
        START,
        _event("tool-plan-delta", tool_plan="Mal sehen, ü"),
        *_text(0, "Grüße", " an ", "alle 🙂"),
        _event("tool-call-start", 0, tool_calls=CALL),
        {"type": "tool-call-end", "index": 0},
        _end("TOOL_CALL"),
    )
)


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_cutting_the_bytes_changes_nothing(cuts: list[int]) -> None:
    """However the bytes of a stream arrive, its events are the same."""
    parser, decoder = SseParser(), _codecs().chat.decoder()
    found: Decoded = []
    for left, right in pairwise([0, *sorted(cuts), len(STREAM)]):
        found += decoder.feed(parser.feed(STREAM[left:right]))
    found += [*decoder.feed(parser.end()), *decoder.end()]
    whole = SseParser()
    assert found == _codecs().chat.decoder().feed([*whole.feed(STREAM), *whole.end()])
    assert collect(found).message.text == "Grüße an alle 🙂"


@given(data=st.binary(max_size=60), status=st.integers(100, 599))
def test_no_bytes_make_it_raise(data: bytes, status: int) -> None:
    """Whatever the bytes, an error is classified and a stream ends with a failure."""
    assert isinstance(_codecs().chat.error(HttpReply(status, {}, data)), OrchestratorError)
    decoder = _codecs().chat.decoder()
    assert isinstance([*decoder.feed([("", data)]), *decoder.end()][-1], Failure)
