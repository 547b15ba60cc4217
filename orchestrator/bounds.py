"""The most that an attempt can cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from orchestrator.errors import InvalidRequest
from orchestrator.pricing.rates import Unpriced
from orchestrator.snapshot import Deployment
from orchestrator.types.chat import ChatRequest, Media, Part, Reasoning, Text, ToolCall, ToolResult
from orchestrator.types.retrieval import EmbedRequest, RerankRequest

__all__ = ["most_it_can_cost"]

_PER_MESSAGE = 64
_PER_TOOLS = 1_000
"""What vendors add to a request with tools: some hundred tokens."""

_IMAGE_TOKENS = 50_000
"""The dearest known count is gpt-4o-mini's: 2,833 and 5,667 for each of up to eight tiles."""

_UNIT_DOCUMENTS = 100
_DOCUMENT_TOKENS = 500
"""A search unit is one query over 100 documents; a longer document, with the query, counts as several."""

_CAPS = frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "num_predict"})
_COUNTS = frozenset({"n", "candidateCount", "candidate_count", "best_of"})


def most_it_can_cost(deployment: Deployment, request: Any, at: float) -> int:
    """Nano-dollars, at a Unix time, at the dearest prices that the deployment's row has for such a request.

    Raises:
        InvalidRequest: there is no bound, because the price or the length of the answer has none.
    """
    try:
        if isinstance(request, ChatRequest):
            read, media = _chat_input(deployment, request)
            written = _chat_output(deployment, request)
            return deployment.cost.ceiling(read, at).nano_dollars(read, written, media=media)
        if isinstance(request, EmbedRequest):
            read = sum(_size(text) + _PER_MESSAGE for text in request.texts)
            return deployment.cost.ceiling(read, at).nano_dollars(read)
        read = _size(request.query) * len(request.documents) + sum(map(_size, request.documents))
        return deployment.cost.ceiling(read, at).nano_dollars(read, search_units=_search_units(request))
    except Unpriced as reason:
        raise _unbounded(deployment, f"the price of the deployment is not known: {reason}") from None


def _search_units(request: RerankRequest) -> int:
    room = max(_DOCUMENT_TOKENS - _size(request.query), 100)
    return math.ceil(sum(1 + _size(text) // room for text in request.documents) / _UNIT_DOCUMENTS)


def _chat_input(deployment: Deployment, request: ChatRequest) -> tuple[int, bool]:
    """Tokens at most, and whether there is anything but text among them."""
    total, media = deployment.frame.request + _PER_MESSAGE * (len(request.messages) + 1), False
    for message in request.messages:
        for part in message.parts:
            if type(part) is Text and not part.provider_metadata:
                text = part.text
                total += len(text) if text.isascii() else _size(text)
            else:
                total += _part(deployment, part)
                media = media or _has_media(part)
    for tool in request.tools:
        total += _size(tool.name) + _size(tool.description) + _json_size(dict(tool.parameters)) + _PER_MESSAGE
    if request.tools or request.output is not None:
        total += _PER_TOOLS + 2 * _json_size(request.output)  # a schema may be sent as a tool and as an instruction
    return total, media


def _has_media(part: Part) -> bool:
    if isinstance(part, ToolResult) and not isinstance(part.content, str):
        return any(map(_has_media, part.content))
    return isinstance(part, Media)


def _part(deployment: Deployment, part: Part) -> int:
    match part:
        case Text() | Reasoning():
            return _size(part.text) + (_json_size(part.provider_metadata) if part.provider_metadata else 0)
        case ToolCall():
            return _PER_MESSAGE + _size(part.name) + _json_size(part.arguments) + _json_size(part.provider_metadata)
        case ToolResult():
            inner = (Text(part.content),) if isinstance(part.content, str) else part.content
            return _PER_MESSAGE + sum(_part(deployment, one) for one in inner)
        case Media():
            return _media(deployment, part)


def _media(deployment: Deployment, part: Media) -> int:
    known = deployment.known.max_input_tokens or deployment.known.context_tokens
    if part.media_type.startswith("image/"):
        return min(_IMAGE_TOKENS, known or _IMAGE_TOKENS)
    if known is None:
        raise _unbounded(deployment, "how much it can read of sound, film or pages is not known: set profile")
    return known


def _chat_output(deployment: Deployment, request: ChatRequest) -> int:
    cap = request.options.max_output_tokens or deployment.known.max_output_tokens
    if cap and not request.options.provider_options:
        return cap
    given = dict(_numbers(request.options.provider_options or {}))
    caps = [*([cap] if cap else []), *(value for key, value in given.items() if key in _CAPS)]
    if not caps:
        raise _unbounded(deployment, "the answer has no bound: give max_output_tokens")
    return math.prod([max(caps), *(max(value, 1) for key, value in given.items() if key in _COUNTS)])


def _numbers(options: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for key, value in options.items():
        if isinstance(value, Mapping):
            yield from _numbers(value)
        elif isinstance(value, int) and key in _CAPS | _COUNTS:
            yield key, value


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _json_size(value: Any) -> int:
    return len(orjson.dumps(value, default=str)) if value else 0


def _unbounded(deployment: Deployment, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"not sent, because a budget must know the most it can cost: {why}",
        deployment=deployment.name,
        provider=deployment.provider,
    )
