"""What the Ollama wire reads: lines, calls, ends, counts and errors of whole answers and streams."""

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
    UnsupportedFeature,
)
from orchestrator.spec.provider import Codecs, Decoded, Failure, Frame, Target
from orchestrator.spec.transport import HttpReply
from orchestrator.types.chat import ChatResult, Media, Reasoning, Text, ToolCall
from orchestrator.types.collect import collect
from orchestrator.types.stream import Finish
from orchestrator_providers.ollama import WIRE

COUNTS = {"prompt_eval_count": 9, "eval_count": 4, "total_duration": 5}


def _codecs() -> Codecs:
    base_url = "http://127.0.0.1:11434"
    return WIRE.bind(Target(profile=WIRE.profile, provider="p", deployment="d", model="m", base_url=base_url))


def _line(message: Any = None, *, done: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "model": "m:latest",
        "message": {"role": "assistant", "content": "", **(message or {})},
        "done": done,
    } | more


def _end(message: Any = None, **more: Any) -> dict[str, Any]:
    return _line(message, done=True, **({"done_reason": "stop"} | COUNTS | more))


def _whole(line: Any) -> ChatResult:
    chat = _codecs().chat
    assert chat is not None
    return chat.decode(HttpReply(200, {}, orjson.dumps(line)))


def _read(*lines: Any) -> Decoded:
    chat = _codecs().chat
    assert chat is not None
    decoder = chat.decoder()
    frames: list[Frame] = [("", line if isinstance(line, bytes) else orjson.dumps(line)) for line in lines]
    return [*decoder.feed(frames), *decoder.end()]


def _streamed(*lines: Any) -> ChatResult:
    events = _read(*lines)
    assert isinstance(events[-1], Finish), events[-1]
    return collect([event for event in events if not isinstance(event, Failure)])


def _failed(*lines: Any) -> OrchestratorError:
    last = _read(*lines)[-1]
    assert isinstance(last, Failure)
    return last.error


def _error(status: int, message: str) -> OrchestratorError:
    chat = _codecs().chat
    assert chat is not None
    return chat.error(HttpReply(status, {}, orjson.dumps({"error": message})))


CALL = {"id": "call_x", "function": {"index": 0, "name": "look", "arguments": {"a": 1}}}


def test_a_whole_answer_is_its_only_line() -> None:
    """Thinking, text and calls of one line come in this order, with the counts; a stream of the same says the same."""
    whole = _whole(_end({"thinking": "hm", "content": "Hi", "tool_calls": [CALL]}))
    assert whole.message.parts == (
        Reasoning("hm", provider_metadata={"ollama": {}}),
        Text("Hi"),
        ToolCall(id="call_x", name="look", arguments={"a": 1}),
    )
    assert (whole.finish_reason.unified, whole.finish_reason.raw) == ("tool_calls", "stop")
    assert (whole.model, whole.response_id) == ("m:latest", None)
    lines = [_line({"thinking": "h"}), _line({"thinking": "m"}), _line({"content": "H"}), _line({"content": "i"})]
    assert _streamed(*lines, _line({"tool_calls": [CALL]}), _end()) == whole


def test_calls_of_older_servers_get_ids() -> None:
    """Calls without ids are numbered through the whole answer, so that no two have the same."""
    old = {"function": {"name": "look", "arguments": {"a": 1}}}
    calls = tuple([ToolCall(id=f"call_{n}", name="look", arguments={"a": 1}) for n in range(3)])
    assert _whole(_end({"tool_calls": [old, old, old]})).message.tool_calls == calls
    assert (
        _streamed(_line({"tool_calls": [old]}), _line({"tool_calls": [old, old]}), _end()).message.tool_calls == calls
    )


def test_arguments_as_text_are_read_or_kept() -> None:
    """Arguments that come as JSON text are parsed; text that is no object is kept as it is."""
    texts = ('{"a": 1}', "{bad")
    lines = [{"function": {"name": "look", "arguments": text}} for text in texts]
    first, second = _whole(_end({"tool_calls": lines})).message.tool_calls
    assert (first.arguments, first.invalid_arguments) == ({"a": 1}, None)
    assert (second.arguments, second.invalid_arguments) == ({}, "{bad")


@pytest.mark.parametrize(
    ("raw", "unified"),
    [("stop", "stop"), ("length", "length"), ("load", "other"), ("unload", "other"), (None, "stop")],
)
def test_finish_reasons(raw: str | None, unified: str) -> None:
    """Loading is no answer to anything; old servers are done without a reason."""
    reason = _whole(_end({"content": "a"}, done_reason=raw)).finish_reason
    assert (reason.unified, reason.raw) == (unified, raw)


@pytest.mark.parametrize(
    "lines", [(), (_line({"content": "a"}),), (_line({"content": "a"}), b'{"model":"m","done":tr')]
)
def test_a_stream_without_done_never_finishes(lines: tuple[Any, ...]) -> None:
    """Only a line with `done: true` makes an answer complete."""
    assert type(_failed(*lines)) is MalformedReply


def test_a_whole_answer_that_is_not_done_is_none() -> None:
    """An answer without `done: true` is malformed, even with a text."""
    with pytest.raises(MalformedReply):
        _whole(_line({"content": "Half an ans"}))


def test_counts_that_are_missing_are_unknown() -> None:
    """A prompt that was cached has no count with older servers; no count at all is no usage."""
    line = _end({"content": "a"})
    del line["prompt_eval_count"]
    usage = _whole(line).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (None, 4, None)
    assert usage.raw == {"eval_count": 4, "total_duration": 5}
    del line["eval_count"]
    assert _whole(line).usage is None


def test_an_error_line_ends_a_stream() -> None:
    """A line with an error is the server's failure, though the status was 200, and nothing after it is read."""
    error = _failed(_line({"content": "a"}), {"error": "llama runner process has terminated"}, _end())
    assert type(error) is ServerError
    assert (error.status, error.retryable) == (200, True)


def test_an_error_line_with_a_status_is_of_its_class() -> None:
    """Errors handed on from ollama.com state their status."""
    error = _failed({"error": "too many concurrent requests", "StatusCode": 429, "Status": "429"})
    assert type(error) is RateLimited
    assert error.status == 429


def test_an_error_in_a_whole_answer_is_raised() -> None:
    """A 200 whose body is an error is that error, for chats and embeddings."""
    embed = _codecs().embed
    assert embed is not None
    with pytest.raises(ServerError, match="no"):
        _whole({"error": "no"})
    with pytest.raises(ServerError, match="no"):
        embed.decode(HttpReply(200, {}, b'{"error": "no"}'))


def test_images_that_a_model_made() -> None:
    """Images of an answer are media with their bytes."""
    picture = Media(media_type="image/*", data=b"i")
    assert _whole(_end({"content": "Here", "images": ["aQ=="]})).message.parts == (Text("Here"), picture)
    with pytest.raises(MalformedReply):
        _whole(_end({"images": ["?"]}))


def test_where_it_was_served_and_how_sure_are_kept() -> None:
    """A cloud model's real name and the log probabilities that were asked for are in the reply's metadata."""
    remote = {"remote_model": "gpt-oss:120b", "remote_host": "https://ollama.com:443"}
    first, second = {"token": "a", "logprob": -0.1}, {"token": "b", "logprob": -0.2}
    result = _streamed(
        _line({"content": "a"}, logprobs=[first], **remote), _line({"content": "b"}, logprobs=[second]), _end()
    )
    assert result.provider_metadata == {"ollama": {**remote, "logprobs": [first, second]}}


@pytest.mark.parametrize(
    ("status", "message", "cls", "scope", "retryable"),
    [
        (404, "model 'x' not found", InvalidRequest, "deployment", False),
        (404, 'model "x" not found, try pulling it first', InvalidRequest, "deployment", False),
        (400, "registry.ollama.ai/library/gemma:2b does not support tools", UnsupportedFeature, "deployment", False),
        (400, '"gemma3" does not support thinking', UnsupportedFeature, "deployment", False),
        (400, '"nomic-embed-text" does not support chat', UnsupportedFeature, "deployment", False),
        (400, 'think value "low" is not supported for this model', UnsupportedFeature, "deployment", False),
        (400, "json: cannot unmarshal string into Go value", InvalidRequest, "request", False),
        (
            400,
            "the prompt is longer than the context length currently available to the model; shorten the prompt",
            ContextTooLong,
            "deployment",
            False,
        ),
        (400, "the input length exceeds the context length", ContextTooLong, "deployment", False),
        (
            400,
            "input exceeds maximum context length and cannot be truncated further",
            ContextTooLong,
            "deployment",
            False,
        ),
        (400, "prompt too long; exceeded max context length by 12 tokens", ContextTooLong, "deployment", False),
        (
            400,
            "input length (9 tokens) exceeds the model's maximum context length",
            ContextTooLong,
            "deployment",
            False,
        ),
        (401, "unauthorized", AuthenticationFailed, "credential", False),
        (403, "no", AuthenticationFailed, "credential", False),
        (403, "this model requires a subscription, upgrade for access", AuthenticationFailed, "deployment", False),
        (403, "ollama cloud is disabled", AuthenticationFailed, "deployment", False),
        (429, "you've reached your hourly usage limit", RateLimited, "deployment", True),
        (429, "you've reached your weekly usage limit", QuotaExhausted, "credential", False),
        (499, "request canceled", ServerError, "deployment", True),
        (500, "model requires more system memory (9 GiB) than is available (2 GiB)", ServerError, "deployment", False),
        (500, "llama runner process has terminated: exit status 2", ServerError, "deployment", True),
        (
            503,
            "server busy, please try again.  maximum pending requests exceeded",
            Overloaded,
            "deployment",
            True,
        ),
    ],
)
def test_errors(status: int, message: str, cls: type[OrchestratorError], scope: str, retryable: bool) -> None:
    """A text says more only where the status leaves it open: what a model lacks, what does not fit, what is used up."""
    error = _error(status, message)
    assert type(error) is cls
    assert (error.scope, error.retryable, error.status) == (scope, retryable, status)
    assert error.message == message


def test_embeddings() -> None:
    """Vectors come in the order of the texts, with the count of their tokens and the model."""
    embed = _codecs().embed
    assert embed is not None
    body = {"model": "nomic", "embeddings": [[0.5, 1], [2.0, 3.0]], "prompt_eval_count": 7, "load_duration": 1}
    result = embed.decode(HttpReply(200, {}, orjson.dumps(body)))
    assert result.vectors == [[0.5, 1], [2.0, 3.0]]
    assert result.model == "nomic"
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens) == (7, None)
