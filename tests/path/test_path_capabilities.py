"""What models cannot take, on the path of a call: left out, refused, or left to the next deployment."""

from __future__ import annotations

import asyncio
import sys
from types import ModuleType
from typing import Any

import orjson
import pytest
from vendor import World, completion, sse

from orchestrator import AsyncOrchestrator, ContextTooLong, Media, Tool, UnsupportedFeature
from orchestrator.spec.provider import EngineFactory, Profile, Target
from orchestrator.testing import json_reply
from orchestrator.types.chat import ChatRequest, ChatResult, FinishReason, Message, Text

TOOL = Tool(name="f")


def models(**names: str) -> dict[str, Any]:
    return {name: {"model": model} for name, model in names.items()}


def sent(world: World, index: int = -1) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(world.transport.requests[index].body)
    return body


def test_a_refused_setting_is_left_out_and_told():
    """A reasoning model gets no temperature; the reply says so, once."""
    world = World({"a": completion()}, deployments=models(a="o3"))
    reply = world.run(lambda llm: llm.chat("answer", "hi", temperature=0.2))
    assert "temperature" not in sent(world)
    assert [(one.kind, one.setting) for one in reply.warnings] == [("unsupported", "temperature")]


def test_defaults_of_the_route_are_fitted_too():
    """Settings that come from the file are left out as those of a call are."""
    world = World({"a": completion()}, {"defaults": {"temperature": 0.2}}, deployments=models(a="o3"))
    reply = world.run(lambda llm: llm.chat("answer", "hi"))
    assert "temperature" not in sent(world)
    assert [one.setting for one in reply.warnings] == ["temperature"]


def test_with_unsupported_error_nothing_is_sent():
    """`unsupported: error` refuses before sending, and the next deployment, which takes it, answers."""
    world = World({"a": completion()}, {"unsupported": "error"}, deployments=models(a="o3"))
    with pytest.raises(UnsupportedFeature, match="temperature: left out: o3 does not take it") as caught:
        world.run(lambda llm: llm.chat("answer", "hi", temperature=0.2))
    assert (world.sent, caught.value.deployment, caught.value.attempts) == ([], "a", ())
    world = World({"a": completion(), "b": completion()}, {"unsupported": "error"}, deployments=models(a="o3"))
    reply = world.run(lambda llm: llm.chat("answer", "hi", temperature=0.2))
    assert (reply.deployment, len(reply.attempts), sent(world)["temperature"]) == ("b", 1, 0.2)


@pytest.mark.parametrize(
    ("model", "call"),
    [
        ("o1-mini", {"tools": [TOOL]}),
        ("gpt-3.5-turbo", {"image": True}),
        ("gpt-4", {"long": True}),
    ],
)
def test_a_feature_missing_at_one_is_asked_of_the_next(model: str, call: dict[str, Any]):
    """Tools, media and length that the first model lacks go to the second without an attempt at the first."""
    text: Any = "word " * 60_000 if call.pop("long", False) else "hi"
    if call.pop("image", False):
        text = [Message("user", (Text("hi"), Media(media_type="image/png", data=b"x")))]
    world = World({"a": completion(), "b": completion()}, deployments=models(a=model, b="gpt-4o"))
    reply = world.run(lambda llm: llm.chat("answer", text, **call))
    assert reply.deployment == "b"
    assert [name for name, _ in world.sent] == ["b"]
    assert [one.deployment for one in reply.attempts] == ["b"]


def test_too_long_for_everybody_is_said_early():
    """An input far beyond every context is refused without a request, in the words of the last."""
    world = World({"a": completion(), "b": completion()}, deployments=models(a="gpt-4", b="gpt-4"))
    with pytest.raises(ContextTooLong, match="far beyond the 8,192 that gpt-4 reads"):
        world.run(lambda llm: llm.chat("answer", "word " * 60_000))
    assert world.sent == []


def test_a_model_that_cannot_is_not_waited_for():
    """A deployment whose model lacks the feature is out of the call at once, also while it rests or is full."""
    limits = {"a": {"model": "o1-mini", "limits": {"concurrency": 1}}}
    world = World({"a": completion()}, deployments=limits)
    with pytest.raises(UnsupportedFeature, match="o1-mini cannot call tools"):
        world.run(lambda llm: llm.chat("answer", "hi", tools=[TOOL]))
    assert world.elapsed == 0.0


def test_an_output_cap_is_lowered():
    """A cap above what the model writes is lowered to that, with a warning."""
    world = World({"a": completion()})
    reply = world.run(lambda llm: llm.chat("answer", "hi", max_output_tokens=100_000))
    assert sent(world)["max_completion_tokens"] == 16_384
    assert [(one.kind, one.setting) for one in reply.warnings] == [("compatibility", "max_output_tokens")]


def test_streams_begin_with_the_warning():
    """A stream's first event and its reply carry what was left out."""
    world = World({"a": sse("hello")}, deployments=models(a="o3"))

    async def scenario(llm: AsyncOrchestrator):
        async with llm.stream("answer", "hi", temperature=0.2) as stream:
            events = [event async for event in stream]
            return events[0], stream.reply

    start, reply = world.run(scenario)
    assert [one.setting for one in start.warnings] == ["temperature"]
    assert [one.setting for one in reply.warnings] == ["temperature"]


def test_the_file_says_what_the_book_does_not():
    """A deployment's `profile` makes an unknown model refuse and lack what it says."""
    profile = {"tools": False, "refuses": ["seed"], "max_output_tokens": 50}
    world = World({"a": completion()}, deployments={"a": {"model": "our-own", "profile": profile}})
    reply = world.run(lambda llm: llm.chat("answer", "hi", seed=1, max_output_tokens=99))
    assert sent(world)["max_completion_tokens"] == 50
    assert "seed" not in sent(world)
    assert {one.setting for one in reply.warnings} == {"seed", "max_output_tokens"}
    with pytest.raises(UnsupportedFeature, match="our-own cannot call tools"):
        world.run(lambda llm: llm.chat("answer", "hi", tools=[TOOL]))


def test_an_unknown_model_is_refused_nothing():
    """Of a name that no book knows everything is sent as it was asked for."""
    world = World({"a": completion()}, deployments=models(a="our-own"))
    reply = world.run(lambda llm: llm.chat("answer", "hi", temperature=0.2, seed=1, tools=[TOOL]))
    assert (sent(world)["temperature"], sent(world)["seed"], reply.warnings) == (0.2, 1, ())


def test_vectors_of_a_size_that_a_model_cannot_give():
    """A size that no model of the route gives is refused unsent."""
    vectors = json_reply({"data": [{"index": 0, "embedding": [0.0] * 4}], "model": "m"})
    world = World({"a": vectors}, {"task": "embed"}, deployments=models(a="text-embedding-ada-002"))
    with pytest.raises(UnsupportedFeature, match="gives no vectors of 4 dimensions; it gives 1536"):
        world.run(lambda llm: llm.embed("answer", ["a"], dimensions=4))
    assert world.sent == []


SEEN: list[ChatRequest] = []


class Recorder:
    """An engine that keeps what it is asked."""

    def __init__(self, target: Target) -> None:
        self.known = target.model_profile

    async def chat(self, request: ChatRequest, *, timeout_s: float) -> ChatResult:
        SEEN.append(request)
        return ChatResult(message=Message("assistant", (Text("ok"),)), finish_reason=FinishReason("stop", "stop"))

    def warm_up(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to close."""


ENGINE: Any = EngineFactory(Profile(kind="recorder", tasks=frozenset({"chat"}), key_required=False), Recorder)


@pytest.fixture
def recorder(tmp_path):
    """A distribution on the path that brings the engine by entry point, as a third party's would."""
    SEEN.clear()
    info = tmp_path / "recorder-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: recorder\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[orchestrator.providers]\nrecorder = recorder_of_this_test:ENGINE\n")
    module = ModuleType("recorder_of_this_test")
    module.ENGINE = ENGINE
    sys.modules[module.__name__] = module
    sys.path.insert(0, str(tmp_path))
    yield
    sys.path.remove(str(tmp_path))
    del sys.modules[module.__name__]


@pytest.mark.parametrize("unsupported", ["warn", "error"])
def test_engines_get_fitted_requests_too(recorder: None, unsupported: str):
    """An engine is told as little of refused settings as a wire; `unsupported: error` holds before it runs."""
    config = {
        "version": 1,
        "unsupported": unsupported,
        "providers": {"own": {"kind": "recorder", "base_url": "http://127.0.0.1:9"}},
        "deployments": {"o3": {"provider": "own", "model": "openai/o3"}},
        "routes": {"answer": "o3"},
        "log": {"to": "none"},
    }

    async def call() -> Any:
        async with AsyncOrchestrator(config) as llm:
            return await llm.chat("answer", "hi", temperature=0.2, seed=7)

    if unsupported == "error":
        with pytest.raises(UnsupportedFeature, match="o3 does not take it"):
            asyncio.run(call())
        assert SEEN == []
        return
    reply = asyncio.run(call())
    assert (SEEN[0].options.temperature, SEEN[0].options.seed) == (None, 7)
    assert [one.setting for one in reply.warnings] == ["temperature"]
