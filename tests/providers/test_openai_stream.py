"""How streams of the OpenAI wire are read."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_support import DONE, chat, chunk, decode_all, frame, reply

from orchestrator.errors import MalformedReply, OrchestratorError, Overloaded, RateLimited, ServerError
from orchestrator.spec.provider import Decoded, Failure, Frame
from orchestrator.transport.sse import SseParser
from orchestrator.types.chat import ChatResult, FinishReason
from orchestrator.types.collect import collect
from orchestrator.types.stream import (
    Finish,
    ResponseMetadata,
    StreamEvent,
    TextDelta,
    TextEnd,
    TextStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)

STOP = chunk(reason="stop")
USAGE = frame({"id": "c1", "model": "m1", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})


def _events(decoded: Decoded) -> list[StreamEvent]:
    assert not any(isinstance(event, Failure) for event in decoded)
    return [event for event in decoded if not isinstance(event, Failure)]


def _collect(*frames: Frame, kind: str = "openai") -> ChatResult:
    return collect(_events(decode_all(chat(kind).decoder(), *frames)))


def _error(decoded: Decoded) -> OrchestratorError:
    assert isinstance(decoded[-1], Failure)
    assert sum(isinstance(event, Failure) for event in decoded) == 1
    return decoded[-1].error


def _calls(*deltas: list[dict[str, Any]]) -> ChatResult:
    return _collect(*[chunk({"tool_calls": delta}) for delta in deltas], chunk(reason="tool_calls"), DONE)


def test_a_text_stream_opens_grows_and_closes_one_block() -> None:
    """Identity first, then one text block, then the end with reason and usage."""
    decoder = chat().decoder()
    decoded = decode_all(
        decoder,
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "He"}),
        chunk({"content": "y"}),
        STOP,
        USAGE,
        DONE,
    )
    assert _events(decoded)[:-1] == [
        ResponseMetadata(response_id="c1", model="m1"),
        TextStart("text"),
        TextDelta("text", "He"),
        TextDelta("text", "y"),
        TextEnd("text"),
    ]
    finish = decoded[-1]
    assert isinstance(finish, Finish)
    assert (finish.reason, decoder.done) == (FinishReason("stop", "stop"), True)
    assert finish.usage is not None
    assert (finish.usage.input_tokens, finish.usage.output_tokens) == (3, 2)


def test_closing_is_known_from_the_reason_on() -> None:
    """Between the reason and `[DONE]` a reader knows that only trailers come; usage may be one of them."""
    decoder = chat().decoder()
    decoder.feed([chunk({"content": "a"})])
    assert not decoder.closing
    assert not any(isinstance(event, Finish) for event in decoder.feed([STOP]))
    assert (decoder.closing, decoder.done) == (True, False)
    decoder.feed([USAGE])
    assert decoder.usage is not None
    assert [type(event) for event in decoder.feed([DONE])][-1] is Finish
    assert decoder.feed([chunk({"content": "late"})]) == decoder.end() == []


@pytest.mark.parametrize("with_done", [True, False])
def test_the_end_needs_a_reason_and_only_a_reason(with_done: bool) -> None:
    """`[DONE]` is no proof and its absence no loss: the finish reason is the terminal signal."""
    tail = [DONE] if with_done else []
    assert _collect(chunk({"content": "a"}), STOP, *tail).message.text == "a"
    error = _error(decode_all(chat().decoder(), chunk({"content": "a"}), *tail))
    assert isinstance(error, MalformedReply)
    assert error.maybe_billed


def test_a_local_server_may_end_with_done_alone() -> None:
    """Where a vendor leaves the reason out, `[DONE]` after a choice ends the stream; the end of bytes never does."""
    result = _collect(chunk({"content": "a"}), DONE, kind="llamacpp")
    assert (result.message.text, result.finish_reason) == ("a", FinishReason("stop", None))
    assert isinstance(_error(decode_all(chat("llamacpp").decoder(), chunk({"content": "a"}))), MalformedReply)
    assert isinstance(_error(decode_all(chat("llamacpp").decoder(), DONE)), MalformedReply)


def test_every_choice_must_end_and_only_the_first_is_ours() -> None:
    """With n > 1 the stream is complete when all choices are; the text is that of choice 0."""
    ours, other = chunk({"content": "a"}), chunk({"content": "b"}, index=1)
    assert _collect(ours, other, STOP, chunk(reason="stop", index=1)).message.text == "a"
    assert isinstance(_error(decode_all(chat().decoder(), ours, other, STOP)), MalformedReply)


def test_a_reason_may_be_repeated_and_then_missing() -> None:
    """A usage chunk that repeats the choice, with or without its reason, does not open it again."""
    trailer = chunk({"content": ""}, None, usage={"prompt_tokens": 1, "completion_tokens": 1})
    result = _collect(chunk({"content": "a"}), STOP, chunk(reason="stop"), trailer, DONE)
    assert result.usage is not None
    assert result.usage.input_tokens == 1


def test_the_last_usage_wins() -> None:
    """Running totals are replaced, never summed, and Groq's place is read too."""
    first = chunk({"content": "a"}, usage={"prompt_tokens": 1, "completion_tokens": 1})
    last = chunk(reason="stop", x_groq={"usage": {"prompt_tokens": 1, "completion_tokens": 9}})
    usage = _collect(first, last, DONE, kind="groq").usage
    assert usage is not None
    assert usage.output_tokens == 9


def test_identity_may_come_late_and_change() -> None:
    """Azure's first chunk has no id and some vendors change it: the first real one counts."""
    nameless = frame({"id": "", "model": "", "choices": []})
    other = frame({"id": "c2", "model": "m1", "choices": [{"index": 0, "delta": {"content": "b"}}]})
    result = _collect(nameless, chunk({"content": "a"}), other, STOP)
    assert (result.response_id, result.model, result.message.text) == ("c1", "m1", "ab")


def test_tool_calls_stream_in_pieces() -> None:
    """Start with the name, pieces of the JSON text, and at the end the parsed arguments."""
    first = chunk({"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f", "arguments": ""}}]})
    pieces = [chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in ('{"a"', ":1}")]
    decoded = _events(decode_all(chat().decoder(), first, *pieces, chunk(reason="tool_calls"), DONE))
    block = "call_0"
    assert decoded[1:4] == [ToolCallStart(block, "f"), ToolCallDelta(block, '{"a"'), ToolCallDelta(block, ":1}")]
    end = decoded[4]
    assert isinstance(end, ToolCallEnd)
    assert (end.tool_call.id, end.tool_call.arguments) == ("x", {"a": 1})


def _piece(name: str | None = None, arguments: Any = None, **place: Any) -> dict[str, Any]:
    return {**place, "function": {"name": name, "arguments": arguments}}


X = _piece("f", "{}", index=0, id="x")
TWO_CALLS: dict[str, list[list[dict[str, Any]]]] = {
    "together": [[X, _piece("g", '{"a":1}', index=1, id="y")]],
    "no index": [[_piece("f", "{}", id="x")], [_piece("g", '{"a":1}', id="y")]],
    "no index in pieces": [[_piece("f", id="x")], [_piece("g", '{"a"', id="y")], [_piece(arguments=":1}")]],
    "one index": [[_piece("f", {}, index=0, id="x")], [_piece("g", {"a": 1}, index=0, id="y")]],
    "repeated": [[X], [_piece("g", '{"a"', index=1, id="y")], [_piece("g", ":1}", index=1, id="y")]],
    "interleaved": [
        [_piece("f", index=0, id="x")],
        [_piece("g", '{"a"', index=1, id="y")],
        [_piece(arguments="", index=0, id="")],
        [_piece(arguments=":1}", index=1, id=None)],
    ],
}


@pytest.mark.parametrize("deltas", TWO_CALLS.values(), ids=TWO_CALLS.keys())
def test_vendors_stream_two_calls_in_many_ways(deltas: list[list[dict[str, Any]]]) -> None:
    """Whole or in pieces, with or without index, with repeated ids and names: always the same two calls."""
    calls = _calls(*deltas).message.tool_calls
    assert [(call.id, call.name, call.arguments) for call in calls] == [("x", "f", {}), ("y", "g", {"a": 1})]


def test_an_old_function_call_is_a_tool_call() -> None:
    """The form that came before tool calls streams in pieces too."""
    pieces = [{"name": "f", "arguments": '{"a"'}, {"arguments": ":1}"}]
    result = _collect(*[chunk({"function_call": piece}) for piece in pieces], chunk(reason="function_call"))
    (call,) = result.message.tool_calls
    assert (call.name, call.arguments, result.finish_reason.unified) == ("f", {"a": 1}, "tool_calls")


def test_pieces_may_lose_the_index_that_their_call_began_with() -> None:
    """A piece without index, id and name goes on with the last call."""
    (call,) = _calls([_piece("f", '{"a"', index=0, id="x")], [_piece(arguments=":1}")]).message.tool_calls
    assert (call.id, call.arguments) == ("x", {"a": 1})


def test_missing_ids_in_a_stream_are_those_of_the_whole_reply() -> None:
    """A made-up id is the same in both forms, and an empty shape is no call."""
    deltas = [[{"index": n, "function": {"name": name, "arguments": "{}"}}] for n, name in enumerate("fg")]
    result = _calls(*deltas, [{"index": 2, "function": {"name": "", "arguments": ""}}])
    assert [call.id for call in result.message.tool_calls] == ["call_0", "call_1"]


@pytest.mark.parametrize(
    ("bad", "cls"),
    [
        (frame({"error": {"message": "busy", "code": "rate_limit_exceeded"}}), RateLimited),
        (frame({"error": {"message": "x", "status_code": 503}}, "error"), Overloaded),
        (frame({"message": "x"}, "error"), ServerError),
        (chunk({"content": ""}, "error", error={"code": 502, "message": "x"}), ServerError),
        (chunk({"content": ""}, "error"), ServerError),
        (frame({"choices": [{"index": 0, "error": {"code": 429, "message": "x"}}]}), RateLimited),
        (("", b"{not json"), MalformedReply),
        (("", b"[]"), MalformedReply),
        (("", b'{"choices":[7]}'), MalformedReply),
        (("", b'{"choices":[{"delta":{"tool_calls":[null]}}]}'), MalformedReply),
        (("", b"\xff"), MalformedReply),
    ],
)
def test_an_error_in_the_stream_ends_it(bad: Frame, cls: type[OrchestratorError]) -> None:
    """An error chunk is an error even if a reason and `[DONE]` follow, and nothing comes after it."""
    decoder = chat("openrouter").decoder()
    decoded = decode_all(decoder, chunk({"content": "a"}), bad, STOP, DONE)
    assert type(_error(decoded)) is cls
    assert not decoder.done


def test_a_call_without_a_name_is_malformed() -> None:
    """Arguments for no tool are no answer."""
    bad = chunk({"tool_calls": [{"index": 0, "id": "x", "function": {"arguments": "{}"}}]})
    assert isinstance(_error(decode_all(chat().decoder(), bad, chunk(reason="tool_calls"), DONE)), MalformedReply)


def test_openrouters_details_are_put_together() -> None:
    """Pieces of one detail become one, an encrypted one stays whole, and all travel with the reasoning."""
    pieces = [
        {"type": "reasoning.text", "index": 0, "text": "a", "signature": None},
        {"type": "reasoning.text", "index": 0, "text": "b", "signature": "s"},
        {"type": "reasoning.encrypted", "index": 1, "data": "x"},
    ]
    frames = [chunk({"content": "", "reasoning": p.get("text"), "reasoning_details": [p]}) for p in pieces]
    part = _collect(*frames, chunk({"content": "4"}), STOP, kind="openrouter").message.parts[0]
    assert part.provider_metadata == {
        "openrouter": {
            "reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "ab", "signature": "s"}, pieces[2]]
        }
    }


def _as_stream(answer: dict[str, Any]) -> list[Frame]:
    """The same answer as a vendor would stream it: one field at a time, text in two pieces."""
    message = dict(answer["choices"][0]["message"])
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    for name in ("reasoning", "reasoning_content", "content", "refusal"):
        text = message.pop(name, None)
        if isinstance(text, str):
            deltas += [{name: text[:2]}, {name: text[2:]}]
        elif isinstance(text, list):
            deltas += [{name: [part]} for part in text]
    deltas += [{"images": [part]} for part in message.pop("images", ())]
    deltas += [{"tool_calls": [call | {"index": n}]} for n, call in enumerate(message.pop("tool_calls", ()))]
    deltas.append(message)
    head = {name: answer[name] for name in ("id", "model")}
    frames = [frame(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}) for delta in deltas]
    last = {"index": 0, "delta": {}, "finish_reason": answer["choices"][0]["finish_reason"]}
    rest = {name: value for name, value in answer.items() if name != "choices"}
    return [*frames, frame(head | {"choices": [last]}), frame(rest | {"choices": []}), DONE]


SIGNED = {"id": "", "extra_content": {"s": 1}, "function": {"name": "f", "arguments": ""}}
THOUGHT = {"reasoning": "a b c", "reasoning_details": [{"type": "reasoning.text", "text": "a b c"}], "content": "4"}


@pytest.mark.parametrize(
    ("kind", "message", "reason"),
    [
        ("openai", {"content": "Hello"}, "length"),
        ("openai", {"content": None, "refusal": "I cannot"}, "stop"),
        ("openai", {"content": "x", "annotations": [{"type": "url_citation"}]}, "stop"),
        ("openai", {"content": "See", "tool_calls": [_piece("f", '{"a": 1}')]}, "stop"),
        ("openai_compatible", {"tool_calls": [SIGNED]}, "tool_calls"),
        ("deepseek", {"reasoning_content": "because", "content": "4"}, "stop"),
        ("mistral", {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "4"}]}, "stop"),
        ("openrouter", THOUGHT, "stop"),
        ("openrouter", {"content": "x", "images": [{"image_url": {"url": "https://host.test/a.png"}}]}, "stop"),
        ("snowflake", {"content": "4"}, ""),
    ],
)
def test_a_collected_stream_equals_the_whole_reply(kind: str, message: dict[str, Any], reason: str) -> None:
    """The same answer gives the same result, streamed or not."""
    codec = chat(kind)
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 1}}
    choice = {"index": 0, "message": message, "finish_reason": reason}
    answer = {"id": "c1", "model": "m1", "service_tier": "flex", "usage": usage, "choices": [choice]}
    whole = codec.decode(reply(answer))
    streamed = collect(_events(decode_all(codec.decoder(), *_as_stream(answer))))
    if kind == "snowflake":  # an empty reason is no reason in a stream
        assert streamed.finish_reason == FinishReason("stop", None)
        assert whole.finish_reason == FinishReason("stop", "")
        assert streamed.message == whole.message
    else:
        assert streamed == whole


def _bytes(*frames: Frame, end: bytes = b"\n") -> bytes:
    return b"".join([b"data: " + data + end + end for _, data in frames])


STREAMS = {
    "text": b": hello\n\n" + _bytes(chunk({"content": "Gr\u00fc\u00dfe \u4f60"}), STOP, USAGE, DONE),
    "tools": _bytes(
        chunk({"reasoning": "hm"}),
        chunk({"tool_calls": [_piece("f", '{"a', index=0, id="x")]}),
        chunk({"tool_calls": [_piece(arguments='":1}', index=0)]}),
        chunk(reason="tool_calls"),
        end=b"\r\n",
    ).rstrip(),
    "error": _bytes(chunk({"content": "a"})) + b'event: error\ndata: {"error":{"message":"x","code":503}}\n\n',
}


@pytest.mark.parametrize("name", sorted(STREAMS))
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_where_the_bytes_are_cut_never_matters(name: str, data: st.DataObject) -> None:
    """Any way of cutting a stream's bytes into reads gives the same events."""
    stream = STREAMS[name]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert _shape(_through(pieces)) == _shape(_through([stream]))


def _through(pieces: list[bytes]) -> Decoded:
    parser, decoder = SseParser(), chat().decoder()
    decoded: Decoded = []
    for piece in pieces:
        decoded += decoder.feed(parser.feed(piece))
    return [*decoded, *decoder.feed(parser.end()), *decoder.end()]


def _shape(decoded: Decoded) -> list[Any]:
    return [(type(e.error), str(e.error)) if isinstance(e, Failure) else e for e in decoded]


NAMES = st.sampled_from(["choices", "delta", "content", "tool_calls", "function", "index", "usage", "error", "id"])
LEAVES = st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(st.characters(codec="ascii"), max_size=5)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)


@given(data=st.binary(max_size=40) | VALUES.map(orjson.dumps))
@settings(max_examples=150, deadline=None)
def test_no_frame_makes_the_decoder_raise(data: bytes) -> None:
    """Whatever a frame holds, the decoder answers with events or one failure."""
    decoder = chat("openrouter").decoder()
    decoded = decode_all(decoder, chunk({"content": "a"}), ("", data))
    assert sum(isinstance(event, Failure) for event in decoded) <= 1
