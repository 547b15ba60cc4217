"""Keyword arguments of the public calls, typed once for the blocking and the asyncio client, and read once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

from orchestrator.ambient import checked_deadline, current, merged, traced
from orchestrator.errors import ConfigError, InvalidRequest
from orchestrator.mistaken import KEYWORDS
from orchestrator.policies import validate
from orchestrator.policies.options import (
    check_chat_options,
    check_embed_options,
    check_rerank_options,
    stop_texts,
)
from orchestrator.policies.output import Expectation, expectation
from orchestrator.policies.validate import MessageInput
from orchestrator.registry import find
from orchestrator.spec.events import CallContext
from orchestrator.types.chat import ChatOptions, ChatRequest, ReasoningEffort, Tool, ToolChoice
from orchestrator.types.retrieval import EmbedOptions, EmbedRequest, InputType, RerankOptions, RerankRequest

__all__ = [
    "CallArguments",
    "ChatArguments",
    "EmbedArguments",
    "Priority",
    "RerankArguments",
    "call_context",
    "chat_request",
    "embed_request",
    "rerank_request",
]


Priority = Literal["high", "normal", "low"]


class CallArguments(TypedDict, total=False):
    """Of every call: `deadline` in seconds; `tenant`, `user` and `tags` for the log only.

    `priority` matters while calls wait for limits: higher ones first, among equals the earlier deadline.
    """

    deadline: float
    priority: Priority
    tenant: str
    user: str
    tags: Mapping[str, str]


class ChatArguments(CallArguments, total=False):
    """Of `chat` and `stream`; those of `orchestrator.types.ChatOptions`, and tools."""

    tools: Sequence[Tool | Mapping[str, Any]]
    tool_choice: ToolChoice
    parallel_tool_calls: bool
    temperature: float
    top_p: float
    max_output_tokens: int
    stop: str | Sequence[str]
    seed: int
    reasoning_effort: ReasoningEffort
    provider_options: Mapping[str, Mapping[str, Any]]


class EmbedArguments(CallArguments, total=False):
    """Of `embed`; those of `orchestrator.types.EmbedOptions`."""

    dimensions: int
    input_type: InputType
    provider_options: Mapping[str, Mapping[str, Any]]


class RerankArguments(CallArguments, total=False):
    """Of `rerank`; those of `orchestrator.types.RerankOptions`."""

    top_n: int
    provider_options: Mapping[str, Mapping[str, Any]]


_PRIORITIES: Mapping[str, int] = {"high": -1, "normal": 0, "low": 1}

_NO_CHAT_OPTIONS = ChatOptions()
_NO_EMBED_OPTIONS = EmbedOptions()
_NO_RERANK_OPTIONS = RerankOptions()


def call_context(given: dict[str, Any]) -> tuple[CallContext, float | None, int]:
    """Who calls, the seconds this call may take if it or its surroundings say so, and its place in lines (lower first).

    Takes its keys out of `given`.
    """
    ambient = current()
    context, time_s, priority = ambient.call, None, 0
    if given:
        context = merged(
            context, tenant=given.pop("tenant", None), user=given.pop("user", None), tags=given.pop("tags", None)
        )
        deadline = given.pop("deadline", None)
        if deadline is not None:
            time_s = checked_deadline(deadline)
        priority = _priority(given.pop("priority", "normal"))
    if ambient.until is not None:
        left_s = max(ambient.until - time.monotonic(), 0.0)
        time_s = left_s if time_s is None else min(left_s, time_s)
    return traced(context), time_s, priority


def _priority(given: Any) -> int:
    if given not in _PRIORITIES:
        raise InvalidRequest(f"priority: expected one of {', '.join(_PRIORITIES)}")
    return _PRIORITIES[given]


def chat_request(messages: MessageInput, output: Any, given: dict[str, Any]) -> tuple[ChatRequest, Expectation | None]:
    """A checked chat. Raises `InvalidRequest`, or TypeError for a keyword that does not exist."""
    history = validate.messages(messages)
    if not given and output is None:
        return ChatRequest(messages=history, options=_NO_CHAT_OPTIONS), None
    tools = validate.tools(given.pop("tools", None))
    stop = given.pop("stop", None)
    if stop is not None:
        given["stop"] = stop_texts(stop)
    options = _options(ChatOptions, _NO_CHAT_OPTIONS, "chat", given)
    check_chat_options(options, [tool.name for tool in tools])
    _check_kinds(options.provider_options)
    expected = expectation(output) if output is not None else None
    schema = expected.schema if expected else None
    return ChatRequest(messages=history, options=options, tools=tools, output=schema), expected


def _check_kinds(vendor_options: Mapping[str, Any] | None) -> None:
    """Kinds that no route reaches are fine: a program may be ready for several. One that does not exist is a typo."""
    for kind in vendor_options or ():
        try:
            find(kind)
        except ConfigError as error:
            raise InvalidRequest(f"provider_options: {error.message}") from None


def embed_request(texts: str | Sequence[str], given: dict[str, Any]) -> EmbedRequest:
    """A checked embedding request."""
    found = validate.texts("texts", texts)
    options = _options(EmbedOptions, _NO_EMBED_OPTIONS, "embed", given)
    check_embed_options(options)
    return EmbedRequest(texts=found, options=options)


def rerank_request(query: str, documents: Sequence[str], given: dict[str, Any]) -> RerankRequest:
    """A checked rerank request."""
    if not isinstance(query, str) or not query:
        raise InvalidRequest("query: expected a text that is not empty")
    if isinstance(documents, str):
        raise InvalidRequest("documents: expected a list of texts, found one text alone")
    found = validate.texts("documents", documents)
    options = _options(RerankOptions, _NO_RERANK_OPTIONS, "rerank", given)
    check_rerank_options(options)
    return RerankRequest(query=query, documents=found, options=options)


def _options(kind: Any, empty: Any, call: str, given: dict[str, Any]) -> Any:
    if not given:
        return empty
    unknown = [name for name in given if name not in kind.__slots__]
    if unknown:
        from difflib import get_close_matches  # noqa: PLC0415

        of_chat = ("tools", "output") if kind is ChatOptions else ()
        known = [*kind.__slots__, *of_chat, *CallArguments.__annotations__]
        near = get_close_matches(unknown[0], known, n=1)
        told = KEYWORDS.get(unknown[0], f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}")
        hint = "it is an option of chat" if unknown[0] in ChatOptions.__slots__ else told
        raise TypeError(f"{call}() got an unexpected keyword argument {unknown[0]!r}; {hint}")
    return kind(**given)
