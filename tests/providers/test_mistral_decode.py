"""What the Mistral wire reads: parts, references, thinking, calls, ends and errors of whole answers and streams."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

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
from orchestrator.types.chat import ChatRequest, ChatResult, Message, Reasoning, Text, ToolCall
from orchestrator.types.collect import collect
from orchestrator.types.stream import Finish, TextDelta, TextEnd, TextStart
from orchestrator_providers.mistral import WIRE
from orchestrator_providers.mistral.codec import MistralChat

USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
DONE: Frame = ("", b"[DONE]")


def _chat() -> MistralChat:
    target = Target(profile=WIRE.profile, provider="p", deployment="d", model="m", base_url="https://api.mistral.ai/v1")
    chat = WIRE.bind(target).chat
    assert isinstance(chat, MistralChat)
    return chat


def _whole(content: Any, reason: Any = "stop", **message: Any) -> ChatResult:
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": reason}
    body = {"id": "i", "model": "m", "object": "chat.completion", "choices": [choice], "usage": USAGE}
    return _chat().decode(HttpReply(200, {}, orjson.dumps(body)))


def _frame(delta: Any, reason: str | None = None, **more: Any) -> Frame:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return "", orjson.dumps({"id": "i", "model": "m", "choices": [choice], **more})


def _read(*frames: Frame) -> Decoded:
    decoder = _chat().decoder()
    return [*decoder.feed(frames), *decoder.end()]


def _streamed(*frames: Frame) -> ChatResult:
    events = _read(*frames)
    assert isinstance(events[-1], Finish), events[-1]
    return collect([event for event in events if not isinstance(event, Failure)])


def _failed(*frames: Frame) -> OrchestratorError:
    last = _read(*frames)[-1]
    assert isinstance(last, Failure)
    return last.error


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


REFERENCE = {"type": "reference", "reference_ids": [3, "b"]}
MARKED = {"mistral": {"reference_ids": [3, "b"]}}


def test_references_ride_on_the_text_before_them() -> None:
    """References keep their place, whole and streamed: on the text that they follow, which ends there."""
    parts = (Text("Paris", provider_metadata=MARKED), Text(" it is."))
    content = [_text("Par"), _text("is"), REFERENCE, _text(" it is.")]
    whole = _whole(content)
    assert whole.message.parts == parts
    assert whole.message.text == "Paris it is."
    frames = [_frame({"content": content[:2]}), _frame({"content": [REFERENCE]}), _frame({"content": " it is."})]
    assert _streamed(*frames, _frame({"content": ""}, "stop", usage=USAGE), DONE) == whole


def test_references_that_follow_one_another_are_one_list() -> None:
    """Two reference parts in a row stand for the same text; one without any text has an empty text of its own."""
    assert _whole([_text("a"), REFERENCE, {"type": "reference", "reference_ids": [4]}]).message.parts == (
        Text("a", provider_metadata={"mistral": {"reference_ids": [3, "b", 4]}}),
    )
    assert _whole([REFERENCE]).message.parts == (Text("", provider_metadata=MARKED),)


def test_what_was_read_is_what_is_sent_back() -> None:
    """The parts of an answer, read and written again, are the vendor's own parts."""
    tool = {"type": "tool_reference", "tool": "web_search", "title": "t"}
    content = [
        {
            "type": "thinking",
            "thinking": [_text("hm "), tool, _text("so")],
            "signature": "s",
            "closed": True,
        },
        _text("Paris"),
        REFERENCE,
        _text(" it is."),
    ]
    message = _whole(content).message
    assert message.reasoning == "hm so"
    request = ChatRequest(messages=(Message("user", (Text("Where?"),)), message, Message("user", (Text("Sure?"),))))
    encoded = _chat().encode(request)
    assert orjson.loads(encoded.request.body)["messages"][1]["content"] == content
    assert encoded.warnings == ()


def test_thinking_streams_in_pieces() -> None:
    """Pieces of thinking are one part with the fields that came with any of them, before the answer's text."""
    first = {"type": "thinking", "thinking": [_text("a")]}
    last = {"type": "thinking", "thinking": [_text("b"), {"type": "reference", "reference_ids": [1]}], "closed": True}
    streamed = _streamed(
        _frame({"role": "assistant", "content": ""}),
        _frame({"content": [first]}),
        _frame({"content": [last]}),
        _frame({"content": [_text("c")]}),
        _frame({"content": "d"}, "stop", usage=USAGE),
        DONE,
    )
    thinking = [_text("ab"), {"type": "reference", "reference_ids": [1]}]
    assert streamed.message.parts == (
        Reasoning("ab", provider_metadata={"mistral": {"closed": True, "thinking": thinking}}),
        Text("cd"),
    )


def test_parts_without_a_word_of_ours_are_kept() -> None:
    """A part of another type is in the reply's metadata, and so is what a tool of the vendor's answered in between."""
    picture = {"type": "image_url", "image_url": "https://h.test/a.png"}
    assert _whole([_text("a"), picture]).provider_metadata == {"mistral": {"parts": [picture]}}
    result = {"role": "tool", "content": "found", "tool_call_id": "x"}
    spoken = [{"role": "assistant", "content": "a"}, result, {"role": "assistant", "content": "b"}]
    choice = {"index": 0, "messages": spoken, "finish_reason": "stop"}
    whole = _chat().decode(HttpReply(200, {}, orjson.dumps({"choices": [choice]})))
    assert whole.message.text == "ab"
    assert whole.provider_metadata == {"mistral": {"parts": [result]}}


def test_calls_without_ids_are_calls_of_their_own() -> None:
    """Calls whose id is the text `null` and whose index is always 0 are as many calls, and get ids."""
    calls = [
        {"id": "null", "index": 0, "function": {"name": name, "arguments": '{"a": 1}'}} for name in ("look", "look")
    ]
    result = _whole("", "tool_calls", tool_calls=calls)
    assert result.message.tool_calls == tuple(
        [ToolCall(id=f"call_{n}", name="look", arguments={"a": 1}) for n in range(2)]
    )
    assert _streamed(_frame({"tool_calls": calls}, "tool_calls", usage=USAGE)) == result


def test_arguments_may_be_an_object_or_none() -> None:
    """Arguments come as JSON text or as the object itself; text that is no object is kept as it is."""
    calls = [
        {"id": "aaaaaaaa1", "function": {"name": "f", "arguments": {"a": 1}}},
        {"id": "aaaaaaaa2", "function": {"name": "f", "arguments": "{bad"}},
    ]
    first, second = _whole("", "tool_calls", tool_calls=calls).message.tool_calls
    assert first.arguments == {"a": 1}
    assert (second.arguments, second.invalid_arguments) == ({}, "{bad")


def test_text_of_one_kind_is_one_block() -> None:
    """Deltas of text open one block, whatever form their contents have, and empty ones say nothing."""
    events = _read(_frame({"content": ""}), _frame({"content": "a"}), _frame({"content": [_text("b")]}, "stop"))
    assert events[1:-1] == [TextStart("0"), TextDelta("0", "a"), TextDelta("0", "b"), TextEnd("0")]


@pytest.mark.parametrize(("raw", "unified"), [("stop", "stop"), ("length", "length"), ("model_length", "length")])
def test_finish_reasons(raw: str, unified: str) -> None:
    """The model's own length is a length too; the raw reason is kept."""
    reason = _whole("a", raw).finish_reason
    assert (reason.unified, reason.raw) == (unified, raw)


def test_a_failed_answer_is_an_error() -> None:
    """The reason `error` is a failure of the vendor's, whole and streamed, and may have been billed."""
    with pytest.raises(ServerError) as caught:
        _whole("a", "error")
    assert caught.value.maybe_billed
    assert type(_failed(_frame({"content": "a"}), _frame({}, "error"))) is ServerError


@pytest.mark.parametrize("frames", [(), (_frame({"content": "a"}),), (_frame({"content": "a"}), DONE)])
def test_a_stream_without_a_reason_never_finishes(frames: tuple[Frame, ...]) -> None:
    """Neither the end of the body nor `[DONE]` makes an answer complete that has no reason."""
    assert type(_failed(*frames)) is MalformedReply


def test_the_reason_ends_a_stream_without_its_mark() -> None:
    """A stream whose `[DONE]` was lost is complete: the reason and the usage came before it."""
    result = _streamed(_frame({"content": "a"}), _frame({"content": ""}, "stop", usage=USAGE))
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens) == (9, 4)


def test_of_several_answers_the_first_is_given_and_all_are_awaited() -> None:
    """With `n` answers the first is read, and the stream is complete when all of them are."""
    second = ("", orjson.dumps({"choices": [{"index": 1, "delta": {"content": "z"}, "finish_reason": None}]}))
    end = ("", orjson.dumps({"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}))
    assert type(_failed(_frame({"content": "a"}), second, _frame({}, "stop"))) is MalformedReply
    assert _streamed(_frame({"content": "a"}), second, _frame({}, "stop"), end).message.text == "a"


def test_an_error_inside_a_stream_is_the_vendors() -> None:
    """An error event is classified by its code and the status it states."""
    data = {"object": "error", "message": "m", "type": "rate_limited", "code": "1300", "raw_status_code": 429}
    error = _failed(_frame({"content": "a"}), ("", orjson.dumps(data)))
    assert type(error) is RateLimited
    assert (error.status, error.vendor_code) == (429, "1300")


def test_usage_counts_cache_and_sound() -> None:
    """Cached tokens stand in either of two places; seconds of sound are kept raw; what is missing is unknown."""
    raw = {"prompt_tokens": 9, "completion_tokens": 4, "num_cached_tokens": 5, "prompt_audio_seconds": 2}
    body = {"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}], "usage": raw}
    usage = _chat().decode(HttpReply(200, {}, orjson.dumps(body))).usage
    assert usage is not None
    assert (usage.cache_read_tokens, usage.reasoning_tokens, usage.input_audio_tokens) == (5, None, None)
    assert usage.raw == raw
    nested = raw | {"prompt_tokens_details": {"cached_tokens": 0}}
    usage = _chat().decode(HttpReply(200, {}, orjson.dumps(body | {"usage": nested}))).usage
    assert usage is not None
    assert usage.cache_read_tokens == 0
    assert _chat().decode(HttpReply(200, {}, orjson.dumps(body | {"usage": None}))).usage is None


@pytest.mark.parametrize(
    ("status", "body", "cls", "scope", "retryable"),
    [
        (429, {"type": "rate_limited", "code": "1300"}, RateLimited, "deployment", True),
        (429, {"type": "service_tier_capacity_exceeded", "code": "3505"}, Overloaded, "deployment", True),
        (400, {"type": "invalid_model", "code": "1500"}, InvalidRequest, "deployment", False),
        (400, {"type": "invalid_request_message_order", "code": "3230"}, InvalidRequest, "request", False),
        (
            400,
            {"code": "3051", "message": "Prompt contains 9 tokens, too large for model with 8 maximum context length"},
            ContextTooLong,
            "deployment",
            False,
        ),
        (401, {"detail": "Invalid API Key"}, AuthenticationFailed, "credential", False),
        (402, {"message": "Payment required"}, QuotaExhausted, "credential", False),
        (422, {"detail": [{"loc": ["body"], "msg": "Field required"}]}, InvalidRequest, "request", False),
        (500, {"message": "x"}, ServerError, "deployment", True),
        (503, {"message": "x"}, Overloaded, "deployment", True),
    ],
)
def test_errors(status: int, body: Any, cls: type[OrchestratorError], scope: str, retryable: bool) -> None:
    """Codes decide before the status does, and the text of a 422 is the first thing wrong."""
    error = _chat().error(HttpReply(status, {}, orjson.dumps(body)))
    assert type(error) is cls
    assert (error.scope, error.retryable, error.status) == (scope, retryable, status)
    assert status != 422 or error.message == "Field required"
