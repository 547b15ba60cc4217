"""What the Anthropic wire sends: the exact body for each kind of request, checked against the vendor SDK's types."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from functools import cache
from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter

from orchestrator.errors import UnsupportedFeature
from orchestrator.models import bundled
from orchestrator.spec.provider import Encoded, Target
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
from orchestrator_providers.anthropic import WIRE
from orchestrator_providers.anthropic.codec import AnthropicChat

HELLO = Message("user", (Text("Hello"),))
SENT_HELLO = {"role": "user", "content": [{"type": "text", "text": "Hello"}]}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CLOSED = SCHEMA | {"additionalProperties": False}
CITY = OutputSchema(name="city", schema=SCHEMA)
WEATHER = Tool(name="weather", description="Weather of a city.", parameters=SCHEMA)


def _codec(model: str, base_url: str = "https://api.anthropic.com") -> AnthropicChat:
    target = Target(
        profile=WIRE.profile,
        provider="p",
        deployment="d",
        model=model,
        base_url=base_url,
        model_profile=bundled().find("anthropic", model),
    )
    chat = WIRE.bind(target).chat
    assert isinstance(chat, AnthropicChat)
    return chat


def _encode(
    *messages: Message,
    model: str = "claude-haiku-4-5",
    tools: tuple[Tool, ...] = (),
    output: OutputSchema | None = None,
    **options: Any,
) -> Encoded:
    request = ChatRequest(messages=messages or (HELLO,), tools=tools, output=output, options=ChatOptions(**options))
    return _codec(model).encode(request)


@cache
def _vendor_types() -> TypeAdapter[Any]:
    from anthropic.types.message_create_params import MessageCreateParamsNonStreaming

    return TypeAdapter(MessageCreateParamsNonStreaming)


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
    return {key: value for key, value in _body(encoded).items() if key not in ("model", "messages", "max_tokens")}


def _warned(encoded: Encoded) -> list[tuple[str, str]]:
    return [(warning.kind, warning.setting) for warning in encoded.warnings]


def test_smallest_request() -> None:
    """One message needs nothing more than the model and the number of tokens that the API insists on."""
    encoded = _encode()
    assert encoded.request.url == "https://api.anthropic.com/v1/messages"
    assert _body(encoded) == {"model": "claude-haiku-4-5", "max_tokens": 32_000, "messages": [SENT_HELLO]}
    assert encoded.warnings == ()


def test_stream_asks_for_a_stream() -> None:
    """A stream's request differs from the other by its `stream` field alone."""
    request = ChatRequest(messages=(HELLO,))
    whole, stream = (
        orjson.loads(e.request.body) for e in (_codec("m").encode(request), _codec("m").encode_stream(request))
    )
    assert stream == whole | {"stream": True}


@pytest.mark.parametrize("base_url", ["http://host/x", "http://host/x/", "http://host/x/v1", "http://host/x/v1/"])
def test_base_url_with_or_without_its_version(base_url: str) -> None:
    """A base URL may end in the API's version, as people write it for other vendors."""
    encoded = _codec("m", base_url).encode(ChatRequest(messages=(HELLO,)))
    assert encoded.request.url == "http://host/x/v1/messages"


def test_headers_of_the_profile() -> None:
    """The key travels in `x-api-key` without a prefix, beside the version of the API."""
    profile = WIRE.profile
    assert (profile.auth_header, profile.auth_prefix) == ("x-api-key", "")
    assert profile.headers == {"anthropic-version": "2023-06-01", "content-type": "application/json"}


def test_roles_become_turns() -> None:
    """System messages leave the conversation, neighbours of a role merge, and tool results are the user's."""
    encoded = _encode(
        Message("system", (Text("Be brief."),)),
        HELLO,
        Message("user", (Text("Weather?"),)),
        Message("assistant", (Text("Looking."), ToolCall(id="t1", name="weather", arguments={"city": "Rome"}))),
        Message("tool", (ToolResult(id="t1", content="sunny"),)),
        Message("user", (Text("And?"),)),
    )
    body = _body(encoded)
    assert body["system"] == [{"type": "text", "text": "Be brief."}]
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "Weather?"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Rome"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "sunny"},
                {"type": "text", "text": "And?"},
            ],
        },
    ]


def test_tool_results_open_their_turn() -> None:
    """Results come before anything said between the calls and them, in their own order, as the API demands."""
    encoded = _encode(
        Message("assistant", (ToolCall(id="a", name="f"), ToolCall(id="b", name="f"))),
        Message("tool", (ToolResult(id="a", content="1"),)),
        Message("user", (Text("hm"),)),
        Message("tool", (ToolResult(id="b", content="2", is_error=True),)),
    )
    assert _body(encoded)["messages"][1]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": "1"},
        {"type": "tool_result", "tool_use_id": "b", "content": "2", "is_error": True},
        {"type": "text", "text": "hm"},
    ]


def test_late_system_message_is_moved_with_a_warning() -> None:
    """A system message inside the conversation goes to its beginning, and the caller is told."""
    encoded = _encode(HELLO, Message("system", (Text("In Spanish."),)))
    assert _body(encoded)["system"] == [{"type": "text", "text": "In Spanish."}]
    assert _warned(encoded) == [("compatibility", "messages")]


def test_empty_text_is_left_out() -> None:
    """Empty text blocks, which the API refuses, are not sent; a message of nothing else disappears."""
    encoded = _encode(HELLO, Message("assistant", (Text(""),)), Message("user", (Text(""), Text("Still there?"))))
    assert [block["text"] for turn in _body(encoded)["messages"] for block in turn["content"]] == [
        "Hello",
        "Still there?",
    ]


@pytest.mark.parametrize(
    ("media", "block"),
    [
        (
            Media(media_type="image/png", data=b"png"),
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(b"png").decode()},
            },
        ),
        (
            Media(media_type="image/*", url="https://x/y"),
            {"type": "image", "source": {"type": "url", "url": "https://x/y"}},
        ),
        (
            Media(media_type="image/jpeg", url="data:image/jpeg;base64,AAAA"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}},
        ),
        (
            Media(media_type="application/pdf", data=b"%PDF", filename="a.pdf"),
            {
                "type": "document",
                "source": {
                    "type": "base64",
                    "media_type": "application/pdf",
                    "data": base64.b64encode(b"%PDF").decode(),
                },
                "title": "a.pdf",
            },
        ),
        (
            Media(media_type="text/plain", data="é".encode()),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "é"}},
        ),
        (
            Media(media_type="application/pdf", file_id="file_1"),
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        ),
    ],
)
def test_media(media: Media, block: dict[str, Any]) -> None:
    """Images and documents travel as bytes, address or file, in a message and in a tool's result."""
    result = ToolResult(id="t", content=(Text("see"), media))
    encoded = _encode(
        Message("user", (media,)), Message("assistant", (ToolCall(id="t", name="f"),)), Message("tool", (result,))
    )
    turns = orjson.loads(encoded.request.body)["messages"]
    assert turns[0]["content"] == [block]
    assert turns[2]["content"][0]["content"] == [{"type": "text", "text": "see"}, block]


@pytest.mark.parametrize(
    "media",
    [
        Media(media_type="audio/wav", data=b"x"),
        Media(media_type="image/tiff", data=b"x"),
        Media(media_type="image/*", data=b"x"),
        Media(media_type="image/png", url="data:image/png,raw"),
    ],
)
def test_media_it_cannot_carry(media: Media) -> None:
    """Media that the API does not take is refused before anything is sent."""
    with pytest.raises(UnsupportedFeature):
        _encode(Message("user", (media,)))


def test_media_in_a_system_message_is_refused() -> None:
    """The system prompt is text."""
    with pytest.raises(UnsupportedFeature, match="only text"):
        _encode(Message("system", (Media(media_type="image/png", data=b"x"),)), HELLO)


def test_own_marks_travel_back() -> None:
    """Signatures, redacted thinking, opaque blocks, citations and cache points go out as the fields they came as."""
    redacted = {"type": "redacted_thinking", "data": "xyz"}
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}}
    encoded = _encode(
        Message("system", (Text("s", provider_metadata={"anthropic": {"cache_control": {"type": "ephemeral"}}}),)),
        HELLO,
        Message(
            "assistant",
            (
                Reasoning("hm", provider_metadata={"anthropic": {"signature": "sig"}}),
                Reasoning("", provider_metadata={"anthropic": {"block": redacted}}),
                Reasoning("", provider_metadata={"anthropic": {"block": search}}),
                Text("Yes."),
            ),
            provider_metadata={"anthropic": {"cache_control": {"type": "ephemeral", "ttl": "1h"}}},
        ),
        HELLO,
    )
    body = _body(encoded)
    assert body["system"] == [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}]
    assert body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        redacted,
        search,
        {"type": "text", "text": "Yes.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    assert encoded.warnings == ()


def test_marks_of_others_are_stripped_with_one_warning() -> None:
    """Another vendor's marks and reasoning stay behind, the text goes on, and one warning says so."""
    foreign = {"openai": {"x": 1}}
    parts: tuple[Part, ...] = (
        Reasoning("hm", provider_metadata=foreign),
        Reasoning("unsigned"),
        Text("Yes.", provider_metadata=foreign),
        ToolCall(id="functions.f:0", name="f", provider_metadata=foreign),
    )
    encoded = _encode(
        HELLO, Message("assistant", parts), Message("tool", (ToolResult(id="functions.f:0", content="1"),))
    )
    assert _body(encoded)["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Yes."},
                {"type": "tool_use", "id": "functions_f_0", "name": "f", "input": {}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "functions_f_0", "content": "1"}]},
    ]
    assert _warned(encoded) == [("stripped", "messages")]


def test_arguments_that_were_no_object() -> None:
    """A call whose arguments were no JSON object keeps their text, wrapped as the vendor's documentation does."""
    encoded = _encode(HELLO, Message("assistant", (ToolCall(id="t", name="f", invalid_arguments='{"a": '),)))
    assert _body(encoded)["messages"][1]["content"][0]["input"] == {"INVALID_JSON": '{"a": '}


def test_plain_settings() -> None:
    """Stop sequences, temperature and the output cap have fields of their own; a seed has none."""
    encoded = _encode(max_output_tokens=9, temperature=0.2, stop=("END", "\n"), seed=7)
    assert _body(encoded)["max_tokens"] == 9
    assert _settings(encoded) == {"temperature": 0.2, "stop_sequences": ["END"]}
    assert _warned(encoded) == [("unsupported", "stop"), ("unsupported", "seed")]


@pytest.mark.parametrize(
    ("model", "sent", "warned"),
    [
        ("claude-3-haiku-20240307", {"temperature": 0.5, "top_p": 0.9}, []),
        ("claude-haiku-4-5", {"temperature": 0.5}, [("unsupported", "top_p")]),
        ("claude-opus-4-8", {}, [("unsupported", "temperature"), ("unsupported", "top_p")]),
    ],
)
def test_sampling_by_family(model: str, sent: dict[str, float], warned: list[tuple[str, str]]) -> None:
    """Old models take both sampling settings, newer ones one of them, the newest none; what is left out is told."""
    encoded = _encode(model=model, temperature=0.5, top_p=0.9)
    assert _settings(encoded) == sent
    assert _warned(encoded) == warned


def test_temperature_above_the_maximum() -> None:
    """A temperature that other vendors take is lowered to this one's maximum, with a warning."""
    encoded = _encode(temperature=1.5)
    assert _settings(encoded) == {"temperature": 1.0}
    assert _warned(encoded) == [("compatibility", "temperature")]


@pytest.mark.parametrize(
    ("model", "effort", "sent", "warned"),
    [
        ("claude-3-5-haiku-latest", "high", {}, [("unsupported", "reasoning_effort")]),
        ("claude-3-5-haiku-latest", "none", {}, []),
        ("claude-sonnet-4-5", "low", {"thinking": {"type": "enabled", "budget_tokens": 2048}}, []),
        ("claude-sonnet-4-5", "none", {}, []),
        ("claude-opus-4-6", "high", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}, []),
        ("claude-opus-4-8", "minimal", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, []),
        ("claude-opus-4-8", "none", {}, []),
        ("claude-opus-5", "medium", {"output_config": {"effort": "medium"}}, []),
        ("claude-opus-5", "none", {"thinking": {"type": "disabled"}}, []),
        ("claude-opus-5-5", "none", {"output_config": {"effort": "low"}}, [("compatibility", "reasoning_effort")]),
        (
            "some-other-model",
            "low",
            {"thinking": {"type": "enabled", "budget_tokens": 2048}},
            [],
        ),
    ],
)
def test_reasoning_by_family(model: str, effort: str, sent: dict[str, Any], warned: list[tuple[str, str]]) -> None:
    """Effort is a budget, adaptive thinking with an effort, or nothing, as the model's family has it."""
    encoded = _encode(model=model, reasoning_effort=effort)
    assert _settings(encoded) == sent
    assert _warned(encoded) == warned


def test_budget_fits_the_output_cap() -> None:
    """Thinking takes at most half of the output cap, and none below the vendor's minimum; both are told."""
    fits = _encode(reasoning_effort="high", max_output_tokens=4000)
    assert _settings(fits) == {"thinking": {"type": "enabled", "budget_tokens": 2000}}
    assert _warned(fits) == [("compatibility", "reasoning_effort")]
    tight = _encode(reasoning_effort="high", max_output_tokens=800)
    assert _settings(tight) == {}
    assert _warned(tight) == [("unsupported", "reasoning_effort")]


def test_thinking_excludes_temperature_and_forced_tools() -> None:
    """What the vendor refuses beside a thinking budget is left out: temperature, low top_p, or the thinking itself."""
    sampled = _encode(reasoning_effort="low", temperature=0.5, top_p=0.5)
    assert _warned(sampled) == [("unsupported", "temperature"), ("unsupported", "top_p")]
    assert "temperature" not in _settings(sampled)
    forced = _encode(reasoning_effort="low", tools=(WEATHER,), tool_choice="required")
    assert "thinking" not in _settings(forced)
    assert _warned(forced) == [("unsupported", "reasoning_effort")]


@pytest.mark.parametrize(
    ("choice", "parallel", "sent"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("auto", None, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ("weather", False, {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}),
    ],
)
def test_tool_choice(choice: str | None, parallel: bool | None, sent: dict[str, Any] | None) -> None:
    """Each way to choose tools has one form, and calling one at a time is part of it."""
    body = _body(_encode(tools=(WEATHER,), tool_choice=choice, parallel_tool_calls=parallel))
    assert body.get("tool_choice") == sent
    assert body["tools"] == [{"name": "weather", "input_schema": SCHEMA, "description": "Weather of a city."}]


def test_choice_without_tools() -> None:
    """A choice among no tools has no effect, and says so."""
    encoded = _encode(tool_choice="required")
    assert _settings(encoded) == {}
    assert _warned(encoded) == [("unsupported", "tool_choice")]


def test_forcing_a_model_that_cannot_be_forced() -> None:
    """Models that always think refuse a forced tool: an error before sending, not a silent free choice."""
    with pytest.raises(UnsupportedFeature, match="cannot be made to call a tool"):
        _encode(model="claude-opus-5-5", tools=(WEATHER,), tool_choice="required")


def test_strict_tools() -> None:
    """A strict tool's objects are closed; models without strict tools, and open parameters, get a warning instead."""
    strict = Tool(name="f", parameters=SCHEMA, strict=True)
    assert _body(_encode(tools=(strict,)))["tools"] == [{"name": "f", "input_schema": CLOSED, "strict": True}]
    old = _encode(tools=(strict,), model="claude-3-7-sonnet-20250219")
    assert _body(old)["tools"] == [{"name": "f", "input_schema": SCHEMA}]
    assert _warned(old) == [("unsupported", "tools.strict")]
    bounded = Tool(name="f", parameters={"type": "object", "properties": {"n": {"minimum": 1}}}, strict=True)
    assert _warned(_encode(tools=(bounded,))) == [("compatibility", "tools.strict")]
    bag = Tool(name="f", parameters={"type": "object", "additionalProperties": {"type": "integer"}}, strict=True)
    assert _warned(_encode(tools=(bag,))) == [("unsupported", "tools.strict")]


def test_output_schema() -> None:
    """An output schema is sent as such, closed, and without the keywords that the vendor refuses, which are told."""
    assert _settings(_encode(output=CITY)) == {"output_config": {"format": {"type": "json_schema", "schema": CLOSED}}}
    schema = {
        "type": "object",
        "properties": {
            "minimum": {"type": "integer", "minimum": 1, "enum": [1, 2]},
            "any": {"oneOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]},
            "list": {"type": "array", "items": {"type": "string", "format": "password"}, "minItems": 1, "maxItems": 3},
        },
        "$defs": {"A": SCHEMA},
    }
    encoded = _encode(output=OutputSchema(name="x", schema=schema))
    assert _settings(encoded)["output_config"]["format"]["schema"] == {
        "type": "object",
        "properties": {
            "minimum": {"type": "integer", "enum": [1, 2]},
            "any": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]},
            "list": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        },
        "$defs": {"A": CLOSED},
        "additionalProperties": False,
    }
    assert _warned(encoded) == [("compatibility", "output")]
    assert "format, maxItems, minimum" in encoded.warnings[0].message


@pytest.mark.parametrize(
    ("model", "schema"),
    [
        ("claude-3-7-sonnet-20250219", SCHEMA),
        ("claude-haiku-4-5", {"type": "object", "additionalProperties": {"type": "integer"}}),
    ],
)
def test_output_schema_as_a_forced_tool(model: str, schema: dict[str, Any]) -> None:
    """Where the vendor has no way for a schema, a tool that must be called stands in for it."""
    encoded = _encode(model=model, output=OutputSchema(name="x", schema=schema))
    assert _settings(encoded) == {
        "tools": [{"name": "orchestrator_output", "description": "Gives the final answer.", "input_schema": schema}],
        "tool_choice": {"type": "tool", "name": "orchestrator_output"},
    }


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, {"type": "any"}),
        ("auto", {"type": "any"}),
        ("none", {"type": "tool", "name": "orchestrator_output"}),
        ("weather", {"type": "tool", "name": "weather"}),
    ],
)
def test_output_tool_beside_other_tools(choice: str | None, sent: dict[str, Any]) -> None:
    """Beside the caller's tools the model must call one of them or answer by the schema."""
    body = _body(_encode(model="claude-opus-4-1", tools=(WEATHER,), output=CITY, tool_choice=choice))
    assert body["tool_choice"] == sent
    assert [tool["name"] for tool in body["tools"]] == ["weather", "orchestrator_output"]


def test_provider_options_come_last() -> None:
    """The caller's own entries for this vendor go in as they are, over ours; another vendor's do not."""
    encoded = _encode(
        temperature=0.5,
        provider_options={"anthropic": {"temperature": 0.7, "service_tier": "auto"}, "openai": {"user": "x"}},
    )
    assert _settings(encoded) == {"temperature": 0.7, "service_tier": "auto"}


def test_effort_from_the_caller_keeps_the_schema() -> None:
    """`output_config` holds effort and schema: setting one through `provider_options` does not drop the other."""
    encoded = _encode(output=CITY, provider_options={"anthropic": {"output_config": {"effort": "xhigh"}}})
    assert _settings(encoded)["output_config"] == {
        "format": {"type": "json_schema", "schema": CLOSED},
        "effort": "xhigh",
    }


@pytest.mark.parametrize(
    ("model", "cap"),
    [
        ("claude-2.1", 4096),
        ("claude-3-opus-20240229", 4096),
        ("claude-3-5-sonnet-20240620", 8192),
        ("claude-3-7-sonnet-20250219", 32_000),
        ("claude-4-opus-20250514", 32_000),
        ("anthropic/claude-haiku-4.5", 32_000),
        ("claude-mythos-preview", 32_000),
        ("some-other-model", 8192),
    ],
)
def test_output_cap_by_family(model: str, cap: int) -> None:
    """A caller who sets no output cap gets one that the model takes, whatever the form of its name."""
    assert _body(_encode(model=model))["max_tokens"] == cap


def test_encoding_changes_nothing_of_the_callers() -> None:
    """Schemas, marks and options given by the caller are as before after encoding, and so is a second body."""
    block = {"type": "compaction", "content": "c"}
    schema = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}}
    options = {"anthropic": {"output_config": {"effort": "max"}}}
    before = orjson.dumps((block, schema, options))
    message = Message(
        "assistant",
        (Reasoning("", provider_metadata={"anthropic": {"block": block}}),),
        provider_metadata={"anthropic": {"cache_control": {"type": "ephemeral"}}},
    )
    arguments: dict[str, Any] = {"output": OutputSchema(name="x", schema=schema), "provider_options": options}
    first, second = (_encode(HELLO, message, HELLO, **arguments) for _ in range(2))
    assert orjson.dumps((block, schema, options)) == before
    assert first.request.body == second.request.body
