"""Writes request bodies, and the pieces that several wires write alike."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import orjson

from orchestrator.errors import InvalidRequest
from orchestrator.types.chat import Media, Tool, ToolCall

__all__ = ["arguments_text", "data_url", "function_tool", "write_json"]


def write_json(body: Mapping[str, Any]) -> bytes:
    """The body's bytes.

    Raises:
        InvalidRequest: something in it is not JSON, such as an object in `provider_options` or a lone surrogate.
    """
    try:
        return orjson.dumps(body, default=_plain)
    except orjson.JSONEncodeError as error:
        raise InvalidRequest(f"the request cannot be written as JSON: {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError


def data_url(media: Media) -> str:
    """Media that are bytes, as a `data:` URL."""
    return f"data:{media.media_type};base64,{base64.b64encode(media.data or b'').decode()}"


def arguments_text(call: ToolCall) -> str:
    """A call's arguments as JSON text: as the model wrote it, where that is not valid."""
    return call.invalid_arguments or write_json(call.arguments).decode()


def function_tool(tool: Tool, *, strict: bool = True) -> dict[str, Any]:
    """A tool as OpenAI's chat API and those like it define one; `strict`: the vendor knows that field."""
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    if strict and tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}
