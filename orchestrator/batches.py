"""Embedding requests larger than a vendor takes: cut into several, and their answers put together again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from orchestrator.types.call import CallWarning
from orchestrator.types.retrieval import EmbedRequest, EmbedResult
from orchestrator.types.usage import Usage

__all__ = ["AT_ONCE", "batches", "in_turns", "joined"]

AT_ONCE = 4
"""Requests of one call that are under way together."""

AnswerT = TypeVar("AnswerT")

_COUNTS = tuple([field.name for field in fields(Usage) if field.name not in ("extras", "source", "raw")])


def batches(request: EmbedRequest, size: int) -> list[EmbedRequest]:
    """The request in pieces of at most `size` texts, in order."""
    texts = request.texts
    return [replace(request, texts=texts[at : at + size]) for at in range(0, len(texts), size)]


async def in_turns(
    requests: Sequence[EmbedRequest], send: Callable[[EmbedRequest], Awaitable[AnswerT]]
) -> list[AnswerT]:
    """All answers, in the order of the requests. The first failure ends the others."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(request: EmbedRequest) -> AnswerT:
        async with turns:
            return await send(request)

    tasks = [asyncio.ensure_future(one(request)) for request in requests]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def joined(results: Sequence[EmbedResult]) -> EmbedResult:
    """One result with the vectors of all, in order. Usage is the sum, unknown where one of them is."""
    first = results[0]
    warnings: dict[CallWarning, None] = dict.fromkeys([one for result in results for one in result.warnings])
    return EmbedResult(
        vectors=[vector for result in results for vector in result.vectors],
        usage=_usage([result.usage for result in results]),
        response_id=first.response_id,
        model=first.model,
        warnings=tuple(warnings),
    )


def _usage(parts: Sequence[Usage | None]) -> Usage | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    counts = {name: [getattr(part, name) for part in known] for name in _COUNTS}
    raws = [part.raw for part in known if part.raw is not None]
    extras = sum([Counter(part.extras) for part in known if part.extras], Counter[str]())
    return Usage(
        **{name: None if None in values else sum(values) for name, values in counts.items()},
        extras=dict(extras) or None,
        source="estimate" if any(part.source == "estimate" for part in known) else "vendor",
        raw=_summed(raws) if raws else None,
    )


def _summed(values: Sequence[Any]) -> Any:
    """The vendor's own counts, added up wherever they stand; what is no number is the first one's."""
    first = values[0]
    if isinstance(first, Mapping):
        return {key: _summed([value[key] for value in values if key in value]) for key in first}
    if isinstance(first, int | float) and not isinstance(first, bool):
        return sum(value for value in values if isinstance(value, int | float))
    return first
