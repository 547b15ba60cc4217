"""Whole calls to Mistral and Ollama through the asyncio client, over sockets on loopback."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from litellm_loopback import Answer, Vendor, sse, vendor

from orchestrator import AsyncOrchestrator
from orchestrator.errors import ContextTooLong, MalformedReply, OrchestratorError, StreamInterrupted

MISTRAL_USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
OLLAMA_END = {"done": True, "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 4}


@pytest.fixture
def far() -> Iterator[Vendor]:
    with vendor() as running:
        yield running


def _config(kind: str, url: str) -> dict[str, Any]:
    provider = {"kind": kind, "base_url": f"{url}/v1", "api_key": {"env": "TEST_KEY"}}
    price = {"price": {"input": 1, "output": 2}}
    return {
        "version": 1,
        "providers": {"far": provider},
        "deployments": {
            "chats": {"provider": "far", "model": "chat-model", **price},
            "embeds": {"provider": "far", "model": "embed-model", **price},
        },
        "routes": {
            "answer": {"task": "chat", "pick": "chats", "retry": {"attempts": 1}},
            "search": {"task": "embed", "pick": "embeds", "retry": {"attempts": 1}},
        },
        "log": {"to": "logging"},
    }


def _run(kind: str, far: Vendor, use: Callable[[AsyncOrchestrator], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with AsyncOrchestrator(_config(kind, far.url)) as llm:
            return await use(llm)

    return asyncio.run(main())


def _line(text: str = "", **more: Any) -> str:
    said = {"role": "assistant", "content": text}
    return json.dumps({"model": "chat-model", "message": said, "done": False, **more}) + "\n"


def _chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"id": "i", "model": "chat-model", "choices": [choice], **more}


STREAMS = {
    "mistral": sse(_chunk({"content": "Hel"}), _chunk({"content": "lo"}), _chunk({}, "stop", usage=MISTRAL_USAGE)),
    "ollama": [_line("Hel"), _line("lo"), _line(**OLLAMA_END)],
}
PATHS = {
    "mistral": ["/v1/chat/completions", "/v1/embeddings"],
    "ollama": ["/api/chat", "/api/embed"],
}
WHOLE = {
    "mistral": {
        "id": "i",
        "model": "chat-model",
        "choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}],
        "usage": MISTRAL_USAGE,
    },
    "ollama": {"model": "chat-model", "message": {"content": "Hello"}, **OLLAMA_END},
}
VECTORS = {
    "mistral": {
        "id": "e",
        "model": "embed-model",
        "data": [{"index": 0, "embedding": [0.5, 1.0]}, {"index": 1, "embedding": [2.0, 3.0]}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7},
    },
    "ollama": {"model": "embed-model", "embeddings": [[0.5, 1.0], [2.0, 3.0]], "prompt_eval_count": 7},
}
KINDS = sorted(PATHS)


async def _stream(llm: AsyncOrchestrator) -> Any:
    texts = []
    async with llm.stream("answer", "Hi") as stream:
        async for text in stream.text:
            texts.append(text)
    return texts, stream.reply


@pytest.mark.parametrize("kind", KINDS)
def test_chat_and_embeddings(kind: str, far: Vendor) -> None:
    """A chat and embeddings go to the vendor's addresses with the key, and come back counted and priced."""
    far.will(Answer(body=WHOLE[kind]), Answer(body=VECTORS[kind]))

    async def use(llm: AsyncOrchestrator) -> Any:
        return await llm.chat("answer", "Hi", temperature=0.5), await llm.embed("search", ["a", "b"])

    reply, embedded = _run(kind, far, use)
    assert (reply.text, reply.model, reply.finish_reason.unified) == ("Hello", "chat-model", "stop")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (9, 4)
    assert reply.cost.total == Decimal("0.000017")
    assert embedded.vectors == [[0.5, 1.0], [2.0, 3.0]]
    assert embedded.usage.input_tokens == 7
    assert [sent.path for sent in far.received] == PATHS[kind]
    assert {sent.headers["authorization"] for sent in far.received} == {f"Bearer {os.environ['TEST_KEY']}"}
    assert [sent.body["model"] for sent in far.received] == ["chat-model", "embed-model"]


@pytest.mark.parametrize("kind", KINDS)
def test_stream(kind: str, far: Vendor) -> None:
    """A stream gives its text as it comes, and is complete with counts and cost."""
    far.will(Answer(events=STREAMS[kind]))
    texts, reply = _run(kind, far, _stream)
    assert "".join(texts) == reply.text == "Hello"
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (9, 4)
    assert reply.cost.total == Decimal("0.000017")
    assert far.received[0].path == PATHS[kind][0]
    assert far.received[0].body["stream"] is True


@pytest.mark.parametrize("cut", [False, True], ids=["ended", "reset"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_cut_in_the_middle_is_never_an_answer(kind: str, cut: bool, far: Vendor) -> None:
    """A stream that breaks after its first text, by a reset or by a clean end too early, is interrupted."""
    far.will(Answer(events=STREAMS[kind][:1], cut=cut))
    with pytest.raises(StreamInterrupted) as caught:
        _run(kind, far, _stream)
    assert caught.value.text == "Hel"
    assert cut or isinstance(caught.value.cause, MalformedReply)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_cut_inside_its_first_event_fails_the_call(kind: str, far: Vendor) -> None:
    """A stream of half an event has given nothing, so that the call fails as a whole."""
    far.will(Answer(events=[STREAMS[kind][0].rstrip()[:-3]]))
    with pytest.raises(MalformedReply):
        _run(kind, far, _stream)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("mistral", {"code": "3051", "message": "Prompt too large for model with 8 maximum context length"}),
        ("ollama", {"error": "the prompt is longer than the context length currently available to the model"}),
    ],
)
def test_a_prompt_that_does_not_fit_is_refused(kind: str, body: dict[str, Any], far: Vendor) -> None:
    """A prompt over the model's context is an error of its own, before any event of a stream too."""
    far.will(Answer(status=400, body=body))
    for use in (_stream, lambda llm: llm.chat("answer", "Hi")):
        with pytest.raises(ContextTooLong) as caught:
            _run(kind, far, use)
        assert caught.value.status == 400


def test_an_error_line_in_ollamas_stream_interrupts_it(far: Vendor) -> None:
    """An error that Ollama writes into a stream with status 200 ends it with that error."""
    far.will(Answer(events=[_line("Hel"), '{"error":"llama runner process has terminated"}\n']))
    with pytest.raises(StreamInterrupted) as caught:
        _run("ollama", far, _stream)
    assert isinstance(caught.value.cause, OrchestratorError)
    assert "llama runner" in str(caught.value.cause)


def test_ollama_over_openais_shape(far: Vendor) -> None:
    """`openai_compatible` still reaches Ollama by its `/v1`."""
    far.will(Answer(body=WHOLE["mistral"]))
    reply = _run("openai_compatible", far, lambda llm: llm.chat("answer", "Hi"))
    assert reply.text == "Hello"
    assert far.received[0].path == "/v1/chat/completions"


def test_a_conversation_moves_between_the_two(far: Vendor) -> None:
    """A tool call that Ollama made is answered at Mistral, with ids that Mistral takes."""
    call = {"function": {"name": "weather", "arguments": {"city": "Oslo"}}}
    said = {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [call]}
    far.will(Answer(body={"model": "m", "message": said, **OLLAMA_END}), Answer(body=WHOLE["mistral"]))
    tools = [{"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]
    first = _run("ollama", far, lambda llm: llm.chat("answer", "Weather?", tools=tools))
    (made,) = first.tool_calls
    history = [
        {"role": "user", "content": "Weather?"},
        first.message,
        {"role": "tool", "tool_call_id": made.id, "content": "cold"},
    ]
    second = _run("mistral", far, lambda llm: llm.chat("answer", history, tools=tools))
    assert second.text == "Hello"
    assert [warning.kind for warning in second.warnings] == ["stripped"]
    _, asked, told = far.received[1].body["messages"]
    assert asked["tool_calls"][0]["id"] == told["tool_call_id"]
    assert len(told["tool_call_id"]) == 9
    assert "hm" not in json.dumps(far.received[1].body)
