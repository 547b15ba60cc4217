"""The claims of the suite that apply to engines, each over a double of what it drives."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from engine_entries import ENGINE_SAMPLES
from engine_sample import EngineSample
from entries import ENGINES
from hostile import SAID
from streams import check_events, check_result
from wire_sample import Said

from orchestrator.errors import OrchestratorError
from orchestrator.spec.auth import Secret
from orchestrator.spec.provider import Engine, Target
from orchestrator.types.chat import ChatRequest, ChatResult, Message, Text
from orchestrator.types.collect import collect
from orchestrator.types.retrieval import EmbedRequest, RerankRequest
from orchestrator.types.stream import StreamStart

KEY = "sk-test-0123456789abcdef"
ASK = ChatRequest(messages=(Message("user", (Text("What is the weather?"),)),))
CHATTING = [kind for kind, engine in ENGINES.items() if "chat" in engine.profile.tasks]


def _sample(kind: str) -> EngineSample:
    return ENGINE_SAMPLES[kind]()


def _events(engine: Engine) -> list[Any]:
    async def read() -> list[Any]:
        return [event async for event in engine.stream(ASK, timeout_s=5)]

    return asyncio.run(read())


def _comparable(kind: str, result: ChatResult) -> ChatResult:
    """Without what the engine is exempt from agreeing on."""
    result = replace(result, warnings=())
    if "usage source" in _sample(kind).exempt and result.usage is not None:
        result = replace(result, usage=replace(result.usage, source="vendor"))
    return result


@pytest.mark.parametrize("kind", CHATTING)
@pytest.mark.parametrize("said", [Said(text="Hello there."), SAID], ids=["text", "calls"])
def test_a_stream_collects_to_the_whole_reply(kind: str, said: Said) -> None:
    """A stream begins with StreamStart, obeys the algebra, and collects to what the same call answers whole."""
    engine = _sample(kind).open(said)
    whole = asyncio.run(engine.chat(ASK, timeout_s=5))
    assert (whole.message.reasoning, whole.message.text) == (said.reasoning, said.text)
    assert [(call.id, call.name, call.arguments) for call in whole.message.tool_calls] == [
        (call.id, call.name, call.arguments) for call in said.calls
    ]
    assert whole.finish_reason.unified == ("tool_calls" if said.calls else "stop")
    events = _events(_sample(kind).open(said))
    assert isinstance(events[0], StreamStart)
    finish = events[-1]
    check_events([*events[1:-1], replace(finish, usage=finish.usage and replace(finish.usage, source="vendor"))])
    check_result(_comparable(kind, whole))
    assert _comparable(kind, collect(events)) == _comparable(kind, whole)


@pytest.mark.parametrize("kind", CHATTING)
def test_an_exemption_is_said_in_every_stream(kind: str) -> None:
    """An engine that cannot tell a finished answer from a cut one warns of it."""
    start = _events(_sample(kind).open(Said(text="Hello")))[0]
    warned = any(warning.kind == "unproven_end" for warning in start.warnings)
    assert warned == ("truncation" in _sample(kind).exempt)


@pytest.mark.parametrize("kind", list(ENGINES))
def test_only_our_errors_come_out(kind: str) -> None:
    """Whatever the library below raises, the caller gets one of our errors, without the library's text in it."""
    sample = _sample(kind)
    for error in (ValueError("the prompt was: secret"), KeyError("secret"), OSError("secret"), RuntimeError("secret")):
        engine = sample.broken(error)
        tasks = ENGINES[kind].profile.tasks
        calls: dict[str, Any] = {
            "chat": lambda engine=engine: engine.chat(ASK, timeout_s=5),
            "embed": lambda engine=engine: engine.embed(EmbedRequest(texts=("a",)), timeout_s=5),
            "rerank": lambda engine=engine: engine.rerank(RerankRequest(query="q", documents=("a",)), timeout_s=5),
        }
        for task in tasks:
            with pytest.raises(OrchestratorError) as caught:
                asyncio.run(calls[task]())
            assert "secret" not in str(caught.value)


@pytest.mark.parametrize("kind", list(ENGINES))
def test_vectors_come_in_the_order_of_the_texts(kind: str) -> None:
    """One vector per text, in the texts' order."""
    sample = _sample(kind)
    if sample.vectors is None:
        pytest.skip("the engine does not embed")
    result = asyncio.run(sample.open(Said()).embed(EmbedRequest(texts=("a", "b", "c")), timeout_s=5))
    assert [list(vector) for vector in result.vectors] == sample.vectors


@pytest.mark.parametrize("kind", list(ENGINES))
def test_rankings_come_best_first(kind: str) -> None:
    """Results hold the caller's own index and a score, best first."""
    sample = _sample(kind)
    if sample.ranking is None:
        pytest.skip("the engine does not rank")
    request = RerankRequest(query="q", documents=("a", "b", "c"))
    result = asyncio.run(sample.open(Said()).rerank(request, timeout_s=5))
    assert [(item.index, item.score) for item in result.results] == sample.ranking


@pytest.mark.parametrize("kind", list(ENGINES))
def test_an_engine_that_never_worked_can_be_closed(kind: str) -> None:
    """Closing an engine twice, before its first call, does nothing."""
    engine = _sample(kind).open(Said())

    async def close() -> None:
        await engine.close()
        await engine.close()

    asyncio.run(close())


@pytest.mark.parametrize("kind", list(ENGINES))
def test_a_key_is_in_no_repr(kind: str) -> None:
    """What an engine is opened with shows no credential."""
    secret = Secret(lambda: KEY, source="test")
    profile = ENGINES[kind].profile
    target = Target(profile=profile, provider="p", deployment="d", model="m", base_url="", secret=secret)
    assert KEY not in repr(target)
