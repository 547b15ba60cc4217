"""What the Cohere wire sends: the exact body for each kind of request, checked against the vendor SDK's types."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter

from orchestrator.errors import UnsupportedFeature
from orchestrator.spec.provider import Codecs, Encoded, Target
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
from orchestrator_providers.cohere import WIRE

HELLO = Message("user", (Text("Hello"),))
SENT_HELLO = {"role": "user", "content": "Hello"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool(name="weather", description="Weather of a city.", parameters=SCHEMA)
TIME = Tool(name="time", parameters=SCHEMA)
SENT_WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": SCHEMA, "description": "Weather of a city."},
}
SENT_TIME = {"type": "function", "function": {"name": "time", "parameters": SCHEMA}}


def _codecs(model: str = "m", base_url: str = "https://api.cohere.com") -> Codecs:
    return WIRE.bind(Target(profile=WIRE.profile, provider="p", deployment="d", model=model, base_url=base_url))


def _encode(
    *messages: Message,
    model: str = "command-a-03-2025",
    tools: tuple[Tool, ...] = (),
    output: OutputSchema | None = None,
    **options: Any,
) -> Encoded:
    request = ChatRequest(messages=messages or (HELLO,), tools=tools, output=output, options=ChatOptions(**options))
    return _codecs(model).chat.encode(request)


@cache
def _vendor_types() -> tuple[TypeAdapter[Any], TypeAdapter[Any]]:
    from cohere.types import ChatMessages, ToolV2

    return TypeAdapter(ChatMessages), TypeAdapter(list[ToolV2])


def _body(encoded: Encoded) -> dict[str, Any]:
    """The body sent, after the vendor SDK's own types have accepted its messages and tools."""
    body: dict[str, Any] = orjson.loads(encoded.request.body)
    messages, tools = _vendor_types()
    messages.validate_python(body["messages"])
    tools.validate_python(body.get("tools", []))
    return body


def _settings(encoded: Encoded) -> dict[str, Any]:
    return {key: value for key, value in _body(encoded).items() if key not in ("model", "messages", "stream")}


def _warned(encoded: Encoded) -> list[tuple[str, str]]:
    return [(warning.kind, warning.setting) for warning in encoded.warnings]


def test_smallest_request() -> None:
    """One message needs nothing more than the model."""
    encoded = _encode()
    assert encoded.request.url == "https://api.cohere.com/v2/chat"
    assert _body(encoded) == {"model": "command-a-03-2025", "stream": False, "messages": [SENT_HELLO]}
    assert encoded.warnings == ()


def test_stream_asks_for_a_stream() -> None:
    """A stream's request differs from the other by its `stream` field alone."""
    chat, request = _codecs().chat, ChatRequest(messages=(HELLO,))
    whole, stream = (
        orjson.loads(encoded.request.body) for encoded in (chat.encode(request), chat.encode_stream(request))
    )
    assert stream == whole | {"stream": True}


@pytest.mark.parametrize("base_url", ["http://host/x", "http://host/x/", "http://host/x/v2", "http://host/x/v2/"])
def test_base_url_with_or_without_its_version(base_url: str) -> None:
    """A base URL may end in the API's version, for all three tasks."""
    codecs = _codecs(base_url=base_url)
    assert codecs.chat.encode(ChatRequest(messages=(HELLO,))).request.url == "http://host/x/v2/chat"
    assert codecs.embed.encode(EmbedRequest(texts=("a",))).request.url == "http://host/x/v2/embed"
    rerank = codecs.rerank.encode(RerankRequest(query="q", documents=("a",)))
    assert rerank.request.url == "http://host/x/v2/rerank"


def test_roles_calls_and_plans() -> None:
    """Calls stand beside the assistant's content, each result is a message of its own, and a plan travels back."""
    encoded = _encode(
        Message("system", (Text("Be brief."),)),
        Message("user", (Text("Weather"), Text("and time?"))),
        Message(
            "assistant",
            (
                Reasoning("", provider_metadata={"cohere": {"tool_plan": "I will look."}}),
                Reasoning("hm"),
                Text("Looking."),
                ToolCall(id="a", name="weather", arguments={"city": "Rome"}),
                ToolCall(id="b", name="time", invalid_arguments="{oops"),
            ),
        ),
        Message("tool", (ToolResult(id="a", content="sunny"), ToolResult(id="b", content=(Text("12"), Text(":00"))))),
        model="command-a-reasoning-08-2025",
    )
    assert _body(encoded)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather"}, {"type": "text", "text": "and time?"}]},
        {
            "role": "assistant",
            "tool_plan": "I will look.",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}},
                {"id": "b", "type": "function", "function": {"name": "time", "arguments": "{oops"}},
            ],
            "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Looking."}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
        {
            "role": "tool",
            "tool_call_id": "b",
            "content": [{"type": "text", "text": "12"}, {"type": "text", "text": ":00"}],
        },
    ]
    assert encoded.warnings == ()


def test_marks_of_others_are_stripped_with_one_warning() -> None:
    """Another vendor's marks and marked reasoning stay behind, the rest goes on, and one warning says so."""
    foreign = {"anthropic": {"signature": "s"}}
    parts = (Reasoning("secret steps", provider_metadata=foreign), Text("Yes.", provider_metadata=foreign))
    encoded = _encode(HELLO, Message("assistant", parts, provider_metadata=foreign), HELLO)
    assert _body(encoded)["messages"] == [SENT_HELLO, {"role": "assistant", "content": "Yes."}, SENT_HELLO]
    assert _warned(encoded) == [("stripped", "messages")]


def test_reasoning_stays_with_models_that_reason() -> None:
    """Earlier thinking is not sent to a model that does not think."""
    encoded = _encode(HELLO, Message("assistant", (Reasoning("hm"), Text("Yes."))), HELLO)
    assert _body(encoded)["messages"][1] == {"role": "assistant", "content": "Yes."}


def test_unknown_content_travels_back() -> None:
    """A block that has no part of its own is sent back as it came."""
    block = {"type": "thinking", "thinking": "x", "budget": 1}
    opaque = Message("assistant", (Reasoning("", provider_metadata={"cohere": {"block": block}}), Text("Hi")))
    assert _body(_encode(HELLO, opaque))["messages"][1]["content"] == [block, {"type": "text", "text": "Hi"}]


def test_images() -> None:
    """Images travel as an address or as bytes in a data URL."""
    parts = (Text("?"), Media(media_type="image/*", url="https://x/y"), Media(media_type="image/png", data=b"png"))
    assert _body(_encode(Message("user", parts)))["messages"][0]["content"] == [
        {"type": "text", "text": "?"},
        {"type": "image_url", "image_url": {"url": "https://x/y"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,cG5n"}},
    ]


@pytest.mark.parametrize(
    "message",
    [
        Message("user", (Media(media_type="application/pdf", data=b"x"),)),
        Message("user", (Media(media_type="image/png", file_id="f"),)),
        Message("user", (ToolCall(id="a", name="f"),)),
        Message("tool", (ToolResult(id="a", content=(Media(media_type="image/png", data=b"x"),)),)),
    ],
)
def test_what_it_cannot_carry(message: Message) -> None:
    """Parts that the API has no place for are refused before anything is sent."""
    with pytest.raises(UnsupportedFeature):
        _encode(message)


def test_plain_settings() -> None:
    """Each setting has the vendor's own name, and is held to the vendor's bounds with a warning."""
    encoded = _encode(temperature=0.2, top_p=0.5, max_output_tokens=9, stop=("END",), seed=7)
    assert _settings(encoded) == {"temperature": 0.2, "p": 0.5, "max_tokens": 9, "stop_sequences": ["END"], "seed": 7}
    assert encoded.warnings == ()
    over = _encode(temperature=1.5, top_p=1.0, stop=("1", "2", "3", "4", "5", "6"))
    assert _settings(over) == {"temperature": 1.0, "p": 0.99, "stop_sequences": ["1", "2", "3", "4", "5"]}
    assert _warned(over) == [("compatibility", "temperature"), ("compatibility", "top_p"), ("unsupported", "stop")]


@pytest.mark.parametrize(
    ("model", "effort", "sent", "warned"),
    [
        ("command-a-03-2025", "high", {}, [("unsupported", "reasoning_effort")]),
        ("command-a-03-2025", "none", {}, []),
        ("command-a-reasoning-08-2025", "none", {"thinking": {"type": "disabled"}}, []),
        ("command-a-reasoning-08-2025", "low", {"thinking": {"type": "enabled", "token_budget": 2048}}, []),
        ("command-a-plus-05-2026", "high", {"thinking": {"type": "enabled"}}, []),
    ],
)
def test_reasoning(model: str, effort: str, sent: dict[str, Any], warned: list[tuple[str, str]]) -> None:
    """Models that reason get a budget, and the most of it without one; for the others it is left out and told."""
    encoded = _encode(model=model, reasoning_effort=effort)
    assert _settings(encoded) == sent
    assert _warned(encoded) == warned


@pytest.mark.parametrize(
    ("choice", "sent", "tools"),
    [
        (None, None, [SENT_WEATHER, SENT_TIME]),
        ("auto", None, [SENT_WEATHER, SENT_TIME]),
        ("none", "NONE", [SENT_WEATHER, SENT_TIME]),
        ("required", "REQUIRED", [SENT_WEATHER, SENT_TIME]),
        ("time", "REQUIRED", [SENT_TIME]),
    ],
)
def test_tool_choice(choice: str | None, sent: str | None, tools: list[Any]) -> None:
    """A choice is free, none or required; one tool by name is that tool alone, required, with a warning."""
    encoded = _encode(tools=(WEATHER, TIME), tool_choice=choice)
    body = _body(encoded)
    assert body.get("tool_choice") == sent
    assert body["tools"] == tools
    assert _warned(encoded) == ([("compatibility", "tool_choice")] if choice == "time" else [])


def test_choice_without_tools() -> None:
    """A choice among no tools has no effect, and says so."""
    encoded = _encode(tool_choice="required")
    assert _settings(encoded) == {}
    assert _warned(encoded) == [("unsupported", "tool_choice")]


def test_strict_and_parallel_tools() -> None:
    """Strictness holds for all tools of a request; one call at a time cannot be asked for."""
    strict = Tool(name="weather", description="Weather of a city.", parameters=SCHEMA, strict=True)
    assert _settings(_encode(tools=(strict,))) == {"tools": [SENT_WEATHER], "strict_tools": True}
    mixed = _encode(tools=(strict, TIME), parallel_tool_calls=False)
    assert _settings(mixed)["strict_tools"] is True
    assert _warned(mixed) == [("compatibility", "tools.strict"), ("unsupported", "parallel_tool_calls")]


def test_output_schema() -> None:
    """An output schema is a response format, without the keywords that the vendor refuses."""
    output = OutputSchema(name="city", schema=SCHEMA)
    assert _settings(_encode(output=output)) == {"response_format": {"type": "json_object", "json_schema": SCHEMA}}
    narrow = {"oneOf": [{"type": "integer", "minimum": 1}, {"type": "string", "format": "uri", "pattern": "^a"}]}
    encoded = _encode(output=OutputSchema(name="city", schema={"type": "object", "properties": {"a": narrow}}))
    sent = _settings(encoded)["response_format"]["json_schema"]["properties"]["a"]
    assert sent == {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^a"}]}
    assert [warning.message for warning in encoded.warnings] == [
        "schema keywords that the vendor refuses were left out: format, minimum"
    ]


ANSWER_TOOL = {
    "type": "function",
    "function": {"name": "orchestrator_output", "parameters": SCHEMA, "description": "Gives the final answer."},
}


@pytest.mark.parametrize(
    ("choice", "tools"),
    [(None, [SENT_WEATHER, ANSWER_TOOL]), ("required", [SENT_WEATHER, ANSWER_TOOL]), ("none", [ANSWER_TOOL])],
)
def test_output_schema_beside_tools(choice: str | None, tools: list[object]) -> None:
    """The vendor takes no schema beside tools: one more tool stands in for it, and one of them must be called."""
    encoded = _encode(output=OutputSchema(name="city", schema=SCHEMA), tools=(WEATHER,), tool_choice=choice)
    assert _settings(encoded) == {"tools": tools, "tool_choice": "REQUIRED"}


def test_a_named_tool_comes_before_the_answer() -> None:
    """Who names a tool gets its call first; the answer is asked for when its result is there."""
    encoded = _encode(output=OutputSchema(name="city", schema=SCHEMA), tools=(WEATHER, TIME), tool_choice="weather")
    assert _settings(encoded) == {"tools": [SENT_WEATHER], "tool_choice": "REQUIRED"}


def test_provider_options_come_last() -> None:
    """The caller's own entries for this vendor, documents among them, go in as they are, over ours."""
    documents = [{"data": {"text": "SSO is in the Team plan."}}]
    encoded = _encode(
        temperature=0.5, provider_options={"cohere": {"temperature": 0.7, "documents": documents}, "x": {"y": 1}}
    )
    assert _settings(encoded) == {"temperature": 0.7, "documents": documents}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (None, "search_document"),
        ("document", "search_document"),
        ("query", "search_query"),
        ("classification", "classification"),
        ("clustering", "clustering"),
    ],
)
def test_embed_input_type(given: Any, sent: str) -> None:
    """The use of the texts, which the vendor insists on, is that of documents unless the caller says another."""
    request = EmbedRequest(texts=("a", "b"), options=EmbedOptions(input_type=given))
    encoded = _codecs("embed-v4.0").embed.encode(request)
    assert orjson.loads(encoded.request.body) == {
        "model": "embed-v4.0",
        "texts": ["a", "b"],
        "input_type": sent,
        "embedding_types": ["float"],
    }


def test_embed_dimensions() -> None:
    """Models whose vectors have a length of choice are asked for it; for the others it is left out and told."""
    request = EmbedRequest(
        texts=("a",), options=EmbedOptions(dimensions=256, provider_options={"cohere": {"truncate": "NONE"}})
    )
    new, old = (_codecs(model).embed.encode(request) for model in ("embed-v4.0", "embed-english-light-v3.0"))
    body = orjson.loads(new.request.body)
    assert (body["output_dimension"], body["truncate"]) == (256, "NONE")
    assert "output_dimension" not in orjson.loads(old.request.body)
    assert (new.warnings, _warned(old)) == ((), [("unsupported", "dimensions")])


def test_rerank() -> None:
    """Query and documents are sent as they are, with the number of results if the caller wants fewer."""
    options = RerankOptions(top_n=2, provider_options={"cohere": {"max_tokens_per_doc": 100}})
    plain = _codecs("rerank-v3.5").rerank.encode(RerankRequest(query="q", documents=("a", "b")))
    full = _codecs("rerank-v3.5").rerank.encode(RerankRequest(query="q", documents=("a", "b"), options=options))
    sent = {"model": "rerank-v3.5", "query": "q", "documents": ["a", "b"]}
    assert orjson.loads(plain.request.body) == sent
    assert orjson.loads(full.request.body) == sent | {"top_n": 2, "max_tokens_per_doc": 100}
