"""What the Mistral wire sends: exact bodies, accepted by the vendor SDK's types and by the vendor's order of roles."""

from __future__ import annotations

import base64
import re
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import UnsupportedFeature
from orchestrator.spec.models import ModelProfile
from orchestrator.spec.provider import Codecs, Encoded, Target
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
from orchestrator.types.retrieval import EmbedOptions, EmbedRequest
from orchestrator_providers.mistral import WIRE
from orchestrator_providers.mistral.callids import CallIds

HELLO = Message("user", (Text("Hello"),))
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = Tool(name="weather", description="Weather of a city.", parameters=SCHEMA)
SAID = Message("assistant", (Text("Hi"),))
ASKED = Message("assistant", (ToolCall(id="abcDEF123", name="weather", arguments={"city": "Rome"}),))
TOLD = Message("tool", (ToolResult(id="abcDEF123", name="weather", content="sunny"),))
_FOLLOWS = {
    "system": {"user", "assistant", "system"},
    "user": {"assistant", "system", "user"},
    "assistant": {"assistant", "user", "tool"},
    "tool": {"assistant", "tool"},
}
"""What may follow what, by the vendor's own validator (mistral-common)."""


def _bind(model: str = "mistral-large-latest", base_url: str = "https://api.mistral.ai/v1", **facts: Any) -> Codecs:
    profile = ModelProfile(**facts)
    return WIRE.bind(
        Target(
            profile=WIRE.profile, provider="p", deployment="d", model=model, base_url=base_url, model_profile=profile
        )
    )


def _encode(
    *messages: Message,
    model: str = "mistral-large-latest",
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
    """The body sent, after the vendor SDK's own types and the vendor's order have accepted it."""
    from mistralai.client.models import ChatCompletionRequest

    body: dict[str, Any] = orjson.loads(encoded.request.body)
    read = ChatCompletionRequest.model_validate(body)
    assert "UNKNOWN" not in read.model_dump_json(by_alias=True), "a part that the SDK does not know"
    known = {field.alias or name for name, field in ChatCompletionRequest.model_fields.items()}
    assert body.keys() <= known
    _check_order(body["messages"])
    return body


def _check_order(messages: list[dict[str, Any]]) -> None:
    for before, after in pairwise(messages):
        assert after["role"] in _FOLLOWS[before["role"]]
    for message in messages:
        if message["role"] == "assistant":
            assert message.get("content") or message.get("tool_calls")
            assert not message.get("prefix") or message is messages[-1]
        ids = [call["id"] for call in message.get("tool_calls", ())] + [message.get("tool_call_id", "a" * 9)]
        assert all(re.fullmatch(r"[a-zA-Z0-9]{9}", id_) for id_ in ids)
    if messages and messages[-1]["role"] == "assistant":
        assert messages[-1].get("prefix") or messages[-1].get("tool_calls")


def _messages(*messages: Message) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = _body(_encode(*messages))["messages"]
    return sent


def _settings(encoded: Encoded) -> dict[str, Any]:
    return {name: value for name, value in _body(encoded).items() if name not in ("model", "messages")}


def _warned(encoded: Encoded) -> list[tuple[str, str]]:
    return [(warning.kind, warning.setting) for warning in encoded.warnings]


def test_smallest_request() -> None:
    """One message needs nothing more than the model."""
    encoded = _encode()
    assert encoded.request.url == "https://api.mistral.ai/v1/chat/completions"
    assert _body(encoded) == {"model": "mistral-large-latest", "messages": [{"role": "user", "content": "Hello"}]}
    assert encoded.warnings == ()


def test_stream_asks_for_a_stream_and_nothing_else() -> None:
    """A stream's request has `stream` alone beside the other's fields: usage comes without being asked for."""
    chat = _bind().chat
    assert chat is not None
    request = ChatRequest(messages=(HELLO,))
    whole, stream = (orjson.loads(e.request.body) for e in (chat.encode(request), chat.encode_stream(request)))
    assert stream == whole | {"stream": True}


def test_every_option_under_the_vendors_name() -> None:
    """Options, tools, choice and schema go out under the names that the vendor's SDK knows."""
    encoded = _encode(
        temperature=0.2,
        top_p=0.9,
        max_output_tokens=50,
        stop=("END",),
        seed=7,
        tools=(WEATHER,),
        tool_choice="auto",
        parallel_tool_calls=False,
        output=OutputSchema(name="city", schema=SCHEMA),
        provider_options={
            "mistral": {
                "safe_prompt": True,
                "prompt_cache_key": "k",
                "presence_penalty": 0.5,
                "prediction": {"type": "content", "content": "x"},
            },
            "openai": {"user": "u"},
        },
    )
    assert _settings(encoded) == {
        "temperature": 0.2,
        "top_p": 0.9,
        "max_tokens": 50,
        "stop": ["END"],
        "random_seed": 7,
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "description": "Weather of a city.", "parameters": SCHEMA},
            }
        ],
        "tool_choice": "auto",
        "parallel_tool_calls": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "city", "schema": SCHEMA, "strict": True},
        },
        "safe_prompt": True,
        "prompt_cache_key": "k",
        "presence_penalty": 0.5,
        "prediction": {"type": "content", "content": "x"},
    }
    assert encoded.warnings == ()


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("none", "none"),
        ("required", "any"),
        ("weather", {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_tool_choices(choice: str, sent: Any) -> None:
    """`required` is `any` here, and a tool's name stands in an object."""
    assert _settings(_encode(tools=(WEATHER,), tool_choice=choice))["tool_choice"] == sent


def test_greedy_sampling_takes_no_top_p() -> None:
    """With temperature 0 the vendor refuses any top_p but 1, so it is left out and said."""
    encoded = _encode(temperature=0, top_p=0.5)
    assert _settings(encoded) == {"temperature": 0}
    assert _warned(encoded) == [("unsupported", "top_p")]
    assert _settings(_encode(temperature=0, top_p=1)) == {"temperature": 0, "top_p": 1}


@pytest.mark.parametrize(
    ("model", "facts", "effort", "sent", "warned"),
    [
        ("magistral-medium-latest", {}, "low", {"prompt_mode": "reasoning"}, []),
        ("magistral-medium-latest", {}, "none", {}, ["unsupported"]),
        ("any", {"reasoning": "always"}, "high", {"prompt_mode": "reasoning"}, []),
        ("mistral-small-2603", {}, "high", {"reasoning_effort": "high"}, []),
        ("mistral-small-2603", {}, "none", {"reasoning_effort": "none"}, []),
        ("mistral-small-2603", {}, "low", {"reasoning_effort": "high"}, ["compatibility"]),
        ("mistral-medium-3-5", {}, "minimal", {"reasoning_effort": "none"}, ["compatibility"]),
        ("mistral-large-4-0", {}, "low", {"reasoning_effort": "low"}, []),
        (
            "any",
            {"reasoning": "adaptive", "efforts": ("none", "low", "high")},
            "minimal",
            {"reasoning_effort": "low"},
            ["compatibility"],
        ),
        ("codestral-latest", {"reasoning": "none"}, "high", {}, ["unsupported"]),
        ("codestral-latest", {"reasoning": "none"}, "none", {}, []),
    ],
)
def test_reasoning_by_what_the_model_takes(
    model: str, facts: dict[str, Any], effort: Any, sent: dict[str, Any], warned: list[str]
) -> None:
    """Models that always reason have a mode, others an effort of the words they take, and the rest nothing."""
    encoded = _encode(model=model, facts=facts, reasoning_effort=effort)
    assert _settings(encoded) == sent
    assert [warning.kind for warning in encoded.warnings] == warned


def test_settings_that_the_model_refuses_are_left_out() -> None:
    """What the model's profile refuses is not sent, and said."""
    encoded = _encode(facts={"refuses": frozenset({"seed"})}, seed=1, temperature=0.5)
    assert _settings(encoded) == {"temperature": 0.5}
    assert _warned(encoded) == [("unsupported", "seed")]


def test_features_that_the_model_lacks_are_errors() -> None:
    """Tools and output schemas for a model known to have none are refused before sending."""
    with pytest.raises(UnsupportedFeature, match="tools"):
        _encode(tools=(WEATHER,), facts={"tools": False})
    with pytest.raises(UnsupportedFeature, match="schemas"):
        _encode(output=OutputSchema(name="c", schema=SCHEMA), facts={"json_schema": False})


@pytest.mark.parametrize(
    ("media", "sent"),
    [
        (
            Media(media_type="image/png", data=b"i"),
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aQ=="}},
        ),
        (
            Media(media_type="image/*", url="https://h.test/a", provider_metadata={"mistral": {"detail": "low"}}),
            {"type": "image_url", "image_url": {"url": "https://h.test/a", "detail": "low"}},
        ),
        (
            Media(media_type="application/pdf", url="https://h.test/a.pdf", filename="a.pdf"),
            {"type": "document_url", "document_url": "https://h.test/a.pdf", "document_name": "a.pdf"},
        ),
        (
            Media(media_type="application/pdf", data=b"p"),
            {"type": "document_url", "document_url": "data:application/pdf;base64,cA=="},
        ),
        (Media(media_type="application/pdf", file_id="f1"), {"type": "file", "file_id": "f1"}),
        (
            Media(media_type="audio/mpeg", data=b"s"),
            {"type": "input_audio", "input_audio": base64.b64encode(b"s").decode()},
        ),
        (
            Media(media_type="audio/wav", url="https://h.test/a.wav"),
            {"type": "input_audio", "input_audio": "https://h.test/a.wav"},
        ),
    ],
)
def test_media_in_the_vendors_parts(media: Media, sent: dict[str, Any]) -> None:
    """Images, documents, sound and files each have a part of their own, by address, bytes or reference."""
    (message,) = _messages(Message("user", (Text("See"), media)))
    assert message["content"] == [{"type": "text", "text": "See"}, sent]


def test_media_that_the_wire_lacks_are_refused() -> None:
    """A film is refused before sending."""
    with pytest.raises(UnsupportedFeature, match="video/mp4"):
        _encode(Message("user", (Media(media_type="video/mp4", url="https://h.test/a"),)))


def test_calls_and_results_keep_the_vendors_ids() -> None:
    """An id of nine letters and digits goes back as it came, in the call and in its result."""
    _, call, result = _messages(HELLO, ASKED, TOLD)
    assert call == {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {
                "id": "abcDEF123",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city":"Rome"}'},
            }
        ],
    }
    assert result == {"role": "tool", "tool_call_id": "abcDEF123", "name": "weather", "content": "sunny"}


def test_foreign_ids_become_nine_characters() -> None:
    """Other vendors' ids become valid ones, the same for a call and its result, other ones for other calls."""
    ids = ("call_PTLP8xhu3uwZk4l3nlnrrJha", "toolu_01", "0")
    calls = tuple([ToolCall(id=id_, name="weather") for id_ in ids])
    results = tuple([ToolResult(id=id_, content="x") for id_ in reversed(ids)])
    _, call, *told = _messages(HELLO, Message("assistant", calls), Message("tool", results))
    sent = [one["id"] for one in call["tool_calls"]]
    assert len(set(sent)) == 3
    assert [one["tool_call_id"] for one in reversed(told)] == sent
    assert sent == [one["id"] for one in _messages(HELLO, Message("assistant", calls))[1]["tool_calls"]]


@given(st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=20))
def test_ids_never_collide(ids: list[str]) -> None:
    """Whatever the ids, each becomes a valid one of its own, and those that are valid stay."""
    chosen = CallIds([Message("assistant", tuple([ToolCall(id=id_, name="f") for id_ in ids]))])
    sent = [chosen(id_) for id_ in ids]
    assert len(set(sent)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9]{9}", id_) for id_ in sent)
    assert [chosen(id_) for id_ in ids] == sent


def test_an_id_that_another_ones_short_form_took_gives_way() -> None:
    """A foreign id whose short form the history holds already as somebody's own gets another."""
    short = CallIds([])("call_1")
    both = CallIds([Message("assistant", (ToolCall(id="call_1", name="f"), ToolCall(id=short, name="f")))])
    assert both(short) == short
    assert both("call_1") != short


def test_nobody_but_tool_and_assistant_speaks_after_a_tool() -> None:
    """Between a tool's result and a user's message an assistant message is put, and said."""
    encoded = _encode(HELLO, ASKED, TOLD, Message("user", (Text("And?"),)))
    roles = [message["role"] for message in _body(encoded)["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]
    assert _warned(encoded) == [("compatibility", "messages")]


def test_results_in_a_users_message_come_first() -> None:
    """Results that share a message with text, as Anthropic's do, become tool messages before it."""
    parts: tuple[Part, ...] = (Text("Here."), ToolResult(id="abcDEF123", content="sunny"))
    sent = _messages(HELLO, ASKED, Message("user", parts))
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "assistant", "user"]
    assert sent[-1]["content"] == "Here."


def test_media_of_results_move_behind_all_of_them() -> None:
    """Pictures in results follow the last of the results, in a user message."""
    picture = Media(media_type="image/png", data=b"i")
    calls = Message("assistant", tuple([ToolCall(id=id_, name="f") for id_ in ("aaaaaaaa1", "aaaaaaaa2")]))
    told = Message(
        "tool",
        (ToolResult(id="aaaaaaaa1", content=(Text("See"), picture)), ToolResult(id="aaaaaaaa2", content="none")),
    )
    encoded = _encode(HELLO, calls, told)
    sent = _body(encoded)["messages"]
    assert [message["role"] for message in sent[2:]] == ["tool", "tool", "assistant", "user"]
    assert sent[2]["content"] == "See"
    assert sent[-1]["content"][0]["type"] == "image_url"
    assert {warning.kind for warning in encoded.warnings} == {"compatibility"}


def test_late_system_messages_move_to_the_beginning() -> None:
    """A system message after the assistant's goes behind those at the beginning; after a user's it stays."""
    rules = [Message("system", (Text(text),)) for text in ("a", "b", "c")]
    encoded = _encode(rules[0], HELLO, rules[1], SAID, rules[2], HELLO)
    sent = [(message["role"], message["content"]) for message in _body(encoded)["messages"]]
    assert sent == [
        ("system", "a"),
        ("system", "c"),
        ("user", "Hello"),
        ("system", "b"),
        ("assistant", "Hi"),
        ("user", "Hello"),
    ]
    assert _warned(encoded) == [("compatibility", "messages")]


def test_a_last_word_of_the_assistant_is_a_prefix() -> None:
    """A history that ends with the assistant's text asks the model to go on from it."""
    assert _messages(HELLO, SAID)[-1] == {"role": "assistant", "content": "Hi", "prefix": True}
    assert "prefix" not in _messages(HELLO, SAID, HELLO)[1]


def test_own_reasoning_and_references_travel_back() -> None:
    """Thinking and references go back to the vendor in the parts that they came in."""
    said = Message(
        "assistant",
        (
            Reasoning("hm", provider_metadata={"mistral": {"closed": True, "signature": "s"}}),
            Text("Paris", provider_metadata={"mistral": {"reference_ids": [0, "b"]}}),
            Text(" it is."),
        ),
    )
    encoded = _encode(HELLO, said, HELLO)
    assert _body(encoded)["messages"][1]["content"] == [
        {
            "type": "thinking",
            "thinking": [{"type": "text", "text": "hm"}],
            "closed": True,
            "signature": "s",
        },
        {"type": "text", "text": "Paris"},
        {"type": "reference", "reference_ids": [0, "b"]},
        {"type": "text", "text": " it is."},
    ]
    assert encoded.warnings == ()


def test_foreign_reasoning_and_marks_are_stripped_with_one_warning() -> None:
    """Another vendor's thinking and marks are left out, and a message of nothing else with them."""
    foreign = {"anthropic": {"signature": "s"}}
    thought = Message("assistant", (Reasoning("hm", provider_metadata=foreign), Reasoning("hm")))
    marked = Message("user", (Text("Hello", provider_metadata=foreign),), provider_metadata=foreign)
    encoded = _encode(HELLO, thought, marked)
    assert _body(encoded)["messages"] == [{"role": "user", "content": "Hello"}] * 2
    assert _warned(encoded) == [("stripped", "messages")]


def test_parts_out_of_place_are_refused() -> None:
    """A result said by the assistant, or a call by the user, is refused before sending."""
    with pytest.raises(UnsupportedFeature):
        _encode(Message("assistant", (ToolResult(id="1", content="x"),)))
    with pytest.raises(UnsupportedFeature):
        _encode(Message("user", (ToolCall(id="1", name="f"),)))


def test_media_that_a_model_made_are_left_out() -> None:
    """A picture in an assistant message is left out of the history, and said."""
    made = Message("assistant", (Text("Here"), Media(media_type="image/png", data=b"i")))
    encoded = _encode(HELLO, made, HELLO)
    assert _body(encoded)["messages"][1] == {"role": "assistant", "content": "Here"}
    assert _warned(encoded) == [("compatibility", "messages")]


def test_arguments_that_are_no_json_go_back_as_they_came() -> None:
    """Text that the model wrote in place of arguments is sent as that text."""
    call = ToolCall(id="abcDEF123", name="weather", invalid_arguments="{city")
    assert _messages(HELLO, Message("assistant", (call,)))[1]["tool_calls"][0]["function"]["arguments"] == "{city"


_CALL = Message("assistant", (Text("See"), ToolCall(id="call_1", name="f")))
_TURNS = st.sampled_from(
    [
        (HELLO,),
        (SAID,),
        (Message("system", (Text("Be brief."),)),),
        (Message("assistant", (Reasoning("hm"),)),),
        (_CALL, Message("tool", (ToolResult(id="call_1", content="x"),))),
        (_CALL, Message("tool", (ToolResult(id="call_1", content=(Media(media_type="image/png", data=b"i"),)),))),
        (_CALL, Message("user", (ToolResult(id="call_1", content="x"), Text("And?")))),
    ]
)


@given(st.lists(_TURNS, max_size=6))
def test_any_history_is_in_the_vendors_order(turns: list[tuple[Message, ...]]) -> None:
    """However turns follow one another, as long as calls have results, the roles sent are in the vendor's order."""
    _body(_encode(HELLO, *[message for turn in turns for message in turn]))


def test_embeddings_under_the_vendors_names() -> None:
    """Dimensions are `output_dimension`, and `output_dtype` goes through `provider_options`."""
    from mistralai.client.models import EmbeddingRequest

    embed = _bind("codestral-embed").embed
    assert embed is not None
    options = EmbedOptions(dimensions=256, provider_options={"mistral": {"output_dtype": "int8"}})
    encoded = embed.encode(EmbedRequest(texts=("a", "b"), options=options))
    body = orjson.loads(encoded.request.body)
    assert encoded.request.url == "https://api.mistral.ai/v1/embeddings"
    assert body == {"model": "codestral-embed", "input": ["a", "b"], "output_dimension": 256, "output_dtype": "int8"}
    EmbeddingRequest.model_validate(body)


def test_embeddings_know_no_input_type() -> None:
    """An input type is left out, and said."""
    embed = _bind("mistral-embed").embed
    assert embed is not None
    encoded = embed.encode(EmbedRequest(texts=("a",), options=EmbedOptions(input_type="query")))
    assert orjson.loads(encoded.request.body) == {"model": "mistral-embed", "input": ["a"]}
    assert _warned(encoded) == [("unsupported", "input_type")]
