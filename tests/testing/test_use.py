"""`testing.use`: an application's tests without network or credentials."""

from __future__ import annotations

import asyncio

import pydantic
import pytest

from orchestrator import AsyncOrchestrator, Orchestrator, RateLimited, ToolCall, testing
from orchestrator.types import TextDelta, ToolCallEnd

CONFIG = {
    "version": 1,
    "providers": {
        "openai": {"kind": "openai", "api_key": {"env": "A_KEY_NOBODY_SET"}},
        "cohere": {"kind": "cohere", "api_key": {"file": "/nowhere/key"}},
    },
    "deployments": {
        "mini": {"provider": "openai", "model": "gpt-4o-mini", "defaults": {"temperature": 0.1}},
        "te3": {"provider": "openai", "model": "text-embedding-3-small"},
        "ranker": {"provider": "cohere", "model": "rerank-v3.5"},
    },
    "routes": {
        "answer": {"task": "chat", "pick": "mini"},
        "search": {"task": "embed", "pick": "te3"},
        "rank": {"task": "rerank", "pick": "ranker"},
    },
    "log": {"to": "none"},
}


def test_all_tasks_from_a_script():
    """Scripts answer every task; the requests are there to look at, defaults merged in; no credential is needed."""
    with testing.use(answer="The Team plan.", search=True, rank=[2, 0, 1]) as calls, Orchestrator(CONFIG) as llm:
        assert llm.chat("answer", "Which plan?").text == "The Team plan."
        vectors = llm.embed("search", ["a", "b", "a"]).vectors
        assert [item.index for item in llm.rerank("rank", query="q", documents=["x", "y", "z"]).results] == [2, 0, 1]
    assert vectors[0] == vectors[2] != vectors[1]
    assert calls[0].request.messages[-1].text == "Which plan?"
    assert calls[0].request.options.temperature == 0.1
    assert [call.task for call in calls] == ["chat", "embed", "rerank"]


def test_sequences_functions_and_errors():
    """A list is used up in order, a function sees the request, an exception is raised after retries as always."""
    with testing.use(answer=["one", "two"]), Orchestrator(CONFIG) as llm:
        assert [llm.chat("answer", "x").text for _ in range(3)] == ["one", "two", "two"]
    with testing.use(answer=lambda request: request.messages[-1].text.upper()), Orchestrator(CONFIG) as llm:
        assert llm.chat("answer", "shout").text == "SHOUT"
    with testing.use(answer=RateLimited("slow", retry_after=3600)), Orchestrator(CONFIG) as llm:
        with pytest.raises(RateLimited):
            llm.chat("answer", "x")


def test_streams_and_tools():
    """A scripted chat streams word by word; a tool call comes complete."""
    with testing.use(answer=["a few words", ToolCall(id="c1", name="f", arguments={"n": 1})]):

        async def scenario():
            async with AsyncOrchestrator(CONFIG) as llm:
                async with llm.stream("answer", "x") as stream:
                    pieces = [event.text async for event in stream if isinstance(event, TextDelta)]
                async with llm.stream("answer", "x") as stream:
                    calls = [event.tool_call async for event in stream if isinstance(event, ToolCallEnd)]
            return pieces, calls

        pieces, calls = asyncio.run(scenario())
    assert pieces == ["a ", "few ", "words"]
    assert calls[0].arguments == {"n": 1}


class Plan(pydantic.BaseModel):
    name: str


def test_structured_output():
    """A mapping answers a structured chat, and is validated like any answer."""
    with testing.use(answer={"name": "Team"}), Orchestrator(CONFIG) as llm:
        assert llm.chat("answer", "x", output=Plan).output == Plan(name="Team")


def test_nothing_else_is_sent():
    """A route without a script is refused instead of reaching for the network."""
    with testing.use(answer="x"), Orchestrator(CONFIG) as llm:
        with pytest.raises(RuntimeError, match="route 'search' has no script; scripted: answer"):
            llm.embed("search", "x")
