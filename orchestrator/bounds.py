"""The most that an attempt can cost."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from orchestrator.errors import InvalidRequest
from orchestrator.pricing.rates import Unpriced
from orchestrator.snapshot import Deployment
from orchestrator.types.chat import ChatRequest, Media, Part, Reasoning, Text, ToolCall, ToolResult
from orchestrator.types.retrieval import EmbedRequest, RerankRequest

__all__ = ["costs_nothing", "most_it_can_cost"]

_PER_MESSAGE = 64
_PER_TOOLS = 1_000
"""What vendors add to a request with tools: some hundred tokens."""

_IMAGE_TOKENS = 50_000
"""The dearest known count is gpt-4o-mini's: 2,833 and 5,667 for each of up to eight tiles."""

_UNIT_DOCUMENTS = 100
_DOCUMENT_TOKENS = 500
"""A search unit is one query over 100 documents; a longer document, with the query, counts as several."""

_CAPS = frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "num_predict"})
_CAPS |= {
    "maxTokens",
    "maxTokenCount",
    "max_tokens_to_sample",
    "max_new_tokens",
    "max_gen_len",
}  # Bedrock and its models
_LEAST_OUTPUT = 16
"""OpenAI's Responses take no smaller cap, so one that was meant for them is raised."""

_REMEMBERED = frozenset(["previous_response_id", "conversation", "prompt", "cachedContent", "cached_content"])
"""What the vendor has in store and reads too, however long it is."""

_COUNTS = frozenset(["n", "best_of", "candidateCount", "candidate_count", "numResults", "num_generations"])


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
    except InvalidRequest:
        if costs_nothing(deployment, at):
            return 0
        raise


def costs_nothing(deployment: Deployment, at: float) -> bool:
    """Whether its chats are free at a Unix time, however long they are."""
    try:
        return deployment.cost.ceiling(0, at).is_free
    except Unpriced:
        return False


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
    if request.options.provider_options:
        total += _given(deployment, request.options.provider_options)
    if request.tools or request.output is not None:
        total += _PER_TOOLS + 2 * _json_size(request.output)  # a schema may be sent as a tool and as an instruction
    return total, media


def _given(deployment: Deployment, options: Mapping[str, Any]) -> int:
    """Documents, tools or instructions in the vendor's own form, and what they refer to."""
    if not any(_named(options, _REMEMBERED)):
        return _json_size(options)
    return _json_size(options) + _all_of_it(deployment, "what the vendor remembers")


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
    if part.media_type.startswith("image/"):
        return min(_IMAGE_TOKENS, _context(deployment) or _IMAGE_TOKENS)
    return _all_of_it(deployment, "sound, film or pages")


def _context(deployment: Deployment) -> int | None:
    return deployment.known.max_input_tokens or deployment.known.context_tokens


def _all_of_it(deployment: Deployment, what: str) -> int:
    known = _context(deployment)
    if known is None:
        raise _unbounded(deployment, f"how much it can read of {what} is not known: set profile")
    return known


def _chat_output(deployment: Deployment, request: ChatRequest) -> int:
    options, known = request.options, deployment.known.max_output_tokens
    if options.reasoning_effort in deployment.known.uncapped_efforts:
        if known is None:
            raise _unbounded(deployment, "at this reasoning_effort it takes no cap: set profile.max_output_tokens")
        return known
    cap = max(options.max_output_tokens, _LEAST_OUTPUT) if options.max_output_tokens else known
    if cap and not options.provider_options:
        return cap
    given = options.provider_options or {}
    # Null and -1 lift a cap, and then only the model's own holds.
    caps = [_count(value) or known for value in _named(given, _CAPS)]
    if cap or not caps:
        caps.append(cap)
    bounds = [one for one in caps if one]
    if len(bounds) < len(caps):
        raise _unbounded(deployment, "the answer has no bound: give max_output_tokens")
    return max(bounds) * max([1, *(_count(value) or 1 for value in _named(given, _COUNTS))])


def _named(options: Mapping[str, Any], names: frozenset[str]) -> Iterator[Any]:
    """Settings of those names, at any depth; another kind's too, which does no harm."""
    for key, value in options.items():
        if key in names:
            yield value
        elif isinstance(value, Mapping):
            yield from _named(value, names)


def _count(value: object) -> int | None:
    """A number of one or more, rounded up."""
    return math.ceil(value) if isinstance(value, int | float) and 1 <= value < math.inf else None


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _json_size(value: Any) -> int:
    if not value:
        return 0
    try:
        return len(orjson.dumps(value, default=str))
    except TypeError:  # half a surrogate pair, a number of 30 digits: what is wrong with it is the wire's to say
        return len(json.dumps(value, default=str))


def _unbounded(deployment: Deployment, why: str) -> InvalidRequest:
    return InvalidRequest(
        f"not sent, because a budget must know the most it can cost: {why}",
        deployment=deployment.name,
        provider=deployment.provider,
    )
