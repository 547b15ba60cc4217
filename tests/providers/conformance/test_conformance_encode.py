"""What every wire writes: the same bytes for the same request, and no setting lost in silence."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from entries import WIRES, bind, chat_codec, kinds_with, sample_of

from orchestrator.errors import InvalidRequest, UnsupportedFeature
from orchestrator.spec.provider import Encoded
from orchestrator.types.chat import (
    ChatOptions,
    ChatRequest,
    Media,
    Message,
    OutputSchema,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from orchestrator.types.retrieval import EmbedOptions, EmbedRequest, RerankOptions, RerankRequest

KINDS = kinds_with("chat")
SECRET_TEXT = "my grandmother's maiden name"
TOOL = Tool(name="weather", description="Weather now", parameters={"type": "object", "properties": {}})
OTHER = Tool(name="look_up", description="Looks things up")
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
OPTIONS: dict[str, Any] = {
    "temperature": 0.3,
    "top_p": 0.96,
    "max_output_tokens": 5000,
    "stop": ("END",),
    "seed": 7,
    "reasoning_effort": "low",
    "tool_choice": "required",
    "parallel_tool_calls": False,
}
CHOICES = ("auto", "none", "required", "weather")


def _ask(**options: Any) -> ChatRequest:
    messages = (Message("system", (Text("Be brief."),)), Message("user", (Text(SECRET_TEXT),)))
    return ChatRequest(messages=messages, tools=(TOOL, OTHER), options=ChatOptions(**options))


def _history() -> ChatRequest:
    call = ToolCall(id="call_1", name="weather", arguments={"city": "Oslo"})
    messages = (
        Message("user", (Text(SECRET_TEXT),)),
        Message("assistant", (Reasoning("Hm."), Text("Let me look."), call)),
        Message("tool", (ToolResult(id="call_1", name="weather", content="sunny"),)),
    )
    return replace(_ask(), messages=messages)


def _encoded(kind: str, request: ChatRequest) -> Encoded | None:
    """None where the wire has no tools at all."""
    try:
        return chat_codec(kind).encode(request)
    except UnsupportedFeature:
        return None


@pytest.mark.parametrize("kind", KINDS)
def test_encoding_is_pure(kind: str) -> None:
    """The same request gives the same bytes, from the same codec and from another, and is not changed by it."""
    for request in (_ask(**OPTIONS), _history(), replace(_ask(), tools=())):
        before = deepcopy(request)
        codec = chat_codec(kind)
        if _encoded(kind, request) is None:
            continue
        assert codec.encode(request) == codec.encode(request) == chat_codec(kind).encode(request)
        assert codec.encode_stream(request) == codec.encode_stream(request) == chat_codec(kind).encode_stream(request)
        assert request == before


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_setting_is_sent_or_warned_about(kind: str, name: str) -> None:
    """Each setting changes what is sent, or a warning says that it was left out; never neither."""
    plain, found = _encoded(kind, _ask()), _encoded(kind, _ask(**{name: OPTIONS[name]}))
    if plain is None or found is None:
        plain = chat_codec(kind).encode(replace(_ask(), tools=()))
        found = chat_codec(kind).encode(replace(_ask(**{name: OPTIONS[name]}), tools=()))
        if name in ("tool_choice", "parallel_tool_calls"):
            return  # checked with the tools that this wire has not
    warned = [warning for warning in found.warnings if warning.setting == name]
    assert found.request != plain.request or warned, "lost in silence"
    if any(warning.kind == "unsupported" for warning in warned):
        assert found.request == plain.request, "left out, and yet something is sent"


@pytest.mark.parametrize("kind", KINDS)
def test_every_choice_of_tools_is_sent_or_refused(kind: str) -> None:
    """All forms of `tool_choice` give different requests, so none is taken for another."""
    found = [_encoded(kind, _ask(tool_choice=choice)) for choice in CHOICES]
    if found[0] is None:
        pytest.skip("the vendor has no tools")
    sent = [one.request.body for one in found if one is not None]
    assert len(set(sent)) == len(sent)


@pytest.mark.parametrize("kind", KINDS)
def test_an_output_schema_is_sent_or_refused(kind: str) -> None:
    """An output schema is in the body, or the wire says that it has none before anything is sent."""
    request = replace(_ask(), tools=(), output=OutputSchema(name="place", schema=SCHEMA))
    found = _encoded(kind, request)
    if found is not None:
        assert b"city" in found.request.body
        assert b"city" in chat_codec(kind).encode_stream(request).request.body


@pytest.mark.parametrize("kind", KINDS)
def test_provider_options_reach_only_their_kind(kind: str) -> None:
    """`provider_options` of the kind go into the body, those of others do not."""
    options = {kind: {"our_own_field": 41}, "another": {"their_field": 42}}
    body = chat_codec(kind).encode(replace(_ask(provider_options=options), tools=())).request.body
    assert b"our_own_field" in body
    assert b"their_field" not in body


@pytest.mark.parametrize("kind", KINDS)
def test_media_that_the_profile_names_is_written(kind: str) -> None:
    """Media of a type that the profile names is in the body; media of a type it does not name is refused."""
    codec = chat_codec(kind)
    media = WIRES[kind].profile.media
    for media_type in ("image/png", "application/pdf", "audio/wav", "text/plain", "video/mp4"):
        message = Message("user", (Text("Look."), Media(media_type=media_type, data=b"SOME-BYTES", filename="a.b")))
        request = ChatRequest(messages=(message,))
        if {media_type, f"{media_type.partition('/')[0]}/*"} & media:
            body = codec.encode(request).request.body
            assert b"U09NRS1CWVRFUw" in body or b"SOME-BYTES" in body, media_type
        else:
            with pytest.raises(UnsupportedFeature):
                codec.encode(request)


@pytest.mark.parametrize("kind", KINDS)
def test_no_prompt_is_in_a_repr(kind: str) -> None:
    """Neither the request, nor what it is encoded to, nor a refusal shows what the user wrote."""
    request = replace(_history(), options=ChatOptions(**OPTIONS))
    assert SECRET_TEXT not in repr(request)
    found = _encoded(kind, request)
    assert SECRET_TEXT not in repr(found)
    bad = Message("user", (Media(media_type="model/x-unheard-of", data=SECRET_TEXT.encode()), Text(SECRET_TEXT)))
    with pytest.raises(UnsupportedFeature) as caught:
        chat_codec(kind).encode(ChatRequest(messages=(bad,)))
    assert SECRET_TEXT not in repr(caught.value)


@pytest.mark.parametrize("name", ["dimensions", "input_type"])
@pytest.mark.parametrize("kind", kinds_with("embed"))
def test_an_embedding_setting_is_sent_or_warned_about(kind: str, name: str) -> None:
    """Each setting of an embedding changes what is sent, or a warning says that it was left out."""
    codec = bind(kind, "embed").embed
    assert codec is not None
    value: Any = {"dimensions": 256, "input_type": "query"}[name]
    plain = codec.encode(EmbedRequest(texts=("one", "two")))
    found = codec.encode(EmbedRequest(texts=("one", "two"), options=EmbedOptions(**{name: value})))
    assert found == codec.encode(EmbedRequest(texts=("one", "two"), options=EmbedOptions(**{name: value})))
    assert found.request != plain.request or [warning for warning in found.warnings if warning.setting == name]
    assert found.request.body.index(b'"one"') < found.request.body.index(b'"two"')


@pytest.mark.parametrize("kind", kinds_with("rerank"))
def test_a_ranking_asks_for_as_many_as_wanted(kind: str) -> None:
    """`top_n` is sent or warned about, and the documents stand in their order."""
    codec = bind(kind, "rerank").rerank
    assert codec is not None
    request = RerankRequest(query="q", documents=("one", "two", "three"), options=RerankOptions(top_n=2))
    found = codec.encode(request)
    assert found == codec.encode(request)
    plain = codec.encode(replace(request, options=RerankOptions()))
    sample = sample_of(kind).rerank
    assert sample is not None
    warned = [warning for warning in found.warnings if warning.setting == "top_n"]
    assert (found.request != plain.request or bool(warned)) == sample.sends_top_n
    assert found.request.body.index(b'"one"') < found.request.body.index(b'"two"')


@pytest.mark.parametrize("where", ["a text", "a call's arguments"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_json_is_an_invalid_request(kind: str, where: str) -> None:
    """A lone surrogate or an object of Python's is refused as such, without a word of the prompt."""
    text = f"{SECRET_TEXT} \ud800" if where == "a text" else SECRET_TEXT
    call = ToolCall(id="call12345", name="weather", arguments={"city": object() if text == SECRET_TEXT else "Oslo"})
    messages = (
        Message("user", (Text(text),)),
        Message("assistant", (call,)),
        Message("tool", (ToolResult(id=call.id, content="18 degrees"),)),
    )
    with pytest.raises(InvalidRequest, match="cannot be written as JSON") as caught:
        chat_codec(kind).encode(ChatRequest(messages=messages))
    assert SECRET_TEXT not in str(caught.value)
