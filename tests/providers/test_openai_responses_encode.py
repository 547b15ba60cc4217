"""What the Responses wire sends: the body for each kind of request, checked against the vendor SDK's types."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import cache
from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter

from orchestrator.errors import InvalidRequest, UnsupportedFeature
from orchestrator.registry import find
from orchestrator.spec.models import ModelProfile
from orchestrator.spec.provider import ChatCodec, Encoded, Target, Wire
from orchestrator.spec.transport import HttpReply
from orchestrator.types.chat import (
    ChatOptions,
    ChatRequest,
    Media,
    Message,
    OutputSchema,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)

KIND = "openai_responses"
HELLO = Message("user", (Text("Hello"),))
SENT_HELLO = {"role": "user", "content": "Hello"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLOSED = SCHEMA | {"additionalProperties": False}
CITY = OutputSchema(name="city", schema=SCHEMA)
WEATHER = Tool(name="weather", description="Weather of a city.", parameters=SCHEMA)
SENT_WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "Weather of a city.",
    "parameters": SCHEMA,
    "strict": False,
}
ENCRYPTED = ["reasoning.encrypted_content"]
PNG = base64.b64decode("iVBORw0KGgo=")


def _codec(model: str = "gpt-4.1-mini", kind: str = KIND, facts: ModelProfile | None = None) -> ChatCodec:
    wire = find(kind)
    assert isinstance(wire, Wire)
    target = Target(
        profile=wire.profile,
        provider="p",
        deployment="d",
        model=model,
        base_url=wire.profile.base_url or "https://host.test/v1",
        model_profile=facts or ModelProfile(),
    )
    chat = wire.bind(target).chat
    assert chat is not None
    return chat


def _encode(
    *messages: Message,
    model: str = "gpt-4.1-mini",
    kind: str = KIND,
    facts: ModelProfile | None = None,
    tools: tuple[Tool, ...] = (),
    output: OutputSchema | None = None,
    **options: Any,
) -> Encoded:
    request = ChatRequest(messages=messages or (HELLO,), tools=tools, output=output, options=ChatOptions(**options))
    return _codec(model, kind, facts).encode(request)


@cache
def _vendor_types() -> TypeAdapter[Any]:
    from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming

    return TypeAdapter(ResponseCreateParamsNonStreaming)


def _body(encoded: Encoded) -> dict[str, Any]:
    """The body sent, after the vendor SDK's own types have accepted it."""
    body: dict[str, Any] = orjson.loads(encoded.request.body)
    _exhaust(_vendor_types().validate_python(body))
    return body


def _exhaust(value: Any) -> None:
    # The SDK's lists are declared as iterables, which are checked only as they are read.
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, str):
        for inner in value:
            _exhaust(inner)


def _settings(encoded: Encoded) -> dict[str, Any]:
    return {name: value for name, value in _body(encoded).items() if name not in ("model", "input", "store")}


def _warned(encoded: Encoded) -> list[tuple[str, str]]:
    return [(warning.kind, warning.setting) for warning in encoded.warnings]


def _sent(*messages: Message, **more: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = _body(_encode(*messages, **more))["input"]
    return sent


def _own(part: type[Any], *args: Any, marks: dict[str, Any], **fields: Any) -> Any:
    return part(*args, provider_metadata={KIND: marks}, **fields)


def test_smallest_request() -> None:
    """One message needs nothing more than the model and that the vendor keeps nothing."""
    encoded = _encode()
    assert encoded.request.url == "https://api.openai.com/v1/responses"
    assert _body(encoded) == {"model": "gpt-4.1-mini", "store": False, "input": [SENT_HELLO]}
    assert encoded.warnings == ()


def test_stream_asks_for_a_stream() -> None:
    """A stream's request differs from the other by its `stream` field alone."""
    request = ChatRequest(messages=(HELLO,))
    whole, stream = (orjson.loads(e.request.body) for e in (_codec().encode(request), _codec().encode_stream(request)))
    assert stream == whole | {"stream": True}


def test_xai_has_its_own_address() -> None:
    """The same API at xAI is a kind of its own, with xAI's address, key and prices."""
    assert _encode(kind="xai_responses").request.url == "https://api.x.ai/v1/responses"
    wire = find("xai_responses")
    assert (wire.profile.api_key_env, wire.profile.prices) == (("XAI_API_KEY",), "x-ai")


def test_roles_become_items() -> None:
    """System messages stay where they stand, calls and results are items of their own."""
    call = ToolCall(id="c1", name="weather", arguments={"city": "Oslo"})
    history = (
        Message("system", (Text("Be brief."),)),
        HELLO,
        Message("assistant", (Text("Let me "), Text("look."), call)),
        Message("tool", (ToolResult(id="c1", content="7 °C"),)),
        Message("system", (Text("Be kind."),)),
    )
    assert _sent(*history, tools=(WEATHER,)) == [
        {"role": "system", "content": "Be brief."},
        SENT_HELLO,
        {"role": "assistant", "content": "Let me look."},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Oslo"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "7 °C"},
        {"role": "system", "content": "Be kind."},
    ]


@pytest.mark.parametrize(
    ("media", "sent"),
    [
        (
            Media(media_type="image/png", data=PNG),
            {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,iVBORw0KGgo="},
        ),
        (
            Media(media_type="image/*", url="https://x.test/a.png"),
            {"type": "input_image", "detail": "auto", "image_url": "https://x.test/a.png"},
        ),
        (
            _own(Media, media_type="image/png", file_id="file-1", marks={"detail": "low"}),
            {"type": "input_image", "detail": "low", "file_id": "file-1"},
        ),
        (
            Media(media_type="application/pdf", data=b"%PDF"),
            {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
        ),
        (
            Media(media_type="text/csv", data=b"a", filename="t.csv"),
            {"type": "input_file", "filename": "t.csv", "file_data": "data:text/csv;base64,YQ=="},
        ),
        (
            Media(media_type="application/pdf", url="https://x.test/a.pdf"),
            {"type": "input_file", "file_url": "https://x.test/a.pdf"},
        ),
        (
            Media(media_type="application/pdf", url="data:application/pdf;base64,JVBERg=="),
            {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
        ),
        (Media(media_type="application/pdf", file_id="file-2"), {"type": "input_file", "file_id": "file-2"}),
    ],
)
def test_media(media: Media, sent: dict[str, Any]) -> None:
    """Images and documents go as bytes, address or file reference, in messages and in results of tools."""
    said = Message("user", (Text("What is it?"), media))
    assert _sent(said) == [{"role": "user", "content": [{"type": "input_text", "text": "What is it?"}, sent]}]
    result = ToolResult(id="c1", content=(Text("Here."), media))
    assert _sent(Message("tool", (result,)))[0]["output"] == [{"type": "input_text", "text": "Here."}, sent]


@pytest.mark.parametrize(
    ("media_type", "facts"),
    [("audio/wav", ModelProfile()), ("video/mp4", ModelProfile()), ("image/png", ModelProfile(media=frozenset()))],
)
def test_media_that_nobody_takes(media_type: str, facts: ModelProfile) -> None:
    """What the wire or the model does not take is an error before anything is sent."""
    with pytest.raises(UnsupportedFeature, match=media_type):
        _encode(Message("user", (Media(media_type=media_type, data=b"x"),)), facts=facts)


def test_documents_need_no_eyes() -> None:
    """The API reads documents for the model, so models that see nothing take them too."""
    document = Message("user", (Media(media_type="text/csv", data=b"a"),))
    assert _sent(document, facts=ModelProfile(media=frozenset()))[0]["content"][0]["type"] == "input_file"


@pytest.mark.parametrize(
    "message",
    [
        Message("user", (ToolCall(id="c", name="n"),)),
        Message("assistant", (ToolResult(id="c", content="x"),)),
    ],
)
def test_parts_in_the_wrong_place(message: Message) -> None:
    """A part that a message of its role cannot hold is an error before anything is sent."""
    with pytest.raises(UnsupportedFeature, match="cannot hold"):
        _encode(message)


OUTPUT: list[dict[str, Any]] = [
    {
        "id": "rs_1",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Think."}],
        "encrypted_content": "gAAA",
    },
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "phase": "commentary",
        "content": [
            {"type": "output_text", "text": "I will ", "annotations": []},
            {
                "type": "output_text",
                "text": "search.",
                "annotations": [
                    {"type": "url_citation", "url": "https://x.test", "title": "X", "start_index": 0, "end_index": 2}
                ],
            },
        ],
    },
    {
        "id": "ws_1",
        "type": "web_search_call",
        "status": "completed",
        "action": {"type": "search", "query": "oslo", "queries": ["oslo"]},
    },
    {
        "id": "fc_1",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_1",
        "name": "weather",
        "arguments": '{"city":"Oslo"}',
        "namespace": "tools",
    },
    {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "iVBORw0KGgo="},
    {
        "id": "msg_2",
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "refusal", "refusal": "No."}],
    },
    {"id": "ct_1", "type": "custom_tool_call", "call_id": "call_2", "name": "shout", "input": "hey"},
]


def _reply(output: list[dict[str, Any]]) -> Message:
    body = {"id": "r", "object": "response", "model": "m", "status": "completed", "output": output}
    return _codec().decode(HttpReply(200, {}, orjson.dumps(body))).message


def test_a_reply_travels_back_as_it_came() -> None:
    """Reasoning, messages with their phase and ids, calls, pictures, refusals and the vendor's own tools go back in
    place, and the vendor's types take them.
    """
    result = _own(ToolResult, id="call_2", content="HEY", marks={"type": "custom_tool_call_output"})
    encoded = _encode(HELLO, _reply(OUTPUT), Message("tool", (result,)))
    assert _body(encoded)["input"] == [
        SENT_HELLO,
        *OUTPUT,
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "HEY"},
    ]
    assert encoded.warnings == ()


def test_a_reply_goes_elsewhere_without_its_marks() -> None:
    """At another kind the same reply is text and calls, with one warning for what was left out."""
    for kind in ("xai_responses", "openai"):
        encoded = _encode(_reply(OUTPUT), kind=kind)
        assert [warning.kind for warning in encoded.warnings if warning.kind == "stripped"] == ["stripped"]
        text = encoded.request.body.decode()
        assert "gAAA" not in text
        assert "ws_1" not in text
        assert "search." in text
        assert "Oslo" in text


def test_foreign_history() -> None:
    """Reasoning and marks of other kinds are stripped, and media that a model made are left out."""
    theirs = {"anthropic": {"signature": "s"}}
    parts: tuple[Part, ...] = (
        Reasoning("Hm.", provider_metadata=theirs),
        Reasoning("Bare."),
        Text("Seven.", provider_metadata=theirs),
        Media(media_type="image/png", data=PNG),
    )
    encoded = _encode(Message("assistant", parts))
    assert _body(encoded)["input"] == [{"role": "assistant", "content": "Seven."}]
    assert _warned(encoded) == [("stripped", "messages"), ("compatibility", "messages")]


def test_reasoning_that_cannot_be_read_again() -> None:
    """Without its encrypted form reasoning is left out, and what followed it goes without the ids that would ask for
    it; where the vendor keeps its answers, the ids suffice.
    """
    bare = [{key: value for key, value in OUTPUT[0].items() if key != "encrypted_content"}, OUTPUT[1], OUTPUT[3]]
    encoded = _encode(_reply(bare))
    assert _body(encoded)["input"] == [
        {"role": "assistant", "content": "I will search."},
        {key: value for key, value in OUTPUT[3].items() if key != "id"},
    ]
    assert _warned(encoded) == [("stripped", "messages")]
    kept = _encode(_reply(bare), provider_options={KIND: {"store": True}})
    assert (_body(kept)["input"], kept.warnings, _body(kept)["store"]) == (bare, (), True)


def test_open_reasoning_goes_back() -> None:
    """Models that show their whole reasoning get it back."""
    item = {"id": "rs_1", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
    assert _sent(_reply([item])) == [item]


def test_long_ids_of_other_vendors() -> None:
    """Ids longer than the vendor takes are shortened, calls and results alike, and stay apart."""
    ids = ["x" * 80 + "1", "x" * 80 + "2", "y" * 64]
    calls = Message("assistant", tuple([ToolCall(id=id_, name="weather") for id_ in ids]))
    results = Message("tool", tuple([ToolResult(id=id_, content="") for id_ in ids]))
    sent = [item["call_id"] for item in _sent(calls, results, tools=(WEATHER,))]
    assert sent[:3] == sent[3:]
    assert len(set(sent)) == 3
    assert all(len(id_) <= 64 for id_ in sent)
    assert sent[2] == ids[2]


def test_arguments_that_were_no_json_go_back_as_they_were() -> None:
    """The model sees what it wrote."""
    call = ToolCall(id="c", name="weather", invalid_arguments='{"city": ')
    assert _sent(Message("assistant", (call,)))[0]["arguments"] == '{"city": '


def test_sampling_and_cap() -> None:
    """Settings travel under the API's names; a cap below the vendor's minimum is raised, which is said."""
    settings = _settings(_encode(temperature=0.2, top_p=0.9, max_output_tokens=50))
    assert settings == {"temperature": 0.2, "top_p": 0.9, "max_output_tokens": 50}
    low = _encode(max_output_tokens=5)
    assert (_settings(low), _warned(low)) == ({"max_output_tokens": 16}, [("compatibility", "max_output_tokens")])
    assert _settings(_encode(max_output_tokens=5, kind="xai_responses")) == {"max_output_tokens": 5}


def test_settings_the_api_does_not_have() -> None:
    """Stop sequences and seeds are left out with a warning each."""
    encoded = _encode(stop=("x",), seed=1)
    assert (_settings(encoded), _warned(encoded)) == ({}, [("unsupported", "stop"), ("unsupported", "seed")])


@pytest.mark.parametrize("model", ["gpt-5-mini", "o3", "o4-mini-2025-04-16", "gpt-5.4", "openai/gpt-5.6"])
def test_reasoning_models_by_name(model: str) -> None:
    """Reasoning models are asked for encrypted reasoning, and take no sampling settings while they reason."""
    encoded = _encode(model=model, temperature=0.2, top_p=1.0)
    assert _settings(encoded) == {"include": ENCRYPTED}
    assert _warned(encoded) == [("unsupported", "temperature")]
    assert _settings(_encode(model=model, temperature=0.2, reasoning_effort="none")) == {
        "temperature": 0.2,
        "reasoning": {"effort": "none"},
        "include": ENCRYPTED,
    }


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5-chat-latest", "my-deployment", "grok-4-fast-non-reasoning"])
def test_others_are_not_asked_for_reasoning(model: str) -> None:
    """Models that do not reason, or are not known to, refuse to be asked for it."""
    assert _settings(_encode(model=model)) == {}


def test_facts_about_a_model_decide_before_its_name() -> None:
    """What is known of a model beats what its name suggests."""
    plain = ModelProfile(family="f", reasoning="none", refuses=frozenset({"top_p"}))
    encoded = _encode(model="gpt-5-mini", facts=plain, temperature=0.2, top_p=0.5, reasoning_effort="low")
    assert _settings(encoded)["temperature"] == 0.2
    assert "top_p" not in _settings(encoded)
    assert "reasoning" not in _settings(encoded)
    assert _warned(encoded) == [("unsupported", "top_p"), ("unsupported", "reasoning_effort")]
    facts = ModelProfile(
        reasoning="effort",
        efforts=("low", "medium"),
        refuses_when_reasoning=frozenset({"temperature"}),
        refuses=frozenset({"parallel_tool_calls"}),
    )
    encoded = _encode(
        model="m", facts=facts, reasoning_effort="high", temperature=0.5, tools=(WEATHER,), parallel_tool_calls=True
    )
    assert _settings(encoded) == {"reasoning": {"effort": "medium"}, "include": ENCRYPTED, "tools": [SENT_WEATHER]}
    assert _warned(encoded) == [
        ("unsupported", "temperature"),
        ("compatibility", "reasoning_effort"),
        ("unsupported", "parallel_tool_calls"),
    ]
    assert _settings(_encode(facts=ModelProfile(one_sampling=True), temperature=0.5, top_p=0.5)) == {"temperature": 0.5}


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high"])
def test_effort(effort: Any) -> None:
    """Effort goes into `reasoning`; a model without reasoning is not told to have none."""
    assert _settings(_encode(model="gpt-5.4", reasoning_effort=effort))["reasoning"] == {"effort": effort}
    encoded = _encode(model="gpt-4o", reasoning_effort=effort)
    assert _settings(encoded) == {}
    assert _warned(encoded) == ([] if effort == "none" else [("unsupported", "reasoning_effort")])


def test_tools() -> None:
    """Tools have the API's flat form, and never become strict unless asked to."""
    encoded = _encode(tools=(WEATHER, Tool(name="now")), tool_choice="required", parallel_tool_calls=False)
    assert _settings(encoded) == {
        "tools": [
            SENT_WEATHER,
            {"type": "function", "name": "now", "parameters": {"type": "object", "properties": {}}, "strict": False},
        ],
        "tool_choice": "required",
        "parallel_tool_calls": False,
    }
    named = _settings(_encode(tools=(WEATHER,), tool_choice="weather"))
    assert named["tool_choice"] == {"type": "function", "name": "weather"}


def test_strict_tools() -> None:
    """A strict tool has the dialect's form; one that the dialect cannot say is not strict, which is said."""
    strict = Tool(name="weather", parameters=SCHEMA, strict=True)
    assert _settings(_encode(tools=(strict,)))["tools"] == [
        {"type": "function", "name": "weather", "parameters": CLOSED, "strict": True}
    ]
    loose = Tool(name="any", parameters={"type": "object", "properties": {"a": {"type": "string"}}}, strict=True)
    encoded = _encode(tools=(loose,))
    assert _settings(encoded)["tools"][0]["strict"] is False
    assert _warned(encoded) == [("unsupported", "tools.strict")]


def test_tool_settings_without_tools() -> None:
    """A choice among no tools is left out; a vendor's own tool in the options is one."""
    encoded = _encode(tool_choice="required", parallel_tool_calls=True)
    assert (_settings(encoded), _warned(encoded)) == ({}, [("unsupported", "tool_choice")])
    assert _settings(_encode(tool_choice="auto")) == {}
    search = {"type": "web_search"}
    encoded = _encode(tool_choice="required", provider_options={KIND: {"tools": [search]}})
    assert _settings(encoded) == {"tools": [search], "tool_choice": "required"}


def test_models_without_tools() -> None:
    """What the model lacks is an error before anything is sent."""
    with pytest.raises(UnsupportedFeature, match="no tools"):
        _encode(facts=ModelProfile(tools=False), tools=(WEATHER,))
    with pytest.raises(UnsupportedFeature, match="made to call"):
        _encode(facts=ModelProfile(forced_tools=False), tools=(WEATHER,), tool_choice="weather")
    with pytest.raises(UnsupportedFeature, match="output schemas"):
        _encode(facts=ModelProfile(json_schema=False, tools=False), output=CITY)


def test_output_schema() -> None:
    """An output schema is strict where strict mode can say it, and a hint where it cannot."""
    sent = {"type": "json_schema", "name": "city", "schema": CLOSED, "strict": True}
    assert _settings(_encode(output=CITY)) == {"text": {"format": sent}}
    loose = OutputSchema(name="any", schema={"type": "object", "additionalProperties": {"type": "string"}})
    assert _settings(_encode(output=loose)) == {
        "text": {"format": {"type": "json_schema", "name": "any", "schema": loose.schema, "strict": False}}
    }
    narrow = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}}, "required": ["a"]}
    encoded = _encode(output=OutputSchema(name="n", schema=narrow))
    assert "maxLength" not in encoded.request.body.decode()
    assert _warned(encoded) == [("compatibility", "output")]


@pytest.mark.parametrize(
    ("tools", "choice", "sent"),
    [
        ((), None, {"type": "function", "name": "orchestrator_output"}),
        ((WEATHER,), None, "required"),
        ((WEATHER,), "auto", "required"),
        ((WEATHER,), "none", {"type": "function", "name": "orchestrator_output"}),
        ((WEATHER,), "weather", {"type": "function", "name": "weather"}),
    ],
)
def test_a_tool_stands_in_for_an_output_schema(tools: tuple[Tool, ...], choice: str | None, sent: Any) -> None:
    """A model that follows no output schema is made to call a tool whose arguments are the answer."""
    encoded = _encode(facts=ModelProfile(json_schema=False), output=CITY, tools=tools, tool_choice=choice)
    settings = _settings(encoded)
    assert "text" not in settings
    assert settings["tool_choice"] == sent
    assert settings["tools"][-1]["name"] == "orchestrator_output"
    assert settings["tools"][-1]["parameters"] == SCHEMA


def test_provider_options_go_as_they_are() -> None:
    """The caller's own fields come last, and are put together with ours where they share one."""
    extra = {
        "tools": [{"type": "web_search"}],
        "include": ["web_search_call.action.sources"],
        "text": {"verbosity": "low"},
        "reasoning": {"summary": "auto"},
        "truncation": "auto",
        "service_tier": "flex",
        "instructions": "Be brief.",
        "prompt_cache_key": "k",
    }
    encoded = _encode(
        model="gpt-5.4",
        tools=(WEATHER,),
        output=CITY,
        reasoning_effort="low",
        provider_options={KIND: extra, "anthropic": {"top_k": 1}},
    )
    assert _settings(encoded) == {
        "tools": [SENT_WEATHER, {"type": "web_search"}],
        "include": [*ENCRYPTED, "web_search_call.action.sources"],
        "text": {
            "format": {"type": "json_schema", "name": "city", "schema": CLOSED, "strict": True},
            "verbosity": "low",
        },
        "reasoning": {"effort": "low", "summary": "auto"},
        **{name: extra[name] for name in ("truncation", "service_tier", "instructions", "prompt_cache_key")},
    }


def test_what_is_not_json_is_refused() -> None:
    """An object in the provider options that JSON cannot say is an error that does not show it."""
    with pytest.raises(InvalidRequest, match="cannot be written as JSON"):
        _encode(provider_options={KIND: {"metadata": object()}})
