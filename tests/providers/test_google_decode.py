"""What the Google wires read: parts, ends of streams, counts, errors."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from google_support import ask, chat, user

from orchestrator.errors import (
    AuthenticationFailed,
    ContentFiltered,
    ContextTooLong,
    InvalidRequest,
    MalformedReply,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from orchestrator.spec.provider import Decoded, Failure
from orchestrator.spec.transport import HttpReply
from orchestrator.types.chat import ChatResult, Media, Message, Reasoning, Text, ToolCall
from orchestrator.types.collect import collect
from orchestrator_providers.google.usage import read_usage


def _reply(value: Any, status: int = 200) -> HttpReply:
    return HttpReply(status, {}, orjson.dumps(value))


def _chunk(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, **more}], "responseId": "r"}


def _read(*chunks: Any, kind: str = "google") -> Decoded:
    decoder = chat(kind=kind).decoder()
    events: Decoded = decoder.feed([("", orjson.dumps(chunk)) for chunk in chunks])
    return [*events, *decoder.end()]


def _collected(*chunks: Any) -> ChatResult:
    return collect([event for event in _read(*chunks) if not isinstance(event, Failure)])


def _failure(*chunks: Any) -> Any:
    last = _read(*chunks)[-1]
    assert isinstance(last, Failure)
    return last.error


def test_images_and_sounds_are_media() -> None:
    """Generated data becomes Media with its signature; a draft that the model only thought of stays a mark."""
    image = {"inlineData": {"mimeType": "image/png", "data": "eA=="}, "thoughtSignature": "QUJD"}
    draft = {"inlineData": {"mimeType": "image/png", "data": "eQ=="}, "thought": True}
    result = chat().decode(_reply(_chunk(draft, {"text": "Here"}, image, finishReason="STOP")))
    assert result.message.parts == (
        Reasoning("", provider_metadata={"google": {"part": draft}}),
        Text("Here"),
        Media(media_type="image/png", data=b"x", provider_metadata={"google": {"thoughtSignature": "QUJD"}}),
    )


def test_marks_are_of_the_kind_that_answered() -> None:
    """What Vertex signed is marked as Vertex's."""
    body = _chunk({"text": "a", "thoughtSignature": "QUJD"}, finishReason="STOP")
    part = chat(kind="vertex").decode(_reply(body)).message.parts[0]
    assert part.provider_metadata == {"vertex": {"thoughtSignature": "QUJD"}}


def test_calls_without_ids_get_ids_that_stay() -> None:
    """A call without an id gets the same one at every reading, whole or streamed, and one of its own in a history."""
    call = {"functionCall": {"name": "f", "args": {"x": 1}}}
    body = _chunk(call, call, finishReason="STOP")
    ids = [c.id for c in chat().decode(_reply(body)).message.tool_calls]
    assert ids == [c.id for c in _collected(_chunk(call), _chunk(call, finishReason="STOP")).message.tool_calls]
    other = chat().decode(_reply(body | {"responseId": "s"})).message.tool_calls
    assert len({*ids, *(c.id for c in other)}) == 4


def test_the_output_tool_is_the_answers_text() -> None:
    """The call that stands in for an output schema is read as text, and the answer stopped, not called a tool."""
    call = {"functionCall": {"name": "orchestrator_output", "args": {"city": "Oslo"}}}
    result = chat().decode(_reply(_chunk(call, finishReason="STOP")))
    assert result.message.text == '{"city":"Oslo"}'
    assert result.finish_reason.unified == "stop"


def test_what_an_answer_says_besides_is_kept() -> None:
    """Grounding, ratings and log probabilities are in the metadata, those of a stream's chunks put together."""
    tokens = [{"chosenCandidates": [{"token": text}]} for text in "ab"]
    result = _collected(
        _chunk({"text": "a"}, logprobsResult=tokens[0], groundingMetadata={"webSearchQueries": ["q"]}),
        _chunk(
            {"text": "b"}, logprobsResult=tokens[1], groundingMetadata={"groundingChunks": [1]}, finishReason="STOP"
        ),
        {"candidates": [{"groundingMetadata": {}}], "usageMetadata": {"trafficType": "ON_DEMAND"}},
    )
    assert result.message.parts == (Text("ab"),)
    assert result.provider_metadata == {
        "google": {
            "logprobsResult": {"chosenCandidates": [{"token": "a"}, {"token": "b"}]},
            "groundingMetadata": {"webSearchQueries": ["q"], "groundingChunks": [1]},
        }
    }


def test_a_signature_after_the_end_is_kept() -> None:
    """An empty part with a signature may follow the finish reason, and travels back in its place."""
    result = _collected(
        _chunk({"text": "Hi"}, finishReason="STOP"), _chunk({"text": "", "thoughtSignature": "QUJD"}), _chunk()
    )
    back = chat().encode(ask(user("?"), result.message, user("!")))
    assert orjson.loads(back.request.body)["contents"][1]["parts"] == [
        {"text": "Hi"},
        {"text": "", "thoughtSignature": "QUJD"},
    ]


def test_a_stop_while_the_vendors_tool_runs_is_no_end() -> None:
    """STOP right after code that is yet to run closes nothing: the stream goes on with the result, or is broken."""
    code = _chunk({"executableCode": {"code": "1", "language": "PYTHON"}}, finishReason="STOP")
    ran = _chunk({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}})
    decoder = chat().decoder()
    decoder.feed([("", orjson.dumps(code))])
    assert not decoder.closing
    assert isinstance(_failure(code, ran), MalformedReply)
    result = _collected(code, ran, _chunk({"text": "One."}, finishReason="STOP"))
    assert (result.message.text, len(result.message.parts)) == ("One.", 3)
    assert chat().decode(_reply(code)).finish_reason.raw == "STOP"


@pytest.mark.parametrize(
    ("raw", "unified"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("UNEXPECTED_TOOL_CALL", "error"),
        ("LANGUAGE", "other"),
    ],
)
def test_finish_reasons(raw: str, unified: str) -> None:
    """Each reason has its meaning, with or without content, whole and streamed."""
    body = {"candidates": [{"finishReason": raw}]}
    result = chat().decode(_reply(body))
    assert (result.finish_reason.unified, result.finish_reason.raw) == (unified, raw)
    assert _collected(body) == result


def test_a_blocked_prompt_is_content_filtered() -> None:
    """Feedback with a block reason and no candidates is ContentFiltered, whole and streamed, for any deployment."""
    body = {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "No."}, "responseId": "r"}
    with pytest.raises(ContentFiltered) as caught:
        chat().decode(_reply(body))
    for error in (caught.value, _failure(body)):
        assert type(error) is ContentFiltered
        assert (error.vendor_code, error.message, error.scope, error.retryable) == ("SAFETY", "No.", "request", False)


def test_arguments_in_pieces_are_malformed() -> None:
    """Half a tool call is never given out as a whole one."""
    piece = {"functionCall": {"name": "f", "partialArgs": [{"jsonPath": "$.x", "stringValue": "a"}]}}
    assert isinstance(_failure(_chunk(piece, finishReason="STOP")), MalformedReply)


def test_usage_includes_tools_and_thoughts() -> None:
    """What the vendor reads by tools is input, thoughts are output, a missing count follows from the total."""
    raw = {"promptTokenCount": 10, "toolUsePromptTokenCount": 5, "thoughtsTokenCount": 7, "totalTokenCount": 30}
    usage = read_usage(raw)
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens) == (15, 15, 7)
    counted = read_usage(raw | {"candidatesTokenCount": 9})
    assert counted is not None
    assert counted.output_tokens == 16
    unknown = read_usage({"trafficType": "ON_DEMAND"})
    assert unknown is not None
    assert (unknown.input_tokens, unknown.output_tokens, unknown.total_tokens) == (None, None, None)


def _error(code: int, status: str, message: str = "no", *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


_QUOTA = "type.googleapis.com/google.rpc.QuotaFailure"
_BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}
_WAIT = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38s"}
_TOO_LONG = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
_ERRORS: list[tuple[dict[str, Any], type, str, bool]] = [
    (_error(400, "INVALID_ARGUMENT"), InvalidRequest, "request", False),
    (_error(400, "INVALID_ARGUMENT", "API key not valid.", _BAD_KEY), AuthenticationFailed, "credential", False),
    (_error(400, "INVALID_ARGUMENT", "API key expired. Renew it."), AuthenticationFailed, "credential", False),
    (_error(400, "INVALID_ARGUMENT", _TOO_LONG), ContextTooLong, "deployment", False),
    (_error(400, "FAILED_PRECONDITION", "User location is not supported"), InvalidRequest, "deployment", False),
    (_error(401, "UNAUTHENTICATED"), AuthenticationFailed, "credential", False),
    (_error(402, "RESOURCE_EXHAUSTED", "Your credits are depleted"), QuotaExhausted, "credential", False),
    (_error(403, "PERMISSION_DENIED"), AuthenticationFailed, "credential", False),
    (_error(404, "NOT_FOUND"), InvalidRequest, "deployment", False),
    (_error(429, "RESOURCE_EXHAUSTED", "Slow down", _WAIT), RateLimited, "deployment", True),
    (_error(429, "RESOURCE_EXHAUSTED", "Quota exceeded, limit: 0, model: x"), QuotaExhausted, "deployment", False),
    (_error(429, "RESOURCE_EXHAUSTED", "Quota exceeded, limit: 0.5"), RateLimited, "deployment", True),
    (_error(499, "CANCELLED"), ServerError, "deployment", False),
    (_error(500, "INTERNAL"), ServerError, "deployment", True),
    (_error(503, "UNAVAILABLE"), Overloaded, "deployment", True),
    (_error(504, "DEADLINE_EXCEEDED"), ServerError, "deployment", True),
]


@pytest.mark.parametrize(("body", "known", "scope", "retryable"), _ERRORS)
def test_errors(body: dict[str, Any], known: type, scope: str, retryable: bool) -> None:
    """Class, scope and retryability are the same for an answer, an array of one, a 200 and an error in a stream."""
    status = body["error"]["code"]
    with pytest.raises(known) as caught:
        chat().decode(_reply(body))
    found = [chat().error(_reply(body, status)), chat().error(_reply([body], status)), caught.value, _failure(body)]
    for error in found:
        assert (type(error), error.scope, error.retryable, error.status) == (known, scope, retryable, status)
        assert error.vendor_code in ("API_KEY_INVALID", body["error"]["status"])


def test_how_long_to_wait() -> None:
    """RetryInfo tells seconds, except of a quota per day, which comes back at midnight whatever RetryInfo says."""
    assert chat().error(_reply(_error(429, "RESOURCE_EXHAUSTED", "no", _WAIT), 429)).retry_after == 38.0
    daily = {"@type": _QUOTA, "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}
    error = chat().error(_reply(_error(429, "RESOURCE_EXHAUSTED", "no", daily, _WAIT), 429))
    assert type(error) is RateLimited
    assert not error.retryable
    assert error.retry_after is not None
    assert 0 < error.retry_after <= 86_400


def test_a_reply_of_the_whole_kind() -> None:
    """Text and a call with its signature come as parts in their order."""
    signed = {"functionCall": {"id": "1", "name": "f", "args": {}}, "thoughtSignature": "QUJD"}
    result = chat().decode(_reply(_chunk({"text": "a"}, signed, finishReason="STOP")))
    mark = {"google": {"thoughtSignature": "QUJD"}}
    assert result.message == Message("assistant", (Text("a"), ToolCall(id="1", name="f", provider_metadata=mark)))
    assert result.finish_reason.unified == "tool_calls"
