"""What the OpenAI wire sends."""

from __future__ import annotations

import base64
from types import MappingProxyType

import pytest
from openai.types.chat import CompletionCreateParams
from openai_support import bind, body, chat, request, user
from pydantic import TypeAdapter

from orchestrator.errors import InvalidRequest, UnsupportedFeature
from orchestrator.types.chat import Media, Message, OutputSchema, Reasoning, Text, Tool, ToolCall, ToolResult

WEATHER = Tool(name="weather", description="Weather now", parameters={"type": "object", "properties": {}}, strict=True)
PNG = Media(media_type="image/png", data=b"\x89PNG")


def test_a_plain_chat_is_model_and_messages_and_nothing_else() -> None:
    """Options that were not given are not sent, and one text is a plain string."""
    encoded = chat().encode(request(user("Hello")))
    assert encoded.request.body == b'{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hello"}]}'
    assert encoded.request.url == "https://api.openai.com/v1/chat/completions"
    assert encoded.warnings == ()


def test_a_stream_asks_for_usage() -> None:
    """A streamed request asks for the stream and for usage at its end, where the vendor knows that option."""
    sent = body(chat().encode_stream(request()))
    assert (sent["stream"], sent["stream_options"]) == (True, {"include_usage": True})
    assert "stream_options" not in body(chat("mistral").encode_stream(request()))


CITY = {"type": "object", "properties": {"name": {}}, "required": ["name"], "additionalProperties": False}


def test_every_option_has_its_place() -> None:
    """Each option goes where OpenAI documents it."""
    asked = request(
        temperature=0.2,
        top_p=0.9,
        max_output_tokens=64,
        stop=("END",),
        seed=7,
        tool_choice="weather",
        parallel_tool_calls=False,
        tools=(WEATHER,),
        output=OutputSchema(name="city", schema=CITY),
        provider_options={"openai": {"service_tier": "flex", "seed": 8}, "groq": {"never": "sent"}},
    )
    encoded = chat().encode(asked)
    assert body(encoded) == {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "weather",
                    "parameters": {"type": "object", "properties": {}},
                    "description": "Weather now",
                    "strict": True,
                },
            }
        ],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "city", "schema": CITY, "strict": True},
        },
        "temperature": 0.2,
        "top_p": 0.9,
        "max_completion_tokens": 64,
        "stop": ["END"],
        "seed": 8,
        "parallel_tool_calls": False,
        "tool_choice": {"type": "function", "function": {"name": "weather"}},
        "service_tier": "flex",
    }
    assert encoded.warnings == ()


@pytest.mark.parametrize("choice", ["auto", "none", "required"])
def test_the_other_tool_choices_are_words(choice: str) -> None:
    """`auto`, `none` and `required` are sent as they are."""
    assert body(chat().encode(request(tools=(WEATHER,), tool_choice=choice)))["tool_choice"] == choice


@pytest.mark.parametrize("name", ["tool_choice", "parallel_tool_calls"])
def test_settings_of_tools_need_tools(name: str) -> None:
    """OpenAI refuses settings of tools without tools, so they are not sent alone."""
    value = "none" if name == "tool_choice" else True
    assert name not in body(chat().encode(request(**{name: value})))


@pytest.mark.parametrize("model", ["o3-mini", "o4-mini", "o1", "gpt-5-nano", "gpt-5.1"])
def test_reasoning_models_lose_sampling_settings_with_a_warning(model: str) -> None:
    """What OpenAI's reasoning models refuse is left out, and the caller is told."""
    encoded = chat(model=model).encode(request(temperature=0.2, top_p=0.5, reasoning_effort="low", seed=1))
    sent = body(encoded)
    assert "temperature" not in sent
    assert "top_p" not in sent
    assert (sent["reasoning_effort"], sent["seed"]) == ("low", 1)
    assert [(w.kind, w.setting) for w in encoded.warnings] == [("unsupported", "temperature"), ("unsupported", "top_p")]


@pytest.mark.parametrize(
    ("model", "options"),
    [
        ("gpt-5.1", {"temperature": 0.2, "reasoning_effort": "none"}),
        ("o3", {"temperature": 1.0}),
        ("gpt-4o", {"temperature": 0.2}),
    ],
)
def test_sampling_settings_that_a_model_takes_are_sent(model: str, options: dict[str, object]) -> None:
    """Without reasoning, at the default of 1, or on other models, temperature is sent."""
    encoded = chat(model=model).encode(request(**options))
    assert body(encoded)["temperature"] == options["temperature"]
    assert encoded.warnings == ()


def test_a_model_without_reasoning_gets_no_effort() -> None:
    """Effort for gpt-4o is left out with a warning; asking it for none is what it does anyway."""
    encoded = chat().encode(request(reasoning_effort="high"))
    assert "reasoning_effort" not in body(encoded)
    assert [w.setting for w in encoded.warnings] == ["reasoning_effort"]
    assert chat().encode(request(reasoning_effort="none")).warnings == ()


@pytest.mark.parametrize(
    ("kind", "effort", "sent"),
    [
        ("openrouter", "low", {"reasoning": {"effort": "low"}}),
        ("deepseek", "high", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        ("deepseek", "none", {"thinking": {"type": "disabled"}}),
        ("groq", "low", {"reasoning_effort": "low"}),
    ],
)
def test_vendors_ask_for_effort_in_their_own_form(kind: str, effort: str, sent: dict[str, object]) -> None:
    """Reasoning effort has one name for the caller and three forms on the wire."""
    full = body(chat(kind, "m").encode(request(reasoning_effort=effort)))
    assert {name: value for name, value in full.items() if name not in {"model", "messages"}} == sent


def test_vendors_have_their_own_names_for_options() -> None:
    """Token cap and seed go by the vendor's names."""
    assert body(chat("mistral", "m").encode(request(max_output_tokens=9, seed=1))) == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 9,
        "random_seed": 1,
    }


def test_a_setting_the_vendor_refuses_is_left_out_with_a_warning() -> None:
    """A seed for DeepSeek is reported, not sent."""
    encoded = chat("deepseek", "deepseek-chat").encode(request(seed=1, temperature=0.1))
    assert "seed" not in body(encoded)
    assert [(w.kind, w.setting) for w in encoded.warnings] == [("unsupported", "seed")]


def test_a_feature_the_vendor_lacks_is_an_error_before_sending() -> None:
    """Tools cannot be left out silently."""
    with pytest.raises(UnsupportedFeature, match="perplexity"):
        chat("perplexity").encode(request(tools=(WEATHER,)))


def test_media_are_written_as_parts() -> None:
    """Images go as URLs or data URLs, sound and PDFs as bytes, a file by its reference."""
    parts = (
        Text("Look"),
        PNG,
        Media(media_type="image/*", url="https://host.test/a.jpg"),
        Media(media_type="audio/mpeg", data=b"snd"),
        Media(media_type="application/pdf", data=b"%PDF", filename="a.pdf"),
        Media(media_type="application/pdf", file_id="file-1"),
    )
    sent = body(chat().encode(request(Message("user", parts))))["messages"][0]["content"]
    assert sent == [
        {"type": "text", "text": "Look"},
        {
            "type": "image_url",
            "image_url": {"url": f"data:image/png;base64,{base64.b64encode(PNG.data or b'').decode()}"},
        },
        {"type": "image_url", "image_url": {"url": "https://host.test/a.jpg"}},
        {"type": "input_audio", "input_audio": {"data": "c25k", "format": "mp3"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]


@pytest.mark.parametrize(
    ("kind", "media"),
    [
        ("openai", Media(media_type="video/mp4", data=b"x")),
        ("openai", Media(media_type="application/pdf", url="https://host.test/a.pdf")),
        ("openai", Media(media_type="image/png", file_id="file-1")),
        ("openai", Media(media_type="audio/wav", url="https://host.test/a.wav")),
        ("deepseek", PNG),
    ],
)
def test_media_the_wire_cannot_carry_are_refused(kind: str, media: Media) -> None:
    """A part that cannot be sent is an error, never dropped."""
    with pytest.raises(UnsupportedFeature):
        chat(kind).encode(request(Message("user", (media,))))


def test_vendors_take_documents_in_their_own_form() -> None:
    """OpenRouter takes a PDF's URL where OpenAI takes bytes alone; Mistral has a part of its own."""
    pdf = request(Message("user", (Media(media_type="application/pdf", url="https://host.test/a.pdf"),)))
    part = body(chat("openrouter", "m").encode(pdf))["messages"][0]["content"][0]
    assert part == {"type": "file", "file": {"filename": "document.pdf", "file_data": "https://host.test/a.pdf"}}
    part = body(chat("mistral", "m").encode(pdf))["messages"][0]["content"][0]
    assert part == {"type": "document_url", "document_url": "https://host.test/a.pdf"}


def test_a_tool_conversation_is_written_turn_by_turn() -> None:
    """Calls carry their arguments as JSON text, each result is a message of its own, reasoning stays at home."""
    history = (
        Message("system", (Text("Be brief."),)),
        user(),
        Message(
            "assistant",
            (
                Reasoning("hm"),
                ToolCall(id="a", name="weather", arguments={"city": "Oslo"}),
                ToolCall(id="b", name="weather", invalid_arguments="{oops"),
            ),
        ),
        Message("tool", (ToolResult(id="a", content="sun"), ToolResult(id="b", content="what?", is_error=True))),
    )
    encoded = chat().encode(request(*history))
    assert body(encoded)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}},
                {"id": "b", "type": "function", "function": {"name": "weather", "arguments": "{oops"}},
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "sun"},
        {"role": "tool", "tool_call_id": "b", "content": "what?"},
    ]
    assert encoded.warnings == ()


def test_media_of_a_tool_result_follow_in_a_user_message() -> None:
    """A tool message carries text alone, so its image comes right after the last result, with a warning."""
    results = Message("tool", (ToolResult(id="a", content=(Text("chart:"), PNG)), ToolResult(id="b", content="ok")))
    encoded = chat().encode(request(results, user("And?")))
    sent = body(encoded)["messages"]
    assert [message["role"] for message in sent] == ["tool", "tool", "user", "user"]
    assert sent[0]["content"] == "chart:"
    assert sent[2]["content"][0]["type"] == "image_url"
    assert [w.kind for w in encoded.warnings] == ["compatibility"]


def test_reasoning_goes_back_only_in_the_form_its_vendor_sent() -> None:
    """DeepSeek gets its text back beside tool calls, OpenRouter its details; nobody gets another's."""
    call = ToolCall(id="a", name="f")
    deepseek = Reasoning("because", provider_metadata={"deepseek": {"field": "reasoning_content"}})
    details = [{"type": "reasoning.encrypted", "data": "x"}]
    routed = Reasoning("", provider_metadata={"openrouter": {"reasoning_details": details}})
    sent = body(chat("deepseek").encode(request(Message("assistant", (deepseek, call)))))["messages"][0]
    assert sent["reasoning_content"] == "because"
    sent = body(chat("deepseek").encode(request(Message("assistant", (deepseek, Text("So."))))))["messages"][0]
    assert sent == {"role": "assistant", "content": "So."}
    sent = body(chat("openrouter").encode(request(Message("assistant", (routed, Text("So."))))))["messages"][0]
    assert sent == {"role": "assistant", "content": "So.", "reasoning_details": details}
    encoded = chat("groq").encode(request(Message("assistant", (deepseek, call))))
    assert "reasoning_content" not in body(encoded)["messages"][0]
    assert [w.kind for w in encoded.warnings] == ["stripped"]


def test_marks_of_our_kind_are_merged_into_the_part() -> None:
    """A cache point on a text is sent with that text."""
    marked = Text("Long.", provider_metadata={"openrouter": {"cache_control": {"type": "ephemeral"}}})
    sent = body(chat("openrouter").encode(request(Message("user", (marked,)))))["messages"][0]["content"]
    assert sent == [{"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}]


def test_parts_that_have_no_place_in_a_turn_are_refused() -> None:
    """A tool call in a user message, or a result in an assistant's, is the caller's mistake and never dropped."""
    for message in (
        Message("user", (ToolCall(id="a", name="f"),)),
        Message("assistant", (ToolResult(id="a", content="x"),)),
    ):
        with pytest.raises(UnsupportedFeature, match=message.role):
            chat().encode(request(message))


def test_an_assistants_turn_of_any_parts_can_be_sent_back() -> None:
    """Several texts are one, nothing is an empty string, media that a model made stay out with a warning."""
    empty = body(chat().encode(request(Message("assistant", (Reasoning("hm"),)))))["messages"][0]
    assert empty == {"role": "assistant", "content": ""}
    encoded = chat().encode(request(Message("assistant", (Text("a"), Text("b"), PNG))))
    assert body(encoded)["messages"][0] == {"role": "assistant", "content": "ab"}
    assert [w.kind for w in encoded.warnings] == ["compatibility"]
    marked = Text("a", provider_metadata={"openrouter": {"cache_control": {"type": "ephemeral"}}})
    sent = body(chat("openrouter").encode(request(Message("assistant", (marked,)))))["messages"][0]
    assert sent["content"] == [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]


def test_provider_options_may_be_any_mapping_of_json() -> None:
    """A read-only mapping is sent like a dict; what is no JSON is refused."""
    options = {"openai": MappingProxyType({"metadata": MappingProxyType({"a": "b"})})}
    assert body(chat().encode(request(provider_options=options)))["metadata"] == {"a": "b"}
    with pytest.raises(InvalidRequest):
        chat().encode(request(provider_options={"openai": {"metadata": object()}}))


def test_what_is_not_json_is_refused_without_being_quoted() -> None:
    """A lone surrogate cannot be sent, and the error does not show the prompt."""
    with pytest.raises(InvalidRequest) as caught:
        chat().encode(request(user("secret \ud800")))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "base_url", "url"),
    [
        ("openai", "http://127.0.0.1:9/v1/", "http://127.0.0.1:9/v1/chat/completions"),
        ("openai", "http://127.0.0.1:9", "http://127.0.0.1:9/chat/completions"),
        ("lmstudio", "http://127.0.0.1:1234", "http://127.0.0.1:1234/v1/chat/completions"),
        ("lmstudio", "http://127.0.0.1:1234/v1", "http://127.0.0.1:1234/v1/chat/completions"),
        ("azure_openai", "https://r.openai.azure.com/", "https://r.openai.azure.com/openai/v1/chat/completions"),
        (
            "azure_openai",
            "https://r.openai.azure.com/openai/deployments/d?api-version=2024-10-21",
            "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21",
        ),
        ("writer", None, "https://api.writer.com/v1/chat"),
    ],
)
def test_addresses_are_built_as_people_write_them(kind: str, base_url: str | None, url: str) -> None:
    """A base URL works with and without a final slash, and a local one without `/v1`."""
    assert chat(kind, base_url=base_url).encode(request()).request.url == url


def test_the_body_is_one_that_openais_own_types_accept() -> None:
    """The body validates against the OpenAI SDK's parameter types."""
    history = (
        Message("system", (Text("Be brief."),)),
        Message("user", (Text("Look"), PNG, Media(media_type="audio/wav", data=b"x"))),
        Message("assistant", (Text("Let me see."), ToolCall(id="a", name="weather", arguments={"q": 1}))),
        Message("tool", (ToolResult(id="a", content="sun"),)),
    )
    asked = request(*history, tools=(WEATHER,), tool_choice="weather", output=OutputSchema(name="x", schema={}))
    TypeAdapter(CompletionCreateParams).validate_python(body(chat().encode_stream(asked)))


def test_kinds_have_only_the_tasks_of_their_profile() -> None:
    """OpenAI has no rerank endpoint, so its deployments have no such codec."""
    assert bind().rerank is None
    assert bind("groq").embed is None
    assert bind("together").rerank is not None
