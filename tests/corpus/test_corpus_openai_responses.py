"""Every recorded exchange with the Responses API decodes to what the vendor's own SDK made of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from reading import Exchange, cases, exchanges, frames

from orchestrator.backends import frame_parser
from orchestrator.errors import (
    AuthenticationFailed,
    ContextTooLong,
    InvalidRequest,
    MalformedReply,
    OrchestratorError,
)
from orchestrator.spec.provider import ChatCodec, Decoded, Failure, Target
from orchestrator.types.chat import ChatRequest, ChatResult, Message, ToolCall
from orchestrator.types.collect import collect
from orchestrator_providers.azure import WIRES as AZURE
from orchestrator_providers.openai_responses import WIRES

DIALECT = "openai-responses"
_AZURE = frozenset({"azure_openai", "azure_ai"})
_BY_STATUS: dict[int, type[OrchestratorError]] = {400: InvalidRequest, 401: AuthenticationFailed}
_UNIFIED = {"completed": "stop", "complete": "stop", "incomplete": "length"}


def _codec(exchange: Exchange) -> ChatCodec:
    wire, settings_ = WIRES["openai_responses"], {}
    if exchange.vendor == "xai":
        wire = WIRES["xai_responses"]
    elif exchange.vendor in _AZURE:
        wire, settings_ = AZURE["azure"], {"api": "responses"}
    chat = wire.bind(
        Target(
            profile=wire.profile,
            provider="p",
            deployment="d",
            model=exchange.model or "m",
            base_url="https://host.test/v1",
            settings=settings_,
        )
    ).chat
    assert chat is not None
    return chat


def _kind(exchange: Exchange) -> str:
    if exchange.vendor in _AZURE:
        return "azure_responses"
    return "xai_responses" if exchange.vendor == "xai" else "openai_responses"


def _read(decoded: Decoded) -> ChatResult:
    assert not [event for event in decoded if isinstance(event, Failure)], decoded
    return collect([event for event in decoded if not isinstance(event, Failure)])


def _stream(exchange: Exchange) -> Decoded:
    decoder = _codec(exchange).decoder()
    decoded = [*decoder.feed(frames(exchange.body)), *decoder.end()]
    assert decoder.done
    assert decoder.closing
    return decoded


def _check(result: ChatResult, truth: Mapping[str, Any], kind: str) -> None:
    assert result.message.text == (truth["text"] or truth.get("refusal", ""))
    assert result.message.reasoning == truth["reasoning_text"]
    calls = [{"id": c.id, "name": c.name, "arguments": _arguments(c)} for c in result.message.tool_calls]
    assert calls == truth["tool_calls"]
    assert result.finish_reason.raw == truth["finish_reason_raw"]
    expected = _UNIFIED[truth["finish_reason_raw"]]
    expected = "content_filter" if truth.get("refusal") else "tool_calls" if calls and expected == "stop" else expected
    assert result.finish_reason.unified == expected
    if truth["incomplete_reason"]:
        assert result.provider_metadata is not None
        assert result.provider_metadata[kind]["incomplete_details"]["reason"] == truth["incomplete_reason"]
    assert (result.response_id, result.model) == (truth["response_id"], truth["model"])
    _check_other_items(result.message, truth["other_output_items"], kind)
    _check_usage(result, truth)


def _arguments(call: ToolCall) -> dict[str, Any]:
    return dict(call.arguments) if call.invalid_arguments is None else {"__raw__": call.invalid_arguments}


def _check_other_items(message: Message, truth: Mapping[str, int], kind: str) -> None:
    found: dict[str, int] = {}
    for part in message.parts:
        item = (part.provider_metadata or {}).get(kind, {}).get("item", {"type": "message"})
        found[item["type"]] = found.get(item["type"], 0) + 1
    assert {name: count for name, count in found.items() if name in truth} == truth


def _check_usage(result: ChatResult, truth: Mapping[str, Any]) -> None:
    usage, known = result.usage, truth["usage"]
    if known is None:
        assert usage is None
        return
    assert usage is not None
    assert usage.input_tokens == known["input_tokens"]
    assert usage.output_tokens == known["output_tokens"]
    assert usage.cache_read_tokens == known["cached_input_tokens"]
    assert usage.cache_write_tokens == known["cache_write_tokens"]
    assert usage.reasoning_tokens == known["reasoning_tokens"]
    assert usage.raw is not None
    assert truth["usage_raw"].items() <= usage.raw.items()


@pytest.mark.parametrize("exchange", cases(DIALECT, outcome="json"))
def test_whole_answer(exchange: Exchange) -> None:
    """A whole answer decodes to the SDK's text, reasoning, calls, reason, usage, model, id and kinds of other items;
    one that is still being made is no answer.
    """
    if exchange.truth["finish_reason_raw"] == "queued":
        with pytest.raises(MalformedReply, match="not ended"):
            _codec(exchange).decode(exchange.reply)
        return
    _check(_codec(exchange).decode(exchange.reply), exchange.truth, _kind(exchange))


@pytest.mark.parametrize("exchange", cases(DIALECT, outcome="stream"))
def test_stream(exchange: Exchange) -> None:
    """A collected stream holds what the vendor SDK collected from it."""
    _check(_read(_stream(exchange)), exchange.truth, _kind(exchange))


@pytest.mark.parametrize("exchange", cases(DIALECT, outcome="stream"))
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_stream_in_pieces(exchange: Exchange, data: st.DataObject) -> None:
    """Wherever its bytes are cut, a stream decodes to the same events."""
    body = exchange.body
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=40)))
    parser, decoder = frame_parser("sse"), _codec(exchange).decoder()
    decoded: Decoded = []
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        decoded += decoder.feed(parser.feed(body[start:end]))
    decoded += [*decoder.feed(parser.end()), *decoder.end()]
    assert decoded == _stream(exchange)


@pytest.mark.parametrize("exchange", cases(DIALECT, outcome="stream"))
def test_a_stream_cut_short_never_looks_complete(exchange: Exchange) -> None:
    """Without its last event, a stream ends in a failure, whatever came before."""
    whole = [frame for frame in frames(exchange.body) if frame[1].strip() != b"[DONE]"]
    for kept in range(0, len(whole), max(1, len(whole) // 10)):
        decoder = _codec(exchange).decoder()
        decoder.feed(whole[:kept])
        last = decoder.end()[-1]
        assert isinstance(last, Failure)
        assert isinstance(last.error, MalformedReply)


@pytest.mark.parametrize("exchange", cases(DIALECT, outcome="stream"))
def test_a_stream_gives_what_its_whole_response_gives(exchange: Exchange) -> None:
    """A collected stream equals the whole answer made of the same items."""
    told = [orjson.loads(data) for _, data in frames(exchange.body) if data.strip() != b"[DONE]"]
    done = [event for event in told if event["type"] == "response.output_item.done"]
    items = [event["item"] for event in sorted(done, key=lambda event: int(event["output_index"]))]
    response = told[-1]["response"] | {"output": items or told[-1]["response"]["output"]}
    whole = _codec(exchange).decode(type(exchange.reply)(200, {}, orjson.dumps(response)))
    assert _read(_stream(exchange)) == whole


@pytest.mark.parametrize("exchange", cases(DIALECT, outcome="json"))
def test_an_answer_streamed_gives_the_same(exchange: Exchange) -> None:
    """An answer cut into the events that the vendor would stream collects to what it decodes to in one piece."""
    if exchange.truth["finish_reason_raw"] == "queued":
        return
    decoder = _codec(exchange).decoder()
    decoded = [*decoder.feed(_as_stream(orjson.loads(exchange.body))), *decoder.end()]
    assert _read(decoded) == _codec(exchange).decode(exchange.reply)


def _as_stream(body: dict[str, Any]) -> list[tuple[str, bytes]]:
    events: list[dict[str, Any]] = [{"type": "response.created", "response": body | {"output": [], "usage": None}}]
    for index, item in enumerate(body["output"]):
        where = {"output_index": index, "item_id": item.get("id")}
        opened = item | {"content": [], "summary": [], "arguments": ""}
        events.append({"type": "response.output_item.added", "output_index": index, "item": opened})
        events += [where | event for event in _deltas(item)]
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": f"response.{body['status'].removesuffix('d')}d", "response": body})
    if body["status"] == "incomplete":
        events[-1]["type"] = "response.incomplete"
    return [(event["type"], orjson.dumps(event)) for event in events]


def _deltas(item: dict[str, Any]) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    if item["type"] == "function_call":
        events += _halves("response.function_call_arguments.delta", item["arguments"])
    for piece in (item.get("summary") or []) if item["type"] == "reasoning" else []:
        events += _halves("response.reasoning_summary_text.delta", piece["text"])
    for number, part in enumerate(item.get("content") or []):
        if item["type"] == "reasoning":
            events += _halves("response.reasoning_text.delta", part["text"])
            continue
        at = {"content_index": number}
        events.append({"type": "response.content_part.added", "part": {"type": part["type"], "text": ""}} | at)
        events += [event | at for event in _halves("response.output_text.delta", part["text"])]
    return events


def _halves(kind: str, text: str) -> list[dict[str, Any]]:
    middle = len(text) // 2
    return [{"type": kind, "delta": piece} for piece in (text[:middle], text[middle:])]


@pytest.mark.parametrize("exchange", cases(DIALECT, outcome="json"))
def test_an_answer_travels_back_unchanged(exchange: Exchange) -> None:
    """Sent back as history, an answer's items are those the vendor sent, none lost, moved or altered, but for reasoning
    that the vendor gave without a form that it could read again; and the vendor's own types take them.
    """
    body = orjson.loads(exchange.body)
    if body["status"] == "queued":
        return
    encoded = _codec(exchange).encode(ChatRequest(messages=(_codec(exchange).decode(exchange.reply).message,)))
    lost = [
        item
        for item in body["output"]
        if item["type"] == "reasoning" and not (item.get("encrypted_content") or item.get("content"))
    ]
    sent = orjson.loads(encoded.request.body)["input"]
    _exhaust(_vendor_types().validate_python({"model": "m", "input": sent}))
    written = [_plain(item) for item in body["output"] if item not in lost]
    assert [warning.kind for warning in encoded.warnings] == ["stripped"] * bool(lost)
    if lost:
        assert [item.get("type", "message") for item in sent] == [item["type"] for item in written]
        assert not [item for item in sent if item.get("type") in (None, "function_call") and "id" in item]
    else:
        assert [_plain(item) for item in sent] == written


@cache
def _vendor_types() -> TypeAdapter[Any]:
    from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

    return TypeAdapter(ResponseCreateParamsNonStreaming)


def _exhaust(value: Any) -> None:
    # The SDK's lists are declared as iterables, which are checked only as they are read.
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, str):
        for inner in value:
            _exhaust(inner)


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    # Nulls and empty lists say nothing; arguments are compared as what they are, not as they are written.
    plain = {name: value for name, value in item.items() if value is not None}
    if item["type"] == "message":
        plain["content"] = [{k: v for k, v in part.items() if v not in (None, [])} for part in item["content"]]
    if item["type"] == "function_call":
        plain["arguments"] = json.loads(item["arguments"] or "{}")
        plain = {name: value for name, value in plain.items() if name not in ("item_id", "output_index")}
    return plain


@pytest.mark.parametrize("exchange", cases(DIALECT, outcome="error"))
def test_error(exchange: Exchange) -> None:
    """An error answer becomes the class of its status, or says more: too long is a kind of bad request."""
    error = _codec(exchange).error(exchange.reply)
    assert isinstance(error, _BY_STATUS[exchange.status])
    assert error.status == exchange.status
    code = exchange.truth.get("sdk_code")
    assert code is None or error.vendor_code == code
    assert isinstance(error, ContextTooLong) == (code == "context_length_exceeded")
    assert error.scope == {"model_not_found": "deployment"}.get(code or "", error.default_scope)


def test_the_corpus_is_there() -> None:
    """The tests above ran over recordings, unless there are none."""
    found = list(exchanges(DIALECT))
    if not found:
        pytest.skip("WIRE_CORPUS is unset")
    assert len(found) > 400
