"""What the Gemini and Vertex wires send for a chat."""

from __future__ import annotations

from typing import Any

import pytest
from google_support import WEATHER, ask, chat, sent, user
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import UnsupportedFeature
from orchestrator.spec.models import ModelProfile
from orchestrator.types.chat import (
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

SKIP = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
PLACE = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def _assistant(*parts: Part) -> Message:
    return Message("assistant", parts)


def _results(*ids: str) -> Message:
    return Message("tool", tuple([ToolResult(id=one, content=f"of {one}") for one in ids]))


def _call(id_: str, **more: Any) -> ToolCall:
    return ToolCall(id=id_, name="weather", arguments={"city": "Oslo"}, **more)


def _warnings(encoded: Any) -> list[tuple[str, str]]:
    return [(warning.kind, warning.setting) for warning in encoded.warnings]


def test_a_plain_chat_and_its_stream() -> None:
    """A chat goes to generateContent, its stream with the same body to streamGenerateContent as server-sent events."""
    codec = chat()
    whole, stream = codec.encode(ask()), codec.encode_stream(ask())
    base = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash"
    assert whole.request.url == f"{base}:generateContent"
    assert stream.request.url == f"{base}:streamGenerateContent?alt=sse"
    assert sent(whole) == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    assert stream.request.body == whole.request.body
    assert whole.warnings == ()


def test_all_settings() -> None:
    """Every common setting has its field in generationConfig."""
    encoded = chat().encode(ask(temperature=0.5, top_p=0.9, max_output_tokens=100, stop=("a", "b"), seed=7))
    assert sent(encoded)["generationConfig"] == {
        "temperature": 0.5,
        "topP": 0.9,
        "maxOutputTokens": 100,
        "seed": 7,
        "stopSequences": ["a", "b"],
    }
    assert encoded.warnings == ()


def test_settings_beyond_the_vendors_bounds() -> None:
    """A temperature above 2 is lowered and a sixth stop sequence left out, each with a warning."""
    encoded = chat().encode(ask(temperature=3.0, stop=tuple("abcdef")))
    config = sent(encoded)["generationConfig"]
    assert config == {"temperature": 2.0, "stopSequences": list("abcde")}
    assert _warnings(encoded) == [("compatibility", "temperature"), ("unsupported", "stop")]


def test_settings_that_the_model_refuses_are_left_out() -> None:
    """What the model's profile says it refuses is not sent, and warned about."""
    facts = ModelProfile(refuses=frozenset({"seed", "stop"}))
    encoded = chat(model_profile=facts).encode(ask(seed=1, stop=("x",), top_p=0.5))
    assert sent(encoded)["generationConfig"] == {"topP": 0.5}
    assert _warnings(encoded) == [("unsupported", "seed"), ("unsupported", "stop")]


@pytest.mark.parametrize(
    ("model", "effort", "config"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-flash", "low", {"thinkingBudget": 1024, "includeThoughts": True}),
        ("gemini-2.5-pro", "high", {"thinkingBudget": 24576, "includeThoughts": True}),
        ("gemini-3-flash-preview", "minimal", {"thinkingLevel": "minimal", "includeThoughts": True}),
        ("gemini-3.1-pro-preview", "medium", {"thinkingLevel": "medium", "includeThoughts": True}),
        ("gemini-flash-latest", "high", {"thinkingLevel": "high", "includeThoughts": True}),
    ],
)
def test_reasoning_effort(model: str, effort: str, config: dict[str, Any]) -> None:
    """An effort is a budget of tokens for Gemini 2.5, and a level from Gemini 3 on."""
    encoded = chat(model).encode(ask(reasoning_effort=effort))
    assert sent(encoded)["generationConfig"] == {"thinkingConfig": config}
    assert encoded.warnings == ()


@pytest.mark.parametrize(
    ("model", "effort", "config", "kind"),
    [
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}, "compatibility"),
        ("gemini-3-pro-preview", "medium", {"thinkingLevel": "low", "includeThoughts": True}, "compatibility"),
        ("gemini-3-flash-preview", "none", {"thinkingLevel": "minimal"}, "compatibility"),
        ("gemini-2.0-flash", "low", None, "unsupported"),
    ],
)
def test_efforts_that_a_model_does_not_take(model: str, effort: str, config: Any, kind: str) -> None:
    """The nearest that the model takes is sent, or nothing if it does not reason; a warning says so."""
    encoded = chat(model).encode(ask(reasoning_effort=effort))
    assert sent(encoded).get("generationConfig", {}).get("thinkingConfig") == config
    assert _warnings(encoded) == [(kind, "reasoning_effort")]


def test_thinking_leaves_room_for_the_answer() -> None:
    """A budget is at most half of max_output_tokens, of which thoughts are a part."""
    encoded = chat().encode(ask(reasoning_effort="high", max_output_tokens=1000))
    assert sent(encoded)["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 500
    assert _warnings(encoded) == [("compatibility", "reasoning_effort")]


def test_the_models_profile_decides_how_it_reasons() -> None:
    """What is known of a model comes before what its name suggests."""
    facts = ModelProfile(reasoning="effort", efforts=("low", "high"))
    body = sent(chat("my-tuned-model", model_profile=facts).encode(ask(reasoning_effort="high")))
    assert body["generationConfig"]["thinkingConfig"]["thinkingLevel"] == "high"


@pytest.mark.parametrize(
    ("choice", "strict", "config"),
    [
        (None, None, None),
        ("auto", None, {"mode": "AUTO"}),
        (None, True, {"mode": "VALIDATED"}),
        ("none", True, {"mode": "NONE"}),
        ("required", None, {"mode": "ANY"}),
        ("weather", None, {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
    ],
)
def test_tools_and_choices(choice: str | None, strict: bool | None, config: Any) -> None:
    """Tools are declared with JSON Schema, and each choice is a mode of calling; strict tools are validated ones."""
    tool = Tool(name="weather", description="Weather now", parameters=WEATHER.parameters, strict=strict)
    body = sent(chat().encode(ask(tools=(tool,), tool_choice=choice)))
    declared = {"name": "weather", "description": "Weather now", "parametersJsonSchema": dict(WEATHER.parameters)}
    assert body["tools"] == [{"functionDeclarations": [declared]}]
    assert body.get("toolConfig") == ({"functionCallingConfig": config} if config else None)


def test_what_tools_cannot_do_is_warned_about() -> None:
    """One call at a time cannot be had, nor a choice without tools."""
    assert _warnings(chat().encode(ask(tools=(WEATHER,), parallel_tool_calls=False))) == [
        ("unsupported", "parallel_tool_calls")
    ]
    assert _warnings(chat().encode(ask(tool_choice="required"))) == [("unsupported", "tool_choice")]


def test_an_output_schema() -> None:
    """An output schema is sent as JSON Schema with its media type; to Gemini 1 as the older subset."""
    output = OutputSchema(name="place", schema=PLACE)
    config = sent(chat().encode(ask(output=output)))["generationConfig"]
    assert config == {"responseMimeType": "application/json", "responseJsonSchema": PLACE}
    config = sent(chat("gemini-1.5-pro").encode(ask(output=output)))["generationConfig"]
    written = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]}
    assert config == {"responseMimeType": "application/json", "responseSchema": written}


def test_an_output_schema_beside_tools() -> None:
    """Gemini 3 takes both; before it a tool of which the answer must be a call stands in for the schema."""
    output = OutputSchema(name="place", schema=PLACE)
    body = sent(chat("gemini-3-flash-preview").encode(ask(tools=(WEATHER,), output=output)))
    assert body["generationConfig"]["responseJsonSchema"] == PLACE
    body = sent(chat("gemini-2.5-flash").encode(ask(tools=(WEATHER,), output=output)))
    assert "generationConfig" not in body
    assert [tool["name"] for tool in body["tools"][0]["functionDeclarations"]] == ["weather", "orchestrator_output"]
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}


def test_provider_options_go_beside_our_fields() -> None:
    """The caller's fields are merged key by key, and the vendor's own tools come after the caller's functions."""
    extra = {
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "generationConfig": {"responseLogprobs": True, "logprobs": 3},
        "tools": [{"googleSearch": {}}],
    }
    request = ask(tools=(WEATHER,), temperature=0.5, provider_options={"google": extra, "vertex": {"labels": {}}})
    body = sent(chat().encode(request))
    assert body["generationConfig"] == {"temperature": 0.5, "responseLogprobs": True, "logprobs": 3}
    assert [list(tool) for tool in body["tools"]] == [["functionDeclarations"], ["googleSearch"]]
    assert body["safetySettings"] == extra["safetySettings"]
    assert "labels" not in body


@pytest.mark.parametrize(
    "extra",
    [
        {"generationConfig": {"candidateCount": 2}},
        {"toolConfig": {"functionCallingConfig": {"streamFunctionCallArguments": True}}},
    ],
)
def test_options_whose_answers_could_not_be_read_are_refused(extra: dict[str, Any]) -> None:
    """Several answers and arguments in pieces are refused before sending."""
    with pytest.raises(UnsupportedFeature):
        chat().encode(ask(provider_options={"google": extra}))


def test_system_messages_are_the_system_instruction() -> None:
    """System text is the instruction, wherever it stood; Gemma 3, which has none, gets it in the first user turn."""
    messages = (Message("system", (Text("A"),)), user("Hi"), Message("system", (Text("B"),)))
    encoded = chat().encode(ask(*messages))
    body = sent(encoded)
    assert body["systemInstruction"] == {"parts": [{"text": "A"}, {"text": "B"}]}
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]
    assert _warnings(encoded) == [("compatibility", "messages")]
    body = sent(chat("gemma-3-27b-it").encode(ask(*messages)))
    assert body == {"contents": [{"role": "user", "parts": [{"text": "A"}, {"text": "B"}, {"text": "Hi"}]}]}


def test_calls_and_results_stand_by_turns() -> None:
    """Parallel calls are answered in the next turn, in the calls' order, before whatever else was said there."""
    messages = (user("?"), _assistant(_call("a"), _call("b")), user("Well?"), _results("b", "a"))
    body = sent(chat().encode(ask(*messages, tools=(WEATHER,))))
    assert [turn["role"] for turn in body["contents"]] == ["user", "model", "user"]
    calls = body["contents"][1]["parts"]
    assert [part["functionCall"]["id"] for part in calls] == ["a", "b"]
    assert body["contents"][2]["parts"] == [
        {"functionResponse": {"id": "a", "name": "weather", "response": {"output": "of a"}}},
        {"functionResponse": {"id": "b", "name": "weather", "response": {"output": "of b"}}},
        {"text": "Well?"},
    ]


def test_a_failed_tool_and_arguments_that_are_no_object() -> None:
    """A tool's failure stands under `error`; arguments that were no JSON travel as text inside an object."""
    call = ToolCall(id="a", name="weather", invalid_arguments="{oops")
    failed = Message("tool", (ToolResult(id="a", content="no such city", is_error=True),))
    contents = sent(chat().encode(ask(user("?"), _assistant(call), failed)))["contents"]
    assert contents[1]["parts"][0]["functionCall"]["args"] == {"INVALID_JSON": "{oops"}
    assert contents[2]["parts"][0]["functionResponse"]["response"] == {"error": "no such city"}


def test_a_history_that_opens_with_the_model_gets_a_user_turn() -> None:
    """The vendor wants a user's turn first and at least one turn: a blank one is put there, with a warning."""
    for messages in ((_assistant(Text("Hi, I am Sam.")), user("Hello")), (Message("system", (Text("S"),)),)):
        encoded = chat().encode(ask(*messages))
        assert sent(encoded)["contents"][0] == {"role": "user", "parts": [{"text": " "}]}
        assert _warnings(encoded) == [("compatibility", "messages")]


def test_signatures_travel_back_in_their_places() -> None:
    """Thoughts, signatures and whole parts of this kind are sent back as they came, and without a warning."""
    whole = {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
    answer = _assistant(
        Reasoning("Hm.", provider_metadata={"google": {"thought": True}}),
        Reasoning("", provider_metadata={"google": {"part": whole}}),
        Text("So", provider_metadata={"google": {"thoughtSignature": "QUJD"}}),
        Text("", provider_metadata={"google": {"thoughtSignature": "REVG"}}),
        _call("a", provider_metadata={"google": {"thoughtSignature": "R0hJ"}}),
    )
    encoded = chat("gemini-3-flash-preview").encode(ask(user("?"), answer, _results("a")))
    assert sent(encoded)["contents"][1]["parts"] == [
        {"text": "Hm.", "thought": True},
        whole,
        {"text": "So", "thoughtSignature": "QUJD"},
        {"text": "", "thoughtSignature": "REVG"},
        {
            "functionCall": {"id": "a", "name": "weather", "args": {"city": "Oslo"}},
            "thoughtSignature": "R0hJ",
        },
    ]
    assert encoded.warnings == ()


@pytest.mark.parametrize("kind", ["google", "vertex"])
def test_a_history_of_another_vendor(kind: str) -> None:
    """Foreign reasoning and marks are left out with one warning; Gemini 3 gets the documented stand-in for a signature
    on the first call of each turn, earlier models none.
    """
    marked: Any = {"anthropic": {"signature": "x"}}
    answer = _assistant(
        Reasoning("Hm.", provider_metadata=marked), Text("Ok", provider_metadata=marked), _call("a"), _call("b")
    )
    request = ask(user("?"), answer, _results("a", "b"))
    encoded = chat("gemini-3-pro-preview", kind).encode(request)
    parts = sent(encoded)["contents"][1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [None, SKIP, None]
    assert parts[0] == {"text": "Ok"}
    assert _warnings(encoded) == [("stripped", "messages")]
    parts = sent(chat("gemini-2.5-pro", kind).encode(request))["contents"][1]["parts"]
    assert not [part for part in parts if "thoughtSignature" in part]


@pytest.mark.parametrize(
    ("media", "part"),
    [
        (
            Media(media_type="image/png", data=b"\x89PNG", filename="a.png"),
            {"inlineData": {"mimeType": "image/png", "data": "iVBORw==", "displayName": "a.png"}},
        ),
        (
            Media(media_type="audio/wav", url="data:audio/wav;base64,UklGRg=="),
            {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}},
        ),
        (
            Media(media_type="video/mp4", url="gs://bucket/a.mp4"),
            {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://bucket/a.mp4"}},
        ),
        (
            Media(media_type="image/*", url="https://host.test/a.jpg?x=1"),
            {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://host.test/a.jpg?x=1"}},
        ),
        (
            Media(media_type="video/*", url="https://www.youtube.com/watch?v=1"),
            {"fileData": {"fileUri": "https://www.youtube.com/watch?v=1"}},
        ),
        (
            Media(media_type="application/pdf", file_id="files/abc"),
            {
                "fileData": {
                    "mimeType": "application/pdf",
                    "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc",
                }
            },
        ),
    ],
)
def test_media(media: Media, part: dict[str, Any]) -> None:
    """Bytes go inline, addresses and the vendor's own files as references, typed by suffix."""
    assert sent(chat().encode(ask(user("Look", media))))["contents"][0]["parts"] == [{"text": "Look"}, part]


@pytest.mark.parametrize(
    ("kind", "media"),
    [
        ("google", Media(media_type="image/*", data=b"x")),
        ("google", Media(media_type="application/zip", data=b"x")),
        ("google", Media(media_type="text/plain", url="data:text/plain,hello")),
        ("vertex", Media(media_type="image/*", url="https://host.test/picture")),
    ],
)
def test_media_that_cannot_be_sent(kind: str, media: Media) -> None:
    """Types that the vendor does not read, or that it must be told and nobody knows, are refused before sending."""
    with pytest.raises(UnsupportedFeature):
        chat(kind=kind).encode(ask(user(media)))


def test_media_in_a_tools_result() -> None:
    """Gemini 3 takes media inside a result; earlier models get it beside."""
    picture = Media(media_type="image/png", data=b"x")
    result = Message("tool", (ToolResult(id="a", content=(Text("here"), picture)),))
    request = ask(user("?"), _assistant(_call("a")), result)
    inline = {"inlineData": {"mimeType": "image/png", "data": "eA=="}}
    answer = {"id": "a", "name": "weather", "response": {"output": "here"}}
    parts = sent(chat("gemini-3-flash-preview").encode(request))["contents"][2]["parts"]
    assert parts == [{"functionResponse": answer | {"parts": [inline]}}]
    parts = sent(chat("gemini-2.5-flash").encode(request))["contents"][2]["parts"]
    assert parts == [{"functionResponse": answer}, inline]


_PARTS = st.one_of(
    st.builds(Text, st.text(max_size=3)),
    st.builds(Reasoning, st.text(max_size=3)),
    st.builds(_call, st.sampled_from("abc")),
    st.builds(ToolResult, id=st.sampled_from("abcd"), content=st.text(max_size=3)),
)
_MESSAGES = st.builds(
    Message,
    role=st.sampled_from(["user", "assistant", "tool", "user"]),
    parts=st.lists(_PARTS, max_size=4).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(messages=st.lists(_MESSAGES, max_size=6))
def test_any_history_alternates(messages: list[Message]) -> None:
    """Whatever the history, turns of user and model follow one another, the user first, none of them empty."""
    contents = sent(chat("gemini-3-flash-preview").encode(ask(*messages, user("?"))))["contents"]
    roles = [turn["role"] for turn in contents]
    assert roles == (["user", "model"] * len(roles))[: len(roles)]
    assert all(turn["parts"] for turn in contents)
