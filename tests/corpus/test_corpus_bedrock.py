"""Every recorded exchange with Bedrock decodes to what AWS's SDK, or the maker's for it, read from it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import Exchange, cases, exchanges

from orchestrator.backends import frame_parser
from orchestrator.errors import AuthenticationFailed, InvalidRequest
from orchestrator.spec.provider import ChatCodec, Codecs, Failure, Frame, Target
from orchestrator.types.chat import ChatRequest, ChatResult, Reasoning
from orchestrator.types.collect import collect
from orchestrator.types.usage import Usage
from orchestrator_providers.bedrock import WIRE
from orchestrator_providers.bedrock.eventstream import ChunkParser
from orchestrator_providers.bedrock.profile import KIND

CHATS = ("bedrock-converse", "bedrock-invoke-anthropic", "bedrock-invoke-nova")
EMBEDDINGS = ("bedrock-invoke-cohere", "bedrock-invoke-nova", "bedrock-invoke-titan")
REFUSALS = ("bedrock-converse", "bedrock-count-tokens", "bedrock-invoke-llama", "bedrock-invoke-mistral")


def _codecs(exchange: Exchange) -> Codecs:
    target = Target(
        profile=WIRE.profile,
        provider="p",
        deployment="d",
        model=exchange.model or "m",
        base_url="http://127.0.0.1",
        settings={"chat_api": "invoke" if "invoke" in exchange.dialect else "converse"},
    )
    return WIRE.bind(target)


def _chat(exchange: Exchange) -> ChatCodec:
    chat = _codecs(exchange).chat
    assert chat is not None
    return chat


def _chats(outcome: str) -> list[Any]:
    found = cases(*CHATS, outcome=outcome)
    return [case for case in found if case.values[0] is None or case.values[0].kind == "chat"]


def _frames(exchange: Exchange, cuts: tuple[int, ...] = ()) -> list[Frame]:
    parser = frame_parser(_chat(exchange).framing)
    edges = [0, *sorted(cut % (len(exchange.body) + 1) for cut in cuts), len(exchange.body)]
    found = [frame for a, b in pairwise(edges) for frame in parser.feed(exchange.body[a:b])]
    return [*found, *parser.end()]


def _decode_stream(exchange: Exchange, found: list[Frame]) -> ChatResult:
    decoder = _chat(exchange).decoder()
    events = [*decoder.feed(found), *decoder.end()]
    assert not [event for event in events if isinstance(event, Failure)], events
    assert decoder.done
    assert decoder.closing
    return collect(events)


def _assert_truth(exchange: Exchange, result: ChatResult) -> None:
    truth = exchange.truth
    assert result.message.text == truth["text"]
    assert result.message.reasoning == truth["reasoning_text"]
    assert result.finish_reason.raw == truth["finish_reason_raw"]
    assert result.model == truth["model"]
    calls = [{"id": c.id, "name": c.name, "arguments": _arguments(c)} for c in result.message.tool_calls]
    assert calls == truth["tool_calls"]
    if "invoke-anthropic" in exchange.dialect:
        assert result.response_id == truth["response_id"]
    _assert_usage(result.usage, truth["usage"])
    # Each block that has no part of its own keeps its place.
    kept = [part for part in result.message.parts if isinstance(part, Reasoning) and _marks(part).get("block")]
    assert len(result.message.parts) == len(truth.get("block_types", result.message.parts))
    assert {next(iter(_marks(part)["block"])) for part in kept} <= set(truth.get("block_types", ())) | {"toolResult"}


def _marks(part: Reasoning) -> Mapping[str, Any]:
    return (part.provider_metadata or {}).get(KIND, {})


def _arguments(call: Any) -> dict[str, Any]:
    return dict(call.arguments) if call.invalid_arguments is None else {"__raw__": call.invalid_arguments}


def _assert_usage(usage: Usage | None, truth: Mapping[str, Any] | None) -> None:
    if truth is None or usage is None:
        assert usage is None
        assert truth is None or not any(truth.values())
        return
    assert usage.cache_read_tokens == truth["cached_input_tokens"]
    assert usage.cache_write_tokens == truth["cache_write_tokens"]
    cached = (usage.cache_read_tokens or 0) + (usage.cache_write_tokens or 0)
    assert (None if usage.input_tokens is None else usage.input_tokens - cached) == truth["input_tokens"]
    assert usage.output_tokens == truth["output_tokens"]
    assert usage.reasoning_tokens == truth["reasoning_tokens"]


@pytest.mark.parametrize("exchange", _chats("json"))
def test_whole_answer(exchange: Exchange) -> None:
    """A whole answer decodes to the SDK's text, reasoning, calls, reason, usage, model and id."""
    _assert_truth(exchange, _chat(exchange).decode(exchange.reply))


@pytest.mark.parametrize("exchange", _chats("stream"))
def test_stream(exchange: Exchange) -> None:
    """A collected stream holds what the SDK collected from it."""
    _assert_truth(exchange, _decode_stream(exchange, _frames(exchange)))


@pytest.mark.parametrize("exchange", _chats("stream"))
@settings(max_examples=8, deadline=None)
@given(cuts=st.lists(st.integers(min_value=0, max_value=2**20), max_size=40).map(tuple))
def test_byte_boundaries(exchange: Exchange, cuts: tuple[int, ...]) -> None:
    """A stream's frames are the same wherever the network cuts its bytes."""
    assert _frames(exchange, cuts) == _frames(exchange)


@pytest.mark.parametrize("exchange", cases(*EMBEDDINGS, outcome="json"))
def test_embeddings(exchange: Exchange) -> None:
    """Vectors, their order and the tokens are those of the recorded answer."""
    if exchange.kind != "embed":
        return
    codec = _codecs(exchange).embed
    assert codec is not None
    result, truth = codec.decode(exchange.reply), exchange.truth
    assert len(result.vectors) == truth["n_vectors"]
    assert {len(vector) for vector in result.vectors} == {truth["dim"]}
    assert list(result.vectors[0][:4]) == truth["first_values"]
    assert list(result.vectors[-1][:4]) == truth["last_vector_first_values"]
    assert result.usage is not None
    assert result.usage.input_tokens == truth["usage"]["input_tokens"]
    assert result.response_id == truth["response_id"]


@pytest.mark.parametrize("exchange", cases(*REFUSALS, outcome="error"))
def test_error(exchange: Exchange) -> None:
    """An error answer becomes the class of its status, with the type that its header names and the request's id."""
    error = _chat(exchange).error(exchange.reply)
    assert type(error) is {400: InvalidRequest, 403: AuthenticationFailed}[exchange.status]
    assert (error.status, error.retryable) == (exchange.status, False)
    named = exchange.headers.get("x-amzn-errortype", "").partition(":")[0]
    assert (error.vendor_code or "") == named
    assert error.request_id == exchange.headers.get("x-amzn-requestid")


@pytest.mark.parametrize("exchange", _chats("json"))
def test_an_answer_travels_back_unchanged(exchange: Exchange) -> None:
    """Sent back as history, an answer's blocks are those the vendor sent, but for unsigned reasoning and blank text."""
    if exchange.dialect == "bedrock-invoke-anthropic":
        return  # the Messages API's own test says so
    message = _chat(exchange).decode(exchange.reply).message
    encoded = _chat(exchange).encode(ChatRequest(messages=(message,)))
    blocks = orjson.loads(exchange.body)["output"]["message"]["content"]
    written = [_plain(block) for block in blocks if not _is_dropped(block)]
    sent = [turn for turn in orjson.loads(encoded.request.body)["messages"] if turn["role"] == "assistant"]
    assert sent == ([{"role": "assistant", "content": written}] if written else [])


def _is_dropped(block: dict[str, Any]) -> bool:
    thought = block.get("reasoningContent", {}).get("reasoningText")
    return not block.get("text", "x").strip() or (thought is not None and "signature" not in thought)


def _plain(block: dict[str, Any]) -> dict[str, Any]:
    call = block.get("toolUse")
    if call is None or call.get("type") == "server_tool_use":
        return block
    return {"toolUse": {key: value for key, value in call.items() if key != "type"}}


def test_the_corpus_is_there() -> None:
    """The tests above ran over recordings, unless there are none."""
    found = list(exchanges(*CHATS, *EMBEDDINGS))
    if not found:
        pytest.skip("WIRE_CORPUS is unset")
    assert len(found) > 150
    assert any(_chat(exchange).framing is ChunkParser for exchange in found)
