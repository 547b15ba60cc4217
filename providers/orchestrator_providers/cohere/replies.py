"""Reads chat replies: the one set of mappings behind whole answers and streams, v2 and v1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.errors import MalformedReply
from orchestrator.types.chat import (
    ChatResult,
    FinishReason,
    Message,
    Metadata,
    Part,
    Reasoning,
    Text,
    ToolCall,
    UnifiedFinish,
)
from orchestrator_providers.cohere.errors import failed_generation
from orchestrator_providers.cohere.profile import KIND
from orchestrator_providers.cohere.usage import read_chat_usage
from orchestrator_providers.shared.reading import label, text_of, tool_call
from orchestrator_providers.shared.schemas import OUTPUT_TOOL

__all__ = ["finish_reason", "read_block", "read_call", "read_chat", "reply_metadata", "tool_plan"]

_FINISH: Mapping[str, UnifiedFinish] = {
    "COMPLETE": "stop",
    "ERROR_LIMIT": "length",
    "ERROR_TOXIC": "content_filter",
    "MAX_TOKENS": "length",
    "STOP_SEQUENCE": "stop",
    "TOOL_CALL": "tool_calls",
}
_FAILED = frozenset({"ERROR", "TIMEOUT"})


def finish_reason(raw: Any, response_id: str | None, *, called_tools: bool = True) -> FinishReason:
    """The reason in our words. `called_tools` is False if the one tool called gives the answer.

    Raises:
        MalformedReply: there is none.
        ServerError: the reason is that the vendor failed.
    """
    if not isinstance(raw, str) or not raw:
        raise MalformedReply("the reply has no finish reason")
    if raw in _FAILED:
        raise failed_generation(raw, response_id)
    unified = _FINISH.get(raw, "other")
    return FinishReason("stop" if unified == "tool_calls" and not called_tools else unified, raw)


def read_block(block: Mapping[str, Any]) -> Part:
    """A content block. One without a part of its own keeps its place as an empty `Reasoning` that holds it whole."""
    kind = block["type"]
    if kind == "text":
        return Text(text_of(block["text"], "a text block"))
    if kind == "thinking":
        return Reasoning(text_of(block["thinking"], "a thinking block"))
    return Reasoning("", provider_metadata={KIND: {"block": dict(block)}})


def tool_plan(text: str) -> Reasoning:
    """What the model said about the calls to come: no part of the answer, and sent back with them."""
    return Reasoning("", provider_metadata={KIND: {"tool_plan": text}})


def read_call(call: Mapping[str, Any], number: int) -> ToolCall | Text:
    """A tool call of v2 (`function`), or of v1, whose calls have `parameters` and no id. The call that stands in for an
    output schema is the answer's text.
    """
    function = call.get("function") or call
    arguments = function.get("arguments", function.get("parameters"))
    if function["name"] == OUTPUT_TOOL:
        return Text(text_of(arguments, "the answer"))
    if arguments == "null":
        arguments = ""  # what the vendor writes for a tool without parameters
    return tool_call(call.get("id") or f"call_{number}", function["name"], arguments)


def reply_metadata(citations: Iterable[Any]) -> Metadata | None:
    """Citations as this vendor's metadata."""
    found = list(citations)
    return {KIND: {"citations": found}} if found else None


def read_chat(body: Mapping[str, Any]) -> ChatResult:
    """A whole answer of v2, or of v1, whose text stands at the top."""
    message = body.get("message")
    response_id = label(body.get("id")) or label(body.get("response_id"))
    source = body if message is None else message
    parts = tuple(_parts(source))
    called = not source.get("tool_calls") or any(isinstance(part, ToolCall) for part in parts)
    return ChatResult(
        message=Message("assistant", parts),
        finish_reason=finish_reason(body.get("finish_reason"), response_id, called_tools=called),
        usage=read_chat_usage(body.get("usage") or body.get("meta")),
        response_id=response_id,
        provider_metadata=reply_metadata(source.get("citations") or ()),
    )


def _parts(message: Mapping[str, Any]) -> Iterable[Part]:
    if plan := message.get("tool_plan"):
        yield tool_plan(plan)
    content = message.get("content", message.get("text")) or ()
    if isinstance(content, str):
        yield Text(content)
    else:
        yield from [read_block(block) for block in content]
    yield from [read_call(call, number) for number, call in enumerate(message.get("tool_calls") or ())]
