"""Requests are checked as the vendors check them, and refused in the vendors' own shapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from simulator_client import CHAT_PATHS, KEYS, PROMPT, chat, chat_body, post

from orchestrator.testing import Answer, CallTool, Simulator, Vendor

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "ok"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]}
USED = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]}


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    """Per wire a strict vendor, and one that takes any key and model."""
    vendors = [
        Vendor(name=wire, wire=wire, models=["m"], api_key="right") for wire in ("openai", "anthropic", "cohere")
    ]
    vendors += [Vendor(name=f"open-{wire}", wire=wire) for wire in ("openai", "anthropic", "cohere")]
    with Simulator(vendors) as simulator:
        yield simulator


@pytest.mark.parametrize("wire", ["openai", "anthropic", "cohere"])
def test_credentials(sim: Simulator, wire: str) -> None:
    """No key and a wrong key are 401; the right one is taken, and none of this is billed."""
    url, path, body = sim.url(wire), CHAT_PATHS[wire], chat_body(wire)
    right = {name: value.replace("any", "right") for name, value in KEYS[wire].items()}
    assert post(url, path, body, {"anthropic-version": "1"}).status == 401
    assert post(url, path, body, KEYS[wire]).status == 401
    before = len(sim.ledger)
    assert post(url, path, body, right).status == 200
    assert len(sim.ledger) == before + 1


@pytest.mark.parametrize("wire", ["openai", "anthropic", "cohere"])
def test_unknown_model_and_path(sim: Simulator, wire: str) -> None:
    """An unknown model is 404 before anything else is looked at, and so is an unknown path."""
    right = {name: value.replace("any", "right") for name, value in KEYS[wire].items()}
    got = post(sim.url(wire), CHAT_PATHS[wire], {"model": "x", "messages": []}, right)
    assert got.status == 404
    assert "x" in str(got.json)
    assert post(sim.url(wire), "/v9/none", {}, right).status == 404
    assert post(sim.url(wire), CHAT_PATHS[wire], b"", right, method="GET").status == 404


@pytest.mark.parametrize("wire", ["openai", "anthropic", "cohere"])
def test_no_json(sim: Simulator, wire: str) -> None:
    """A body that is not a JSON object is 400 in the vendor's shape."""
    for body in (b"{", b"[]", b"", b"\xff"):
        got = post(sim.url(f"open-{wire}"), CHAT_PATHS[wire], body, KEYS[wire])
        assert got.status == 400
        assert got.json


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ({"foo": 1}, "foo"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "role"),
        ({"messages": [{"role": "user", "content": None}]}, "content"),
        ({"messages": [*PROMPT, RESULT]}, "tool_calls"),
        ({"messages": [*PROMPT, CALLED]}, "tool_calls"),
        ({"messages": [*PROMPT, CALLED, *PROMPT]}, "tool_calls"),
        ({"messages": [*PROMPT, CALLED, RESULT, RESULT]}, "tool_calls"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_completion_tokens"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [{"type": "function"}]}, "name"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "Tool choice"),
        ({"response_format": {"type": "yaml"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}, "json_schema.name"),
        ({"model": 3}, "model"),
    ],
)
def test_openai_checks(sim: Simulator, extra: dict[str, Any], told: str) -> None:
    """OpenAI refuses what it does not know or take, naming it."""
    got = chat(sim.url("open-openai"), **extra)
    assert (got.status, got.json["error"]["type"]) == (400, "invalid_request_error")
    assert told in got.json["error"]["message"]


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"frequency_penalty": 1}, "frequency_penalty: Extra inputs"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": ""}]}, "non-empty"),
        ({"messages": [*PROMPT, USED]}, "tool_use_id"),
        ({"messages": [*PROMPT, USE]}, "tool_result"),
        ({"messages": [*PROMPT, USE, *PROMPT]}, "tool_result"),
        ({"temperature": 1.5}, "temperature"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [{"name": "f"}]}, "input_schema"),
        ({"tools": [{"name": "f", "input_schema": {}}], "tool_choice": {"type": "tool", "name": "g"}}, "tool_choice"),
        ({"thinking": {"type": "enabled"}}, "budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "budget_tokens"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config"),
    ],
)
def test_anthropic_checks(sim: Simulator, extra: dict[str, Any], told: str) -> None:
    """Anthropic refuses what it does not know or take, naming it, with the request id in the body."""
    got = chat(sim.url("open-anthropic"), "anthropic", **extra)
    assert (got.status, got.json["error"]["type"]) == (400, "invalid_request_error")
    assert told in got.json["error"]["message"]
    assert got.json["request_id"] == got.headers["request-id"]


def test_anthropic_wants_a_version(sim: Simulator) -> None:
    """Anthropic takes no request without its version header."""
    got = post(sim.url("open-anthropic"), "/v1/messages", chat_body("anthropic"), {"x-api-key": "any"})
    assert (got.status, "anthropic-version" in got.json["error"]["message"]) == (400, True)


@pytest.mark.parametrize(
    "extra",
    [
        {"messages": []},
        {"messages": [{"role": "robot", "content": "x"}]},
        {"messages": [{"role": "user", "content": ""}]},
        {"messages": [*PROMPT, RESULT]},
        {"messages": [*PROMPT, CALLED]},
        {"tool_choice": "REQUIRED"},
        {"tool_choice": "auto", "tools": [TOOL]},
        {"temperature": 2},
        {"response_format": {"type": "json_schema"}},
        {"model": None},
    ],
)
def test_cohere_checks(sim: Simulator, extra: dict[str, Any]) -> None:
    """Cohere refuses what it does not take, with an id and a message."""
    got = chat(sim.url("open-cohere"), "cohere", **extra)
    assert (got.status, set(got.json)) == (400, {"id", "message"})


@pytest.mark.parametrize(
    ("wire", "path", "body"),
    [
        ("openai", "/v1/embeddings", {"model": "m", "input": ""}),
        ("openai", "/v1/embeddings", {"model": "m", "input": []}),
        ("openai", "/v1/embeddings", {"model": "m", "input": ["x", 3]}),
        ("openai", "/v1/embeddings", {"model": "m", "input": ["x"] * 2049}),
        ("openai", "/v1/embeddings", {"model": "m", "input": "x", "encoding_format": "hex"}),
        ("openai", "/v1/embeddings", {"model": "m", "input": "x", "input_type": "query"}),
        ("openai", "/v1/rerank", {"model": "m", "query": "", "documents": ["x"]}),
        ("openai", "/v1/rerank", {"model": "m", "query": "x", "documents": []}),
        ("cohere", "/v2/embed", {"model": "m", "texts": ["x"]}),
        ("cohere", "/v2/embed", {"model": "m", "texts": ["x"] * 97, "input_type": "search_query"}),
        ("cohere", "/v2/embed", {"model": "m", "texts": ["x"], "input_type": "search_query", "embedding_types": ["f"]}),
        ("cohere", "/v2/rerank", {"model": "m", "query": "x", "documents": [{"text": "x"}]}),
        ("cohere", "/v2/rerank", {"model": "m", "query": "x"}),
    ],
)
def test_retrieval_checks(sim: Simulator, wire: str, path: str, body: dict[str, Any]) -> None:
    """Embedding and rerank requests are checked too."""
    assert post(sim.url(f"open-{wire}"), path, body, KEYS[wire]).status == 400


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
def test_rerank_beside_openai(sim: Simulator, path: str) -> None:
    """Rerank in the common shape: sorted, bounded by `top_n`, texts on request, with tokens."""
    body = {"model": "m", "query": "broken laptop", "documents": ["hours", {"text": "a broken laptop"}], "top_n": 1}
    got = post(sim.url("open-openai"), path, {**body, "return_documents": True}).json
    assert [(row["index"], row["document"]) for row in got["results"]] == [(1, {"text": "a broken laptop"})]
    assert 0.5 < got["results"][0]["relevance_score"] <= 1
    assert got["usage"]["total_tokens"] == sim["open-openai"].ledger[-1].input_tokens == 6
    assert sim["open-openai"].ledger[-1].search_units == 1


def test_too_long(sim: Simulator) -> None:
    """A prompt beyond the context is refused in the words clients look for."""
    words = {"openai": "maximum context length", "anthropic": "prompt is too long", "cohere": "too many tokens"}
    for wire, told in words.items():
        sim[f"open-{wire}"].set(context_tokens=20)
        got = chat(sim.url(f"open-{wire}"), wire, messages=[{"role": "user", "content": "word " * 30}])
        sim[f"open-{wire}"].set(context_tokens=128_000)
        assert got.status == 400
        assert told in got.body.decode()


def test_prompt_tokens(sim: Simulator) -> None:
    """A prompt costs its words and punctuation, three per message, 85 per image."""
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    parts = [{"type": "text", "text": "Look, a cat!"}, image]
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts}]
    chat(sim.url("open-openai"), messages=messages)
    assert sim["open-openai"].ledger[-1].input_tokens == (3 + 3) + (5 + 3) + 85


@pytest.mark.parametrize("wire", ["openai", "cohere"])
def test_automatic_cache(sim: Simulator, wire: str) -> None:
    """OpenAI and Cohere read repeated beginnings from their cache unasked, and bill no writing."""
    vendor, url = sim[f"open-{wire}"], sim.url(f"open-{wire}")
    vendor.set(prefix_cache=True)
    history = [{"role": "system", "content": "A long handbook."}, *PROMPT]
    chat(url, wire, messages=history)
    usage = chat(url, wire, messages=[*history, {"role": "assistant", "content": "ok"}, *PROMPT]).json["usage"]
    vendor.set(prefix_cache=False)
    entry = vendor.ledger[-1]
    told = usage["cached_tokens"] if wire == "cohere" else usage["prompt_tokens_details"]["cached_tokens"]
    assert told == entry.cache_read_tokens == 7 + 11
    assert entry.cache_write_tokens == 0


@pytest.mark.parametrize("wire", ["openai", "anthropic", "cohere"])
def test_same_answer_streamed_and_plain(sim: Simulator, wire: str) -> None:
    """A call of a tool with text before it bills the same tokens in a stream as in one piece."""
    sim[f"open-{wire}"].answer(Answer("Let me look.", [CallTool("f", {"a": [1, "x"]})], reasoning="Hm, well."))
    for stream in (False, True):
        chat(sim.url(f"open-{wire}"), wire, stream=stream)
    sim[f"open-{wire}"].answer(None)
    plain, streamed = sim[f"open-{wire}"].ledger[-2:]
    assert plain.output_tokens == streamed.output_tokens == 4 + 4 + 1 + 13
    assert plain.reasoning_tokens == streamed.reasoning_tokens == 4


def test_stop_sequences(sim: Simulator) -> None:
    """The answer ends before a stop sequence."""
    sim["open-openai"].answer("one two. three")
    texts = [
        chat(sim.url("open-openai"), stop=stop).json["choices"][0]["message"]["content"] for stop in ("two", ["."])
    ]
    sim["open-openai"].answer(None)
    assert texts == ["one ", "one two"]


def test_settings_the_sdks_know(sim: Simulator) -> None:
    """Every setting that the vendors' SDKs can send is taken."""
    import anthropic.types.message_create_params as anthropic_params
    import openai.types.chat.completion_create_params as openai_params

    from orchestrator.testing.simulator import anthropic, openai_chat

    kinds = get_args(openai_params.CompletionCreateParams)
    assert {
        name for kind in kinds for name in kind.__optional_keys__ | kind.__required_keys__
    } <= openai_chat._CHAT_FIELDS
    kinds = get_args(anthropic_params.MessageCreateParams)
    assert {name for kind in kinds for name in kind.__optional_keys__ | kind.__required_keys__} <= anthropic._FIELDS
