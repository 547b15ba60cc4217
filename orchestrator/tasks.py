"""What differs between chat, embed and rerank on the one path that all calls take."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from orchestrator.errors import ContentFiltered, MalformedReply
from orchestrator.policies.limits import Need
from orchestrator.policies.output import Expectation
from orchestrator.pricing.estimates import estimate_tokens
from orchestrator.sizing import PLAIN, Frame, chat_tokens, parts_tokens, texts_tokens
from orchestrator.types.call import Task
from orchestrator.types.chat import (
    ChatOptions,
    ChatReply,
    ChatRequest,
    ChatResult,
    Part,
    Text,
)
from orchestrator.types.retrieval import (
    EmbedOptions,
    EmbedReply,
    EmbedRequest,
    EmbedResult,
    RerankOptions,
    RerankReply,
    RerankRequest,
    RerankResult,
)
from orchestrator.types.usage import Usage

__all__ = ["TASKS", "TaskRules", "chat_usage_so_far", "expect", "merge"]

_PIECE_TOKENS = 500
_PIECES_PER_SEARCH = 100

_ASSUMED_OUTPUT = 1_000
"""Reserved for an answer whose length nobody bounded."""

OptionsT = TypeVar("OptionsT", ChatOptions, EmbedOptions, RerankOptions)


@dataclass(frozen=True, slots=True)
class TaskRules:
    """The differences, as functions. Those that count tokens are told what the model's family adds to the texts.

    Attributes:
        no_options: the options of a call that gives none.
        need: tokens that a request is expected to use.
        check: raises `MalformedReply` if a decoded answer cannot be one to this request.
        estimate: usage of an answer whose vendor did not count.
        unheard: usage of a request whose answer was not heard, or not understood, with what the vendor had counted.
        details: the fields of the reply beyond those all replies share.
        shape: `(items, dimensions, finish_reason)` for the log.
    """

    no_options: Any
    need: Callable[[Any, Frame], Need]
    check: Callable[[Any, Any], None]
    estimate: Callable[[Any, Any, Frame], Usage]
    unheard: Callable[[Any, Usage | None, Frame], Usage]
    reply: Callable[..., Any]
    details: Callable[[Any, Any], dict[str, Any]]
    shape: Callable[[Any, Any], tuple[int | None, int | None, str | None]]


def merge(call: OptionsT, defaults: OptionsT) -> OptionsT:
    """The call's options, and the defaults where it has none. Vendor options are merged by kind and key."""
    values: dict[str, Any] = {}
    for field in fields(call):
        own, other = getattr(call, field.name), getattr(defaults, field.name)
        if field.name == "provider_options" and own and other:
            own = {kind: {**other.get(kind, {}), **own.get(kind, {})} for kind in {**other, **own}}
        values[field.name] = other if own is None else own
    return type(call)(**values)


def _chat_need(request: ChatRequest, frame: Frame = PLAIN) -> Need:
    return Need(chat_tokens(request, frame), request.options.max_output_tokens or _ASSUMED_OUTPUT)


def _chat_usage(request: ChatRequest, result: ChatResult, frame: Frame) -> Usage:
    output = parts_tokens(result.message.parts)
    return Usage(input_tokens=chat_tokens(request, frame), output_tokens=output, source="estimate")


def chat_usage_so_far(
    request: ChatRequest, known: Usage | None, frame: Frame, parts: Sequence[Part] = (), *, counted: bool = False
) -> Usage:
    """Usage of an answer that broke off after these parts: the vendor's counts so far, completed by estimates.

    `counted`: the vendor had said why the answer ended, so that counts of both sides are of all of it, and its own.
    """
    known = known or Usage()
    if counted and known.total_tokens is not None:
        return known
    arrived = parts_tokens(parts)
    return replace(
        known,
        input_tokens=chat_tokens(request, frame) if known.input_tokens is None else known.input_tokens,
        output_tokens=max(arrived, known.output_tokens or 0),
        source="estimate",
    )


def _chat_details(result: ChatResult, call: Any) -> dict[str, Any]:
    return {
        "message": result.message,
        "finish_reason": result.finish_reason,
        "provider_metadata": result.provider_metadata,
        "output": call.output,
    }


def _embed_need(request: EmbedRequest, _frame: Frame = PLAIN) -> Need:
    return Need(texts_tokens(request.texts), 0)


def _embed_check(request: EmbedRequest, result: EmbedResult) -> None:
    vectors = result.vectors
    if len(vectors) != len(request.texts):
        raise MalformedReply(f"{len(vectors)} vectors came back for {len(request.texts)} texts")
    lengths = {len(vector) for vector in vectors}
    wanted = request.options.dimensions
    if len(lengths) != 1 or 0 in lengths or (wanted is not None and wanted not in lengths):
        raise MalformedReply(f"vectors of {sorted(lengths)} dimensions came back, expected {wanted or 'one length'}")


def _embed_details(result: EmbedResult, call: Any) -> dict[str, Any]:
    dimensions = len(result.vectors[0])
    return {
        "raw_vectors": result.vectors,
        "dimensions": dimensions,
        "space": f"{call.deployment.space}@{dimensions}",
    }


def _rerank_need(request: RerankRequest, _frame: Frame = PLAIN) -> Need:
    return Need(texts_tokens((request.query, *request.documents)), 0)


def _rerank_usage(request: RerankRequest, _answer: Any, _frame: Frame) -> Usage:
    """Tokens, and the units of those who bill reranking by the search: a query with up to 100 documents, longer ones
    counted piece by piece. Sources: Cohere's and Amazon Bedrock's price lists.
    """
    query = estimate_tokens(request.query)
    sizes = [query + estimate_tokens(document) for document in request.documents]
    pieces = sum([math.ceil(size / _PIECE_TOKENS) for size in sizes])
    return Usage(
        input_tokens=_rerank_need(request).input_tokens,
        search_units=math.ceil(pieces / _PIECES_PER_SEARCH),
        source="estimate",
    )


def _rerank_check(request: RerankRequest, result: RerankResult) -> None:
    indexes = [item.index for item in result.results]
    if len(set(indexes)) != len(indexes) or any(not 0 <= i < len(request.documents) for i in indexes):
        raise MalformedReply("the ranking names documents that were not sent, or one of them twice")


def _rerank_details(result: RerankResult, call: Any) -> dict[str, Any]:
    top_n = call.request.options.top_n
    ranked = sorted(result.results, key=lambda item: -item.score)
    return {"results": tuple(ranked[:top_n] if top_n else ranked)}


def _embed_usage(request: EmbedRequest, _answer: Any, _frame: Frame) -> Usage:
    return Usage(input_tokens=_embed_need(request).input_tokens, source="estimate")


TASKS: Mapping[Task, TaskRules] = {
    "chat": TaskRules(
        no_options=ChatOptions(),
        need=_chat_need,
        check=lambda _request, _result: None,
        estimate=_chat_usage,
        unheard=chat_usage_so_far,
        reply=ChatReply,
        details=_chat_details,
        shape=lambda _request, result: (None, None, result.finish_reason.unified),
    ),
    "embed": TaskRules(
        no_options=EmbedOptions(),
        need=_embed_need,
        check=_embed_check,
        estimate=_embed_usage,
        unheard=_embed_usage,
        reply=EmbedReply,
        details=_embed_details,
        shape=lambda request, result: (len(request.texts), len(result.vectors[0]), None),
    ),
    "rerank": TaskRules(
        no_options=RerankOptions(),
        need=_rerank_need,
        check=_rerank_check,
        estimate=_rerank_usage,
        unheard=_rerank_usage,
        reply=RerankReply,
        details=_rerank_details,
        shape=lambda request, _result: (len(request.documents), None, None),
    ),
}


def expect(expectation: Expectation | None, result: ChatResult) -> Any:
    """The validated structured output, None if none was asked for or the model called a tool instead.

    Raises:
        MalformedReply: it does not fit. `retryable` unless it was cut off at the output cap, where the same model with
            the same cap would do no better.
        ContentFiltered: there is none, because the model refused or a filter stepped in.
    """
    if expectation is None:
        return None
    try:
        return _read(expectation, result)
    except MalformedReply as error:
        misfit = error
    if result.message.tool_calls:
        return None  # what it says beside its calls is not the answer yet
    reason = result.finish_reason.unified
    if reason == "content_filter":
        raise ContentFiltered("the model refused to answer, or a filter kept its answer back")
    if reason == "length":
        raise MalformedReply("the answer was cut off at the cap on output tokens", retryable=False)
    raise misfit


def _read(expectation: Expectation, result: ChatResult) -> Any:
    texts = [part.text for part in result.message.parts if isinstance(part, Text)]
    try:
        return expectation.read("".join(texts))
    except MalformedReply as error:
        if len(texts) < 2:
            raise
        misfit = error
    try:
        return expectation.read(texts[-1])  # a model that must answer by a tool may say something before it
    except MalformedReply:
        raise misfit from None
