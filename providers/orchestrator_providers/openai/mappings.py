"""What a message of this wire means in our words. Whole replies and streams both read through these functions."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from orchestrator.errors import MalformedReply, Overloaded, ServerError
from orchestrator.spec.provider import Decoded
from orchestrator.types.chat import FinishReason, Media, Metadata, UnifiedFinish
from orchestrator.types.stream import ResponseMetadata
from orchestrator_providers.openai.profile import Quirks
from orchestrator_providers.shared.reading import label, mapping

__all__ = [
    "argument_text",
    "extras",
    "finish",
    "identify",
    "image",
    "merge_details",
    "reasoning_marks",
    "reasoning_text",
    "split",
]

_FINISH: Mapping[str, UnifiedFinish] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
}
_FAILED = frozenset({"error", "network_error"})
_NO_CAPACITY = "insufficient_system_resource"
_REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_text")
_EXTRAS = (
    "citations",
    "content_filter_results",
    "prompt_filter_results",
    "provider",
    "search_results",
    "service_tier",
)
_NOTED = frozenset({*_EXTRAS, "annotations"})


def identify(known: ResponseMetadata, chunk: Mapping[str, Any], events: Decoded) -> ResponseMetadata:
    """What is known of an answer's id and model after this chunk; goes to the end of `events` where that is more."""
    if known.response_id and known.model:
        return known
    found = ResponseMetadata(
        response_id=known.response_id or label(chunk.get("id")), model=known.model or label(chunk.get("model"))
    )
    if found != known:
        events.append(found)
    return found


def finish(raw: Any, *, calls: bool, refused: bool, details: Any = None, answered: bool = False) -> FinishReason:
    """Why the model stopped. A forced tool call ends with `stop` at many vendors; the caller has a call to answer.

    `answered`: the answer came by way of a call, which is none to the caller.

    Raises:
        ServerError, Overloaded: the vendor says that it failed.
        MalformedReply: the reason is no text.
    """
    if raw is not None and not isinstance(raw, str):
        raise MalformedReply("the finish reason is no text")
    if raw in _FAILED:
        raise ServerError("the vendor failed while it answered", vendor_code=raw, maybe_billed=True)
    if raw == _NO_CAPACITY:
        raise Overloaded("the vendor ran out of capacity while it answered", vendor_code=raw, maybe_billed=True)
    # `finish_details` is what early vision models sent in place of a reason.
    unified = _FINISH.get(raw or mapping(details).get("type") or "stop", "other")
    if refused:
        unified = "content_filter"
    elif calls and unified == "stop":
        unified = "tool_calls"
    elif answered and not calls and unified == "tool_calls":
        unified = "stop"
    return FinishReason(unified, raw)


def split(content: Any) -> tuple[str, str]:
    """Text and reasoning of a `content`: a string, nothing, a list of parts, or the object that JSON modes answer."""
    if isinstance(content, str):
        return content, ""
    if isinstance(content, dict):
        return json.dumps(content, ensure_ascii=False), ""
    parts = [part for part in content or () if isinstance(part, dict)]
    text = "".join([_string(part.get("text")) for part in parts if part.get("type") != "thinking"])
    return text, "".join([_thinking(part.get("thinking")) for part in parts])


def _thinking(value: Any) -> str:
    return value if isinstance(value, str) else "".join([_string(mapping(part).get("text")) for part in value or ()])


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


def reasoning_text(message: Mapping[str, Any]) -> tuple[str, str]:
    """The reasoning a message or delta shows, and the name of the field that it is in."""
    for name in _REASONING_FIELDS:
        value = message.get(name)
        if value and isinstance(value, str):
            return value, name
    return "", ""


def reasoning_marks(kind: str, quirks: Quirks, name: str, details: list[dict[str, Any]]) -> Metadata | None:
    """What has to travel with reasoning, so that the vendor gets it back in the form in which it sent it."""
    if quirks.returns_reasoning == "details" and details:
        return {kind: {"reasoning_details": details}}
    if quirks.returns_reasoning == "text" and name:
        return {kind: {"field": name}}
    return None


def merge_details(details: list[dict[str, Any]], pieces: Any) -> None:
    """Add reasoning details as they stream: text goes on where the last detail of the same place ends."""
    for piece in pieces or ():
        last = details[-1] if details else {}
        if piece.get("type") == "reasoning.encrypted" or any(
            last.get(name) != piece.get(name) for name in ("type", "index")
        ):
            details.append(dict(piece))
        else:
            _extend(last, piece)


def _extend(detail: dict[str, Any], piece: Mapping[str, Any]) -> None:
    for name, value in piece.items():
        if name in {"text", "summary"} and isinstance(value, str):
            detail[name] = (detail.get(name) or "") + value
        elif value is not None:
            detail[name] = value


def image(part: Any) -> Media | None:
    """An image that the model made: `{"image_url": {"url": ...}}` with a data URL or an address."""
    url = mapping(mapping(part).get("image_url")).get("url")
    if not isinstance(url, str):
        return None
    head, comma, data = url.partition(",")
    if not (comma and head.startswith("data:")):
        return Media(media_type="image/*", url=url)
    try:
        content = base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise MalformedReply("an image of the reply is not valid base64") from error
    return Media(media_type=head[5:].partition(";")[0] or "image/*", data=content)


def argument_text(arguments: Any) -> str:
    """Tool arguments as JSON text; some vendors send the object itself."""
    return arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode() if arguments else ""


def extras(kind: str, sources: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """What else the vendor says that a caller may need, keyed by kind: citations, service tier, who really served."""
    found: dict[str, Any] = {}
    for source in sources:
        if _NOTED.isdisjoint(source):
            continue
        for name in _EXTRAS:
            if source.get(name):
                found[name] = source[name]
        if source.get("annotations"):
            found["annotations"] = [*found.get("annotations", ()), *source["annotations"]]
    return {kind: found} if found else None
