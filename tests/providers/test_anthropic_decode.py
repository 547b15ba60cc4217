"""What the Anthropic wire reads: answers, streams and errors, whole, cut anywhere, and broken."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import (
    AuthenticationFailed,
    ContextTooLong,
    InvalidRequest,
    MalformedReply,
    OrchestratorError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from orchestrator.spec.provider import Decoded, Failure, Frame, Target
from orchestrator.spec.transport import HttpReply
from orchestrator.transport.sse import SseParser
from orchestrator.types.chat import ChatResult, FinishReason, Reasoning, Text, ToolCall
from orchestrator.types.collect import collect
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
from orchestrator_providers.anthropic import WIRE
from orchestrator_providers.anthropic.codec import AnthropicChat

TARGET = Target(profile=WIRE.profile, provider="p", deployment="d", model="m", base_url="http://127.0.0.1")
USAGE = {
    "input_tokens": 3,
    "cache_read_input_tokens": 20,
    "cache_creation_input_tokens": 100,
    "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
    "output_tokens": 9,
    "output_tokens_details": {"thinking_tokens": 4},
}
START = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "claude-x", "usage": {"input_tokens": 3, "output_tokens": 1}},
}
STOP = {"type": "message_stop"}
SEARCH = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "q"}}


def _codec() -> AnthropicChat:
    return AnthropicChat(TARGET)


def _message(**fields: Any) -> dict[str, Any]:
    text = {"type": "text", "text": "Hi"}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [text]}
    return message | {"stop_reason": "end_turn", "stop_sequence": None, "usage": USAGE} | fields


def _decode(**fields: Any) -> ChatResult:
    return _codec().decode(HttpReply(200, {}, orjson.dumps(_message(**fields))))


def _block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _text(index: int, *pieces: str) -> list[dict[str, Any]]:
    return _block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces))


def _end(reason: str | None = "end_turn", **fields: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": USAGE} | fields


def _frames(*events: dict[str, Any]) -> list[Frame]:
    return [(event["type"], orjson.dumps(event)) for event in events]


def _events(*events: dict[str, Any]) -> Decoded:
    decoder = _codec().decoder()
    return [*decoder.feed(_frames(*events)), *decoder.end()]


def _failure(found: Decoded) -> OrchestratorError:
    assert isinstance(found[-1], Failure)
    assert not [event for event in found if isinstance(event, Finish)]
    return found[-1].error


def test_usage_contains_what_the_cache_held_and_took() -> None:
    """Input contains cached tokens, which the vendor counts beside it; the one-hour part of the writes is apart."""
    assert _decode().usage == Usage(
        input_tokens=123,
        output_tokens=9,
        cache_read_tokens=20,
        cache_write_tokens=100,
        cache_write_1h_tokens=40,
        reasoning_tokens=4,
        raw=USAGE,
    )


def test_unknown_usage_is_none() -> None:
    """What the vendor did not count is None, not zero."""
    usage = _decode(usage={"input_tokens": 1, "output_tokens": 2}).usage
    assert usage == Usage(input_tokens=1, output_tokens=2, raw={"input_tokens": 1, "output_tokens": 2})
    assert _decode(usage=None).usage is None


@pytest.mark.parametrize(
    ("raw", "unified"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("pause_turn", "other"),
        ("something_new", "other"),
    ],
)
def test_finish_reasons(raw: str, unified: Any) -> None:
    """Each stop reason has a unified meaning and is kept as it came, in answers and streams alike."""
    assert _decode(stop_reason=raw).finish_reason == FinishReason(unified, raw)
    finish = _events(START, *_text(0, "Hi"), _end(raw), STOP)[-1]
    assert isinstance(finish, Finish)
    assert finish.reason == FinishReason(unified, raw)


def test_blocks_become_parts() -> None:
    """Text, thinking and calls become parts with their extra fields as marks; other blocks stay whole."""
    cited = {"type": "text", "text": "Hi", "citations": [{"type": "page_location", "cited_text": "x"}]}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}}
    called = call | {"caller": {"type": "code_execution_20250825", "tool_id": "srv_1"}}
    thinking = {"type": "thinking", "thinking": "hm", "signature": "sig"}
    result = _decode(content=[thinking, SEARCH, cited, call, called], stop_reason="tool_use")
    assert result.message.parts == (
        Reasoning("hm", provider_metadata={"anthropic": {"signature": "sig"}}),
        Reasoning("", provider_metadata={"anthropic": {"block": SEARCH}}),
        Text("Hi", provider_metadata={"anthropic": {"citations": cited["citations"]}}),
        ToolCall(id="t", name="f", arguments={"a": 1}),
        ToolCall(id="t", name="f", arguments={"a": 1}, provider_metadata={"anthropic": {"caller": called["caller"]}}),
    )
    assert result.finish_reason == FinishReason("tool_calls", "tool_use")


def test_fields_that_say_nothing_are_no_marks() -> None:
    """Null fields and empty lists leave no marks, which would look like something to send back."""
    (part,) = _decode(content=[{"type": "text", "text": "Hi", "citations": []}]).message.parts
    assert part == Text("Hi")
    assert _decode(container=None).provider_metadata is None


def test_the_output_tools_call_is_the_answer() -> None:
    """The call that stands in for an output schema reads as text and a normal stop, streamed or not."""
    call = {"type": "tool_use", "id": "t", "name": "orchestrator_output", "input": {"city": "Rome"}}
    whole = _decode(content=[call], stop_reason="tool_use")
    pieces = ({"type": "input_json_delta", "partial_json": piece} for piece in ("", '{"city":', '"Rome"}'))
    streamed = collect(_events(START, *_block(0, call | {"input": {}}, *pieces), _end("tool_use"), STOP))
    assert whole.message == streamed.message
    assert whole.message.text == '{"city":"Rome"}'
    assert whole.finish_reason == streamed.finish_reason == FinishReason("stop", "tool_use")


def test_the_output_tools_call_in_one_piece() -> None:
    """A gateway that sends the stand-in's arguments with the block's start gives the same text."""
    call = {"type": "tool_use", "id": "t", "name": "orchestrator_output", "input": {"city": "Rome"}}
    streamed = collect(_events(START, *_block(0, call), _end("tool_use"), STOP))
    assert streamed.message == _decode(content=[call]).message


def test_what_has_no_place_is_in_the_metadata() -> None:
    """Fields of the answer without a place of their own are kept, the same from a stream."""
    extra = {"container": {"id": "c"}, "stop_sequence": "END", "context_management": {"applied_edits": [1]}}
    whole = _decode(**extra)
    end = _end(
        delta={"stop_reason": "end_turn", "stop_sequence": "END", "container": {"id": "c"}},
        context_management=extra["context_management"],
    )
    assert whole.provider_metadata == {"anthropic": extra}
    assert collect(_events(START, *_text(0, "Hi"), end, STOP)).provider_metadata == {"anthropic": extra}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"id": "msg_1", "content": [',
        b"[]",
        b'{"id": "msg_1"}',
        orjson.dumps(_message(stop_reason=None)),
        orjson.dumps(_message(content=None)),
        orjson.dumps(_message(content=["x"])),
        orjson.dumps(_message(content=[{"type": "text"}])),
        orjson.dumps(_message(content=[{"type": "tool_use", "id": "t"}])),
    ],
)
def test_an_answer_that_is_none(body: bytes) -> None:
    """Whatever is not a complete message of this API is malformed, and nothing else."""
    with pytest.raises(MalformedReply):
        _codec().decode(HttpReply(200, {}, body))


def test_an_error_with_status_200() -> None:
    """A body that is an error is one, whatever its status says."""
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}'
    with pytest.raises(Overloaded) as caught:
        _codec().decode(HttpReply(200, {}, body))
    assert (caught.value.status, caught.value.request_id) == (529, "req_1")


def test_events_of_a_stream() -> None:
    """Blocks open, grow and close under the vendor's numbers, a call with whole arguments at its end."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    found = _events(
        START,
        {"type": "ping"},
        *_block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "hm"},
            {"type": "signature_delta", "signature": "si"},
            {"type": "signature_delta", "signature": "g"},
        ),
        *_text(1, "Hel", "", "lo"),
        *_block(
            2,
            call,
            {"type": "input_json_delta", "partial_json": ""},
            {"type": "input_json_delta", "partial_json": '{"a"'},
            {"type": "input_json_delta", "partial_json": ": 1}"},
        ),
        _end("tool_use"),
        STOP,
    )
    assert found == [
        ResponseMetadata(response_id="msg_1", model="claude-x"),
        ReasoningStart("0"),
        ReasoningDelta("0", "hm"),
        ReasoningEnd("0", {"anthropic": {"signature": "sig"}}),
        TextStart("1"),
        TextDelta("1", "Hel"),
        TextDelta("1", "lo"),
        TextEnd("1"),
        ToolCallStart("2", "f"),
        ToolCallDelta("2", '{"a"'),
        ToolCallDelta("2", ": 1}"),
        ToolCallEnd("2", ToolCall(id="toolu_1", name="f", arguments={"a": 1})),
        Finish(reason=FinishReason("tool_calls", "tool_use"), usage=_decode().usage),
    ]


def test_opaque_blocks_of_a_stream_are_whole() -> None:
    """A server tool's input, a compaction and a delta nobody knows yet end up in the block that travels back."""
    compaction = {"type": "compaction", "content": None}
    found = collect(
        _events(
            START,
            *_block(0, SEARCH | {"input": {}}, {"type": "input_json_delta", "partial_json": '{"query":"q"}'}),
            *_block(
                1,
                compaction,
                {"type": "compaction_delta", "content": "sum"},
                {"type": "compaction_delta", "content": "mary"},
            ),
            *_block(
                2,
                {"type": "text", "text": "a"},
                {"type": "citations_delta", "citation": {"n": 1}},
                {"type": "new_delta", "rank": 5},
            ),
            _end(),
            STOP,
        )
    )
    assert found.message.parts == (
        Reasoning("", provider_metadata={"anthropic": {"block": SEARCH}}),
        Reasoning("", provider_metadata={"anthropic": {"block": {"type": "compaction", "content": "summary"}}}),
        Text("a", provider_metadata={"anthropic": {"citations": [{"n": 1}], "rank": 5}}),
    )


def test_arguments_cut_short() -> None:
    """A call whose arguments broke off keeps their text and no made-up object."""
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    delta = {"type": "input_json_delta", "partial_json": '{"a": '}
    result = collect(_events(START, *_block(0, call, delta), _end("max_tokens"), STOP))
    assert result.message.parts == (ToolCall(id="t", name="f", invalid_arguments='{"a": '),)
    assert result.finish_reason.unified == "length"


def test_the_last_usage_counts() -> None:
    """Counts of later events replace earlier ones and never add up; fields that only the first had stay."""
    decoder = _codec().decoder()
    start = START | {
        "message": {"id": "m", "usage": {"input_tokens": 3, "cache_read_input_tokens": 7, "output_tokens": 1}}
    }
    decoder.feed(_frames(start))
    assert decoder.usage is not None
    assert (decoder.usage.input_tokens, decoder.usage.output_tokens) == (10, 1)
    decoder.feed(_frames(_end(None, usage={"output_tokens": 5}), _end(usage={"output_tokens": 8, "input_tokens": 4})))
    assert (decoder.usage.input_tokens, decoder.usage.output_tokens) == (11, 8)
    assert decoder.usage.cache_read_tokens == 7


def test_closing_and_done() -> None:
    """A stop reason announces the end, `message_stop` is the end, and nothing after it is read."""
    decoder = _codec().decoder()
    decoder.feed(_frames(START, *_text(0, "Hi")))
    assert (decoder.closing, decoder.done) == (False, False)
    decoder.feed(_frames(_end()))
    assert (decoder.closing, decoder.done) == (True, False)
    decoder.feed(_frames(STOP))
    assert (decoder.closing, decoder.done) == (True, True)
    assert decoder.feed([("", b"garbage")]) == []
    assert decoder.end() == []


def test_a_gateways_end_marker() -> None:
    """`[DONE]` ends a stream that had its stop reason, and is no end of one that had none."""
    good = _codec().decoder()
    assert isinstance(good.feed([*_frames(START, *_text(0, "Hi"), _end()), ("", b"[DONE]")])[-1], Finish)
    late = _codec().decoder()
    assert isinstance(late.feed([*_frames(START, _end(), STOP), ("data", b"[DONE]")])[-1], Finish)
    bad = _codec().decoder()
    assert isinstance(_failure(bad.feed([*_frames(START, *_text(0, "Hi")), ("", b"[DONE]")])), MalformedReply)
    assert bad.end() == []


@pytest.mark.parametrize("events", [[], [START], [START, *_text(0, "Hi")], [START, *_text(0, "Hi"), _end()]])
def test_the_end_of_bytes_is_not_the_end(events: list[dict[str, Any]]) -> None:
    """A stream that breaks off before its terminal signal is malformed, however much of it came."""
    error = _failure(_events(*events))
    assert isinstance(error, MalformedReply)
    assert error.maybe_billed


def test_message_stop_without_a_reason() -> None:
    """The terminal signal alone, without a stop reason, is no answer."""
    assert isinstance(_failure(_events(START, *_text(0, "Hi"), STOP)), MalformedReply)


def test_a_block_left_open_is_closed() -> None:
    """A block that nobody closed is closed by the end of the message, with its marks."""
    thinking = _block(0, {"type": "thinking", "thinking": "hm", "signature": "s"})[:-1]
    assert _events(START, *thinking, _end(), STOP)[-2] == ReasoningEnd("0", {"anthropic": {"signature": "s"}})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[1]",
        b"null",
        b'"x"',
        b'{"type":"content_block_delta"}',
        b'{"type":"content_block_delta","index":9,"delta":{"type":"text_delta","text":"x"}}',
        b'{"type":"content_block_delta","index":0,"delta":"x"}',
        b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":5}}',
        b'{"type":"content_block_start","index":1,"content_block":{}}',
        b'{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t"}}',
        b'{"type":"content_block_stop","index":4}',
        b'{"type":"message_delta"}',
        b'{"type":"message_start"}',
    ],
)
def test_broken_frames_never_raise(data: bytes) -> None:
    """An event of the wrong shape ends the stream with one failure, and no event follows it."""
    decoder = _codec().decoder()
    decoder.feed(_frames(START, _text(0)[0]))
    found = decoder.feed([("", data), *_frames(_end(), STOP)])
    assert len(found) == 1
    assert isinstance(_failure(found), MalformedReply)
    assert decoder.feed(_frames(STOP)) == []
    assert decoder.end() == []


def test_unknown_events_are_passed_over() -> None:
    """Events that the vendor adds later do no harm."""
    found = _events(START, {"type": "message_mood", "mood": "good"}, *_text(0, "Hi"), _end(), STOP)
    assert collect(found).message.text == "Hi"


@pytest.mark.parametrize(
    ("kind", "cls", "status", "retryable"),
    [
        ("overloaded_error", Overloaded, 529, True),
        ("rate_limit_error", RateLimited, 429, True),
        ("api_error", ServerError, 500, True),
        ("timeout_error", ServerError, 504, True),
        ("invalid_request_error", InvalidRequest, 400, False),
        ("authentication_error", AuthenticationFailed, 401, False),
        ("error_of_tomorrow", ServerError, 500, True),
    ],
)
@pytest.mark.parametrize("name", ["error", ""])
def test_an_error_inside_a_stream(name: str, kind: str, cls: type[Exception], status: int, retryable: bool) -> None:
    """An error event is classified by its type, as the same error would be before the stream."""
    body: dict[str, Any] = {"type": "error", "error": {"type": kind, "message": "m"}, "request_id": "req_1"}
    decoder = _codec().decoder()
    error = _failure(
        decoder.feed([*_frames(START, *_text(0, "Hi")), (name, orjson.dumps(body)), *_frames(_end(), STOP)])
    )
    assert type(error) is cls
    assert (error.status, error.retryable, error.vendor_code, error.request_id) == (status, retryable, kind, "req_1")


def _error(
    status: int, kind: str, message: str = "m", headers: dict[str, str] | None = None, **details: Any
) -> OrchestratorError:
    error: dict[str, Any] = {"type": kind, "message": message} | ({"details": details} if details else {})
    return _codec().error(HttpReply(status, headers or {}, orjson.dumps({"type": "error", "error": error})))


@pytest.mark.parametrize(
    ("status", "kind", "message", "expected"),
    [
        (400, "invalid_request_error", "bad field", (InvalidRequest, "request", False)),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 205351 tokens > 200000 maximum",
            (ContextTooLong, "deployment", False),
        ),
        (
            400,
            "invalid_request_error",
            "You have reached your specified API usage limits.",
            (QuotaExhausted, "credential", False),
        ),
        (
            400,
            "invalid_request_error",
            "Your credit balance is too low to access",
            (QuotaExhausted, "credential", False),
        ),
        (401, "authentication_error", "m", (AuthenticationFailed, "credential", False)),
        (402, "billing_error", "m", (QuotaExhausted, "credential", False)),
        (403, "permission_error", "m", (AuthenticationFailed, "credential", False)),
        (404, "not_found_error", "model: x", (InvalidRequest, "deployment", False)),
        (409, "conflict_error", "m", (ServerError, "deployment", True)),
        (413, "request_too_large", "m", (ContextTooLong, "deployment", False)),
        (429, "rate_limit_error", "m", (RateLimited, "deployment", True)),
        (500, "api_error", "m", (ServerError, "deployment", True)),
        (504, "timeout_error", "m", (ServerError, "deployment", True)),
        (529, "overloaded_error", "m", (Overloaded, "deployment", True)),
    ],
)
def test_errors(status: int, kind: str, message: str, expected: tuple[type[Exception], str, bool]) -> None:
    """Each documented error has its class, scope and retryability; credit problems hide behind a plain 400."""
    error = _error(status, kind, message)
    assert (type(error), error.scope, error.retryable) == expected
    assert (error.status, error.vendor_code) == (status, kind)


def test_a_spend_limit_is_no_rate_limit() -> None:
    """A 429 whose details name an enforced spend limit heals by no waiting."""
    error = _error(429, "rate_limit_error", error_code="enforced_spend_limit_reached")
    assert type(error) is QuotaExhausted
    assert error.vendor_code == "enforced_spend_limit_reached"


def test_a_delay_and_a_veto() -> None:
    """The vendor's delay is passed on, and its word against a retry is taken."""
    assert _error(429, "rate_limit_error", headers={"retry-after": "7"}).retry_after == 7
    assert not _error(529, "overloaded_error", headers={"x-should-retry": "false"}).retryable


@pytest.mark.parametrize(
    ("status", "cls"), [(413, ContextTooLong), (502, ServerError), (529, Overloaded), (403, AuthenticationFailed)]
)
def test_pages_of_the_edge(status: int, cls: type[Exception]) -> None:
    """An HTML page from the edge in front of the API is classified by its status, and not quoted."""
    error = _codec().error(HttpReply(status, {}, b"<html>cloudflare</html>"))
    assert type(error) is cls
    assert "cloudflare" not in str(error)


STREAM = b"".join(
    b"event: %s\ndata: %s\n\n" % (name.encode(), data)
    for name, data in _frames(
        START,
        *_block(0, {"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": "hm é"}),
        *_text(1, "Grüße", " an ", "alle 🙂"),
        *_block(
            2,
            {"type": "tool_use", "id": "t", "name": "f", "input": {}},
            {"type": "input_json_delta", "partial_json": '{"ü":1}'},
        ),
        _end("tool_use"),
        STOP,
    )
)


@given(cuts=st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_cutting_the_bytes_changes_nothing(cuts: list[int]) -> None:
    """However the bytes of a stream arrive, its events are the same."""
    edges = [0, *sorted(cuts), len(STREAM)]
    parser, decoder = SseParser(), _codec().decoder()
    found: Decoded = []
    for left, right in pairwise(edges):
        found += decoder.feed(parser.feed(STREAM[left:right]))
    found += decoder.feed(parser.end())
    found += decoder.end()
    whole = SseParser()
    assert found == _codec().decoder().feed([*whole.feed(STREAM), *whole.end()])
    assert collect(found).message.text == "Grüße an alle 🙂"


@given(data=st.binary(max_size=60), status=st.integers(100, 599))
def test_no_bytes_make_it_raise(data: bytes, status: int) -> None:
    """Whatever the bytes, an error is classified and a stream ends with a failure."""
    assert isinstance(_codec().error(HttpReply(status, {}, data)), OrchestratorError)
    decoder = _codec().decoder()
    assert isinstance([*decoder.feed([("", data)]), *decoder.end()][-1], Failure)
