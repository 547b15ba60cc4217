"""The litellm engine against a vendor on loopback that speaks OpenAI's, Anthropic's and Cohere's shapes."""

from __future__ import annotations

import asyncio
import base64
import time
from array import array
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
from litellm_loopback import Answer, Vendor, drop_clients, named, sse, vendor

from orchestrator.errors import CallTimeout, ConfigError, InvalidRequest, MalformedReply, UnsupportedFeature
from orchestrator.spec.auth import Secret
from orchestrator.spec.provider import Target
from orchestrator.types import (
    ChatOptions,
    ChatRequest,
    EmbedOptions,
    EmbedRequest,
    FinishReason,
    Media,
    Message,
    OutputSchema,
    Reasoning,
    RerankItem,
    RerankOptions,
    RerankRequest,
    Text,
    TextDelta,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
    collect,
)
from orchestrator_providers.litellm.engine import LiteLLMEngine, open_engine
from orchestrator_providers.litellm.profile import PROFILE

pytestmark = [
    pytest.mark.usefixtures("clients"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:litellm.*"),
    # litellm keeps its HTTP clients; when a loop has ended their sockets are left to the collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning"),
]

T = TypeVar("T")
UNPROVEN = ("unproven_end", "finish_reason")
KEY = "sk-test-0123456789abcdef"
WEATHER = Tool(name="weather", description="Weather now", parameters={"type": "object", "properties": {}})


@pytest.fixture(scope="module")
def clients() -> Iterator[None]:
    """Collects what litellm leaves open before another module's tests would be blamed for it."""
    yield
    drop_clients()


def engine(model: str, base_url: str, **settings: Any) -> LiteLLMEngine:
    """The engine bound to one deployment, opened as the registry does."""
    secret = Secret(lambda: KEY, source="test")
    target = Target(
        profile=PROFILE,
        provider="other",
        deployment="one",
        model=model,
        base_url=base_url,
        settings=settings,
        secret=secret,
    )
    opened = open_engine(target)
    assert isinstance(opened, LiteLLMEngine)
    return opened


def openai(one: Vendor, **settings: Any) -> LiteLLMEngine:
    """A deployment of OpenAI's shape."""
    return engine("openai/gpt-4o", one.url + "/v1", **settings)


def claude(one: Vendor) -> LiteLLMEngine:
    """A deployment of Anthropic's shape."""
    return engine("anthropic/claude-haiku-4-5", one.url)


def ask(text: str = "Hi", **options: Any) -> ChatRequest:
    """A request of one user message."""
    extra = {name: options.pop(name) for name in ("tools", "output") if name in options}
    return ChatRequest(messages=(Message("user", (Text(text),)),), options=ChatOptions(**options), **extra)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run on a loop of its own."""
    return asyncio.run(work)


def events_of(one: LiteLLMEngine, request: ChatRequest) -> list[Any]:
    """All events of one stream."""

    async def read() -> list[Any]:
        return [event async for event in one.stream(request, timeout_s=20)]

    return asyncio.run(read())


def whole(message: dict[str, Any], reason: str | None = "stop", **more: Any) -> Answer:
    """A whole answer in OpenAI's shape."""
    body = {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-2024-08-06",
        "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14},
    }
    return Answer(body=body | more)


def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    """One chunk in OpenAI's shape."""
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-2024", "choices": [choice]}


def counts(**more: Any) -> dict[str, Any]:
    """The chunk that carries usage."""
    usage = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14, **more}
    return chunk({}) | {"choices": [], "usage": usage}


CLAUDE_EVENTS: list[dict[str, Any]] = [
    {
        "type": "message_start",
        "message": {
            "id": "m1",
            "type": "message",
            "role": "assistant",
            "model": "claude-x",
            "content": [],
            "stop_reason": None,
            "usage": {
                "input_tokens": 9,
                "output_tokens": 1,
                "cache_read_input_tokens": 5,
                "cache_creation_input_tokens": 2,
            },
        },
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "SIG"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "t1", "name": "weather", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"city":'}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '"Bonn"}'}},
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 12}},
    {"type": "message_stop"},
]
CLAUDE_WHOLE = {
    "id": "m1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "SIG"},
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bonn"}},
    ],
    "stop_reason": "tool_use",
    "usage": {
        "input_tokens": 9,
        "output_tokens": 12,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 2,
    },
}


def test_a_chat_sends_the_request_once_with_the_key_and_decodes_the_answer() -> None:
    """A chat is one request with its settings and credential, and its answer comes back with the vendor's counts."""
    with vendor() as one:
        one.will(whole({"content": "Hello"}))
        result = run(openai(one).chat(ask(temperature=0.2, max_output_tokens=50, stop=("END",)), timeout_s=20))
    (sent,) = one.received
    assert sent.path == "/v1/chat/completions"
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.body == {
        "model": "gpt-4o",
        "messages": [{"role": "user", "content": "Hi"}],
        "temperature": 0.2,
        "max_tokens": 50,
        "stop": ["END"],
    }
    assert result.message == Message("assistant", (Text("Hello"),))
    assert result.finish_reason == FinishReason("stop", "stop")
    assert (result.model, result.response_id) == ("gpt-4o-2024-08-06", "c1")
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens, result.usage.source) == (10, 4, "vendor")


def test_missing_counts_are_unknown_and_not_zero() -> None:
    """An answer without usage has none, although litellm fills in zeros."""
    with vendor() as one:
        one.will(whole({"content": "Hello"}, usage=None))
        assert run(openai(one).chat(ask(), timeout_s=20)).usage is None


def test_an_answer_without_choices_is_malformed() -> None:
    """An answer without choices is an error, never an empty success."""
    with vendor() as one:
        one.will(whole({}, choices=[]))
        with pytest.raises(MalformedReply, match="no choices"):
            run(openai(one).chat(ask(), timeout_s=20))


def test_one_engine_serves_several_loops_in_a_row() -> None:
    """An engine answers from any event loop, also after the one it was first used on has ended."""
    with vendor() as one:
        one.will(whole({"content": "Hello"}))
        opened = openai(one)
        texts = [run(opened.chat(ask(), timeout_s=20)).message.text for _ in range(3)]
    assert texts == ["Hello"] * 3


def test_a_slow_import_does_not_block_the_loop() -> None:
    """While litellm is still loading in its thread, the loop goes on and the deadline holds."""
    loads: list[float] = []

    def load() -> Any:
        loads.append(time.monotonic())
        time.sleep(0.5)
        raise AssertionError("nobody waits for this any more")

    async def work() -> int:
        ticks = 0
        call = asyncio.create_task(opened.chat(ask(), timeout_s=0.2))
        while not call.done():
            await asyncio.sleep(0.01)
            ticks += 1
        with pytest.raises(CallTimeout):
            await call
        return ticks

    opened = LiteLLMEngine(
        Target(profile=PROFILE, provider="p", deployment="d", model="openai/x", base_url=""), load=load
    )
    assert run(work()) >= 5
    assert len(loads) == 1


def test_a_history_with_tools_media_and_reasoning_travels_whole() -> None:
    """Every part of a history arrives at the vendor, the reasoning with its signature."""
    mark = {"litellm": {"signature": "SIG"}}
    call = ToolCall(id="t1", name="weather", arguments={"city": "Bonn"})
    history = (
        Message("system", (Text("Be brief"),)),
        Message("user", (Text("What is this?"), Media(media_type="image/png", data=b"png"))),
        Message("assistant", (Reasoning("hm", provider_metadata=mark), Text("Let me see"), call)),
        Message("tool", (ToolResult(id="t1", content="Sunny"),)),
    )
    with vendor() as one:
        one.will(Answer(body=CLAUDE_WHOLE))
        run(claude(one).chat(ChatRequest(messages=history, tools=(WEATHER,)), timeout_s=20))
    body = one.received[0].body
    assert body["system"] == [{"type": "text", "text": "Be brief"}]
    user, assistant, tool = body["messages"]
    assert user["content"][1]["source"]["data"] == base64.b64encode(b"png").decode()
    assert assistant["content"][0] == {"type": "thinking", "thinking": "hm", "signature": "SIG"}
    assert assistant["content"][2]["input"] == {"city": "Bonn"}
    assert (tool["content"][0]["tool_use_id"], tool["content"][0]["content"]) == ("t1", "Sunny")


def test_reasoning_without_a_signature_is_stripped_with_a_warning() -> None:
    """Reasoning that no vendor signed is not sent back, and the reply says so."""
    history = (Message("user", (Text("Hi"),)), Message("assistant", (Reasoning("hm"), Text("Yes"))))
    with vendor() as one:
        one.will(whole({"content": "Hello"}))
        result = run(openai(one).chat(ChatRequest(messages=history), timeout_s=20))
    assert [(w.kind, w.setting) for w in result.warnings] == [("stripped", "reasoning"), UNPROVEN]
    assert one.received[0].body["messages"][1] == {"role": "assistant", "content": "Yes"}


def test_tools_and_structured_output_are_sent_in_openais_shape() -> None:
    """Tools, the choice among them and an output schema reach the vendor, and tool calls come back parsed."""
    calls = [{"id": "t1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bonn"}'}}]
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    with vendor() as one:
        one.will(whole({"content": None, "tool_calls": calls}, "tool_calls"))
        request = ask(tools=(WEATHER,), output=OutputSchema(name="out", schema=schema), tool_choice="weather")
        result = run(openai(one).chat(request, timeout_s=20))
    body = one.received[0].body
    assert body["tools"][0]["function"] == {
        "name": "weather",
        "description": "Weather now",
        "parameters": {"type": "object", "properties": {}},
    }
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert body["response_format"]["json_schema"] == {"name": "out", "schema": schema, "strict": True}
    assert [(c.id, c.name, c.arguments) for c in result.message.tool_calls] == [("t1", "weather", {"city": "Bonn"})]
    assert result.finish_reason.unified == "tool_calls"


def test_a_setting_the_model_cannot_take_is_left_out_and_reported() -> None:
    """A seed for Anthropic is not sent and comes back as a warning."""
    with vendor() as one:
        one.will(Answer(body=CLAUDE_WHOLE))
        result = run(claude(one).chat(ask(seed=7), timeout_s=20))
    assert "seed" not in one.received[0].body
    assert [(w.kind, w.setting) for w in result.warnings] == [("unsupported", "seed"), UNPROVEN]


def test_a_feature_the_model_lacks_is_an_error_before_sending() -> None:
    """Tools for a model without them are refused and nothing is sent."""
    with vendor() as one:
        one.will(whole({"content": "Hello"}))
        with pytest.raises(UnsupportedFeature, match="tools"):
            run(engine("petals/some-model", one.url).chat(ask(tools=(WEATHER,)), timeout_s=20))
    assert one.received == []


def test_provider_options_pass_but_cannot_bring_back_retries() -> None:
    """Options for litellm go to the vendor as they are, except those that the engine owns."""
    with vendor() as one:
        one.will(whole({"content": "Hello"}))
        run(openai(one).chat(ask(provider_options={"litellm": {"logit_bias": {"1": 2}}}), timeout_s=20))
        options = {"litellm": {"num_retries": 3, "fallbacks": ["openai/other"]}}
        with pytest.raises(InvalidRequest, match="fallbacks, num_retries"):
            run(openai(one).chat(ask(provider_options=options), timeout_s=20))
    assert [sent.body["logit_bias"] for sent in one.received] == [{"1": 2}]


def test_an_unknown_vendor_is_a_configuration_error() -> None:
    """A model string without a vendor is refused with the form it should have."""
    with pytest.raises(ConfigError, match="vendor/model") as caught:
        run(engine("no-such-model", "").chat(ask(), timeout_s=20))
    assert caught.value.scope == "deployment"


def test_a_stream_gives_events_in_order_and_asks_for_usage() -> None:
    """A stream warns first, identifies the answer, gives blocks, and finishes with the vendor's counts."""
    frames = sse(
        chunk({"role": "assistant", "content": ""}), chunk({"content": "Hel"}), chunk({"content": "lo"}),
        chunk({}, "stop"), counts(prompt_tokens_details={"cached_tokens": 3}),
    )  # fmt: skip
    with vendor() as one:
        one.will(Answer(events=frames))
        events = events_of(openai(one), ask())
    assert one.received[0].body["stream_options"] == {"include_usage": True}
    assert [type(event).__name__ for event in events] == [
        "StreamStart", "ResponseMetadata", "TextStart", "TextDelta", "TextDelta", "TextEnd", "Finish",
    ]  # fmt: skip
    assert [w.kind for w in events[0].warnings] == ["unproven_end"]
    assert (events[1].model, events[1].response_id) == ("gpt-4o-2024", "c1")
    assert events[-1].reason == FinishReason("stop", "stop")
    usage = events[-1].usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (10, 4, 3)
    assert usage.source == "vendor"
    assert "cost" not in usage.raw


def test_counts_that_litellm_makes_up_are_called_an_estimate() -> None:
    """Where the vendor counts nothing, or one side only, litellm adds from a tokenizer, and the reply says so."""
    for last in ([], [counts() | {"usage": {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10}}]):
        with vendor() as one:
            one.will(Answer(events=sse(chunk({"content": "Hello there"}), chunk({}, "stop"), *last)))
            usage = events_of(openai(one), ask())[-1].usage
        assert usage is not None
        assert usage.source == "estimate"


def test_a_stream_of_anthropics_counts_is_the_vendors() -> None:
    """Counts that come in two events, input first and output last, are the vendor's once both are there."""
    with vendor() as one:
        one.will(Answer(events=named(*CLAUDE_EVENTS)))
        usage = events_of(claude(one), ask())[-1].usage
    assert usage is not None
    assert usage.source == "vendor"


def test_a_whole_answer_says_that_its_end_is_taken_on_trust() -> None:
    """Litellm shows `stop` also where the vendor gave no reason, so every chat warns."""
    with vendor() as one:
        one.will(whole({"content": "Hel"}, reason=None))
        result = run(openai(one).chat(ask(), timeout_s=20))
    assert result.finish_reason.unified == "stop"
    assert [(w.kind, w.setting) for w in result.warnings] == [UNPROVEN]


def test_counts_of_vendors_that_litellm_counts_for_are_an_estimate() -> None:
    """For these litellm falls back on a tokenizer without saying so: nothing of theirs counts as the vendor's."""
    for model, expected in (("ollama_chat/llama3.2", "estimate"), ("openai/gpt-4o", "vendor")):
        opened = engine(model, "")
        opened.warm_up()
        assert opened._source == expected


def test_a_truncated_stream_never_claims_to_have_stopped() -> None:
    """When the bytes end without a finish reason, litellm's invented `stop` is given as `other`."""
    with vendor() as one:
        one.will(Answer(events=sse(chunk({"content": "Hel"}))[:-1]))
        events = events_of(openai(one), ask())
    assert [w.kind for w in events[0].warnings] == ["unproven_end"]
    assert events[-1].reason == FinishReason("other", None)
    assert events[-1].usage.source == "estimate"


def test_a_truncated_anthropic_stream_never_claims_to_have_stopped() -> None:
    """The same holds for a vendor that litellm speaks to without the OpenAI client."""
    with vendor() as one:
        one.will(Answer(events=named(*CLAUDE_EVENTS[:7])))
        events = events_of(claude(one), ask())
    assert events[-1].reason == FinishReason("other", None)


def test_an_empty_stream_is_malformed() -> None:
    """A stream that ends before anything came is an error, never an empty success."""
    with vendor() as one:
        one.will(Answer(events=[]))
        with pytest.raises(MalformedReply):
            events_of(openai(one), ask())


def test_tool_calls_of_a_stream_are_complete_in_one_piece() -> None:
    """Arguments that arrive in pieces are parsed once, at the end, also when calls share an index."""

    def call(**function: Any) -> dict[str, Any]:
        top = {"id": function.pop("id"), "type": "function"} if "id" in function else {}
        return chunk({"tool_calls": [{"index": 0, **top, "function": function}]})

    frames = sse(
        call(id="t1", name="weather", arguments=""), call(arguments='{"city"'), call(arguments=':"Bonn"}'),
        call(id="t2", name="time", arguments="{}"), chunk({}, "tool_calls"), counts(),
    )  # fmt: skip
    with vendor() as one:
        one.will(Answer(events=frames))
        result = collect(events_of(openai(one), ask(tools=(WEATHER,))))
    assert [(c.id, c.name, c.arguments) for c in result.message.tool_calls] == [
        ("t1", "weather", {"city": "Bonn"}),
        ("t2", "time", {}),
    ]


def test_collecting_a_stream_gives_what_the_whole_answer_gives() -> None:
    """Reasoning with its signature, text and tool call are the same with and without streaming."""
    with vendor() as one:
        one.will(Answer(events=named(*CLAUDE_EVENTS)), Answer(body=CLAUDE_WHOLE))
        streamed = collect(events_of(claude(one), ask(tools=(WEATHER,))))
        result = run(claude(one).chat(ask(tools=(WEATHER,)), timeout_s=20))
    assert streamed.message == result.message
    assert result.message.parts[0] == Reasoning("hm", provider_metadata={"litellm": {"signature": "SIG"}})
    assert streamed.finish_reason == result.finish_reason == FinishReason("tool_calls", "tool_calls")
    assert _counted(streamed.usage) == _counted(result.usage) == (16, 12, 5, 2)
    assert result.response_id is None, "litellm makes this id up"


def _counted(usage: Usage | None) -> tuple[Any, ...]:
    assert usage is not None
    return usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens


def test_closing_a_stream_early_hangs_up() -> None:
    """A stream that is closed after its first text leaves no connection reading on."""
    frames = sse(*[chunk({"content": "word " * 200}) for _ in range(400)], chunk({}, "stop"))

    async def leave(one: LiteLLMEngine) -> None:
        stream: AsyncIterator[Any] = one.stream(ask(), timeout_s=20)
        async for event in stream:
            if isinstance(event, TextDelta):
                break
        await stream.aclose()  # type: ignore[attr-defined]

    with vendor() as one:
        one.will(Answer(events=frames, hold_s=0.01))
        run(leave(openai(one)))
        assert one.hung_up.wait(5)


def test_cancelling_passes_through() -> None:
    """Cancelling a call raises CancelledError and no error of ours."""

    async def cancel(one: LiteLLMEngine) -> None:
        task = asyncio.create_task(one.chat(ask(), timeout_s=20))
        await asyncio.sleep(0.3)
        task.cancel()
        await task

    with vendor() as one:
        one.will(Answer(body={}, wait_s=1.0))
        with pytest.raises(asyncio.CancelledError):
            run(cancel(openai(one)))


def test_openai_vectors_travel_as_base64_and_keep_the_order() -> None:
    """Vectors are asked for as base64 and come back as float32 in the order of the texts."""
    data = [
        {"object": "embedding", "index": i, "embedding": base64.b64encode(array("f", v).tobytes()).decode()}
        for i, v in ((1, [3.0, 4.0]), (0, [0.5, 0.25]))
    ]
    body = {"object": "list", "model": "te3", "data": data, "usage": {"prompt_tokens": 3, "total_tokens": 3}}
    with vendor() as one:
        one.will(Answer(body=body))
        opened = engine("openai/text-embedding-3-small", one.url + "/v1")
        request = EmbedRequest(texts=("a", "b"), options=EmbedOptions(dimensions=2))
        result = run(opened.embed(request, timeout_s=20))
    assert one.received[0].body == {
        "model": "text-embedding-3-small",
        "input": ["a", "b"],
        "dimensions": 2,
        "encoding_format": "base64",
    }
    assert list(result.vectors) == [array("f", [0.5, 0.25]), array("f", [3.0, 4.0])]
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens, result.usage.source) == (3, None, "vendor")


def test_a_vendor_without_base64_is_asked_for_numbers() -> None:
    """Cohere's vectors come as lists, and the purpose of the texts is sent in Cohere's words."""
    body = {
        "id": "r1",
        "embeddings": {"float": [[0.5, 0.25]]},
        "texts": ["a"],
        "meta": {"billed_units": {"input_tokens": 3}},
    }
    with vendor() as one:
        one.will(Answer(body=body))
        opened = engine("cohere/embed-v4.0", one.url + "/v2/embed")
        result = run(opened.embed(EmbedRequest(texts=("a",), options=EmbedOptions(input_type="query")), timeout_s=20))
    assert one.received[0].body["input_type"] == "search_query"
    assert "encoding_format" not in one.received[0].body
    assert list(result.vectors) == [[0.5, 0.25]]


def test_dimensions_that_a_model_cannot_give_are_an_error() -> None:
    """Another length is another vector space, so it is never left out silently."""
    with vendor() as one:
        one.will(Answer(body={}))
        opened = engine("mistral/mistral-embed", one.url + "/v1")
        with pytest.raises(UnsupportedFeature):
            run(opened.embed(EmbedRequest(texts=("a",), options=EmbedOptions(dimensions=2)), timeout_s=20))
    assert one.received == []


def test_a_missing_vector_is_malformed() -> None:
    """One vector for two texts is an error."""
    body = {"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}
    with vendor() as one:
        one.will(Answer(body=body))
        with pytest.raises(MalformedReply, match="1 vectors for 2 texts"):
            run(engine("mistral/mistral-embed", one.url + "/v1").embed(EmbedRequest(texts=("a", "b")), timeout_s=20))


def test_rerank_gives_the_order_and_the_units() -> None:
    """Reranking returns indexes and scores, best first, with the search units billed."""
    rows = [{"index": 0, "relevance_score": 0.1}, {"index": 1, "relevance_score": 0.9}]
    with vendor() as one:
        one.will(Answer(body={"id": "r1", "results": rows, "meta": {"billed_units": {"search_units": 1}}}))
        request = RerankRequest(query="q", documents=("a", "b"), options=RerankOptions(top_n=2))
        result = run(engine("cohere/rerank-v3.5", one.url).rerank(request, timeout_s=20))
    assert one.received[0].body == {"model": "rerank-v3.5", "query": "q", "top_n": 2, "documents": ["a", "b"]}
    assert result.results == (RerankItem(1, 0.9), RerankItem(0, 0.1))
    assert result.response_id == "r1"
    assert result.usage is not None
    assert (result.usage.search_units, result.usage.input_tokens) == (1.0, None)


def test_a_rerank_of_a_document_that_was_not_sent_is_malformed() -> None:
    """An index outside the documents is an error."""
    with vendor() as one:
        one.will(Answer(body={"id": "r1", "results": [{"index": 7, "relevance_score": 0.1}]}))
        with pytest.raises(MalformedReply):
            run(engine("cohere/rerank-v3.5", one.url).rerank(RerankRequest(query="q", documents=("a",)), timeout_s=20))
