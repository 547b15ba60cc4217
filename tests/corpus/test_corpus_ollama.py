"""Every recorded exchange of Ollama's own API reads as the vendor's SDK reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import Exchange, cases, exchanges, frames

from orchestrator.errors import InvalidRequest, MalformedReply
from orchestrator.spec.provider import Decoded, Failure, Target
from orchestrator.types.chat import ChatRequest, ChatResult, Message, Reasoning, Text, ToolCall, ToolResult
from orchestrator.types.collect import collect
from orchestrator.types.stream import Finish
from orchestrator.types.usage import Usage
from orchestrator_providers.ollama import WIRE
from orchestrator_providers.ollama.codec import OllamaChat
from orchestrator_providers.ollama.embed import OllamaEmbed
from orchestrator_providers.shared.ndjson import NdjsonParser


def _target(exchange: Exchange) -> Target:
    model = exchange.model or "llama3.2"
    base_url = "http://127.0.0.1:11434"
    return Target(profile=WIRE.profile, provider="p", deployment="d", model=model, base_url=base_url)


def _check_usage(usage: Usage | None, truth: Mapping[str, Any]) -> None:
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (
        truth["usage"]["input_tokens"],
        truth["usage"]["output_tokens"],
    )
    assert (usage.cache_read_tokens, usage.reasoning_tokens) == (None, None)
    assert usage.raw is not None
    assert truth["usage_raw"].items() <= usage.raw.items()


def _check_chat(result: ChatResult, truth: Mapping[str, Any]) -> None:
    assert result.message.text == truth["text"]
    assert result.message.reasoning == truth["reasoning_text"]
    calls = [(call.name, call.arguments) for call in result.message.tool_calls]
    assert calls == [(call["name"], call["arguments"]) for call in truth["tool_calls"]]
    assert all(call.id for call in result.message.tool_calls)
    assert result.finish_reason.raw == truth["finish_reason_raw"]
    assert result.finish_reason.unified == ("tool_calls" if calls else truth["finish_reason_raw"])
    assert (result.model, result.response_id) == (truth["model"], truth["response_id"])
    _check_usage(result.usage, truth)


def _read(exchange: Exchange, body: bytes) -> Decoded:
    decoder = OllamaChat(_target(exchange)).decoder()
    return [*decoder.feed(frames(body, NdjsonParser)), *decoder.end()]


def _collected(events: Decoded) -> ChatResult:
    assert isinstance(events[-1], Finish)
    return collect([event for event in events if not isinstance(event, Failure)])


@pytest.mark.parametrize("exchange", cases("ollama-chat", outcome="json"))
def test_whole_replies_read_as_the_vendors_sdk_reads_them(exchange: Exchange) -> None:
    """Text, thinking, tool calls, reason, counts and model of a whole reply are the vendor's own."""
    _check_chat(OllamaChat(_target(exchange)).decode(exchange.reply), exchange.truth)


@pytest.mark.parametrize("exchange", cases("ollama-chat", outcome="stream"))
def test_streams_read_as_the_vendors_sdk_reads_them(exchange: Exchange) -> None:
    """The collected events of a stream hold what the vendor's SDK accumulates from it."""
    _check_chat(_collected(_read(exchange, exchange.body)), exchange.truth)


@pytest.mark.parametrize("exchange", cases("ollama-chat", outcome="stream"))
def test_a_recorded_stream_cut_anywhere_never_looks_complete(exchange: Exchange) -> None:
    """Whatever bytes are missing before the last line's end, the stream ends in a failure."""
    body = exchange.body.rstrip()
    for kept in range(0, len(body), max(1, len(body) // 40)):
        last = _read(exchange, body[:kept])[-1]
        assert isinstance(last, Failure)
        assert isinstance(last.error, MalformedReply)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_byte_boundaries_never_change_a_recorded_stream(data: st.DataObject) -> None:
    """However the network cuts the bytes of a stream into chunks, its frames are the same."""
    recorded = [exchange.body for exchange in exchanges("ollama-chat") if exchange.outcome == "stream"]
    if not recorded:
        pytest.skip("WIRE_CORPUS is unset")
    body = data.draw(st.sampled_from(recorded))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=20)))
    parser = NdjsonParser()
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        found += parser.feed(body[start:end])
    assert [*found, *parser.end()] == frames(body, NdjsonParser)


@pytest.mark.parametrize("exchange", cases("ollama-embed", outcome="json"))
def test_vectors_read_as_the_vendors_sdk_reads_them(exchange: Exchange) -> None:
    """Count, length, values and counts of embeddings are the vendor's own."""
    result = OllamaEmbed(_target(exchange)).decode(exchange.reply)
    truth = exchange.truth
    assert len(result.vectors) == truth["n_vectors"]
    assert {len(vector) for vector in result.vectors} == {truth["dim"]}
    assert list(result.vectors[0][: len(truth["first_values"])]) == truth["first_values"]
    last = truth["last_vector_first_values"]
    assert list(result.vectors[-1][: len(last)]) == last
    assert result.model == truth["model"]
    _check_usage(result.usage, truth)


@pytest.mark.parametrize("exchange", cases("ollama-chat", "ollama-embed", outcome="error"))
def test_recorded_errors_are_the_deployments(exchange: Exchange) -> None:
    """The recorded errors are 404s: this server lacks the model, another deployment may have it."""
    error = OllamaChat(_target(exchange)).error(exchange.reply)
    assert type(error) is InvalidRequest
    assert (error.status, error.scope, error.retryable) == (exchange.status, "deployment", False)


@pytest.mark.parametrize("exchange", cases("ollama-chat"))
def test_recorded_requests_can_be_written(exchange: Exchange) -> None:
    """What we write for a recorded history is that history: the same roles, texts, thinking, calls and results."""
    if exchange.request is None:
        pytest.skip("the request was not recorded")
    messages = []
    for raw in exchange.request["messages"]:
        if raw["role"] == "tool":
            messages.append(Message("tool", (ToolResult(id="1", name=raw["tool_name"], content=raw["content"]),)))
            continue
        thought = [Reasoning(raw["thinking"], provider_metadata={"ollama": {}})] if raw.get("thinking") else []
        calls = [ToolCall(id=f"c{n}", **call["function"]) for n, call in enumerate(raw.get("tool_calls") or ())]
        messages.append(Message(raw["role"], (*thought, Text(raw["content"]), *calls)))
    written = orjson.loads(OllamaChat(_target(exchange)).encode(ChatRequest(messages=tuple(messages))).request.body)[
        "messages"
    ]
    for ours, theirs in zip(written, exchange.request["messages"], strict=True):
        for name in ("role", "content", "thinking", "tool_name"):
            assert ours.get(name) == theirs.get(name)
        assert [call["function"] for call in ours.get("tool_calls", ())] == [
            {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}
            for call in theirs.get("tool_calls") or ()
        ]
