"""What the Ollama wire sends: exact bodies, accepted by the vendor SDK's types."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from orchestrator.errors import UnsupportedFeature
from orchestrator.spec.models import ModelProfile
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
from orchestrator.types.retrieval import EmbedOptions, EmbedRequest
from orchestrator_providers.ollama import WIRE

HELLO = Message("user", (Text("Hello"),))
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool(name="weather", description="Weather of a city.", parameters=SCHEMA)
NEWER = {"truncate", "shift"}
"""Fields of the API that the SDK's types do not know yet."""


def _bind(model: str = "llama3.2", base_url: str = "http://127.0.0.1:11434", **facts: Any) -> Codecs:
    profile = ModelProfile(**facts)
    return WIRE.bind(
        Target(
            profile=WIRE.profile, provider="p", deployment="d", model=model, base_url=base_url, model_profile=profile
        )
    )


def _encode(
    *messages: Message,
    model: str = "llama3.2",
    facts: dict[str, Any] | None = None,
    tools: tuple[Tool, ...] = (),
    output: OutputSchema | None = None,
    **options: Any,
) -> Encoded:
    chat = _bind(model, **(facts or {})).chat
    assert chat is not None
    request = ChatRequest(messages=messages or (HELLO,), tools=tools, output=output, options=ChatOptions(**options))
    return chat.encode(request)


def _body(encoded: Encoded) -> dict[str, Any]:
    """The body sent, after the vendor SDK's own types have accepted it and everything in it."""
    import ollama

    body: dict[str, Any] = orjson.loads(encoded.request.body)
    request = ollama._types.ChatRequest.model_validate(body)
    assert body.keys() <= request.__class__.model_fields.keys() | NEWER
    assert isinstance(body.get("options", {}), dict)
    ollama.Options.model_validate(body.get("options", {}), extra="forbid")
    for message in body["messages"]:
        images = [{"value": image} for image in message.get("images", ())]
        ollama.Message.model_validate({**message, "images": images}).model_dump()
        assert message.keys() <= ollama.Message.model_fields.keys() | {"tool_call_id"}
    return body


def _messages(*messages: Message) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = _body(_encode(*messages))["messages"]
    return sent


def _settings(encoded: Encoded) -> dict[str, Any]:
    always = ("model", "messages", "stream", *NEWER)
    return {name: value for name, value in _body(encoded).items() if name not in always}


def _warned(encoded: Encoded) -> list[tuple[str, str]]:
    return [(warning.kind, warning.setting) for warning in encoded.warnings]


def test_smallest_request() -> None:
    """A request says that no prompt may be cut to fit: the server's default is to do so in silence."""
    encoded = _encode()
    assert encoded.request.url == "http://127.0.0.1:11434/api/chat"
    assert _body(encoded) == {
        "model": "llama3.2",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": False,
        "truncate": False,
        "shift": False,
    }
    assert encoded.warnings == ()


def test_stream_differs_by_its_field_alone() -> None:
    """A stream's request has `stream: true`; counts come without being asked for."""
    chat = _bind().chat
    assert chat is not None
    request = ChatRequest(messages=(HELLO,))
    whole, stream = (orjson.loads(e.request.body) for e in (chat.encode(request), chat.encode_stream(request)))
    assert stream == whole | {"stream": True}


@pytest.mark.parametrize(
    "base_url",
    ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/", "http://h:1/api", "http://h:1/api/"],
)
def test_addresses_as_people_copy_them(base_url: str) -> None:
    """A base URL may end in `/v1`, as for the OpenAI shape, or in `/api`, as in the vendor's own pages."""
    codecs = _bind(base_url=base_url)
    assert codecs.chat is not None
    assert codecs.embed is not None
    assert codecs.chat.encode(ChatRequest(messages=(HELLO,))).request.url == "http://h:1/api/chat"
    assert codecs.embed.encode(EmbedRequest(texts=("a",))).request.url == "http://h:1/api/embed"


def test_a_key_is_optional_and_sent_as_bearer() -> None:
    """A server of one's own wants no key; ollama.com's goes into `Authorization`."""
    profile = WIRE.profile
    assert (profile.key_required, profile.auth_header, profile.auth_prefix) == (False, "authorization", "Bearer ")


def test_every_option_under_the_vendors_name() -> None:
    """Sampling stands in `options`, beside those that the caller adds; the rest at the top."""
    encoded = _encode(
        temperature=0.2,
        top_p=0.9,
        max_output_tokens=50,
        stop=("END",),
        seed=7,
        tools=(WEATHER,),
        tool_choice="auto",
        parallel_tool_calls=True,
        output=OutputSchema(name="city", schema=SCHEMA),
        provider_options={
            "ollama": {"options": {"num_ctx": 32768, "seed": 8}, "keep_alive": "10m", "truncate": True},
            "openai": {"user": "u"},
        },
    )
    assert _settings(encoded) == {
        "options": {
            "temperature": 0.2,
            "top_p": 0.9,
            "num_predict": 50,
            "stop": ["END"],
            "seed": 8,
            "num_ctx": 32768,
        },
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "description": "Weather of a city.", "parameters": SCHEMA},
            }
        ],
        "format": SCHEMA,
        "keep_alive": "10m",
    }
    assert _body(encoded)["truncate"] is True
    assert encoded.warnings == ()


def test_all_sampling_is_sent_whatever_a_models_vendor_refuses() -> None:
    """What DeepSeek refuses of a model, Ollama takes for it."""
    encoded = _encode(facts={"refuses": frozenset({"temperature"})}, temperature=0.5)
    assert _settings(encoded) == {"options": {"temperature": 0.5}}
    assert encoded.warnings == ()


@pytest.mark.parametrize(
    ("model", "facts", "effort", "sent", "warned"),
    [
        ("qwen3:4b", {}, "none", {"think": False}, []),
        ("qwen3:4b", {}, "low", {"think": True}, []),
        ("qwen3:4b", {}, "high", {"think": True}, []),
        ("gpt-oss:20b", {}, "minimal", {"think": "low"}, []),
        ("gpt-oss:20b", {}, "high", {"think": "high"}, []),
        ("gpt-oss:20b", {}, "none", {"think": "low"}, ["compatibility"]),
        ("llama3.2", {"reasoning": "none"}, "high", {}, ["unsupported"]),
        ("llama3.2", {"reasoning": "none"}, "none", {}, []),
    ],
)
def test_effort_is_a_switch_or_a_level(
    model: str, facts: dict[str, Any], effort: Any, sent: dict[str, Any], warned: list[str]
) -> None:
    """gpt-oss takes levels and always thinks; other models think or do not; one that cannot is not asked to."""
    encoded = _encode(model=model, facts=facts, reasoning_effort=effort)
    assert _settings(encoded) == sent
    assert [warning.kind for warning in encoded.warnings] == warned


def test_no_choice_of_tools_is_no_tools() -> None:
    """`none` leaves the tools out, which is the same to the model."""
    encoded = _encode(tools=(WEATHER,), tool_choice="none")
    assert _settings(encoded) == {}
    assert encoded.warnings == ()


@pytest.mark.parametrize("choice", ["required", "weather"])
def test_a_tool_cannot_be_forced(choice: str) -> None:
    """A choice that makes the model call a tool is refused before sending."""
    with pytest.raises(UnsupportedFeature, match="tool_choice"):
        _encode(tools=(WEATHER,), tool_choice=choice)


def test_one_call_at_a_time_cannot_be_asked_for() -> None:
    """A limit to one call is left out, and said."""
    assert _warned(_encode(tools=(WEATHER,), parallel_tool_calls=False)) == [("unsupported", "parallel_tool_calls")]


def test_tools_for_a_model_without_them_are_refused() -> None:
    """A model known to have no tools is not sent any."""
    with pytest.raises(UnsupportedFeature, match="tools"):
        _encode(tools=(WEATHER,), facts={"tools": False})


def test_calls_and_results_are_paired_by_id_and_by_name() -> None:
    """Arguments are objects, results name their tool, and both carry the id for servers that want it."""
    calls = tuple([ToolCall(id=f"c{n}", name="weather", arguments={"city": c}) for n, c in enumerate(("Oslo", "Rome"))])
    results = Message("tool", (ToolResult(id="c1", content="hot"), ToolResult(id="c0", name="other", content="cold")))
    assert _messages(HELLO, Message("assistant", calls), results)[1:] == [
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c0", "function": {"name": "weather", "arguments": {"city": "Oslo"}}},
                {"id": "c1", "function": {"name": "weather", "arguments": {"city": "Rome"}}},
            ],
        },
        {"role": "tool", "content": "hot", "tool_call_id": "c1", "tool_name": "weather"},
        {"role": "tool", "content": "cold", "tool_call_id": "c0", "tool_name": "other"},
    ]


def test_arguments_that_are_no_object_are_wrapped() -> None:
    """Text that a model wrote in place of arguments is put into an object: the wire takes nothing else."""
    call = ToolCall(id="c", name="weather", invalid_arguments="{city")
    (_, sent) = _messages(HELLO, Message("assistant", (call,)))
    assert sent["tool_calls"][0]["function"]["arguments"] == {"INVALID_JSON": "{city"}


def test_own_thinking_travels_back_and_foreign_does_not() -> None:
    """Thinking that Ollama gave goes back in its field; other vendors' is left out, with one warning."""
    ours = Reasoning("hm", provider_metadata={"ollama": {}})
    theirs = Reasoning("ha", provider_metadata={"anthropic": {"signature": "s"}})
    encoded = _encode(HELLO, Message("assistant", (ours, Text("Hi"))), Message("assistant", (theirs, Text("Ho"))))
    assert _body(encoded)["messages"][1:] == [
        {"role": "assistant", "content": "Hi", "thinking": "hm"},
        {"role": "assistant", "content": "Ho"},
    ]
    assert _warned(encoded) == [("stripped", "messages")]


@pytest.mark.parametrize(
    "media",
    [
        Media(media_type="image/png", data=b"i"),
        Media(media_type="image/png", url="data:image/png;base64,aQ=="),
    ],
)
def test_images_are_bare_base64_beside_the_text(media: Media) -> None:
    """Images stand in a list of their own, as base64 without any prefix, in messages and in results."""
    call = Message("assistant", (ToolCall(id="c", name="look"),))
    told = Message("tool", (ToolResult(id="c", content=(Text("See"), media)),))
    sent = _messages(Message("user", (Text("What"), media, Text("is it?"))), call, told)
    assert sent[0] == {"role": "user", "content": "What\nis it?", "images": ["aQ=="]}
    assert (sent[2]["content"], sent[2]["images"]) == ("See", ["aQ=="])


@pytest.mark.parametrize(
    "media",
    [
        Media(media_type="image/png", url="https://h.test/a.png"),
        Media(media_type="image/png", file_id="f"),
        Media(media_type="application/pdf", data=b"p"),
        Media(media_type="audio/wav", data=b"s"),
    ],
)
def test_other_media_are_refused(media: Media) -> None:
    """The server fetches nothing and reads only images: addresses, references and other media are refused."""
    with pytest.raises(UnsupportedFeature):
        _encode(Message("user", (media,)))


def test_media_that_a_model_made_are_left_out() -> None:
    """A picture in an assistant message is left out of the history, and said."""
    made = Message("assistant", (Text("Here"), Media(media_type="image/png", url="https://h.test/a.png")))
    encoded = _encode(HELLO, made, HELLO)
    assert _body(encoded)["messages"][1] == {"role": "assistant", "content": "Here"}
    assert _warned(encoded) == [("compatibility", "messages")]


def test_parts_out_of_place_are_refused() -> None:
    """A result said by the assistant, or a call by the user, is refused before sending."""
    with pytest.raises(UnsupportedFeature):
        _encode(Message("assistant", (ToolResult(id="1", content="x"),)))
    with pytest.raises(UnsupportedFeature):
        _encode(Message("user", (ToolCall(id="1", name="f"),)))


def test_embeddings() -> None:
    """Texts go as a list that may not be cut, with dimensions and the caller's own entries."""
    import ollama

    embed = _bind("nomic-embed-text").embed
    assert embed is not None
    extra = {"ollama": {"keep_alive": 0, "options": {"num_ctx": 2048}}}
    encoded = embed.encode(
        EmbedRequest(
            texts=("a", "b"),
            options=EmbedOptions(dimensions=256, input_type="query", provider_options=extra),
        )
    )
    body = orjson.loads(encoded.request.body)
    assert body == {
        "model": "nomic-embed-text",
        "input": ["a", "b"],
        "truncate": False,
        "dimensions": 256,
        "keep_alive": 0,
        "options": {"num_ctx": 2048},
    }
    ollama._types.EmbedRequest.model_validate(body)
    assert _warned(encoded) == [("unsupported", "input_type")]
