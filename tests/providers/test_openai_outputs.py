"""Structured output on the OpenAI wire: what is asked for by vendor and model, and how the answer is read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_support import DONE, body, chat, chunk, decode_all, reply, request, user

from orchestrator.spec.models import ModelProfile
from orchestrator.spec.provider import ChatCodec, Target
from orchestrator.types.chat import FinishReason, Message, OutputSchema, Text, Tool, ToolCall
from orchestrator.types.collect import collect
from orchestrator_providers.openai import WIRE
from orchestrator_providers.vendors import WIRES

WEATHER = Tool(name="weather", description="", parameters={"type": "object", "properties": {}})
PLAN: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "seats": {"type": "integer"}},
    "required": ["name", "seats"],
    "additionalProperties": False,
}
OUTPUT = OutputSchema(name="plan", schema=PLAN)
ANSWER = '{"name": "Team", "seats": 5}'
FORCED = {"type": "function", "function": {"name": "orchestrator_output"}}


def model(facts: ModelProfile, kind: str = "openai") -> ChatCodec:
    """A deployment whose model's facts are known."""
    wire = WIRE if kind == "openai" else WIRES[kind]
    target = Target(profile=wire.profile, provider="p", deployment="d", model="m", base_url="https://host.test/v1")
    codec = wire.bind(replace(target, model_profile=facts)).chat
    assert codec is not None
    return codec


def sent_schema(schema: dict[str, Any], *, strict: bool = True) -> tuple[dict[str, Any], list[str]]:
    """The schema as OpenAI gets it, and the warnings' texts."""
    encoded = chat().encode(request(output=OutputSchema(name="x", schema=schema, strict=strict)))
    written: dict[str, Any] = body(encoded)["response_format"]["json_schema"]
    return written, [warning.message for warning in encoded.warnings]


def named(**properties: Any) -> dict[str, Any]:
    """A closed object of these properties."""
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


def test_strict_mode_gets_what_it_takes() -> None:
    """Keywords that only narrow the answer are left out with a warning, alternatives rewritten, the rest kept."""
    schema = named(
        name={"type": "string", "maxLength": 5, "pattern": "^T", "format": "hostname", "default": "T"},
        page={"type": "string", "format": "uri"},
        either={"oneOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
    )
    sent, warnings = sent_schema(schema, strict=False)
    assert sent["strict"] is True
    assert sent["schema"] == named(
        name={"type": "string", "pattern": "^T", "format": "hostname"},
        page={"type": "string"},
        either={"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
    )
    assert warnings == ["schema keywords that the vendor refuses were left out: format, maxLength"]


def nested(levels: int) -> dict[str, Any]:
    """Objects in objects."""
    schema = named(leaf={"type": "integer"})
    for _ in range(levels - 1):
        schema = named(inner=schema)
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False},
        {"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": True},
        named(a={"type": "object"}),
        named(a={"allOf": [{"type": "integer"}, {"minimum": 1}]}),
        named(a={"not": {"const": 1}}),
        named(a={"type": "array", "items": [{"type": "integer"}]}) | {"patternProperties": {"b": {}}},
        {"type": "array", "items": {"type": "integer"}},
        {"anyOf": [named(a={}), named(b={})]},
        nested(11),
        named(**{f"p{n}": {"type": "integer"} for n in range(5_001)}),
        named(a={"enum": list(range(1_001))}),
        named(a={"const": "x" * 120_001}),
    ],
)
def test_what_strict_mode_cannot_say_is_a_hint(schema: dict[str, Any]) -> None:
    """A schema that strict mode would change or refuse goes as it is and without strictness."""
    sent, warnings = sent_schema(schema)
    assert (sent["schema"], sent["strict"], warnings) == (schema, False, [])


@pytest.mark.parametrize("schema", [nested(10), named(a={"enum": list(range(1_000))}), named()])
def test_the_largest_strict_schemas(schema: dict[str, Any]) -> None:
    """Schemas at the vendor's limits are still strict, and so is an object that says it holds nothing."""
    assert sent_schema(schema)[0]["strict"] is True


def test_other_vendors_get_the_schema_as_it_is() -> None:
    """A server with a grammar of its own gets every keyword."""
    schema = named(name={"type": "string", "maxLength": 5})
    asked = request(output=OutputSchema(name="x", schema=schema, strict=False))
    sent = body(chat("vllm", base_url="http://host.test/v1").encode(asked))
    assert sent["response_format"]["json_schema"] == {"name": "x", "schema": schema, "strict": False}


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_stands_in_for_a_schema(stream: bool) -> None:
    """Where there are no schemas but forced tools, one tool with the schema is forced; nothing is put in the prompt."""
    codec = chat("deepseek")
    asked = request(output=OUTPUT, reasoning_effort="none")
    sent = body((codec.encode_stream if stream else codec.encode)(asked))
    assert sent["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "orchestrator_output",
                "description": "Gives the final answer.",
                "parameters": PLAN,
            },
        }
    ]
    assert sent["tool_choice"] == FORCED
    assert sent["messages"] == [{"role": "user", "content": "Hi"}]
    assert "response_format" not in sent


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, "required"),
        ("auto", "required"),
        ("required", "required"),
        ("none", FORCED),
        ("weather", {"type": "function", "function": {"name": "weather"}}),
    ],
)
def test_the_models_own_tools_come_first(choice: str | None, expected: Any) -> None:
    """With other tools around the model must call one of them or answer by the stand-in, as the caller chose."""
    asked = request(output=OUTPUT, tools=(WEATHER,), tool_choice=choice)
    sent = body(model(ModelProfile(json_schema=False)).encode(asked))
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["weather", "orchestrator_output"]
    assert sent["tool_choice"] == expected


@pytest.mark.parametrize("kind", ["deepseek", "moonshot", "zai"])
@pytest.mark.parametrize("system", [None, "Be brief."])
def test_json_mode_where_no_tool_can_be_forced(kind: str, system: str | None) -> None:
    """A vendor that reasons by default or never forces tools gets JSON mode and the schema in its system message."""
    history = (Message("system", (Text(system),)), user()) if system else (user(),)
    sent = body(chat(kind, model="m").encode(request(*history, output=OUTPUT)))
    assert sent["response_format"] == {"type": "json_object"}
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    text = sent["messages"][0]["content"]
    assert text.startswith("Be brief.\n\nAnswer" if system else "Answer")
    assert '"seats":{"type":"integer"}' in text
    assert "JSON" in text
    assert "tools" not in sent


def test_json_mode_with_tools() -> None:
    """With tools the schema is in the prompt alone: JSON mode would keep the model from calling them."""
    sent = body(chat("zai").encode(request(output=OUTPUT, tools=(WEATHER,))))
    assert "response_format" not in sent
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["weather"]
    assert sent["messages"][0]["role"] == "system"


@pytest.mark.parametrize(
    ("facts", "form"),
    [
        (ModelProfile(), "json_schema"),
        (ModelProfile(json_schema=True), "json_schema"),
        (ModelProfile(json_schema=False), "tool"),
        (ModelProfile(json_schema=False, forced_tools=True), "tool"),
        (ModelProfile(json_schema=False, forced_tools=False), "json_object"),
        (ModelProfile(json_schema=False, tools=False), "json_object"),
    ],
)
def test_facts_about_the_model_decide(facts: ModelProfile, form: str) -> None:
    """What the model cannot do is asked for in the next best form."""
    sent = body(model(facts).encode(request(output=OUTPUT)))
    assert sent.get("response_format", {}).get("type", "tool") == form
    assert ("tool_choice" in sent) is (form == "tool")


@pytest.mark.parametrize(
    ("facts", "forced"),
    [(ModelProfile(), False), (ModelProfile(reasoning="none"), True), (ModelProfile(reasoning="default"), False)],
)
def test_a_model_that_never_reasons_can_be_forced(facts: ModelProfile, forced: bool) -> None:
    """Where only a model that does not reason can be made to call a tool, one that never does needs no word for it."""
    assert ("tool_choice" in body(model(facts, "deepseek").encode(request(output=OUTPUT)))) is forced


def call(name: str, arguments: str, id_: str = "c1") -> dict[str, Any]:
    """A tool call of a message."""
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize("reason", ["stop", "tool_calls"])
def test_the_stand_in_is_read_as_text(reason: str) -> None:
    """The call that answers is text to the caller, and the model stopped because it had answered."""
    message = {"role": "assistant", "content": None, "tool_calls": [call("orchestrator_output", ANSWER)]}
    result = chat("deepseek").decode(reply({"choices": [{"message": message, "finish_reason": reason}]}))
    assert result.message.parts == (Text(ANSWER),)
    assert result.finish_reason == FinishReason("stop", reason)


def test_a_tool_before_the_answer() -> None:
    """A model that calls a tool of the caller's first has not answered yet."""
    message = {"role": "assistant", "content": None, "tool_calls": [call("weather", "{}")]}
    result = chat("deepseek").decode(reply({"choices": [{"message": message, "finish_reason": "tool_calls"}]}))
    assert result.message.parts == (ToolCall(id="c1", name="weather"),)
    assert result.finish_reason.unified == "tool_calls"


@given(st.lists(st.integers(0, len(ANSWER)), max_size=6).map(sorted), st.sampled_from(["stop", "tool_calls", "length"]))
def test_streams_read_it_alike(cuts: list[int], reason: str) -> None:
    """However the arguments are cut, the collected stream equals the whole reply."""
    pieces = [ANSWER[a:b] for a, b in zip([0, *cuts], [*cuts, len(ANSWER)], strict=True)]
    opening = {"index": 0, **call("orchestrator_output", "")}
    frames = [chunk({"role": "assistant", "content": None, "tool_calls": [opening]})]
    frames += [chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}) for piece in pieces]
    events = decode_all(chat("deepseek").decoder(), *frames, chunk({}, reason), DONE)
    message = {"role": "assistant", "content": None, "tool_calls": [call("orchestrator_output", ANSWER)]}
    whole = chat("deepseek").decode(
        reply({"id": "c1", "model": "m1", "choices": [{"message": message, "finish_reason": reason}]})
    )
    assert collect(events) == whole  # type: ignore[arg-type]
