"""Reads the parts of a candidate: the one set of mappings behind whole answers and streams."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

from orchestrator.types.chat import FinishReason, Media, Metadata, Part, Reasoning, Text, UnifiedFinish
from orchestrator_providers.shared.reading import label, text_of, tool_call
from orchestrator_providers.shared.schemas import OUTPUT_TOOL

__all__ = ["finish_reason", "is_plain", "made_up_id", "marks", "read_part"]

_FINISH: Mapping[str, UnifiedFinish] = {
    "BLOCKLIST": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "MALFORMED_RESPONSE": "error",
    "MAX_TOKENS": "length",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "MODEL_ARMOR": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "RECITATION": "content_filter",
    "SAFETY": "content_filter",
    "SPII": "content_filter",
    "STOP": "stop",
    "TOO_MANY_TOOL_CALLS": "error",
    "UNEXPECTED_TOOL_CALL": "error",
}
_URL_SAFE = str.maketrans("-_", "+/")


def finish_reason(raw: str, *, called_tools: bool) -> FinishReason:
    """The vendor stops with STOP whether it has answered or called tools."""
    unified = _FINISH.get(raw, "other")
    return FinishReason("tool_calls" if unified == "stop" and called_tools else unified, raw)


def is_plain(part: Mapping[str, Any]) -> bool:
    """Text or thought with nothing beside it. A stream cuts these anywhere, so neighbours of a kind are one part."""
    return "text" in part and part.keys() <= {"text", "thought"}


def marks(kind: str, fields: Mapping[str, Any]) -> Metadata | None:
    """`fields` as this vendor's metadata, None if there is nothing in it."""
    return {kind: fields} if fields else None


def read_part(part: Mapping[str, Any], kind: str, call_id: str) -> Part:
    """One part of the vendor's as a part of ours; `call_id` is for a tool call to which the vendor gave no id.

    A part that has none of its own (executed code and its result, a server tool, a drafted image, whatever comes next)
    becomes an empty `Reasoning` that holds it whole in `provider_metadata[kind]["part"]`: it keeps its place and
    travels back as it came. Extra fields of a known part, such as thought signatures, become its marks; thoughts are
    marked as this vendor's own.
    """
    if "text" in part:
        return _read_text(part, kind)
    if "functionCall" in part:
        return _read_call(part, kind, call_id)
    if not part.get("thought") and "inlineData" in part:
        return _read_data(part, kind)
    if not part.get("thought") and "fileData" in part:
        data = part["fileData"]
        extra = marks(kind, _besides(part, "fileData"))
        return Media(
            media_type=label(data.get("mimeType")) or "*/*",
            url=text_of(data["fileUri"], "an address"),
            provider_metadata=extra,
        )
    return Reasoning("", provider_metadata={kind: {"part": dict(part)}})


def _read_text(part: Mapping[str, Any], kind: str) -> Part:
    text = text_of(part["text"], "the text of a part")
    if part.get("thought"):
        return Reasoning(text, provider_metadata={kind: _besides(part, "text")})
    return Text(text, provider_metadata=marks(kind, _besides(part, "text", "thought")))


def _read_call(part: Mapping[str, Any], kind: str, call_id: str) -> Part:
    call = part["functionCall"]
    name, arguments = call.get("name"), call.get("args")
    if "partialArgs" in call or call.get("willContinue"):
        raise ValueError("arguments in pieces, which were not asked for")
    extra = marks(kind, _besides(part, "functionCall"))
    if name == OUTPUT_TOOL:
        return Text(orjson.dumps(arguments or {}).decode(), provider_metadata=extra)
    if arguments is not None and not isinstance(arguments, dict):
        arguments = orjson.dumps(arguments).decode()
    return tool_call(label(call.get("id")) or call_id, name, arguments or {}, provider_metadata=extra)


def _read_data(part: Mapping[str, Any], kind: str) -> Part:
    data = part["inlineData"]
    return Media(
        media_type=text_of(data["mimeType"], "a media type"),
        data=base64.b64decode(text_of(data["data"], "the data of a part").translate(_URL_SAFE), validate=True),
        filename=label(data.get("displayName")),
        provider_metadata=marks(kind, _besides(part, "inlineData")),
    )


def made_up_id(response_id: str | None, number: int, part: Mapping[str, Any]) -> str:
    """An id for a tool call that came without one: the same whenever the same reply is read, and of its own in a
    history, where other vendors demand that.
    """
    known = orjson.dumps([response_id, number, part.get("functionCall")])
    return f"call_{blake2b(known, digest_size=12).hexdigest()}"


def _besides(part: Mapping[str, Any], *known: str) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key not in known and value is not None}
