"""The public API as a user writes it: checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_type

from pydantic import BaseModel

import orchestrator
from orchestrator import (
    AsyncOrchestrator,
    ChatReply,
    Config,
    EmbedReply,
    Message,
    Orchestrator,
    OrchestratorError,
    RerankReply,
    StreamInterrupted,
    Text,
    TextDelta,
    Tool,
    testing,
)


class Invoice(BaseModel):
    number: str


def blocking() -> None:
    with Orchestrator.from_file("orchestrator.yaml") as llm:
        reply = llm.chat("answer", "hi", tenant="acme", tags={"feature": "faq"}, deadline=20)
        assert_type(reply, ChatReply[None])
        assert_type(reply.text, str)
        assert_type(llm.config, Config)
        typed = llm.chat("answer", [Message("user", (Text("hi"),))], output=Invoice)
        assert_type(typed.output, Invoice)
        loose = llm.chat("answer", [{"role": "user", "content": "hi"}], output={"type": "object"})
        assert_type(loose, ChatReply[Any])
        with llm.stream("answer", "hi", output=Invoice) as stream:
            for event in stream:
                if isinstance(event, TextDelta):
                    assert_type(event.text, str)
        assert_type(stream.reply, ChatReply[Invoice])
        assert_type(llm.embed("search", ["a"]), EmbedReply)
        assert_type(llm.embed("search", "a", dimensions=256).vectors, list[list[float]])
        ranked = llm.rerank("rank", query="q", documents=["a"], top_n=1)
        assert_type(ranked, RerankReply)
        assert_type([(item.index, item.score) for item in ranked.results], list[tuple[int, float]])
        llm.chat("answer", "hi", tools=[Tool(name="f", parameters={"type": "object"})], tool_choice="required")


async def asyncio_twin(config: Mapping[str, Any]) -> None:
    async with AsyncOrchestrator(config) as llm:
        with orchestrator.context(tenant="acme", deadline=5):
            assert_type(await llm.chat("answer", "hi", output=Invoice), ChatReply[Invoice])
        async with llm.stream("answer", "hi") as stream:
            async for text in stream.text:
                assert_type(text, str)


def errors(llm: Orchestrator) -> float | None:
    try:
        llm.chat("answer", "hi")
    except StreamInterrupted as error:
        assert_type(error.text, str)
    except OrchestratorError as error:
        return error.retry_after
    return None


def application_test() -> None:
    with testing.use(answer="yes") as calls:
        assert_type(calls[0].route, str)
