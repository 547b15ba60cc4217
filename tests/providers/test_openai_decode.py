"""How whole answers of the OpenAI wire are read."""

from __future__ import annotations

from typing import Any

import pytest
from openai_support import bind, chat, reply

from orchestrator.errors import ContentFiltered, MalformedReply, OrchestratorError, Overloaded, RateLimited, ServerError
from orchestrator.types.chat import ChatResult, Media
from orchestrator.types.usage import Usage


def _answer(message: dict[str, Any], reason: str | None = "stop", **extra: Any) -> dict[str, Any]:
    return {"id": "c1", "model": "m1", "choices": [{"index": 0, "message": message, "finish_reason": reason}], **extra}


def _decode(message: dict[str, Any], reason: str | None = "stop", kind: str = "openai", **extra: Any) -> ChatResult:
    return chat(kind).decode(reply(_answer(message, reason, **extra)))


@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        ("Hi", "Hi", ""),
        (None, "", ""),
        ("", "", ""),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab", ""),
        (
            [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "4"}],
            "4",
            "hm",
        ),
        ([{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "4"}], "4", "hm"),
        ({"city": "Oslo"}, '{"city": "Oslo"}', ""),
    ],
)
def test_content_is_read_in_every_form(content: Any, text: str, reasoning: str) -> None:
    """A string, nothing, a list of parts and a JSON mode's object all become text and reasoning."""
    result = _decode({"content": content})
    assert (result.message.text, result.message.reasoning) == (text, reasoning)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "reasoning_text"])
def test_reasoning_is_found_under_all_its_names(field: str) -> None:
    """Vendors show reasoning under three names."""
    assert _decode({"content": "4", field: "two and two"}).message.reasoning == "two and two"


@pytest.mark.parametrize(
    ("arguments", "parsed", "invalid"),
    [
        ('{"a":1}', {"a": 1}, None),
        ({"a": 1}, {"a": 1}, None),
        ("", {}, None),
        (None, {}, None),
        ("null", {}, None),
        ("{a", {}, "{a"),
    ],
)
def test_tool_arguments_come_as_text_or_object(arguments: Any, parsed: Any, invalid: str | None) -> None:
    """Arguments are parsed; text that is no object is kept beside them."""
    result = _decode({"content": None, "tool_calls": [{"id": "x", "function": {"name": "f", "arguments": arguments}}]})
    (call,) = result.message.tool_calls
    assert (call.id, call.name, call.arguments, call.invalid_arguments) == ("x", "f", parsed, invalid)


def test_missing_ids_are_made_up_by_position() -> None:
    """A call without an id gets one that is the same for the same answer."""
    calls = [{"function": {"name": "f"}}, {"id": "", "function": {"name": "g"}}, {"function": {"name": ""}}]
    assert [call.id for call in _decode({"tool_calls": calls}).message.tool_calls] == ["call_0", "call_1"]


@pytest.mark.parametrize(
    ("raw", "unified"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("model_length", "length"),
        ("content_filter", "content_filter"),
        ("sensitive", "content_filter"),
        ("whatever", "other"),
    ],
)
def test_finish_reasons_are_unified_and_kept(raw: str, unified: str) -> None:
    """The reason is given in our words and in the vendor's."""
    reason = _decode({"content": "x"}, raw).finish_reason
    assert (reason.unified, reason.raw) == (unified, raw)


def test_a_forced_tool_call_that_ends_with_stop_is_a_tool_call() -> None:
    """OpenAI ends a forced call with `stop`; the caller must still see that a tool is to be run."""
    calls = [{"id": "x", "function": {"name": "f", "arguments": "{}"}}]
    reason = _decode({"content": None, "tool_calls": calls}).finish_reason
    assert (reason.unified, reason.raw) == ("tool_calls", "stop")


def test_a_refusal_is_text_that_was_filtered() -> None:
    """A refusal reads as the answer's text, with a reason that says so."""
    result = _decode({"content": None, "refusal": "I cannot."})
    assert (result.message.text, result.finish_reason.unified) == ("I cannot.", "content_filter")


def test_only_the_first_choice_is_ours() -> None:
    """With n > 1 the choice numbered 0 is the answer, wherever it stands."""
    choices = [
        {"index": 1, "message": {"content": "b"}, "finish_reason": "stop"},
        {"index": 0, "message": {"content": "a"}, "finish_reason": "stop"},
    ]
    assert chat().decode(reply({"choices": choices})).message.text == "a"


def test_images_and_extras_are_kept() -> None:
    """A generated image is a part; citations, tier and annotations are metadata."""
    images = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}]
    result = _decode(
        {"content": "x", "images": images, "annotations": [{"type": "url"}]}, citations=["u"], provider="P"
    )
    assert result.message.parts[1] == Media(media_type="image/png", data=b"\x89PNG")
    assert result.provider_metadata == {
        "openai": {"citations": ["u"], "provider": "P", "annotations": [{"type": "url"}]}
    }


def test_openrouters_details_travel_with_the_reasoning() -> None:
    """Encrypted reasoning has no text, and is still there to be sent back."""
    details = [{"type": "reasoning.encrypted", "data": "x"}]
    result = _decode({"content": "4", "reasoning": None, "reasoning_details": details}, kind="openrouter")
    (part, _) = result.message.parts
    assert part.provider_metadata == {"openrouter": {"reasoning_details": details}}


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        (
            "openai",
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1, "cache_write_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 0},
            },
            {
                "input_tokens": 10,
                "output_tokens": 5,
                "cache_read_tokens": 4,
                "cache_write_tokens": 2,
                "reasoning_tokens": 3,
                "input_audio_tokens": 1,
                "output_audio_tokens": 0,
            },
        ),
        ("openai", {"prompt_tokens": 10, "completion_tokens": 5}, {"input_tokens": 10, "output_tokens": 5}),
        (
            "deepseek",
            {"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 8},
            {"input_tokens": 9, "output_tokens": 1, "cache_read_tokens": 8},
        ),
        (
            "moonshot",
            {"prompt_tokens": 9, "completion_tokens": 1, "cached_tokens": 8},
            {"input_tokens": 9, "output_tokens": 1, "cache_read_tokens": 8},
        ),
        (
            "xai",
            {
                "prompt_tokens": 9,
                "completion_tokens": 1,
                "total_tokens": 30,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            {"input_tokens": 9, "output_tokens": 21, "reasoning_tokens": 20},
        ),
        (
            "xai",
            {"prompt_tokens": 9, "completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 20}},
            {"input_tokens": 9, "output_tokens": 21, "reasoning_tokens": 20},
        ),
        ("openai", {"prompt_tokens": None, "completion_tokens": True}, {}),
    ],
)
def test_usage_is_inclusive_and_unknown_is_none(kind: str, raw: dict[str, Any], expected: dict[str, int]) -> None:
    """Counts follow our convention wherever the vendor puts them, and nothing is guessed."""
    assert _decode({"content": "x"}, kind=kind, usage=raw).usage == Usage(**expected, raw=raw)


def test_no_usage_is_none() -> None:
    """A vendor that counts nothing gives no usage."""
    assert _decode({"content": "x"}, usage=None).usage is None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"<html>",
        b'{"choices":[{"index":0,"mess',
        b"[]",
        {},
        {"choices": []},
        {"choices": [None]},
        _answer({"content": "x"}, None),
        _answer({"content": "x"}, ""),
        _answer({"content": 7}),
        _answer({"tool_calls": [7]}),
        _answer({"tool_calls": [{"function": {"arguments": "{}"}}]}),
        _answer({"images": [{"image_url": {"url": "data:image/png;base64,!"}}]}),
    ],
)
def test_an_answer_that_is_none_is_malformed(value: Any) -> None:
    """Status 200 with anything but a whole answer is an error, never an empty answer."""
    with pytest.raises(MalformedReply):
        chat().decode(reply(value))


@pytest.mark.parametrize("reason", [None, ""])
def test_some_vendors_may_leave_the_reason_out(reason: str | None) -> None:
    """Snowflake's empty reason and a local server's missing one are accepted."""
    assert _decode({"content": "x"}, reason, kind="snowflake").finish_reason.unified == "stop"


@pytest.mark.parametrize(
    ("value", "cls", "status"),
    [
        ({"error": {"message": "busy", "code": 429}}, RateLimited, 429),
        ({"error": {"message": "no", "code": "content_filter"}}, ContentFiltered, 200),
        ({"error": "oops"}, ServerError, 200),
        ({"object": "error", "message": "oops", "code": 503}, Overloaded, 503),
        ({"choices": [{"error": {"code": 502, "message": "x"}, "finish_reason": "error"}]}, ServerError, 502),
        (_answer({"content": "par"}, "error"), ServerError, None),
        (_answer({"content": "par"}, "insufficient_system_resource"), Overloaded, None),
    ],
)
def test_an_error_inside_a_200_is_that_error(value: Any, cls: type[OrchestratorError], status: int | None) -> None:
    """Vendors put errors into bodies with status 200; the class says what happened."""
    with pytest.raises(OrchestratorError) as caught:
        chat("openrouter").decode(reply(value, x_request_id="r1"))
    assert type(caught.value) is cls
    assert caught.value.status == status


def test_the_identity_of_an_answer_is_kept() -> None:
    """The vendor's id and the model it served are in the result, None where they are empty."""
    result = _decode({"content": "x"})
    assert (result.response_id, result.model) == ("c1", "m1")
    assert bind("snowflake").chat is not None
    empty = chat("snowflake").decode(reply(_answer({"content": "x"}) | {"id": "", "model": ""}))
    assert (empty.response_id, empty.model) == (None, None)
