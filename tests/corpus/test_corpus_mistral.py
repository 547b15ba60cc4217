"""Every recorded exchange with Mistral reads as the vendor's SDK reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import Exchange, cases, exchanges, frames

from orchestrator.backends import frame_parser
from orchestrator.errors import AuthenticationFailed, InvalidRequest, MalformedReply, OrchestratorError
from orchestrator.spec.provider import Codecs, Decoded, Failure, Target
from orchestrator.types.chat import ChatResult, Reasoning, ToolCall
from orchestrator.types.collect import collect
from orchestrator.types.stream import Finish
from orchestrator.types.usage import Usage
from orchestrator_providers.mistral import WIRE
from orchestrator_providers.mistral.codec import MistralChat

_BY_STATUS: dict[int, type[OrchestratorError]] = {400: InvalidRequest, 401: AuthenticationFailed}


def _mistral(*dialects: str, outcome: str | None = None) -> list[Any]:
    """The cases whose vendor is Mistral."""
    found = cases(*dialects, outcome=outcome)
    return [case for case in found if case.values[0] is None or case.values[0].vendor == "mistral"]


def _bound(exchange: Exchange) -> Codecs:
    base_url = WIRE.profile.base_url or ""
    model = exchange.model or "mistral-small-latest"
    return WIRE.bind(Target(profile=WIRE.profile, provider="p", deployment="d", model=model, base_url=base_url))


def _chat(exchange: Exchange) -> MistralChat:
    chat = _bound(exchange).chat
    assert isinstance(chat, MistralChat)
    return chat


def _check_usage(usage: Usage | None, truth: Mapping[str, Any]) -> None:
    assert usage is not None
    assert usage.input_tokens == truth["usage"]["input_tokens"]
    if truth["usage"]["output_tokens"] is not None:
        assert usage.output_tokens == truth["usage"]["output_tokens"]
    raw = truth["usage_raw"]
    cached = (raw.get("prompt_tokens_details") or {}).get("cached_tokens", raw.get("num_cached_tokens"))
    assert usage.cache_read_tokens == cached
    assert usage.reasoning_tokens is None
    assert usage.raw is not None
    assert {name: value for name, value in raw.items() if isinstance(value, int)}.items() <= usage.raw.items()


def _arguments(call: ToolCall) -> Mapping[str, Any]:
    return call.arguments if call.invalid_arguments is None else {"__raw__": call.invalid_arguments}


def _check_chat(result: ChatResult, truth: Mapping[str, Any]) -> None:
    assert result.message.text == truth["text"]
    assert result.message.reasoning == truth["reasoning_text"]
    calls = [(call.id, call.name, _arguments(call)) for call in result.message.tool_calls]
    assert calls == [(call["id"], call["name"], call["arguments"]) for call in truth["tool_calls"]]
    assert result.finish_reason.raw == truth["finish_reason_raw"]
    assert result.finish_reason.unified == truth["finish_reason_raw"]
    assert (result.response_id, result.model) == (truth["response_id"], truth["model"])
    assert result.provider_metadata is None, "a part was not understood"
    _check_usage(result.usage, truth)


def _read(exchange: Exchange, body: bytes) -> Decoded:
    decoder = _chat(exchange).decoder()
    return [*decoder.feed(frames(body)), *decoder.end()]


@pytest.mark.parametrize("exchange", _mistral("openai-chat", outcome="json"))
def test_whole_replies_read_as_the_vendors_sdk_reads_them(exchange: Exchange) -> None:
    """Text, thinking, tool calls, reason, usage, model and id of a whole reply are the vendor's own."""
    result = _chat(exchange).decode(exchange.reply)
    _check_chat(result, exchange.truth)
    body = orjson.loads(exchange.body)
    thought = [part for part in result.message.parts if isinstance(part, Reasoning)]
    content = body["choices"][0]["message"]["content"]
    assert len(thought) == len([part for part in content if isinstance(part, dict) and part["type"] == "thinking"])


@pytest.mark.parametrize("exchange", _mistral("openai-chat", outcome="stream"))
def test_streams_read_as_the_vendors_sdk_reads_them(exchange: Exchange) -> None:
    """The collected events of a stream hold what the vendor's SDK accumulates from it."""
    events = _read(exchange, exchange.body)
    assert isinstance(events[-1], Finish)
    _check_chat(collect([event for event in events if not isinstance(event, Failure)]), exchange.truth)


@pytest.mark.parametrize("exchange", _mistral("openai-chat", outcome="stream"))
def test_a_recorded_stream_cut_anywhere_never_looks_complete(exchange: Exchange) -> None:
    """Whatever bytes are missing before the end of the last chunk, the stream ends in a failure."""
    body = exchange.body.rstrip().removesuffix(b"data: [DONE]").rstrip()
    for kept in range(0, len(body), max(1, len(body) // 40)):
        last = _read(exchange, body[:kept])[-1]
        assert isinstance(last, Failure)
        assert isinstance(last.error, MalformedReply)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_byte_boundaries_never_change_a_recorded_stream(data: st.DataObject) -> None:
    """However the network cuts the bytes of a stream into chunks, it gives the same events."""
    recorded = [e for e in exchanges("openai-chat") if e.vendor == "mistral" and e.outcome == "stream"]
    if not recorded:
        pytest.skip("WIRE_CORPUS is unset")
    exchange = data.draw(st.sampled_from(recorded))
    body = exchange.body
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=20)))
    parser, decoder = frame_parser("sse"), _chat(exchange).decoder()
    found: Decoded = []
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        found += decoder.feed(parser.feed(body[start:end]))
    assert [*found, *decoder.feed(parser.end()), *decoder.end()] == _read(exchange, body)


@pytest.mark.parametrize("exchange", _mistral("openai-embeddings", outcome="json"))
def test_vectors_read_as_the_vendors_sdk_reads_them(exchange: Exchange) -> None:
    """Count, length, values and usage of embeddings are the vendor's own."""
    embed = _bound(exchange).embed
    assert embed is not None
    result = embed.decode(exchange.reply)
    truth = exchange.truth
    assert len(result.vectors) == truth["n_vectors"]
    assert {len(vector) for vector in result.vectors} == {truth["dim"]}
    assert list(result.vectors[0][: len(truth["first_values"])]) == truth["first_values"]
    assert result.usage is not None
    assert result.usage.input_tokens == truth["usage"]["input_tokens"]


@pytest.mark.parametrize("exchange", _mistral("openai-chat", "openai-embeddings", outcome="error"))
def test_recorded_errors_are_classified_by_their_status(exchange: Exchange) -> None:
    """A recorded error is of its status's class, keeps its status, and has the vendor's code if it gives one."""
    codecs = _bound(exchange)
    codec = codecs.chat if exchange.kind == "chat" else codecs.embed
    assert codec is not None
    error = codec.error(exchange.reply)
    assert type(error) is _BY_STATUS[exchange.status]
    assert error.status == exchange.status
    assert error.vendor_code == orjson.loads(exchange.body).get("code")
