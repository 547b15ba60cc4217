"""Reads content blocks: the one set of mappings behind whole answers and streams."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from orchestrator.types.chat import FinishReason, Metadata, Part, Reasoning, Text, UnifiedFinish
from orchestrator_providers.anthropic.profile import KIND
from orchestrator_providers.shared.reading import text_of, tool_call
from orchestrator_providers.shared.schemas import OUTPUT_TOOL

__all__ = ["extra_fields", "finish_reason", "marks", "read_block"]

_FINISH: Mapping[str, UnifiedFinish] = {
    "end_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
}
_DIRECT_CALL = {"type": "direct"}


def finish_reason(raw: str, *, called_tools: bool) -> FinishReason:
    """`called_tools` is False when the only tool called was `OUTPUT_TOOL`, which is how such an answer stops."""
    unified = _FINISH.get(raw, "other")
    return FinishReason("stop" if unified == "tool_calls" and not called_tools else unified, raw)


def read_block(block: Mapping[str, Any]) -> Part:
    """One content block as a part.

    A block that has no part of its own (a server tool and its result, redacted thinking, a compaction, whatever comes
    next) becomes an empty `Reasoning` that holds the whole block in `provider_metadata["anthropic"]["block"]`: it keeps
    its place and travels back as it came. Extra fields of a known block, such as citations, become its marks.
    """
    kind = block["type"]
    if kind == "text":
        return Text(
            text_of(block["text"], "a text block"), provider_metadata=marks(extra_fields(block, "type", "text"))
        )
    if kind == "thinking":
        return Reasoning(
            text_of(block["thinking"], "a thinking block"),
            provider_metadata=marks(extra_fields(block, "type", "thinking")),
        )
    if kind == "tool_use":
        return _read_tool_use(block)
    return Reasoning("", provider_metadata={KIND: {"block": dict(block)}})


def _read_tool_use(block: Mapping[str, Any]) -> Part:
    arguments = block["input"]
    if block["name"] == OUTPUT_TOOL:
        return Text(arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode())
    known = ("type", "id", "name", "input", *(("caller",) if block.get("caller") == _DIRECT_CALL else ()))
    return tool_call(block["id"], block["name"], arguments, provider_metadata=marks(extra_fields(block, *known)))


def extra_fields(fields: Mapping[str, Any], *known: str) -> dict[str, Any]:
    """The fields that are not `known` and say something."""
    return {key: value for key, value in fields.items() if key not in known and value is not None and value != []}


def marks(extra: Mapping[str, Any]) -> Metadata | None:
    """`extra` as this vendor's metadata, None if there is nothing in it."""
    return {KIND: extra} if extra else None
