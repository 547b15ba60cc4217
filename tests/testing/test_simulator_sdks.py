"""The vendors' own SDKs take the simulator for their vendor."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import Iterator
from typing import Any

import anthropic
import cohere
import httpx
import openai
import pytest
from pydantic import BaseModel

from orchestrator.testing import Answer, CallTool, Fault, Simulator, Vendor

# The SDKs and what they build on deprecate parts of themselves; that is no business of ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(openai|anthropic|cohere|httpx|httpx2|pydantic).*"),
]

QUESTION: Any = [{"role": "user", "content": "Which plan includes single sign-on?"}]
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
    "required": ["city", "days"],
}
OPENAI_TOOL = {"type": "function", "function": {"name": "weather", "parameters": WEATHER}}


class Plan(BaseModel):
    name: str
    seats: int
    features: list[str]


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    """Three vendors for the whole module."""
    vendors = [
        Vendor(name="alpha", models={"gpt-x": "gpt-x-2026", "embed-x": "embed-x", "rank-x": "rank-x"}),
        Vendor(name="beta", wire="anthropic", models=["claude-x"]),
        Vendor(name="gamma", wire="cohere", models=["command-x", "embed-x", "rerank-x"]),
    ]
    with Simulator(vendors) as simulator:
        yield simulator


@pytest.fixture
def sim(running: Simulator) -> Iterator[Simulator]:
    """The vendors, left as they were found."""
    yield running
    for name in ("alpha", "beta", "gamma"):
        running[name].heal()
        running[name].answer(None)
        running[name].limit()


@pytest.fixture
def gpt(sim: Simulator) -> Iterator[openai.OpenAI]:
    """OpenAI's SDK."""
    with openai.OpenAI(base_url=sim.url("alpha") + "/v1", api_key="any", max_retries=0, timeout=5) as client:
        yield client


@pytest.fixture
def claude(sim: Simulator) -> Iterator[anthropic.Anthropic]:
    """Anthropic's SDK."""
    with anthropic.Anthropic(base_url=sim.url("beta"), api_key="any", max_retries=0, timeout=5) as client:
        yield client


@pytest.fixture
def command(sim: Simulator) -> Iterator[Any]:
    """Cohere's SDK."""
    with httpx.Client(timeout=5) as http:
        yield cohere.ClientV2(base_url=sim.url("gamma"), api_key="any", httpx_client=http, max_retries=0)


def test_openai_chat(sim: Simulator, gpt: openai.OpenAI) -> None:
    """A chat is read by the SDK, its usage equals the ledger's, and the model is the one served."""
    reply = gpt.chat.completions.create(model="gpt-x", messages=QUESTION, temperature=0.5)
    entry = sim["alpha"].ledger[-1]
    assert "plan" in (reply.choices[0].message.content or "")
    assert reply.choices[0].finish_reason == "stop"
    assert (reply.model, entry.model, entry.response_id) == ("gpt-x-2026", "gpt-x", reply.id)
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (entry.input_tokens, entry.output_tokens)
    assert reply._request_id == entry.request_id
    assert sim["alpha"].received[-1].body["temperature"] == 0.5


def test_openai_stream(sim: Simulator, gpt: openai.OpenAI) -> None:
    """A streamed chat adds up to the same text as a plain one, with usage at its end and in the ledger."""
    plain = gpt.chat.completions.create(model="gpt-x", messages=QUESTION)
    stream = gpt.chat.completions.create(
        model="gpt-x",
        messages=QUESTION,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    entry = sim["alpha"].ledger[-1]
    assert text == plain.choices[0].message.content
    assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == [entry.output_tokens]
    assert entry.streamed
    assert entry.completed


def test_openai_stream_without_usage(gpt: openai.OpenAI) -> None:
    """Usage is streamed only to those who ask for it."""
    chunks = list(gpt.chat.completions.create(model="gpt-x", messages=QUESTION, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_openai_forced_tool(gpt: openai.OpenAI, choice: Any) -> None:
    """A tool that must be called is called, with arguments that satisfy its schema."""
    reply = gpt.chat.completions.create(model="gpt-x", messages=QUESTION, tools=[OPENAI_TOOL], tool_choice=choice)
    call = reply.choices[0].message.tool_calls[0]
    assert reply.choices[0].finish_reason == "tool_calls"
    assert reply.choices[0].message.content is None
    assert (call.function.name, call.function.arguments) == ("weather", '{"city":"plan includes single","days":2}')


def test_openai_tool_conversation(sim: Simulator, gpt: openai.OpenAI) -> None:
    """Two scripted calls stream as fragments, and a history with their results is taken."""
    sim["alpha"].answer([CallTool("weather", {"city": "Oslo", "days": 3}), CallTool("weather", {"city": "Bergen"})])
    with gpt.chat.completions.stream(model="gpt-x", messages=QUESTION, tools=[OPENAI_TOOL]) as stream:
        message = stream.get_final_completion().choices[0].message
    assert [call.function.arguments for call in message.tool_calls or ()] == [
        '{"city":"Oslo","days":3}',
        '{"city":"Bergen"}',
    ]
    sim["alpha"].answer("Rain.")
    results = [{"role": "tool", "tool_call_id": call.id, "content": "rain"} for call in message.tool_calls or ()]
    history: Any = [*QUESTION, message, *results]
    reply = gpt.chat.completions.create(model="gpt-x", messages=history, tools=[OPENAI_TOOL])
    assert reply.choices[0].message.content == "Rain."


def test_openai_structured_output(gpt: openai.OpenAI) -> None:
    """`parse` gets an instance of the model it asked for."""
    reply = gpt.chat.completions.parse(model="gpt-x", messages=QUESTION, response_format=Plan)
    assert reply.choices[0].message.parsed == Plan(
        name="plan includes single", seats=1, features=["plan includes single"]
    )


def test_openai_limits_of_the_output(gpt: openai.OpenAI) -> None:
    """The output cap cuts the answer and says so; hidden reasoning counts."""
    capped = gpt.chat.completions.create(model="gpt-x", messages=QUESTION, max_completion_tokens=4)
    assert capped.choices[0].finish_reason == "length"
    assert capped.usage is not None
    assert capped.usage.completion_tokens == 4
    thought = gpt.chat.completions.create(model="gpt-x", messages=QUESTION, reasoning_effort="high", n=2)
    assert thought.usage is not None
    assert thought.usage.completion_tokens_details is not None
    assert 0 < (thought.usage.completion_tokens_details.reasoning_tokens or 0) < thought.usage.completion_tokens
    assert len(thought.choices) == 2


def test_openai_embeddings(sim: Simulator, gpt: openai.OpenAI) -> None:
    """Vectors come in both encodings alike, at the length asked for, near each other where texts share words."""
    texts = ["refund for a broken laptop", "the laptop is broken, refund please", "opening hours on Sunday"]
    floats = gpt.embeddings.create(model="embed-x", input=texts, dimensions=256, encoding_format="float")
    packed = gpt.embeddings.create(model="embed-x", input=texts, dimensions=256)
    assert sim["alpha"].received[-1].body["encoding_format"] == "base64"
    one, two, three = (row.embedding for row in floats.data)
    assert packed.data[0].embedding == pytest.approx(one, abs=1e-6)
    assert len(one) == 256
    assert sum(value * value for value in one) == pytest.approx(1)
    assert _dot(one, two) > _dot(one, three) + 0.3
    assert packed.usage.prompt_tokens == sim["alpha"].ledger[-1].input_tokens == 16
    assert len(gpt.embeddings.create(model="embed-x", input=[[1, 2, 3]]).data[0].embedding) == 1536


def test_openai_models(gpt: openai.OpenAI) -> None:
    """The models are listed."""
    assert [model.id for model in gpt.models.list()] == ["gpt-x", "embed-x", "rank-x"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_openai_errors(sim: Simulator, gpt: openai.OpenAI, status: int, error: type[openai.APIStatusError]) -> None:
    """Each status is the SDK's own exception, with a request id, and costs nothing."""
    before = len(sim["alpha"].ledger)
    sim["alpha"].fail(status, count=1)
    with pytest.raises(error) as caught:
        gpt.chat.completions.create(model="gpt-x", messages=QUESTION)
    assert caught.value.status_code == status
    assert (caught.value.request_id or "").startswith("req_")
    assert len(sim["alpha"].ledger) == before


def test_openai_codes(sim: Simulator, gpt: openai.OpenAI) -> None:
    """Codes are where the SDK looks for them: unknown model, spent quota, prompt too long."""
    with pytest.raises(openai.NotFoundError) as unknown:
        gpt.chat.completions.create(model="gpt-y", messages=QUESTION)
    sim["alpha"].fail(429, code="insufficient_quota", count=1)
    with pytest.raises(openai.RateLimitError) as spent:
        gpt.chat.completions.create(model="gpt-x", messages=QUESTION)
    with pytest.raises(openai.BadRequestError) as long:
        gpt.chat.completions.create(model="gpt-x", messages=QUESTION, max_tokens=128_000)
    assert unknown.value.code == "model_not_found"
    assert (spent.value.code, spent.value.type) == ("insufficient_quota", "insufficient_quota")
    assert long.value.code == "context_length_exceeded"


def test_openai_async_client(sim: Simulator) -> None:
    """The simulator serves callers inside an event loop, many at once."""

    async def chat() -> list[str | None]:
        url = sim.url("alpha") + "/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as client:
            calls = (client.chat.completions.create(model="gpt-x", messages=QUESTION) for _ in range(20))
            return [reply.choices[0].message.content for reply in await asyncio.gather(*calls)]

    assert len(set(asyncio.run(chat()))) == 1


def test_anthropic_chat(sim: Simulator, claude: anthropic.Anthropic) -> None:
    """A message is read by the SDK, and its usage equals the ledger's."""
    reply = claude.messages.create(model="claude-x", max_tokens=100, messages=QUESTION, system="Be brief.")
    entry = sim["beta"].ledger[-1]
    assert reply.content[0].type == "text"
    assert reply.stop_reason == "end_turn"
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (entry.input_tokens, entry.output_tokens)
    assert (reply._request_id, reply.id) == (entry.request_id, entry.response_id)
    assert sim["beta"].received[-1].body["system"] == "Be brief."


def test_anthropic_stream(sim: Simulator, claude: anthropic.Anthropic) -> None:
    """A stream with thinking gives the events in the vendor's order and ends in the same message as a plain answer."""
    asked: dict[str, Any] = {
        "model": "claude-x",
        "max_tokens": 2000,
        "messages": QUESTION,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    plain = claude.messages.create(**asked)
    with claude.messages.stream(**asked) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "text"]
    assert [block.to_dict() for block in final.content][1] == [block.to_dict() for block in plain.content][1]
    assert final.usage.output_tokens == plain.usage.output_tokens == sim["beta"].ledger[-1].output_tokens
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    assert sim["beta"].ledger[-1].reasoning_tokens > 0


def test_anthropic_tools(sim: Simulator, claude: anthropic.Anthropic) -> None:
    """A forced tool is called in a stream, and its result in the next message is taken."""
    tools: Any = [{"name": "weather", "input_schema": WEATHER}]
    with claude.messages.stream(
        model="claude-x",
        max_tokens=100,
        messages=QUESTION,
        tools=tools,
        tool_choice={"type": "any"},
    ) as stream:
        final = stream.get_final_message()
    (call,) = final.content
    assert call.type == "tool_use"
    assert (call.name, call.input, final.stop_reason) == (
        "weather",
        {"city": "plan includes single", "days": 2},
        "tool_use",
    )
    assert sim["beta"].ledger[-1].output_tokens == final.usage.output_tokens
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"}]}
    history: Any = [*QUESTION, {"role": "assistant", "content": final.content}, result]
    reply = claude.messages.create(model="claude-x", max_tokens=100, messages=history, tools=tools)
    assert reply.stop_reason == "end_turn"


def test_anthropic_structured_output(claude: anthropic.Anthropic) -> None:
    """`parse` gets an instance of the model it asked for."""
    reply = claude.messages.parse(model="claude-x", max_tokens=100, messages=QUESTION, output_format=Plan)
    assert isinstance(reply.parsed_output, Plan)
    assert reply.parsed_output.seats == 1


def test_anthropic_prompt_cache(claude: anthropic.Anthropic, sim: Simulator) -> None:
    """With a cache, a marked prefix is written once, then read, and the parts add up to the whole."""
    system: Any = [{"type": "text", "text": "A long handbook." * 50, "cache_control": {"type": "ephemeral"}}]
    sim["beta"].set(prefix_cache=True)
    try:
        for _ in range(2):
            reply = claude.messages.create(model="claude-x", max_tokens=9, messages=QUESTION, system=system)
    finally:
        sim["beta"].set(prefix_cache=False)
    first, second = sim["beta"].ledger[-2:]
    assert (first.cache_read_tokens, first.cache_write_tokens) == (0, 203)
    assert (second.cache_read_tokens, second.cache_write_tokens) == (203, 0)
    assert (reply.usage.input_tokens + 203, reply.usage.cache_read_input_tokens) == (second.input_tokens, 203)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.InternalServerError),
    ],
)
def test_anthropic_errors(
    sim: Simulator, claude: anthropic.Anthropic, status: int, error: type[anthropic.APIStatusError]
) -> None:
    """Each status is the SDK's own exception, with the vendor's error type for it."""
    sim["beta"].fail(status, count=1)
    with pytest.raises(error) as caught:
        claude.messages.create(model="claude-x", max_tokens=9, messages=QUESTION)
    kinds = {400: "invalid_request_error", 404: "not_found_error", 429: "rate_limit_error", 529: "overloaded_error"}
    body: Any = caught.value.body
    assert body["error"]["type"] == kinds.get(status, body["error"]["type"])
    assert body["request_id"] == caught.value.request_id


def test_anthropic_error_inside_a_stream(sim: Simulator, claude: anthropic.Anthropic) -> None:
    """An error event ends a stream as the SDK's exception; what came before was billed."""
    sim["beta"].inject(Fault(kind="stream_error", after_events=5, count=1))
    with (
        pytest.raises(anthropic.APIStatusError, match="overloaded"),
        claude.messages.stream(model="claude-x", max_tokens=99, messages=QUESTION) as stream,
    ):
        for _ in stream:
            pass
    assert (sim["beta"].ledger[-1].output_tokens, sim["beta"].ledger[-1].completed) == (2, False)


def test_cohere_chat(sim: Simulator, command: Any) -> None:
    """A chat is read by the SDK, and its usage equals the ledger's."""
    reply = command.chat(model="command-x", messages=QUESTION)
    entry = sim["gamma"].ledger[-1]
    assert reply.finish_reason == "COMPLETE"
    assert reply.message.content[0].type == "text"
    billed = reply.usage.billed_units
    assert (billed.input_tokens, billed.output_tokens, reply.id) == (
        entry.input_tokens,
        entry.output_tokens,
        entry.response_id,
    )


def test_cohere_stream(sim: Simulator, command: Any) -> None:
    """A streamed chat adds up to the same text as a plain one and ends with usage."""
    plain = command.chat(model="command-x", messages=QUESTION)
    events = list(command.chat_stream(model="command-x", messages=QUESTION))
    text = "".join(event.delta.message.content.text for event in events if event.type == "content-delta")
    assert text == plain.message.content[0].text
    assert [event.type for event in events][-2:] == ["content-end", "message-end"]
    assert events[-1].delta.usage.billed_units.output_tokens == sim["gamma"].ledger[-1].output_tokens


def test_cohere_tools(sim: Simulator, command: Any) -> None:
    """A required tool is called, also in a stream, and its result is taken."""
    asked = {"model": "command-x", "messages": QUESTION, "tools": [OPENAI_TOOL], "tool_choice": "REQUIRED"}
    plain = command.chat(**asked)
    events = list(command.chat_stream(**asked))
    fragments = [
        event.delta.message.tool_calls.function.arguments for event in events if event.type == "tool-call-delta"
    ]
    (call,) = plain.message.tool_calls
    assert call.function.arguments == "".join(fragments) == '{"city":"plan includes single","days":2}'
    assert plain.finish_reason == "TOOL_CALL"
    result = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    assistant = {"role": "assistant", "tool_calls": plain.message.tool_calls}
    reply = command.chat(model="command-x", messages=[*QUESTION, assistant, result], tools=[OPENAI_TOOL])
    assert reply.finish_reason == "COMPLETE"
    assert sim["gamma"].received[-1].body["messages"][-1]["role"] == "tool"


def test_cohere_structured_output(command: Any) -> None:
    """A JSON answer satisfies the schema."""
    wanted = {"type": "json_object", "json_schema": Plan.model_json_schema()}
    reply = command.chat(model="command-x", messages=QUESTION, response_format=wanted)
    assert Plan.model_validate_json(reply.message.content[0].text).seats == 1


def test_cohere_embed(sim: Simulator, command: Any) -> None:
    """Vectors come in the types asked for, and base64 is little-endian floats."""
    reply = command.embed(
        model="embed-x",
        texts=["a broken laptop", "hours"],
        input_type="search_document",
        embedding_types=["float", "int8", "base64", "ubinary"],
        output_dimension=64,
    )
    (first, _) = reply.embeddings.float_
    unpacked = struct.unpack("<64f", base64.b64decode(reply.embeddings.base64[0]))
    assert unpacked == pytest.approx(first, abs=1e-6)
    assert reply.embeddings.int8[0] == [round(value * 127) for value in first]
    assert len(reply.embeddings.ubinary[0]) == 8
    assert reply.meta.billed_units.input_tokens == sim["gamma"].ledger[-1].input_tokens == 4


def test_cohere_rerank(sim: Simulator, command: Any) -> None:
    """The best document comes first, `top_n` holds, and 101 documents are two search units."""
    documents = ["opening hours", "refunds for broken laptops", *["filler"] * 99]
    reply = command.rerank(model="rerank-x", query="broken laptop refund", documents=documents, top_n=2)
    first, _ = reply.results
    assert first.index == 1
    assert reply.meta.billed_units.search_units == sim["gamma"].ledger[-1].search_units == 2


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "BadRequestError"),
        (401, "UnauthorizedError"),
        (404, "NotFoundError"),
        (429, "TooManyRequestsError"),
        (500, "InternalServerError"),
        (503, "ServiceUnavailableError"),
    ],
)
def test_cohere_errors(sim: Simulator, command: Any, status: int, name: str) -> None:
    """Each status is the SDK's own exception, with the vendor's body."""
    sim["gamma"].fail(status, count=1)
    with pytest.raises(getattr(cohere, name)) as caught:
        command.chat(model="command-x", messages=QUESTION)
    assert set(caught.value.body) == {"id", "message"}


def test_scripts(sim: Simulator, gpt: openai.OpenAI) -> None:
    """An answer may be made from the request, with reasoning and an own finish reason."""
    sim["alpha"].answer(lambda request: Answer(request["messages"][-1]["content"][:5], finish="content_filter"))
    reply = gpt.chat.completions.create(model="gpt-x", messages=QUESTION)
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("Which", "content_filter")


def _dot(one: list[float], two: list[float]) -> float:
    return sum(a * b for a, b in zip(one, two, strict=True))
