"""What is sent to Converse: exact bodies, and AWS's own opinion of all of them."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from bedrock_support import BASE, CLAUDE, NOVA, ask, body, chat, invalid, message, settings_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import ConfigError, InvalidRequest, UnsupportedFeature
from orchestrator.spec.models import ModelProfile
from orchestrator.types.chat import Media, Message, OutputSchema, Part, Reasoning, Text, Tool, ToolCall, ToolResult

WEATHER = Tool(
    name="weather",
    description="By city.",
    parameters={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
PERSON = OutputSchema(
    name="person",
    schema={"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}, "required": ["age"]},
)
SPEC = {"name": "weather", "description": "By city.", "inputSchema": {"json": WEATHER.parameters}}
KNOWS_SCHEMAS = ModelProfile(json_schema=True)
BUDGET = ModelProfile(reasoning="budget", one_sampling=True)
ADAPTIVE = ModelProfile(reasoning="adaptive", efforts=("low", "medium", "high", "max"))
ALWAYS = ModelProfile(reasoning="always", efforts=("low", "medium", "high"))


def test_a_plain_chat() -> None:
    """One question is one user turn, at the model's own path; a stream differs by its path and what it accepts."""
    whole = chat().encode(ask())
    stream = chat().encode_stream(ask())
    model = "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"
    assert body(whole) == {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    assert (whole.request.url, whole.request.headers) == (f"{BASE}/model/{model}/converse", {})
    assert stream.request.body == whole.request.body
    assert stream.request.url == f"{BASE}/model/{model}/converse-stream"
    assert stream.request.headers == {"accept": "application/vnd.amazon.eventstream"}
    assert whole.warnings == ()


def test_an_arn_stays_one_piece_of_the_path() -> None:
    """Slashes and colons of an ARN are encoded."""
    arn = "arn:aws:bedrock:us-east-1:012345678901:inference-profile/us.x.y-v1:0"
    url = chat(arn).encode(ask()).request.url
    assert url == (
        f"{BASE}/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A012345678901%3Ainference-profile%2Fus.x.y-v1%3A0/converse"
    )


def test_roles_and_results_are_put_in_the_vendors_order() -> None:
    """System texts go to the front, neighbours become one turn, all results of one turn come first in it."""
    encoded = chat().encode(
        ask(
            message("system", "Be brief."),
            message("user", "A"),
            message("user", "B"),
            message("assistant", ToolCall(id="1", name="weather", arguments={"city": "x"}), ToolCall(id="2", name="t")),
            message("tool", ToolResult(id="1", content="12")),
            message("user", "and?"),
            message("tool", ToolResult(id="2", content="no", is_error=True)),
            message("system", "Late."),
        )
    )
    sent = body(encoded)
    assert sent["system"] == [{"text": "Be brief."}, {"text": "Late."}]
    assert sent["messages"] == [
        {"role": "user", "content": [{"text": "A"}, {"text": "B"}]},
        {
            "role": "assistant",
            "content": [
                {"toolUse": {"toolUseId": "1", "name": "weather", "input": {"city": "x"}}},
                {"toolUse": {"toolUseId": "2", "name": "t", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "1", "content": [{"text": "12"}]}},
                {"toolResult": {"toolUseId": "2", "content": [{"text": "no"}], "status": "error"}},
                {"text": "and?"},
            ],
        },
    ]
    assert ("compatibility", "messages") in settings_of(encoded)


def test_a_history_with_calls_defines_their_tools() -> None:
    """Without tools in the request those that the history calls are defined by name, since AWS demands some."""
    history = (message("assistant", ToolCall(id="1", name="t")), message("tool", ToolResult(id="1", content="")))
    encoded = chat().encode(ask(message("user", "A"), *history))
    assert body(encoded)["toolConfig"] == {
        "tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}}]
    }
    assert settings_of(encoded) == [("compatibility", "tools")]
    forced = chat().encode(ask(message("user", "A"), *history, tool_choice="required"))
    assert "toolChoice" not in body(forced)["toolConfig"]
    assert ("unsupported", "tool_choice") in settings_of(forced)
    assert body(encoded)["messages"][-1]["content"][0]["toolResult"]["content"] == [{"text": "(empty)"}]


def test_a_conversation_begins_with_the_user() -> None:
    """A history that begins with the assistant gets a turn before it, and says so."""
    encoded = chat().encode(ask(message("assistant", "Hello."), message("user", "Hi")))
    assert [turn["role"] for turn in body(encoded)["messages"]] == ["user", "assistant", "user"]
    assert settings_of(encoded) == [("compatibility", "messages")]


def test_ids_of_other_vendors_become_valid_and_stay_apart() -> None:
    """An id that the vendor refuses changes the same way in call and result, and two never become one."""
    ids = ["call|1", "call:1", "x" * 70, "x" * 69 + "y", "fine-_1"]
    encoded = chat().encode(
        ask(
            message("user", "A"),
            message("assistant", *[ToolCall(id=id_, name="t") for id_ in ids]),
            message("tool", *[ToolResult(id=id_, content="r") for id_ in ids]),
        )
    )
    turns = body(encoded)["messages"]
    called = [block["toolUse"]["toolUseId"] for block in turns[1]["content"]]
    assert called == [block["toolResult"]["toolUseId"] for block in turns[2]["content"]]
    assert len(set(called)) == len(ids)
    assert called[-1] == "fine-_1"
    assert all(len(id_) <= 64 and id_.replace("-", "").replace("_", "").isalnum() for id_ in called)


def test_ids_keep_the_characters_that_a_model_counts_on() -> None:
    """Kimi numbers its calls `functions.name:0`, which the API takes for all but Claude."""
    history = ask(message("user", "A"), message("assistant", ToolCall(id="functions.t:0", name="t")))
    call = body(chat("moonshot.kimi-k2-thinking").encode(history))["messages"][1]["content"][0]["toolUse"]
    assert call["toolUseId"] == "functions.t:0"
    assert body(chat(CLAUDE).encode(history))["messages"][1]["content"][0]["toolUse"]["toolUseId"] != "functions.t:0"


def test_own_reasoning_travels_back_and_others_is_stripped() -> None:
    """Signed and redacted reasoning of this kind goes as it came; unsigned and other kinds' is left out, once said."""
    encoded = chat().encode(
        ask(
            message("user", "A"),
            message(
                "assistant",
                Reasoning("hm", provider_metadata={"bedrock": {"signature": "c2ln"}}),
                Reasoning("", provider_metadata={"bedrock": {"redactedContent": "cmVk"}}),
                Reasoning("foreign", provider_metadata={"openai": {"id": "rs_1"}}),
                Reasoning("unsigned"),
                Text("B", provider_metadata={"openai": {"x": 1}}),
            ),
        )
    )
    assert body(encoded)["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "cmVk"}},
        {"text": "B"},
    ]
    assert settings_of(encoded) == [("stripped", "messages")]


def test_media_of_every_sort() -> None:
    """Images, documents, sounds and videos go as Base64 or S3 addresses, documents under names the vendor takes."""
    encoded = chat().encode(
        ask(
            message(
                "user",
                "See",
                Media(media_type="image/png", data=b"\x89"),
                Media(media_type="application/pdf", data=b"%PDF", filename="Q3_report.v2.pdf"),
                Media(media_type="application/pdf", data=b"%PDF", filename="Q3?report?v2.pdf"),
                Media(media_type="text/markdown", data=b"#"),
                Media(media_type="video/quicktime", file_id="s3://bucket/film.mov"),
                Media(media_type="audio/mpeg", data=b"a"),
                Media(
                    media_type="text/plain",
                    data=b"t",
                    provider_metadata={"bedrock": {"citations": {"enabled": True}, "context": "c", "cachePoint": {}}},
                ),
            )
        )
    )
    found = body(encoded)["messages"][0]["content"]
    assert found[1:] == [
        {"image": {"format": "png", "source": {"bytes": base64.b64encode(b"\x89").decode()}}},
        {"document": {"format": "pdf", "name": "Q3-report-v2", "source": {"bytes": "JVBERg=="}}},
        {"document": {"format": "pdf", "name": "Q3-report-v2 2", "source": {"bytes": "JVBERg=="}}},
        {"document": {"format": "md", "name": "document", "source": {"bytes": "Iw=="}}},
        {"video": {"format": "mov", "source": {"s3Location": {"uri": "s3://bucket/film.mov"}}}},
        {"audio": {"format": "mp3", "source": {"bytes": "YQ=="}}},
        {
            "document": {
                "format": "txt",
                "name": "document 2",
                "source": {"bytes": "dA=="},
                "citations": {"enabled": True},
                "context": "c",
            }
        },
        {"cachePoint": {"type": "default"}},
    ]
    assert encoded.warnings == ()
    assert invalid(body(encoded)) == ""


def test_a_document_without_text_gets_some() -> None:
    """AWS refuses a document that comes alone."""
    encoded = chat().encode(ask(message("user", Media(media_type="text/csv", data=b"a"))))
    assert "text" in body(encoded)["messages"][0]["content"][1]
    assert settings_of(encoded) == [("compatibility", "messages")]


@pytest.mark.parametrize(
    ("media", "said"),
    [
        (Media(media_type="image/tiff", data=b"x"), "image/tiff"),
        (Media(media_type="image/png", url="https://h.test/a.png"), "no URLs"),
        (Media(media_type="image/png", file_id="file_1"), "s3://"),
    ],
)
def test_media_that_cannot_be_carried(media: Media, said: str) -> None:
    """What the API has no place for is refused before anything is sent."""
    with pytest.raises(UnsupportedFeature, match=said):
        chat().encode(ask(message("user", media)))
    with pytest.raises(UnsupportedFeature, match="only text"):
        chat().encode(ask(message("system", Media(media_type="image/png", data=b"x"))))
    sound = ToolResult(id="1", content=(Media(media_type="audio/wav", data=b"x"),))
    with pytest.raises(UnsupportedFeature, match="tool result"):
        chat().encode(ask(message("tool", sound)))


def test_cache_points_stand_where_they_were_set() -> None:
    """A mark on a part or a message becomes a cache point after it, with its time to live."""
    hour = {"bedrock": {"cachePoint": {"ttl": "1h"}}}
    encoded = chat().encode(
        ask(message("system", "S", provider_metadata=hour), message("user", Text("A", provider_metadata=hour), "B"))
    )
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body(encoded)["system"] == [{"text": "S"}, point]
    assert body(encoded)["messages"][0]["content"] == [{"text": "A"}, point, {"text": "B"}]
    assert invalid(body(encoded)) == ""


def test_inference_settings() -> None:
    """Cap, sampling and stops have their fields; a seed has none; temperature above 1 is lowered."""
    encoded = chat().encode(ask(max_output_tokens=5, temperature=1.5, top_p=0.5, stop=("x", " "), seed=3))
    assert body(encoded)["inferenceConfig"] == {
        "maxTokens": 5,
        "temperature": 1.0,
        "topP": 0.5,
        "stopSequences": ["x"],
    }
    assert settings_of(encoded) == [("compatibility", "temperature"), ("unsupported", "stop"), ("unsupported", "seed")]


def test_the_cap_is_the_models_own_where_none_is_asked_for() -> None:
    """Without a cap AWS reserves all a model can write, so the usual one is sent, never above what the model writes."""
    profile = ModelProfile(default_output_tokens=32_000, max_output_tokens=8192)
    assert body(chat(profile=profile).encode(ask()))["inferenceConfig"] == {"maxTokens": 8192}
    assert "inferenceConfig" not in body(chat().encode(ask()))


def test_settings_that_a_model_refuses() -> None:
    """Facts about the model decide: what it takes no value of, and what it takes only one of."""
    refuses = ModelProfile(refuses=frozenset({"temperature", "stop"}), tools=False)
    encoded = chat(profile=refuses).encode(ask(temperature=0.5, stop=("x",), top_p=0.5))
    assert body(encoded)["inferenceConfig"] == {"topP": 0.5}
    assert settings_of(encoded) == [("unsupported", "temperature"), ("unsupported", "stop")]
    one = chat(profile=ModelProfile(one_sampling=True)).encode(ask(temperature=0.5, top_p=0.5))
    assert body(one)["inferenceConfig"] == {"temperature": 0.5}
    assert settings_of(one) == [("unsupported", "top_p")]
    with pytest.raises(UnsupportedFeature, match="no tools"):
        chat(profile=refuses).encode(ask(tools=(WEATHER,)))


@pytest.mark.parametrize(
    ("choice", "tools", "sent"),
    [
        (None, 1, None),
        ("auto", 1, None),
        ("required", 2, {"any": {}}),
        ("weather", 1, {"any": {}}),
        ("weather", 2, {"tool": {"name": "weather"}}),
    ],
)
def test_tool_choice(choice: str | None, tools: int, sent: Any) -> None:
    """`auto` is left out; with one tool, naming it is `any`, which more models know."""
    request = ask(tools=(WEATHER, Tool(name="other"))[:tools], tool_choice=choice)
    config = body(chat().encode(request))["toolConfig"]
    assert config["tools"][0] == {"toolSpec": SPEC}
    assert config.get("toolChoice") == sent


def test_no_tool_may_be_called() -> None:
    """`none` sends no tools; where the history needs some, they stay and the caller is told."""
    silent = chat().encode(ask(tools=(WEATHER,), tool_choice="none"))
    assert "toolConfig" not in body(silent)
    assert silent.warnings == ()
    history = (message("user", "A"), message("assistant", ToolCall(id="1", name="weather")))
    kept = chat().encode(ask(*history, tools=(WEATHER,), tool_choice="none"))
    assert body(kept)["toolConfig"] == {"tools": [{"toolSpec": SPEC}]}
    assert settings_of(kept) == [("unsupported", "tool_choice")]


def test_choices_that_cannot_be_kept() -> None:
    """A choice without tools is left out with a warning; a model that cannot be forced is refused."""
    assert settings_of(chat().encode(ask(tool_choice="required"))) == [("unsupported", "tool_choice")]
    with pytest.raises(UnsupportedFeature, match="made to call"):
        chat(profile=ModelProfile(forced_tools=False)).encode(ask(tools=(WEATHER,), tool_choice="required"))


def test_one_call_at_a_time() -> None:
    """Claude has its own field for it, without a type where the choice stands beside it; others have none."""
    auto = body(chat().encode(ask(tools=(WEATHER,), parallel_tool_calls=False)))
    assert auto["additionalModelRequestFields"] == {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
    forced = body(chat().encode(ask(tools=(WEATHER,), parallel_tool_calls=False, tool_choice="required")))
    assert forced["additionalModelRequestFields"] == {"tool_choice": {"disable_parallel_tool_use": True}}
    nova = chat(NOVA).encode(ask(tools=(WEATHER,), parallel_tool_calls=False))
    assert "additionalModelRequestFields" not in body(nova)
    assert settings_of(nova) == [("unsupported", "parallel_tool_calls")]


def test_an_output_schema_where_the_model_knows_them() -> None:
    """The schema goes as text, closed and without what the vendor refuses."""
    encoded = chat(profile=KNOWS_SCHEMAS).encode(ask(output=PERSON))
    wanted = body(encoded)["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert wanted["name"] == "person"
    assert orjson.loads(wanted["schema"]) == {
        "type": "object",
        "properties": {"age": {"type": "integer"}},
        "required": ["age"],
        "additionalProperties": False,
    }
    assert "toolConfig" not in body(encoded)
    assert settings_of(encoded) == [("compatibility", "output")]


@pytest.mark.parametrize("profile", [ModelProfile(), ModelProfile(json_schema=False)])
def test_an_output_schema_by_a_tool(profile: ModelProfile) -> None:
    """Where the model is not known to have schemas, a tool that must be called stands in."""
    config = body(chat(profile=profile).encode(ask(output=PERSON)))["toolConfig"]
    (tool,) = config["tools"]
    assert tool["toolSpec"]["name"] == "orchestrator_output"
    assert tool["toolSpec"]["inputSchema"] == {"json": PERSON.schema}
    assert config["toolChoice"] == {"any": {}}
    both = body(chat(profile=profile).encode(ask(output=PERSON, tools=(WEATHER,))))["toolConfig"]
    assert [one["toolSpec"]["name"] for one in both["tools"]] == ["weather", "orchestrator_output"]
    assert both["toolChoice"] == {"any": {}}


def test_strict_tools() -> None:
    """A strict tool is closed where the model has them, else the wish is left out with a warning."""
    strict = Tool(name="weather", parameters=WEATHER.parameters, strict=True)
    known = body(chat(profile=KNOWS_SCHEMAS).encode(ask(tools=(strict,))))["toolConfig"]["tools"][0]["toolSpec"]
    assert known["strict"] is True
    assert known["inputSchema"]["json"]["additionalProperties"] is False
    assert settings_of(chat().encode(ask(tools=(strict,)))) == [("unsupported", "tools.strict")]


@pytest.mark.parametrize(
    ("model", "profile", "effort", "fields"),
    [
        (CLAUDE, BUDGET, "low", {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        (CLAUDE, BUDGET, "none", None),
        (CLAUDE, ADAPTIVE, "high", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        (CLAUDE, ModelProfile(), "low", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        (CLAUDE, ModelProfile(reasoning="default"), "none", {"thinking": {"type": "disabled"}}),
        (CLAUDE, ModelProfile(reasoning="default"), "minimal", {"output_config": {"effort": "low"}}),
        (CLAUDE, ALWAYS, "none", {"output_config": {"effort": "low"}}),
        (NOVA, ADAPTIVE, "medium", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}}),
        (NOVA, ModelProfile(), "none", {"reasoningConfig": {"type": "disabled"}}),
        ("openai.gpt-oss-120b-1:0", ALWAYS, "minimal", {"reasoning_effort": "low"}),
        ("openai.gpt-oss-120b-1:0", ALWAYS, "none", {"reasoning_effort": "low"}),
        ("qwen.qwen3-32b-v1:0", ModelProfile(), "high", {"reasoning_config": "high"}),
    ],
)
def test_reasoning_has_each_makers_form(model: str, profile: ModelProfile, effort: Any, fields: Any) -> None:
    """An effort becomes the field that the model's maker gave it."""
    sent = body(chat(model, profile).encode(ask(reasoning_effort=effort, max_output_tokens=8000)))
    assert sent.get("additionalModelRequestFields") == fields


@pytest.mark.parametrize(
    ("model", "profile", "effort"),
    [
        (CLAUDE, ModelProfile(reasoning="none"), "low"),
        ("amazon.nova-lite-v1:0", ModelProfile(), "low"),
        ("us.deepseek.r1-v1:0", ALWAYS, "high"),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", ModelProfile(), "high"),
    ],
)
def test_an_effort_without_a_form_is_left_out(model: str, profile: ModelProfile, effort: Any) -> None:
    """Where no form is known, nothing is sent and the caller is told."""
    encoded = chat(model, profile).encode(ask(reasoning_effort=effort))
    assert "additionalModelRequestFields" not in body(encoded)
    assert settings_of(encoded) == [("unsupported", "reasoning_effort")]


def test_reasoning_beside_other_settings() -> None:
    """A budget leaves room for the answer, and excludes forced tools and temperature; Nova's high takes no cap."""
    room = chat(profile=BUDGET).encode(ask(reasoning_effort="high", max_output_tokens=4096, temperature=0.5, top_p=0.5))
    assert body(room)["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 2048
    assert body(room)["inferenceConfig"] == {"maxTokens": 4096}
    assert [name for _, name in settings_of(room)] == ["reasoning_effort", "temperature", "top_p"]
    small = chat(profile=BUDGET).encode(ask(reasoning_effort="high", max_output_tokens=1000))
    assert settings_of(small) == [("unsupported", "reasoning_effort")]
    forced = chat(profile=BUDGET).encode(ask(reasoning_effort="low", tools=(WEATHER,), tool_choice="required"))
    assert settings_of(forced) == [("unsupported", "reasoning_effort")]
    nova = chat(NOVA).encode(ask(reasoning_effort="high", max_output_tokens=9, temperature=0.5))
    assert "inferenceConfig" not in body(nova)
    assert [name for _, name in settings_of(nova)] == ["max_output_tokens", "temperature"]


def test_provider_options_join_what_is_there() -> None:
    """The caller's own fields go in as they are, and shared objects keep both sides."""
    own = {
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1", "trace": "enabled"},
        "additionalModelRequestFields": {"top_k": 5, "output_config": {"extra": 1}},
        "inferenceConfig": {"stopSequences": ["x"]},
        "performanceConfig": {"latency": "optimized"},
        "serviceTier": {"type": "flex"},
        "requestMetadata": {"team": "a"},
    }
    encoded = chat(profile=ADAPTIVE).encode(
        ask(reasoning_effort="low", max_output_tokens=9, provider_options={"bedrock": own, "openai": {"n": 2}})
    )
    sent = body(encoded)
    assert sent["additionalModelRequestFields"] == {
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "low", "extra": 1},
        "top_k": 5,
    }
    assert sent["inferenceConfig"] == {"maxTokens": 9, "stopSequences": ["x"]}
    assert sent["guardrailConfig"] == own["guardrailConfig"]
    assert "n" not in sent
    assert invalid(sent) == ""


def test_what_is_no_json_is_refused() -> None:
    """An object in the caller's own fields is an invalid request, not a crash."""
    with pytest.raises(InvalidRequest):
        chat().encode(ask(provider_options={"bedrock": {"requestMetadata": {"x": object()}}}))


def test_an_unknown_chat_api_is_a_mistake_in_the_file() -> None:
    """`chat_api` has two values."""
    with pytest.raises(ConfigError, match="chat_api"):
        chat(chat_api="magic")


_TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
_MARKS = st.sampled_from([None, {"bedrock": {"cachePoint": {}}}, {"openai": {"x": 1}}])
_MEDIA = st.builds(
    Media,
    media_type=st.sampled_from(["image/png", "application/pdf", "text/plain", "video/mp4", "audio/wav"]),
    data=st.binary(min_size=1, max_size=5),
    filename=st.none() | _TEXTS,
)
_THOUGHTS = st.builds(
    Reasoning,
    _TEXTS,
    provider_metadata=st.sampled_from(
        [
            None,
            {"bedrock": {"signature": "s"}},
            {"bedrock": {"redactedContent": "cg=="}},
            {"anthropic": {"signature": "s"}},
        ]
    ),
)
_IDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80)
_CALLS = st.builds(ToolCall, id=_IDS, name=st.just("weather"), arguments=st.just({"city": "x"}))
_SHOWN = _MEDIA.filter(lambda media: not media.media_type.startswith("audio/"))
_RESULTS = st.builds(ToolResult, id=_IDS, content=_TEXTS | st.tuples(_SHOWN), is_error=st.booleans())
_PARTS: dict[str, st.SearchStrategy[Part]] = {
    "system": st.builds(Text, _TEXTS),
    "user": st.builds(Text, _TEXTS, provider_metadata=_MARKS) | _MEDIA,
    "assistant": st.builds(Text, _TEXTS) | _THOUGHTS | _CALLS,
    "tool": _RESULTS,
}
_MESSAGES = st.sampled_from(sorted(_PARTS)).flatmap(
    lambda role: st.lists(_PARTS[role], min_size=1, max_size=3).map(lambda parts: Message(role, tuple(parts)))  # type: ignore[arg-type]
)
_PROFILES = st.sampled_from([ModelProfile(), KNOWS_SCHEMAS, BUDGET, ADAPTIVE, ALWAYS, ModelProfile(one_sampling=True)])
_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "max_output_tokens": st.integers(1, 10_000),
        "stop": st.tuples(_TEXTS),
        "seed": st.just(1),
        "reasoning_effort": st.sampled_from(["none", "minimal", "low", "medium", "high"]),
        "tool_choice": st.sampled_from(["auto", "none", "required", "weather"]),
        "parallel_tool_calls": st.booleans(),
        "tools": st.just((WEATHER,)) | st.just((WEATHER, Tool(name="other", strict=True))),
        "output": st.just(PERSON),
    },
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    model=st.sampled_from([CLAUDE, NOVA, "openai.gpt-oss-120b-1:0", "meta.llama3-2-1b-instruct-v1:0"]),
    profile=_PROFILES,
    messages=st.lists(_MESSAGES, min_size=1, max_size=6),
    options=_OPTIONS,
)
def test_aws_finds_nothing_wrong(
    model: str, profile: ModelProfile, messages: list[Message], options: dict[str, Any]
) -> None:
    """Whatever the options and the history, the body fits AWS's own model of the API, with turns in its order."""
    sent = body(chat(model, profile).encode(ask(*messages, **options)))
    assert invalid(sent) == ""
    roles = [turn["role"] for turn in sent["messages"]]
    assert roles == [("user", "assistant")[number % 2] for number in range(len(roles))]
    for turn in sent["messages"]:
        results = ["toolResult" in block for block in turn["content"]]
        assert results == sorted(results, reverse=True) or any("cachePoint" in block for block in turn["content"])
