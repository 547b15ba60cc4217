"""Reads content blocks of Converse: the one set of mappings behind whole answers and streams."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import orjson

from orchestrator.types.chat import FinishReason, Media, Metadata, Part, Reasoning, Text, UnifiedFinish
from orchestrator_providers.bedrock.profile import KIND
from orchestrator_providers.shared.reading import required, text_of, tool_call
from orchestrator_providers.shared.schemas import OUTPUT_TOOL

__all__ = ["extra_fields", "finish_reason", "marks", "read_block"]

_FINISH: Mapping[str, UnifiedFinish] = {
    "content_filtered": "content_filter",
    "end_turn": "stop",
    "guardrail_intervened": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
}


def finish_reason(raw: str, *, called_tools: bool) -> FinishReason:
    """`called_tools` is False when the only tool called was `OUTPUT_TOOL`, which is how such an answer stops."""
    unified = _FINISH.get(raw, "other")
    return FinishReason("stop" if unified == "tool_calls" and not called_tools else unified, raw)


def read_block(block: Mapping[str, Any]) -> Part:
    """One content block as a part.

    A block that has no part of its own (a tool that the vendor runs and its result, whatever comes next) becomes an
    empty `Reasoning` that holds the whole block in `provider_metadata["bedrock"]["block"]`: it keeps its place and
    travels back as it came.
    """
    if "text" in block:
        return Text(text_of(block["text"], "a text block"))
    if "toolUse" in block and block["toolUse"].get("type") in (None, "tool_use"):
        return _read_tool_use(block["toolUse"])
    if "reasoningContent" in block:
        return _read_reasoning(block["reasoningContent"])
    if "citationsContent" in block:
        return _read_cited(block["citationsContent"])
    if "bytes" in block.get("image", {}).get("source", {}):
        return _read_image(block["image"])
    return Reasoning("", provider_metadata={KIND: {"block": dict(block)}})


def _read_tool_use(call: Mapping[str, Any]) -> Part:
    arguments = call["input"]
    if call["name"] == OUTPUT_TOOL:
        return Text(arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode())
    return tool_call(call["toolUseId"], call["name"], arguments)


def _read_reasoning(content: Mapping[str, Any]) -> Part:
    thought = content.get("reasoningText")
    if thought is None:
        return Reasoning("", provider_metadata=marks(extra_fields(content)))
    return Reasoning(text_of(thought["text"], "reasoning"), provider_metadata=marks(extra_fields(thought, "text")))


def _read_cited(content: Mapping[str, Any]) -> Part:
    text = "".join([text_of(piece["text"], "cited text") for piece in content["content"]])
    return Text(text, provider_metadata=marks({"citations": content["citations"]}))


def _read_image(image: Mapping[str, Any]) -> Part:
    data = base64.b64decode(image["source"]["bytes"], validate=True)
    return Media(media_type=f"image/{required(image['format'], 'the format of an image')}", data=data)


def extra_fields(fields: Mapping[str, Any], *known: str) -> dict[str, Any]:
    """The fields that are not `known` and say something."""
    return {key: value for key, value in fields.items() if key not in known and value is not None}


def marks(extra: Mapping[str, Any]) -> Metadata | None:
    """`extra` as this vendor's metadata, None if there is nothing in it."""
    return {KIND: extra} if extra else None
