"""What comes back from Converse and InvokeModel: whole, as a stream, and as an error."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from bedrock_support import CLAUDE, NOVA, ask, body, chat, failure, message
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import (
    AuthenticationFailed,
    CallTimeout,
    ContextTooLong,
    InvalidRequest,
    MalformedReply,
    OrchestratorError,
    Overloaded,
    RateLimited,
    ServerError,
    UnsupportedFeature,
)
from orchestrator.spec.provider import ChatCodec, Decoded, Failure, Frame
from orchestrator.spec.transport import HttpReply
from orchestrator.types.chat import ChatResult, Media, Reasoning, Text, ToolCall
from orchestrator.types.collect import collect
from orchestrator.types.stream import Finish
from orchestrator_providers.bedrock.errors import stream_failure

USAGE = {"inputTokens": 9, "outputTokens": 4, "totalTokens": 13}


def _whole(*content: Any, stop: str = "end_turn", codec: ChatCodec | None = None, **more: Any) -> ChatResult:
    answer = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": stop, "usage": USAGE}
    return (codec or chat()).decode(HttpReply(200, {}, orjson.dumps(answer | more)))


def _delta(index: int, **delta: Any) -> Frame:
    return "contentBlockDelta", orjson.dumps({"contentBlockIndex": index, "delta": delta, "p": "abc"})


def _start(index: int, **start: Any) -> Frame:
    return "contentBlockStart", orjson.dumps({"contentBlockIndex": index, "start": start})


def _stop(index: int) -> Frame:
    return "contentBlockStop", orjson.dumps({"contentBlockIndex": index})


def _end(reason: str = "end_turn", **more: Any) -> list[Frame]:
    metadata = {"usage": USAGE, "p": "abc"} | more
    return [("messageStop", orjson.dumps({"stopReason": reason})), ("metadata", orjson.dumps(metadata))]


def _feed(*frames: Frame, codec: ChatCodec | None = None) -> Decoded:
    decoder = (codec or chat()).decoder()
    return [*decoder.feed(frames), *decoder.end()]


def _failed(*frames: Frame) -> OrchestratorError:
    last = _feed(*frames)[-1]
    assert isinstance(last, Failure)
    return last.error


def _same(content: list[Any], frames: list[Frame], stop: str = "end_turn") -> ChatResult:
    """Decodes both ways and sees that they agree."""
    whole = _whole(*content, stop=stop)
    assert collect([event for event in _feed(*frames, *_end(stop)) if not isinstance(event, Failure)]) == whole
    return whole


def test_cited_text_keeps_its_citations() -> None:
    """Text with citations is one text whose marks hold them, either way, and travels back as it came."""
    cite = {"title": "facts", "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 3}}}
    block = {"citationsContent": {"content": [{"text": "It is."}], "citations": [cite]}}
    frames = [_delta(0, text="It "), _delta(0, citation=cite), _delta(0, text="is."), _stop(0)]
    found = _same([block], frames)
    assert found.message.parts == (Text("It is.", provider_metadata={"bedrock": {"citations": [cite]}}),)
    assert body(chat().encode(ask(message("user", "A"), found.message)))["messages"][1]["content"] == [block]


def test_redacted_reasoning_in_pieces() -> None:
    """Encrypted reasoning comes as bytes, in any number of pieces."""
    block = {"reasoningContent": {"redactedContent": base64.b64encode(b"secret").decode()}}
    pieces = [_delta(0, reasoningContent={"redactedContent": base64.b64encode(x).decode()}) for x in (b"sec", b"ret")]
    found = _same([block], [*pieces, _stop(0)])
    assert found.message.parts == (
        Reasoning("", provider_metadata={"bedrock": {"redactedContent": block["reasoningContent"]["redactedContent"]}}),
    )


def test_tools_that_the_vendor_runs_keep_their_place() -> None:
    """A server tool's call and result are blocks of their own, no tool call of ours, and travel back as they came."""
    opened = {"toolUseId": "s1", "name": "nova_code_interpreter", "type": "server_tool_use"}
    call = {
        "toolUse": {"toolUseId": "s1", "name": "nova_code_interpreter", "type": "server_tool_use", "input": {"a": 1}}
    }
    result = {"toolResult": {"toolUseId": "s1", "type": "x", "status": "success", "content": [{"text": "2"}]}}
    frames = [
        _start(0, toolUse=opened),
        _delta(0, toolUse={"input": '{"a":'}),
        _delta(0, toolUse={"input": "1}"}),
        _stop(0),
        _start(1, toolResult={"toolUseId": "s1", "type": "x", "status": "success"}),
        _delta(1, toolResult=[{"text": "2"}]),
        _stop(1),
    ]
    found = _same([call, result], frames)
    assert found.message.tool_calls == ()
    sent = body(chat(NOVA).encode(ask(message("user", "A"), found.message)))["messages"][1]["content"]
    assert sent == [call, result]


def test_images_that_a_model_makes() -> None:
    """An image in the answer is media, either way."""
    data = base64.b64encode(b"\x89PNG").decode()
    block = {"image": {"format": "png", "source": {"bytes": data}}}
    frames = [_start(0, image={"format": "png"}), _delta(0, image={"source": {"bytes": data}}), _stop(0)]
    assert _same([block], frames).message.parts == (Media(media_type="image/png", data=b"\x89PNG"),)


@pytest.mark.parametrize("pieces", [('{"age"', ": 4}"), ()])
def test_the_stand_in_tool_is_the_answers_text(pieces: tuple[str, ...]) -> None:
    """The call of the tool that stands in for a schema is text, and such an answer just stops."""
    named = {"toolUseId": "t", "name": "orchestrator_output"}
    block = {"toolUse": {**named, "input": "".join(pieces)}}
    frames = [_start(0, toolUse=named), *[_delta(0, toolUse={"input": piece}) for piece in pieces], _stop(0)]
    found = _same([block], frames, "tool_use")
    assert found.message.parts == (Text("".join(pieces)),)
    assert (found.finish_reason.unified, found.finish_reason.raw) == ("stop", "tool_use")


def test_arguments_that_are_no_object_are_kept_as_text() -> None:
    """A call's arguments that are no JSON object are in `invalid_arguments`."""
    named = {"toolUseId": "t", "name": "f"}
    frames = [_start(0, toolUse=named), _delta(0, toolUse={"input": "[1"}), _stop(0)]
    found = _same([{"toolUse": {**named, "input": "[1"}}], frames, "tool_use")
    assert found.message.tool_calls == (ToolCall(id="t", name="f", invalid_arguments="[1"),)


def test_traces_and_tiers_are_kept() -> None:
    """What stands beside the answer is in its metadata; tier and speed, which decide its price, in the raw usage."""
    more = {
        "metrics": {"latencyMs": 3},
        "trace": {"guardrail": {"actionReason": "x"}},
        "serviceTier": {"type": "flex"},
        "performanceConfig": {"latency": "optimized"},
    }
    whole = _whole({"text": "A"}, stop="guardrail_intervened", **more)
    events = _feed(_delta(0, text="A"), _stop(0), *_end("guardrail_intervened", **more))
    assert collect([event for event in events if not isinstance(event, Failure)]) == whole
    assert whole.provider_metadata == {"bedrock": more}
    assert whole.finish_reason.unified == "content_filter"
    assert whole.usage is not None
    assert whole.usage.raw == {**USAGE, "service_tier": "flex", "speed": "optimized"}


def test_starts_and_deltas_that_say_nothing() -> None:
    """An empty start of a text block, an empty delta and a stop of what never opened are no harm."""
    frames = [_start(0), _delta(0), _delta(0, text="A"), _stop(0), _stop(1)]
    assert _same([{"text": "A"}], frames).message.text == "A"


@pytest.mark.parametrize(
    "frames",
    [
        [_start(0, toolUse={"toolUseId": "t", "name": "f"})] * 2,
        [_delta(0, text="A"), _stop(0), _delta(0, text="B")],
        [_start(0, toolUse={"toolUseId": "t", "name": "f"}), _delta(0, text="A")],
        [_start(0, toolUse={"toolUseId": "t"})],
        [("contentBlockDelta", b"{")],
    ],
)
def test_blocks_in_disorder_are_malformed(frames: list[Frame]) -> None:
    """A block that opens twice, goes on after its end, changes its kind or has no name is a malformed reply."""
    assert type(_failed(*frames, *_end())) is MalformedReply


def test_a_stop_reason_is_enough_to_end() -> None:
    """After the stop reason only the usage may follow: a body that ends there is complete, without counts."""
    decoder = chat().decoder()
    events = decoder.feed([_delta(0, text="A"), _stop(0), _end()[0]])
    assert (decoder.closing, decoder.done) == (True, False)
    (last,) = decoder.end()
    assert isinstance(last, Finish)
    assert (last.usage, decoder.done) == (None, True)
    assert collect([*[e for e in events if not isinstance(e, Failure)], last]).message.text == "A"
    assert decoder.end() == []


def test_a_stream_without_a_stop_reason_is_no_answer() -> None:
    """The end of the bytes, or the usage alone, is no end of an answer; it may have been billed."""
    for frames in ([], [_delta(0, text="A")], [_delta(0, text="A"), _end()[1]]):
        error = _failed(*frames)
        assert type(error) is MalformedReply
        assert error.maybe_billed


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"output": {}},
        {"output": {"message": {"content": 5}}, "stopReason": "x"},
        {"output": None, "stopReason": "x"},
    ],
)
def test_answers_of_other_shapes_are_malformed(answer: Any) -> None:
    """JSON that is no answer of this API is a malformed reply."""
    with pytest.raises(MalformedReply):
        chat().decode(HttpReply(200, {}, orjson.dumps(answer)))


def test_an_error_with_status_200_is_an_error() -> None:
    """A proxy's 200 around an error of AWS's is that error."""
    reply = HttpReply(200, {}, b'{"__type": "com.amazon#ThrottlingException", "message": "slow down"}')
    with pytest.raises(RateLimited):
        chat().decode(reply)


@pytest.mark.parametrize(
    ("named", "status", "said", "expected"),
    [
        ("ThrottlingException", 429, "Too many tokens, please wait", (RateLimited, "deployment", True)),
        ("ThrottlingException", 429, "Too many tokens per day", (RateLimited, "deployment", False)),
        ("ModelNotReadyException", 429, "not ready", (Overloaded, "deployment", True)),
        ("ServiceUnavailableException", 503, "busy", (Overloaded, "deployment", True)),
        ("InternalServerException", 500, "oops", (ServerError, "deployment", True)),
        ("ModelTimeoutException", 408, "slow", (CallTimeout, "deployment", True)),
        ("ModelErrorException", 424, "broken", (ServerError, "deployment", True)),
        ("ServiceQuotaExceededException", 400, "quota", (RateLimited, "deployment", False)),
        ("ResourceNotFoundException", 404, "no model", (InvalidRequest, "deployment", False)),
        ("AccessDeniedException", 403, "no access to the model", (AuthenticationFailed, "deployment", False)),
        ("AccessDeniedException", 403, "make sure your API Key is valid", (AuthenticationFailed, "credential", False)),
        ("ExpiredTokenException", 403, "expired", (AuthenticationFailed, "credential", False)),
        ("UnrecognizedClientException", 403, "invalid", (AuthenticationFailed, "credential", False)),
        ("InvalidSignatureException", 403, "bad", (AuthenticationFailed, "credential", False)),
        ("ValidationException", 400, "Malformed input request", (InvalidRequest, "request", False)),
        (
            "ValidationException",
            400,
            "The provided model identifier is invalid.",
            (InvalidRequest, "deployment", False),
        ),
        ("ValidationException", 400, "This model doesn't support tool use.", (InvalidRequest, "deployment", False)),
        ("ValidationException", 400, "Input is too long for requested model.", (ContextTooLong, "deployment", False)),
        ("ValidationException", 400, "prompt is too long: 9 tokens > 8 maximum", (ContextTooLong, "deployment", False)),
        (
            "ValidationException",
            400,
            "input length and `max_tokens` exceed context limit",
            (ContextTooLong, "deployment", False),
        ),
        ("", 400, "This model's maximum context length is 8 tokens", (ContextTooLong, "deployment", False)),
        ("", 413, "", (InvalidRequest, "request", False)),
        ("", 500, "", (ServerError, "deployment", True)),
    ],
)
def test_errors_by_their_type(named: str, status: int, said: str, expected: Any) -> None:
    """The type in the header decides first, the status next, the words last."""
    headers = {"x-amzn-errortype": f"{named}:http://internal.amazon.com/", "x-amzn-requestid": "r1"} if named else {}
    error = chat().error(HttpReply(status, headers, orjson.dumps({"message": said})))
    assert failure(error) == expected
    assert (error.status, error.vendor_code) == (status, named or None)
    assert error.request_id == ("r1" if named else None)
    if named:
        same = chat().error(HttpReply(status, {}, orjson.dumps({"__type": f"a.b#{named}", "message": said})))
        assert failure(same) == expected
        assert failure(stream_failure(named[0].lower() + named[1:], orjson.dumps({"message": said}))) == expected


def test_an_error_inside_a_stream_ends_it() -> None:
    """An exception's frame is a failure of its class, after what came before, and nothing follows it."""
    events = _feed(_delta(0, text="A"), ("!throttlingException", b'{"message":"slow"}'), _delta(0, text="B"), *_end())
    assert [type(event).__name__ for event in events] == ["TextStart", "TextDelta", "Failure"]
    last = events[-1]
    assert isinstance(last, Failure)
    assert (type(last.error), last.error.status, last.error.vendor_code) == (RateLimited, 429, "throttlingException")
    model = _failed(("!modelStreamErrorException", b'{"originalStatusCode":500,"originalMessage":"tokens"}'))
    assert (type(model), model.message, model.maybe_billed) == (ServerError, "tokens", True)


@given(st.text(max_size=30), st.binary(max_size=60), st.dictionaries(st.text(max_size=20), st.text(max_size=20)))
def test_classifying_never_raises(name: str, data: bytes, headers: dict[str, str]) -> None:
    """Any bytes, names and headers give an error of ours."""
    assert isinstance(stream_failure(name, data), OrchestratorError)
    for status in (200, 400, 403, 429, 503):
        error = chat().error(HttpReply(status, headers | {"x-amzn-errortype": name}, data))
        assert isinstance(error, OrchestratorError)


def _chunk(value: Any) -> Frame:
    return "chunk", orjson.dumps(value)


def test_claude_by_invoke() -> None:
    """`chat_api: invoke` sends Claude the Messages API's body with AWS's version, and no model, to the other path."""
    codec = chat(CLAUDE, chat_api="invoke")
    own = {"bedrock": {"anthropic_beta": ["x"]}, "anthropic": {"metadata": {}}}
    encoded = codec.encode(ask(max_output_tokens=5, provider_options=own))
    sent = body(encoded)
    assert sent["anthropic_version"] == "bedrock-2023-05-31"
    assert sent["anthropic_beta"] == ["x"]
    assert (sent["max_tokens"], "metadata" in sent, "model" in sent) == (5, False, False)
    assert encoded.request.url.endswith("v1%3A0/invoke")
    stream = codec.encode_stream(ask())
    assert "stream" not in body(stream)
    assert stream.request.url.endswith("/invoke-with-response-stream")
    picture = Media(media_type="image/png", url="https://h.test/a.png")
    with pytest.raises(UnsupportedFeature, match="no URLs"):
        codec.encode(ask(message("user", picture)))


def test_a_claude_stream_by_invoke() -> None:
    """The model's own events are read by its own decoder; an exception of AWS's is a failure."""
    codec = chat(CLAUDE, chat_api="invoke")
    frames = [
        _chunk({"type": "message_start", "message": {"id": "m1", "model": "claude", "usage": {"input_tokens": 3}}}),
        _chunk({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        _chunk({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "A"}}),
        _chunk({"type": "content_block_stop", "index": 0}),
        _chunk({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}),
        _chunk({"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 3}}),
    ]
    result = collect([event for event in _feed(*frames, codec=codec) if not isinstance(event, Failure)])
    assert (result.message.text, result.response_id, result.finish_reason.raw) == ("A", "m1", "end_turn")
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens) == (3, 1)
    for broken in ([*frames[:3], ("!throttlingException", b"{}"), *frames[3:]], frames[:4]):
        last = _feed(*broken, codec=codec)[-1]
        assert isinstance(last, Failure)
    assert codec.error(HttpReply(429, {"x-amzn-errortype": "ThrottlingException"}, b"{}")).retryable


def test_nova_by_invoke() -> None:
    """`chat_api: invoke` sends Nova its own format, with its own fields among the others, and reads it back."""
    codec = chat(NOVA, chat_api="invoke")
    own = {"bedrock": {"additionalModelRequestFields": {"inferenceConfig": {"topK": 3}}}}
    encoded = codec.encode(ask(max_output_tokens=5, reasoning_effort="low", provider_options=own))
    assert body(encoded) == {
        "schemaVersion": "messages-v1",
        "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        "inferenceConfig": {"maxTokens": 5, "topK": 3},
        "reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"},
    }
    frames = [
        _chunk({"messageStart": {"role": "assistant"}}),
        _chunk({"contentBlockDelta": {"delta": {"text": "A"}, "contentBlockIndex": 0}, "amazon-bedrock-x": "NONE"}),
        _chunk({"contentBlockStop": {"contentBlockIndex": 0}}),
        _chunk({"messageStop": {"stopReason": "end_turn"}}),
        _chunk({"metadata": {"usage": USAGE}, "amazon-bedrock-invocationMetrics": {}}),
    ]
    assert collect([e for e in _feed(*frames, codec=codec) if not isinstance(e, Failure)]) == _whole({"text": "A"})


_EVENTS = ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata")
_FIELDS = ("start", "delta", "toolUse", "text", "input", "name", "toolUseId", "reasoningContent", "signature", "type")
_OTHERS = ("redactedContent", "citation", "image", "contentBlockIndex", "stopReason", "usage", "index", "message")
_KEYS = st.sampled_from([*_EVENTS, *_FIELDS, *_OTHERS])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=12,
)


@given(
    st.sampled_from([CLAUDE, NOVA, "x.y"]), st.lists(st.tuples(st.sampled_from([*_EVENTS, "chunk", "!x", ""]), _JSON))
)
def test_no_event_raises(model: str, frames: list[tuple[str, Any]]) -> None:
    """Events of any shape under any name give events or one failure, which is the last."""
    decoder = chat(model, chat_api="invoke").decoder()
    events = [*decoder.feed([(name, orjson.dumps(value)) for name, value in frames]), *decoder.end()]
    assert sum(isinstance(event, Failure | Finish) for event in events) == 1
    assert isinstance(events[-1], Failure | Finish)


def test_other_models_stay_with_converse() -> None:
    """A provider with `chat_api: invoke` may serve other makers' models too: they go by Converse."""
    encoded = chat("meta.llama3-2-1b-instruct-v1:0", chat_api="invoke").encode(ask())
    assert encoded.request.url.endswith("/converse")
