"""Every recorded exchange of the OpenAI wire and its cousins reads as the vendor's own SDK reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from reading import Exchange, cases, exchanges, frames

from orchestrator.errors import (
    AuthenticationFailed,
    ContextTooLong,
    InvalidRequest,
    OrchestratorError,
    RateLimited,
    ServerError,
)
from orchestrator.spec.provider import Codecs, Failure, Target
from orchestrator.types.chat import ChatResult
from orchestrator.types.collect import collect
from orchestrator.types.stream import StreamEvent
from orchestrator.types.usage import Usage
from orchestrator_providers.azure import WIRES as AZURE
from orchestrator_providers.openai import WIRE
from orchestrator_providers.vendors import WIRES

_OWN = {"openai": WIRE, "azure_openai": AZURE["azure_openai"], "azure_ai": AZURE["azure"]}
RERANK = ("llamacpp-rerank", "together-rerank", "voyage-rerank")
_BY_STATUS: dict[int, type[OrchestratorError]] = {
    400: InvalidRequest,
    401: AuthenticationFailed,
    403: AuthenticationFailed,
    404: InvalidRequest,
    422: InvalidRequest,
    429: RateLimited,
    500: ServerError,
}


def _bound(exchange: Exchange) -> Codecs:
    wire = _OWN.get(exchange.vendor) or WIRES.get(exchange.vendor, WIRES["openai_compatible"])
    model = exchange.model or "model"
    base_url = wire.profile.base_url or "https://example.test/v1"
    profile = wire.profile
    return wire.bind(Target(profile=profile, provider="p", deployment="d", model=model, base_url=base_url))


def _check_usage(usage: Usage | None, truth: Mapping[str, Any] | None, raw: Mapping[str, Any] | None) -> None:
    if truth is None:
        assert usage is None
        return
    assert usage is not None
    reasoning, total = truth["reasoning_tokens"], truth["total"]
    output = truth["output_tokens"]
    if reasoning and total == truth["input_tokens"] + output + reasoning:
        output += reasoning
    only_total = truth["input_tokens"] is None and output is None  # Voyage's one number
    assert usage.input_tokens == (total if only_total else truth["input_tokens"])
    assert output is None or usage.output_tokens == output
    assert usage.reasoning_tokens == reasoning
    if truth["cached_input_tokens"] is not None:
        assert usage.cache_read_tokens == truth["cached_input_tokens"]
    assert usage.cache_write_tokens == truth["cache_write_tokens"]
    assert usage.source == "vendor"
    assert usage.raw is not None
    assert {name: value for name, value in (raw or {}).items() if isinstance(value, int)}.items() <= usage.raw.items()


def _check_chat(result: ChatResult, truth: Mapping[str, Any]) -> None:
    if "content_object" in truth:
        assert json.loads(result.message.text) == truth["content_object"]
    else:
        assert result.message.text == (truth["text"] or truth.get("refusal", ""))
    assert result.message.reasoning == truth["reasoning_text"]
    _check_calls(result, truth["tool_calls"])
    assert result.finish_reason.raw == truth["finish_reason_raw"]
    assert result.finish_reason.unified != "other"
    assert (result.response_id or "") == (truth["response_id"] or "")
    assert (result.model or "") == truth["model"]
    _check_usage(result.usage, truth["usage"], truth["usage_raw"])


def _check_calls(result: ChatResult, truth: Iterable[Mapping[str, Any]]) -> None:
    expected = list(truth)
    assert [call.name for call in result.message.tool_calls] == [call["name"] for call in expected]
    for call, true in zip(result.message.tool_calls, expected, strict=True):
        assert call.id == true["id"] if true["id"] else call.id
        arguments = true["arguments"] or {}
        raw = arguments.get("__raw__")
        assert call.invalid_arguments == raw if raw else call.arguments == arguments


def _events(exchange: Exchange) -> list[StreamEvent]:
    chat = _bound(exchange).chat
    assert chat is not None
    decoder = chat.decoder()
    decoded = [*decoder.feed(frames(exchange.body)), *decoder.end()]
    for event in decoded:
        if isinstance(event, Failure):
            raise event.error
    assert decoder.done
    return [event for event in decoded if not isinstance(event, Failure)]


@pytest.mark.parametrize("exchange", cases("openai-chat", outcome="json"))
def test_whole_chat_replies_read_as_the_vendors_sdk_reads_them(exchange: Exchange) -> None:
    """Text, reasoning, tool calls, reason, usage, model and id of a whole reply are the vendor's own."""
    chat = _bound(exchange).chat
    assert chat is not None
    _check_chat(chat.decode(exchange.reply), exchange.truth)


@pytest.mark.parametrize("exchange", cases("openai-chat", outcome="stream"))
def test_streamed_chat_replies_read_as_the_vendors_sdk_reads_them(exchange: Exchange) -> None:
    """The collected events of a stream hold what the vendor's SDK accumulates from it."""
    if "stream_error" in exchange.truth:
        with pytest.raises(OrchestratorError):
            _events(exchange)
        return
    _check_chat(collect(_events(exchange)), exchange.truth)


@pytest.mark.parametrize("exchange", cases("openai-chat", outcome="stream"))
def test_a_recorded_stream_cut_anywhere_never_looks_complete(exchange: Exchange) -> None:
    """Whatever frames are missing at the end, the stream either has its reason or ends in a failure."""
    if "stream_error" in exchange.truth:
        pytest.skip("the stream holds an error")
    chat = _bound(exchange).chat
    assert chat is not None
    whole = frames(exchange.body)
    for kept in range(0, len(whole), max(1, len(whole) // 10)):
        decoder = chat.decoder()
        decoder.feed(whole[:kept])
        closing = decoder.closing
        last = decoder.end()[-1]
        assert isinstance(last, Failure) != closing


@pytest.mark.parametrize("exchange", cases("openai-embeddings", "voyage-embed", outcome="json"))
def test_vectors_read_as_the_vendors_sdk_reads_them(exchange: Exchange) -> None:
    """Count, dimension, values and usage of embeddings are the vendor's own, from base64 as from numbers."""
    embed = _bound(exchange).embed
    assert embed is not None
    result = embed.decode(exchange.reply)
    truth = exchange.truth
    assert len(result.vectors) == truth["n_vectors"]
    if truth["dim"] is not None:
        assert {len(vector) for vector in result.vectors} == {truth["dim"]}
        for vector, name in ((result.vectors[0], "first_values"), (result.vectors[-1], "last_vector_first_values")):
            values = truth.get(name) or []
            assert list(vector[: len(values)]) == pytest.approx(values, rel=1e-6)
    assert truth["model"] in (None, result.model)
    _check_usage(result.usage, truth["usage"], truth["usage_raw"])


@pytest.mark.parametrize("exchange", cases(*RERANK, outcome="json"))
def test_rankings_read_as_the_vendors_sdk_reads_them(exchange: Exchange) -> None:
    """Indices and scores of a ranking are the vendor's own, best first."""
    rerank = _bound(exchange).rerank
    assert rerank is not None
    result = rerank.decode(exchange.reply)
    expected = sorted(exchange.truth["results"], key=lambda row: -row["score"])
    assert [{"index": item.index, "score": item.score} for item in result.results] == expected
    assert result.response_id == exchange.truth.get("response_id")
    raw = exchange.truth["usage_raw"]
    assert result.usage is not None
    assert result.usage.input_tokens == raw.get("prompt_tokens", raw["total_tokens"])


@pytest.mark.parametrize(
    "exchange",
    cases("openai-chat", "openai-embeddings", "voyage-embed", *RERANK, outcome="error"),
)
def test_errors_are_classified_as_the_vendors_sdk_does(exchange: Exchange) -> None:
    """The class of an error agrees with the vendor SDK's, or says more: too long is a kind of bad request."""
    codecs = _bound(exchange)
    codec = {"chat": codecs.chat, "embed": codecs.embed, "rerank": codecs.rerank}[exchange.kind]
    assert codec is not None
    error = codec.error(exchange.reply)
    if exchange.status == 500 and isinstance(error, ContextTooLong):
        assert "too large to process" in error.message
    else:
        assert isinstance(error, _BY_STATUS[exchange.status])
    assert error.status == exchange.status
    sent = exchange.truth.get("sdk_code")
    assert sent is None or error.vendor_code == sent.lower()


def test_every_recorded_vendor_with_a_row_counts_as_tested() -> None:
    """A row says that it is tested exactly when its traffic is in the recordings."""
    vendors = {e.vendor for e in exchanges("openai-chat", "openai-embeddings", "voyage-embed", *RERANK)}
    if not vendors:
        pytest.skip("WIRE_CORPUS is unset")
    own = {kind for kind in WIRES if kind != "openai_compatible"}
    assert {kind for kind in own if WIRES[kind].profile.tested} == own & vendors
