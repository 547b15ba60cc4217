"""What every chat wire reads, whole and as a stream: one suite for all kinds of the registry."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from entries import chat_codec, kinds_with, representatives, sample_of
from hostile import GARBAGE, SAID, mutated, replies
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streams import check_events, check_parents, check_result, check_usage, cut, failure, read
from wire_sample import ChatSample, Said, Stream

from orchestrator.errors import MalformedReply, OrchestratorError
from orchestrator.spec.provider import Decoded, Failure
from orchestrator.spec.transport import HttpReply
from orchestrator.types.chat import ChatResult, ToolCall
from orchestrator.types.collect import collect
from orchestrator.types.stream import Finish

KINDS = kinds_with("chat")
DEEP = representatives("chat")
few = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def _chat(kind: str) -> ChatSample:
    sample = sample_of(kind).chat
    assert sample is not None
    return sample


def _decode(kind: str, body: Any) -> ChatResult:
    return chat_codec(kind).decode(HttpReply(200, {}, body if isinstance(body, bytes) else orjson.dumps(body)))


def _stream(kind: str, said: Said) -> Decoded:
    return read(chat_codec(kind), [_chat(kind).stream(said).body])


def _shown(kind: str, said: Said) -> Said:
    """As much of it as this wire can show."""
    return said if _chat(kind).reasoning else Said(text=said.text, calls=said.calls, finish=said.finish)


def _calls(result: ChatResult) -> list[tuple[str, Any]]:
    return [(call.name, call.arguments) for call in result.message.tool_calls]


def _stops(said: Said) -> str:
    return "tool_calls" if said.calls else "stop"


@pytest.mark.parametrize("kind", KINDS)
def test_a_plain_answer_is_its_text(kind: str) -> None:
    """An answer of one text decodes to that text, finished with `stop`, with counts."""
    result = _decode(kind, _chat(kind).whole(Said(text="Hello there.")))
    check_result(result)
    assert result.message.text == "Hello there."
    assert len(result.message.parts) == 1
    assert result.finish_reason.unified == "stop"
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens) == (9, 4)


@pytest.mark.parametrize("kind", KINDS)
def test_reasoning_text_and_parallel_calls_come_in_order(kind: str) -> None:
    """Reasoning, text and both tool calls decode in the vendor's order, with the vendor's ids where it gives any."""
    said = _shown(kind, SAID)
    result = _decode(kind, _chat(kind).whole(said))
    check_result(result)
    assert (result.message.reasoning, result.message.text) == (said.reasoning, said.text)
    assert _calls(result) == [(call.name, call.arguments) for call in said.calls]
    ids = [call.id for call in result.message.tool_calls]
    assert len(set(ids)) == 2
    if _chat(kind).own_ids:
        assert [call.id for call in result.message.tool_calls] == [call.id for call in said.calls]
    assert isinstance(result.message.parts[-1], ToolCall)
    assert result.finish_reason.unified == "tool_calls"


@pytest.mark.parametrize("kind", KINDS)
@few
@given(data=st.data())
def test_a_stream_collects_to_the_whole_reply(kind: str, data: st.DataObject) -> None:
    """Whatever the answer, its events obey the algebra and collect to what the same answer decodes to whole."""
    said = _shown(kind, data.draw(replies))
    whole = _decode(kind, _chat(kind).whole(said))
    check_result(whole)
    assert (whole.message.reasoning, whole.message.text) == (said.reasoning, said.text)
    assert _calls(whole) == [(call.name, call.arguments) for call in said.calls]
    events = _stream(kind, said)
    check_events(events)
    assert collect(events) == whole  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", DEEP)
@many
@given(data=st.data())
def test_bytes_cut_anywhere_give_the_same_events(kind: str, data: st.DataObject) -> None:
    """Where the network cuts a stream's bytes never changes its events."""
    body = _chat(kind).stream(_shown(kind, data.draw(st.just(SAID) | replies))).body
    places = data.draw(st.lists(st.integers(0, len(body)), max_size=12))
    assert read(chat_codec(kind), cut(body, places)) == read(chat_codec(kind), [body])


@pytest.mark.parametrize("kind", DEEP)
def test_bytes_that_come_one_by_one_give_the_same_events(kind: str) -> None:
    """A stream that comes byte by byte gives the same events."""
    body = _chat(kind).stream(_shown(kind, SAID)).body
    assert read(chat_codec(kind), [bytes([byte]) for byte in body]) == read(chat_codec(kind), [body])


def _never_finished(kind: str, stream: Stream, body: bytes) -> None:
    events = read(chat_codec(kind), [body])
    error = failure(events)
    check_events(events)
    assert isinstance(error, MalformedReply), f"{error!r} after {len(body)} of {len(stream.body)} bytes"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("said", [SAID, Said(text="Hello there."), Said()], ids=["calls", "text", "empty"])
def test_a_stream_without_its_terminal_signal_never_finishes(kind: str, said: Said) -> None:
    """Cut before any frame up to the terminal signal, a stream is an error and no Finish; after it, it is complete."""
    stream = _chat(kind).stream(_shown(kind, said))
    for count in range(stream.signal + 1):
        _never_finished(kind, stream, b"".join(stream.frames[:count]))
    events = read(chat_codec(kind), [b"".join(stream.frames[: stream.signal + 1])])
    assert isinstance(events[-1], Finish)


@pytest.mark.parametrize("kind", DEEP)
def test_a_stream_cut_inside_a_frame_never_finishes(kind: str) -> None:
    """Cut at any byte before the end of the frame with the terminal signal, a stream is an error and no Finish."""
    stream = _chat(kind).stream(Said(text="Hello there."))
    signal_end = len(b"".join(stream.frames[: stream.signal + 1]).rstrip())
    for size in range(signal_end):
        _never_finished(kind, stream, stream.body[:size])


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_read_after_the_end(kind: str) -> None:
    """Frames after the end change nothing: a second answer behind the first is not read."""
    if _chat(kind).ends_with_body:
        pytest.skip("a stream of this wire ends with its body")
    body = _chat(kind).stream(Said(text="Hello there.")).body
    once = read(chat_codec(kind), [body])
    assert read(chat_codec(kind), [body + body]) == once


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_inside_a_stream_ends_it(kind: str) -> None:
    """An error frame, first or in the middle, ends the stream with that error and without a Finish."""
    chat = _chat(kind)
    frames = chat.stream(Said(text="Hello there.")).frames
    for count in (0, 1, 2):
        events = read(chat_codec(kind), [b"".join(frames[:count]) + chat.stream_error + b"".join(frames[count:])])
        check_events(events)
        error = failure(events)
        assert type(error) is chat.error_class, error
        assert error.retryable


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_answer_is_an_answer(kind: str) -> None:
    """An answer without content that the vendor finished has no parts, whole and as a stream."""
    result = _decode(kind, _chat(kind).whole(Said()))
    check_result(result)
    assert result.message.parts == ()
    events = _stream(kind, Said())
    check_events(events)
    assert collect(events) == result  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_without_its_terminal_reason_is_none(kind: str) -> None:
    """A whole answer that lacks the vendor's terminal reason is malformed, where the vendor always gives one."""
    unfinished = _chat(kind).unfinished
    if unfinished is None:
        pytest.skip("the vendor gives whole answers without a reason")
    with pytest.raises(MalformedReply):
        _decode(kind, unfinished)


@pytest.mark.parametrize("kind", KINDS)
def test_finish_reasons_mean_the_same_whole_and_streamed(kind: str) -> None:
    """Each raw reason has its meaning, a new one is `other`, and the raw one is kept."""
    chat = _chat(kind)
    reasons: dict[str, str] = {**chat.finish, **({chat.other_finish: "other"} if chat.other_finish else {})}
    for raw, unified in reasons.items():
        said = Said(text="Hello", finish=raw)
        result = _decode(kind, chat.whole(said))
        assert (result.finish_reason.unified, result.finish_reason.raw) == (unified, raw)
        assert collect(_stream(kind, said)) == result  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_usage_is_in_our_convention(kind: str) -> None:
    """Parents contain their parts, parts the vendor is silent on are None, and its own object is kept."""
    chat = _chat(kind)
    said = Said(text="Hello", usage=chat.usage)
    result = _decode(kind, chat.whole(said))
    assert result.usage == chat.counts
    assert result.usage is not None
    check_usage(result.usage)
    check_parents(result.usage)
    finish = _stream(kind, said)[-1]
    assert isinstance(finish, Finish)
    assert finish.usage == chat.counts
    plain = _decode(kind, chat.whole(Said(text="Hello"))).usage
    assert plain is not None
    assert (plain.cache_read_tokens, plain.cache_write_tokens, plain.reasoning_tokens) == (None, None, None)


@pytest.mark.parametrize("body", GARBAGE, ids=repr)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_answer_is_malformed(kind: str, body: bytes) -> None:
    """Nothing, HTML, text, cut or binary bytes and JSON of another shape are malformed replies, and nothing else."""
    with pytest.raises(MalformedReply) as caught:
        _decode(kind, body)
    assert caught.value.retryable


@pytest.mark.parametrize("body", GARBAGE, ids=repr)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_stream_is_malformed(kind: str, body: bytes) -> None:
    """The same bytes where a stream was expected end in a malformed reply, and no Finish."""
    events = read(chat_codec(kind), [body])
    assert isinstance(failure(events), MalformedReply)


@pytest.mark.parametrize("kind", DEEP)
@many
@given(data=st.data())
def test_answers_of_wrong_shapes_raise_our_errors(kind: str, data: st.DataObject) -> None:
    """With any of its values changed or gone, an answer decodes to a well-typed reply or raises one of our errors."""
    chat = _chat(kind)
    said = Said(reasoning="Hm.", text="Hi", calls=SAID.calls, usage=chat.usage)
    body = data.draw(mutated(chat.whole(_shown(kind, said) if not chat.reasoning else said)))
    try:
        result = _decode(kind, body)
    except OrchestratorError:
        return
    check_result(result)


@pytest.mark.parametrize("kind", DEEP)
@many
@given(data=st.data())
def test_streams_of_wrong_shapes_never_raise(kind: str, data: st.DataObject) -> None:
    """With values of one of its events changed or gone, a stream still obeys the algebra, and never raises."""
    chat = _chat(kind)
    frames = list(chat.stream(_shown(kind, SAID)).frames)
    number = data.draw(st.integers(0, len(frames) - 1))
    frames[number] = data.draw(_broken(frames[number]))
    events = read(chat_codec(kind), [b"".join(frames)])
    check_events(events)
    if not isinstance(events[-1], Failure):
        check_result(collect(events))  # type: ignore[arg-type]


def _broken(frame: bytes) -> st.SearchStrategy[bytes]:
    """The frame with its JSON changed, or its bytes where they hold none or are guarded by a checksum."""
    start, end = frame.find(b"{"), frame.rfind(b"}") + 1
    text = frame[start:end]
    try:
        value = json.loads(text)
    except ValueError:
        return st.sampled_from([b"", frame[: len(frame) // 2], frame.replace(b"D", b"{")])
    if not frame.endswith((b"}\n\n", b"}\n", b"}")):
        return st.sampled_from([b"", frame[:-1], frame.replace(b"{", b"["), frame + frame])
    return mutated(value).map(lambda new: frame[:start] + json.dumps(new).encode() + frame[end:])
