"""The demo's application: asks at a steady rate, whatever the vendors do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from orchestrator import AsyncOrchestrator, OrchestratorError, StreamInterrupted
from orchestrator.cli.demo.questions import DOCUMENTS, Question

__all__ = ["Traffic"]

_MOST_ASKS = 3
_LATEST_S = 0.25


class Traffic:
    """Counts what became of the questions.

    Attributes:
        asked, answered: questions.
        failures: errors of the questions that got no answer.
        broken: streams that broke off in mid-answer; the question was asked again.
        in_flight: questions that are being answered now.
    """

    def __init__(self, llm: AsyncOrchestrator, questions: Iterator[Question], ended: Callable[[], None]) -> None:
        self._llm = llm
        self._questions = questions
        self._ended = ended
        self.asked = 0
        self.answered = 0
        self.broken = 0
        self.in_flight = 0
        self.failures: list[OrchestratorError] = []

    @property
    def ended(self) -> int:
        """Questions that are over, one way or the other."""
        return self.asked - self.in_flight

    async def flow(self, per_s: float, over: asyncio.Event) -> None:
        """Ask until it is over; returns when the last question has its answer."""
        clock = asyncio.get_running_loop().time
        due = clock()
        async with asyncio.TaskGroup() as group:
            while not over.is_set():
                group.create_task(self._ask(next(self._questions)))
                due = max(due + 1 / per_s, clock() - _LATEST_S)  # after a hold-up, no flood
                await asyncio.sleep(max(0.0, due - clock()))

    async def _ask(self, question: Question) -> None:
        self.asked += 1
        self.in_flight += 1
        try:
            answered = await self._answer(question)
        except OrchestratorError as error:
            self.failures.append(error)
        else:
            self.answered += answered
        finally:
            self.in_flight -= 1
            self._ended()

    async def _answer(self, question: Question) -> bool:
        """Whether there was something in the answer."""
        llm, tenant, user, tags = self._llm, question.tenant, question.user, {"feature": question.feature}
        match question.kind:
            case "chat":
                reply = await llm.chat("answer", question.messages, tenant=tenant, user=user, tags=tags)
                return bool(reply.text)
            case "stream":
                return await self._stream(question)
            case "embed":
                found = await llm.embed("search", question.text, tenant=tenant, user=user, tags=tags)
                return len(found.vectors) == 1
            case "rerank":
                ranked = await llm.rerank(
                    "rank", query=question.text, documents=DOCUMENTS, tenant=tenant, user=user, tags=tags
                )
                return bool(ranked.results)

    async def _stream(self, question: Question) -> bool:
        """What has been shown to a reader cannot be taken back, so asking again is the application's choice."""
        for ask in range(_MOST_ASKS):
            try:
                return await self._stream_once(question)
            except StreamInterrupted:
                self.broken += 1
                if ask == _MOST_ASKS - 1:
                    raise
        return False

    async def _stream_once(self, question: Question) -> bool:
        tags = {"feature": question.feature}
        async with self._llm.stream(
            "answer", question.messages, tenant=question.tenant, user=question.user, tags=tags
        ) as stream:
            text = "".join([piece async for piece in stream.text])
        return bool(text)
