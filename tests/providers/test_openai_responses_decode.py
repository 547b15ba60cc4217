"""How the Responses wire reads answers, streams and errors that recordings do not show."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from orchestrator.errors import (
    ContentFiltered,
    ContextTooLong,
    InvalidRequest,
    MalformedReply,
    OrchestratorError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from orchestrator.registry import find
from orchestrator.spec.provider import ChatCodec, Decoded, Failure, Frame, StreamDecoder, Target, Wire
from orchestrator.spec.transport import HttpReply
from orchestrator.types.chat import Media, Reasoning, Text, ToolCall
from orchestrator.types.collect import collect
from orchestrator.types.stream import MediaBlock, TextDelta, TextEnd, TextStart
from orchestrator.types.usage import Usage

KIND = "openai_responses"
USAGE = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
}


def _codec(kind: str = KIND) -> ChatCodec:
    wire = find(kind)
    assert isinstance(wire, Wire)
    chat = wire.bind(
        Target(profile=wire.profile, provider="p", deployment="d", model="m", base_url="https://host.test/v1")
    ).chat
    assert chat is not None
    return chat


def _body(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "resp_1", "model": "m-1", "status": "completed", "output": list(output), "usage": USAGE} | more


def _decode(body: Any) -> Any:
    return _codec().decode(HttpReply(200, {}, orjson.dumps(body)))


def _frame(kind: str, **fields: Any) -> Frame:
    return kind, orjson.dumps({"type": kind, **fields})


def _end(*output: dict[str, Any], **more: Any) -> Frame:
    body = _body(*output, **more)
    return _frame(f"response.{body['status']}", response=body)


def _stream(*frames: Frame) -> Decoded:
    decoder: StreamDecoder = _codec().decoder()
    return [*decoder.feed(frames), *decoder.end()]


def _collected(*frames: Frame) -> Any:
    decoded = _stream(*frames)
    assert not [event for event in decoded if isinstance(event, Failure)], decoded
    return collect([event for event in decoded if not isinstance(event, Failure)])


def _failure(*frames: Frame) -> OrchestratorError:
    last = _stream(*frames)[-1]
    assert isinstance(last, Failure)
    return last.error


def test_an_image_is_media() -> None:
    """An image that the model had drawn comes as bytes of its type, whole or streamed."""
    item = {
        "id": "ig_1",
        "type": "image_generation_call",
        "status": "completed",
        "output_format": "webp",
        "result": "AQI=",
    }
    whole = _decode(_body(item))
    (media,) = whole.message.parts
    assert isinstance(media, Media)
    assert (media.media_type, media.data) == ("image/webp", b"\x01\x02")
    opened = item | {"status": "in_progress", "result": None}
    streamed = (
        _frame("response.output_item.added", output_index=0, item=opened),
        _frame("response.image_generation_call.partial_image", output_index=0, partial_image_b64="AA=="),
        _frame("response.output_item.done", output_index=0, item=item),
        _end(item),
    )
    assert [type(event) for event in _stream(*streamed)].count(MediaBlock) == 1
    assert _collected(*streamed) == whole


def test_an_image_that_failed_is_kept_as_it_came() -> None:
    """A drawing without a result is no media; it keeps its place."""
    item = {"id": "ig_1", "type": "image_generation_call", "status": "failed", "result": None}
    streamed = (
        _frame("response.output_item.added", output_index=0, item=item),
        _frame("response.output_item.done", output_index=0, item=item),
        _end(item),
    )
    kept = Reasoning("", provider_metadata={KIND: {"item": item}})
    assert _decode(_body(item)).message.parts == (kept,)
    assert _collected(*streamed) == _decode(_body(item))


def test_a_bad_image_is_malformed() -> None:
    """Base64 that is none is no image."""
    with pytest.raises(MalformedReply, match="base64"):
        _decode(_body({"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "%"}))


def test_content_of_an_unknown_type_is_kept() -> None:
    """A content part that the wire does not know becomes an empty marked part in its place, whole or streamed."""
    item = MESSAGE | {"content": [{"type": "output_hologram", "data": 1}, *MESSAGE["content"]]}
    whole = _decode(_body(item))
    assert [type(part) for part in whole.message.parts] == [Reasoning, Text]
    assert whole.message.parts[0].provider_metadata[KIND]["part"] == {"type": "output_hologram", "data": 1}
    assert _collected(_frame("response.output_item.done", output_index=0, item=item), _end(item)) == whole


@pytest.mark.parametrize(
    ("fields", "unified"),
    [
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete", "incomplete_details": {"reason": "brand_new"}}, "other"),
        ({"status": "incomplete"}, "other"),
        ({"status": "completed"}, "stop"),
    ],
)
def test_finish_reasons(fields: dict[str, Any], unified: str) -> None:
    """What made a response incomplete decides; the raw reason is the vendor's status, and its details are kept."""
    for result in (_decode(_body(MESSAGE, **fields)), _collected(_end(MESSAGE, **fields))):
        assert (result.finish_reason.unified, result.finish_reason.raw) == (unified, fields["status"])
        details = fields.get("incomplete_details")
        assert result.provider_metadata == ({KIND: {"incomplete_details": details}} if details else None)


def test_a_refusal_ends_in_the_filter() -> None:
    """A refusal is text, and the reason says that it was one."""
    item = MESSAGE | {"content": [{"type": "refusal", "refusal": "No."}]}
    result = _decode(_body(item))
    assert (result.message.text, result.finish_reason.unified) == ("No.", "content_filter")


def test_the_tool_that_stands_in_for_a_schema_is_the_answer() -> None:
    """Its arguments are the answer's text, and it is no call to the caller; whole and streamed alike."""
    call = {
        "id": "fc_1",
        "type": "function_call",
        "call_id": "c",
        "name": "orchestrator_output",
        "arguments": '{"a":1}',
    }
    whole = _decode(_body(call))
    assert (whole.message.parts, whole.finish_reason.unified) == ((Text('{"a":1}'),), "stop")
    streamed = (
        _frame("response.output_item.added", output_index=0, item=call | {"arguments": ""}),
        _frame("response.function_call_arguments.delta", output_index=0, delta='{"a"'),
        _frame("response.output_item.done", output_index=0, item=call),
        _end(call),
    )
    assert [event for event in _stream(*streamed) if isinstance(event, TextStart | TextDelta | TextEnd)] == [
        TextStart("0"),
        TextDelta("0", '{"a"'),
        TextDelta("0", ":1}"),
        TextEnd("0"),
    ]
    assert _collected(*streamed) == whole


def test_a_call_without_ids_gets_one() -> None:
    """A vendor that gives a call no id at all gets one by its place."""
    result = _decode(_body({"type": "function_call", "name": "now", "arguments": ""}))
    assert result.message.tool_calls == (ToolCall(id="call_0", name="now"),)


@pytest.mark.parametrize("whole", [True, False])
def test_items_that_are_never_closed(whole: bool) -> None:
    """An item without its end is closed by the whole response, or by what came of it."""
    call = {"id": "fc_1", "type": "function_call", "call_id": "c", "name": "now", "arguments": "{}"}
    result = _collected(
        _frame("response.output_item.added", output_index=0, item=MESSAGE | {"content": []}),
        _frame("response.output_text.delta", output_index=0, content_index=0, delta="Hel"),
        _frame("response.output_text.delta", output_index=0, content_index=0, delta="lo"),
        _frame("response.output_item.added", output_index=1, item=call | {"arguments": ""}),
        _frame("response.function_call_arguments.delta", output_index=1, delta="{}"),
        _end(*([MESSAGE, call] if whole else [])),
    )
    assert result == _decode(_body(MESSAGE, call))


def test_events_that_name_items_by_id() -> None:
    """Servers that do not number their items are understood by the items' ids."""
    result = _collected(
        _frame("response.output_item.added", item=MESSAGE | {"content": []}),
        _frame("response.output_text.delta", item_id="msg_1", delta="Hello"),
        _frame("response.output_item.done", item=MESSAGE),
        _end(),
    )
    assert result == _decode(_body(MESSAGE))


def test_a_response_that_comes_in_one_event() -> None:
    """A stream may consist of its last event alone."""
    assert _collected(_end(MESSAGE)) == _decode(_body(MESSAGE))


ERRORS: list[tuple[dict[str, Any], type[OrchestratorError]]] = [
    ({"code": "server_error", "message": "x"}, ServerError),
    ({"code": "rate_limit_exceeded", "message": "x"}, RateLimited),
    ({"code": "insufficient_quota", "message": "x"}, QuotaExhausted),
    ({"code": "context_length_exceeded", "message": "x"}, ContextTooLong),
    ({"code": "invalid_prompt", "message": "x"}, ContentFiltered),
    ({"code": "invalid_image_url", "message": "x"}, InvalidRequest),
    ({"code": "server_is_overloaded", "message": "x"}, Overloaded),
    ({"code": "brand_new", "message": "x"}, ServerError),
    ({}, ServerError),
]


@pytest.mark.parametrize(("error", "cls"), ERRORS)
def test_failed_responses(error: dict[str, Any], cls: type[OrchestratorError]) -> None:
    """A response that failed is the error that it names, in a whole answer as in a stream, and may be billed."""
    failed = {"status": "failed", "error": error or None}
    with pytest.raises(cls) as caught:
        _decode(_body(**failed))
    for found in (caught.value, _failure(_end(**failed))):
        assert type(found) is cls
        assert found.vendor_code == error.get("code")
        assert found.maybe_billed


@pytest.mark.parametrize("form", ["flat", "nested", "unknown event"])
def test_error_events(form: str) -> None:
    """An error event is the error that it names, however the gateway nests it."""
    error = {"code": "rate_limit_exceeded", "message": "slower"}
    frame = {
        "flat": _frame("error", **error, param=None),
        "nested": _frame("error", error=error),
        "unknown event": ("", orjson.dumps({"error": error})),
    }[form]
    found = _failure(_frame("response.created", response=_body(status="in_progress")), frame)
    assert (type(found), found.vendor_code, found.message) == (RateLimited, "rate_limit_exceeded", "slower")


def test_usage_survives_a_failure() -> None:
    """What a failed response cost is known."""
    decoder = _codec().decoder()
    decoder.feed([_end(status="failed", error={"code": "server_error", "message": "x"})])
    assert decoder.usage == Usage(input_tokens=9, output_tokens=4, raw=USAGE)


@pytest.mark.parametrize("total", [13, 19])
def test_a_total_tells_whether_reasoning_is_inside(total: int) -> None:
    """Where the total is the sum with reasoning on top, output contains it in our counts."""
    usage = USAGE | {"output_tokens_details": {"reasoning_tokens": 6}, "total_tokens": total}
    counted = _decode(_body(MESSAGE, usage=usage)).usage
    assert (counted.output_tokens, counted.reasoning_tokens) == (4 if total == 13 else 10, 6)


def test_a_tier_of_its_own_price_is_in_the_raw_usage() -> None:
    """The tier decides what the tokens cost, so it is kept beside them, unless it is the usual one."""
    assert _decode(_body(MESSAGE, service_tier="flex")).usage.raw["service_tier"] == "flex"
    assert "service_tier" not in _decode(_body(MESSAGE, service_tier="default")).usage.raw


@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelled", 7])
def test_what_has_not_ended_is_no_answer(status: Any) -> None:
    """A response that is still being made, or was given up, is not taken for an answer and not asked for again."""
    with pytest.raises(MalformedReply, match="not ended") as caught:
        _decode(_body(MESSAGE, status=status))
    assert (caught.value.retryable, caught.value.maybe_billed) == (False, True)


@pytest.mark.parametrize(
    "output",
    [
        [None],
        [{"type": None}],
        [{"type": "message", "content": [{"type": "output_text", "text": 7}]}],
        [{"type": "message", "content": ["x"]}],
        [{"type": "function_call", "name": None, "arguments": ""}],
        [{"type": "reasoning", "summary": [{"text": 7}]}],
    ],
)
def test_malformed_answers(output: Any) -> None:
    """Whatever the shape, nothing but a `MalformedReply` comes of it."""
    body = _body(*output)
    with pytest.raises(MalformedReply):
        _decode(body)
    assert isinstance(_failure(("response.completed", orjson.dumps({"response": body}))), MalformedReply)


@pytest.mark.parametrize(
    "frames",
    [
        [_frame("response.output_text.delta", output_index=0, delta="x")],
        [("", b"{")],
        [("", b"[]")],
        [_frame("response.output_item.added", output_index=0, item=MESSAGE)] * 2,
        [
            _frame("response.output_item.added", output_index=0, item=MESSAGE | {"content": []}),
            _frame("response.reasoning_text.delta", output_index=0, delta="x"),
        ],
        [
            _frame("response.output_item.added", output_index=0, item=MESSAGE | {"content": []}),
            _frame("response.output_item.done", output_index=0, item={"type": "reasoning"}),
        ],
    ],
)
def test_malformed_streams(frames: list[Frame]) -> None:
    """An event out of place, or none at all, ends the stream as malformed."""
    assert isinstance(_failure(*frames), MalformedReply)


def test_done_alone_proves_nothing() -> None:
    """Only the terminal event ends an answer, whatever gateways write behind it."""
    opened = _frame("response.created", response=_body(status="in_progress"))
    assert isinstance(_failure(opened, ("", b"[DONE]")), MalformedReply)
    assert _collected(opened, _end(MESSAGE), ("", b"[DONE]")) == _decode(_body(MESSAGE))
