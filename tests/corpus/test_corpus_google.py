"""Every recorded exchange with Gemini models decodes to what the vendor's own SDK made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading import Exchange, cases, exchanges, frames

from orchestrator.errors import AuthenticationFailed, ContentFiltered, InvalidRequest
from orchestrator.spec.provider import Codecs, Decoded, Failure, Frame, Target
from orchestrator.transport.sse import SseParser
from orchestrator.types.chat import ChatRequest, ChatResult, Message, Text
from orchestrator.types.collect import collect
from orchestrator_providers.google import WIRES

CHAT = ("gemini-generate-content", "vertex-generate-content")
EMBED = ("gemini-batch-embed", "vertex-predict")
_ERRORS = {
    400: (InvalidRequest, "request"),
    403: (AuthenticationFailed, "credential"),
    404: (InvalidRequest, "deployment"),
}


def _codecs(exchange: Exchange) -> Codecs:
    wire = WIRES[_kind(exchange)]
    target = Target(
        profile=wire.profile,
        provider="p",
        deployment="d",
        model=exchange.model or "gemini-2.5-flash",
        base_url="http://127.0.0.1",
        settings={"project": "p", "location": "global"} if _kind(exchange) == "vertex" else {},
    )
    return wire.bind(target)


def _chat(exchange: Exchange) -> Any:
    return _codecs(exchange).chat


def _kind(exchange: Exchange) -> str:
    return "vertex" if exchange.dialect.startswith("vertex") else "google"


def _decode(exchange: Exchange, found: list[Frame]) -> ChatResult:
    decoder = _chat(exchange).decoder()
    events: Decoded = [*decoder.feed(found), *decoder.end()]
    assert not [event for event in events if isinstance(event, Failure)], events
    assert decoder.done
    assert decoder.closing
    return collect([event for event in events if not isinstance(event, Failure)])


def _assert_truth(exchange: Exchange, result: ChatResult) -> None:
    truth = exchange.truth
    assert result.message.text == truth["text"]
    assert result.message.reasoning == truth["reasoning_text"]
    assert result.finish_reason.raw == truth["finish_reason_raw"]
    assert result.response_id == truth["response_id"]
    assert result.model == truth["model"]
    calls = result.message.tool_calls
    assert [(c.name, dict(c.arguments)) for c in calls] == [(c["name"], c["arguments"]) for c in truth["tool_calls"]]
    assert all(call.id == (known["id"] or call.id) for call, known in zip(calls, truth["tool_calls"], strict=True))
    assert len({call.id for call in calls}) == len(calls)
    _assert_usage(result, truth)
    kept = _kept_parts(exchange, result)
    assert len(kept) == sum((truth.get("other_parts") or {}).values())


def _kept_parts(exchange: Exchange, result: ChatResult) -> list[Any]:
    marks = [(p.provider_metadata or {}).get(_kind(exchange), {}) for p in result.message.parts]
    return [mark["part"] for mark in marks if "part" in mark]


def _assert_usage(result: ChatResult, truth: Mapping[str, Any]) -> None:
    known, usage = truth["usage"], result.usage
    assert usage is not None
    raw = usage.raw or {}
    tool_use = raw.get("toolUsePromptTokenCount") or 0
    prompt = known["input_tokens"]
    assert usage.input_tokens == (None if prompt is None else prompt + tool_use)
    assert usage.cache_read_tokens == known["cached_input_tokens"]
    assert usage.reasoning_tokens == known["reasoning_tokens"]
    if known["output_tokens"] is not None:
        assert usage.output_tokens == known["output_tokens"] + (known["reasoning_tokens"] or 0)
    assert usage.total_tokens == known["total"]


def _blocked(exchange: Exchange) -> bool:
    return "prompt_feedback" in exchange.truth


@pytest.mark.parametrize("exchange", cases(*CHAT, outcome="json"))
def test_whole_answer(exchange: Exchange) -> None:
    """A whole answer decodes to the SDK's text, thoughts, calls, reason, usage and ids; a blocked prompt raises."""
    if _blocked(exchange):
        with pytest.raises(ContentFiltered) as caught:
            _chat(exchange).decode(exchange.reply)
        assert caught.value.vendor_code == exchange.truth["prompt_feedback"]["block_reason"]
        return
    _assert_truth(exchange, _chat(exchange).decode(exchange.reply))


@pytest.mark.parametrize("exchange", cases(*CHAT, outcome="stream"))
def test_stream(exchange: Exchange) -> None:
    """A collected stream holds what the SDK collected from it."""
    _assert_truth(exchange, _decode(exchange, frames(exchange.body)))


@pytest.mark.parametrize("exchange", cases(*CHAT, outcome="stream"))
def test_a_stream_without_its_end_is_no_answer(exchange: Exchange) -> None:
    """Cut before the chunk with the finish reason, a stream ends in a failure."""
    found = [frame for frame in frames(exchange.body) if b'"finishReason"' not in frame[1]]
    decoder = _chat(exchange).decoder()
    events = [*decoder.feed(found), *decoder.end()]
    assert isinstance(events[-1], Failure)
    assert not decoder.done


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_byte_boundaries_change_nothing(data: st.DataObject) -> None:
    """However a stream's bytes are cut, the same reply comes of them."""
    recorded = [e for e in exchanges(*CHAT) if e.outcome == "stream"]
    if not recorded:
        pytest.skip("WIRE_CORPUS is unset")
    exchange = data.draw(st.sampled_from(recorded))
    body = exchange.body
    places = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=12)))
    parser, decoder = SseParser(), _chat(exchange).decoder()
    events: Decoded = []
    for start, end in zip([0, *places], [*places, len(body)], strict=True):
        events += decoder.feed(parser.feed(body[start:end]))
    events += [*decoder.feed(parser.end()), *decoder.end()]
    assert collect([e for e in events if not isinstance(e, Failure)]) == _decode(exchange, frames(body))


@pytest.mark.parametrize("exchange", cases(*CHAT, *EMBED, outcome="error"))
def test_error(exchange: Exchange) -> None:
    """An error answer becomes the class and scope of its status, with the vendor's reason or status as its code."""
    codecs = _codecs(exchange)
    codec: Any = codecs.chat if exchange.kind == "chat" else codecs.embed
    error = codec.error(exchange.reply)
    body = orjson.loads(exchange.body)["error"]
    known, scope = _ERRORS[exchange.status]
    assert type(error) is known
    assert error.scope == scope
    assert not error.retryable
    reasons = [detail["reason"] for detail in body.get("details", ()) if "reason" in detail]
    assert error.vendor_code == (reasons[0] if reasons else exchange.truth["sdk_status"])


@pytest.mark.parametrize("exchange", cases(*CHAT, outcome="json"))
def test_a_stream_gives_the_same_as_the_whole_answer(exchange: Exchange) -> None:
    """An answer cut into chunks, texts in pieces and the reason last, collects to exactly what it is in one piece."""
    if not _blocked(exchange):
        found = _as_stream(orjson.loads(exchange.body))
        assert _decode(exchange, found) == _chat(exchange).decode(exchange.reply)


def _as_stream(body: dict[str, Any]) -> list[Frame]:
    candidate = body["candidates"][0]
    content = candidate.get("content") or {}
    rest = {key: value for key, value in candidate.items() if key != "content"}
    head = {key: body[key] for key in ("responseId", "modelVersion") if key in body}
    chunks = [
        head | {"candidates": [{"content": {"parts": [piece], "role": "model"}}]}
        for part in content.get("parts") or ()
        for piece in _pieces(part)
    ]
    chunks.append({**body, "candidates": [rest]})
    return [("", orjson.dumps(chunk)) for chunk in chunks]


def _pieces(part: dict[str, Any]) -> list[dict[str, Any]]:
    if part.keys() <= {"text", "thought"} and len(part["text"]) > 1:
        middle = len(part["text"]) // 2
        return [part | {"text": part["text"][:middle]}, part | {"text": part["text"][middle:]}]
    return [part]


@pytest.mark.parametrize("exchange", cases(*CHAT, outcome="json"))
def test_an_answer_travels_back_unchanged(exchange: Exchange) -> None:
    """Sent back as history, an answer's parts are those the vendor sent: none lost, moved or altered, signatures in
    their places.
    """
    if _blocked(exchange):
        return
    body = orjson.loads(exchange.body)
    message = _chat(exchange).decode(exchange.reply).message
    asked = Message("user", (Text("?"),))
    encoded = _chat(exchange).encode(ChatRequest(messages=(asked, message)))
    sent = [part for turn in orjson.loads(encoded.request.body)["contents"][1:] for part in turn["parts"]]
    assert encoded.warnings == ()
    assert [_plain(part) for part in sent] == _merged(body["candidates"][0].get("content", {}).get("parts") or [])


_NO_SIGNATURE = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="


def _plain(part: dict[str, Any]) -> dict[str, Any]:
    # Ids and signatures that the vendor did not send are ours.
    if "functionCall" in part:
        call = {key: value for key, value in part["functionCall"].items() if key != "id"}
        part = part | {"functionCall": call | {"args": call.get("args") or {}}}
    return {key: value for key, value in part.items() if not (key == "thoughtSignature" and value == _NO_SIGNATURE)}


def _merged(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    merged: list[dict[str, Any]] = []
    for part in parts:
        plain = part.keys() <= {"text", "thought"}
        if plain and merged and merged[-1].keys() == part.keys():
            merged[-1] = merged[-1] | {"text": merged[-1]["text"] + part["text"]}
        elif not plain or part["text"]:
            merged.append(_plain(part))
    return merged


@pytest.mark.parametrize("exchange", cases(*EMBED, outcome="json"))
def test_embeddings(exchange: Exchange) -> None:
    """Vectors and counts are those of the SDK."""
    codec = _codecs(exchange).embed
    assert codec is not None
    result = codec.decode(exchange.reply)
    truth = exchange.truth
    assert len(result.vectors) == truth["n_vectors"]
    assert {len(vector) for vector in result.vectors} == {truth["dim"]}
    assert list(result.vectors[0])[:4] == truth["first_values"]
    assert list(result.vectors[-1])[:4] == truth["last_vector_first_values"]
    usage, raw = truth["usage"] or {}, truth["usage_raw"] or {}
    counted = usage.get("input_tokens", (raw.get("usage_metadata") or {}).get("prompt_token_count"))
    assert (result.usage.input_tokens if result.usage else None) == counted


def test_the_corpus_is_there() -> None:
    """The tests above ran over recordings, unless there are none."""
    found = list(exchanges(*CHAT, *EMBED))
    if not found:
        pytest.skip("WIRE_CORPUS is unset")
    assert len(found) > 300
