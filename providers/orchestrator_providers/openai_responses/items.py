"""Reads output items: the one set of mappings behind whole answers and streams."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.errors import MalformedReply
from orchestrator.types.chat import FinishReason, Media, Metadata, Part, Reasoning, Text, ToolCall, UnifiedFinish
from orchestrator_providers.shared.reading import label, mapping, required, text_of, tool_call
from orchestrator_providers.shared.schemas import OUTPUT_TOOL

__all__ = [
    "extras",
    "finish_reason",
    "read_call",
    "read_image",
    "read_item",
    "read_message",
    "reasoning_text",
    "refuses",
]

_INCOMPLETE: Mapping[str, UnifiedFinish] = {
    "content_filter": "content_filter",
    "max_output_tokens": "length",
    "max_tokens": "length",
}
_COMPLETE = frozenset({"completed", "complete"})
_TEXT_FIELDS = {"output_text": "text", "refusal": "refusal"}
_EXTRAS = ("content_filters", "copilot_usage", "incomplete_details", "moderation", "service_tier")
# Events of a stream carry these beside an item; one vendor's whole answers hold them inside.
_NOT_OF_THE_CALL = frozenset({"type", "call_id", "name", "arguments", "item_id", "output_index"})


def finish_reason(body: Mapping[str, Any], *, calls: bool, refused: bool) -> FinishReason:
    """Why the model stopped.

    Raises:
        MalformedReply: the response has not ended, as one that is made in the background.
    """
    status = body["status"]
    if status in _COMPLETE:
        return FinishReason("content_filter" if refused else "tool_calls" if calls else "stop", status)
    if status == "incomplete":
        reason = mapping(body.get("incomplete_details")).get("reason")
        return FinishReason(_INCOMPLETE.get(reason or "", "other"), status)
    raise MalformedReply("the response has not ended", vendor_code=label(status), retryable=False, maybe_billed=True)


def read_item(item: Mapping[str, Any], kind: str, number: int) -> Iterator[Part]:
    """The parts of one output item, the `number`th of its response.

    An item that has no part of its own (a search, a program run by the vendor, whatever comes next) becomes an empty
    `Reasoning` that holds the whole item in `provider_metadata[kind]["item"]`: it keeps its place and travels back as
    it came. So do reasoning items, with what they show as text.
    """
    type_ = required(item["type"], "the output item's type")
    if type_ == "message":
        yield from read_message(item, kind)
    elif type_ == "function_call":
        answers = call_name(item) == OUTPUT_TOOL
        yield Text(text_of(item["arguments"], "the answer")) if answers else read_call(item, kind, number)
    elif type_ == "image_generation_call" and item.get("result"):
        yield read_image(item, kind)
    else:
        # Elsewhere a null is a value, such as the outputs of a program that had none.
        kept = _said(item) if type_ == "reasoning" else dict(item)
        yield Reasoning(reasoning_text(item), provider_metadata={kind: {"item": kept}})


def _said(item: Mapping[str, Any]) -> dict[str, Any]:
    """The item without its nulls, which in messages, calls and reasoning vendors send and do not take back."""
    return {name: value for name, value in item.items() if value is not None}


def reasoning_text(item: Mapping[str, Any]) -> str:
    """What a reasoning item shows: summaries, or the reasoning itself. Empty for other items."""
    if item["type"] != "reasoning":
        return ""
    pieces = [*(item.get("summary") or ()), *(item.get("content") or ())]
    return "".join([piece.get("text") or "" for piece in pieces])


def read_message(item: Mapping[str, Any], kind: str) -> list[Text | Reasoning]:
    """One part per content part, marked with the fields of the message and its own: annotations, log probabilities."""
    message = {name: value for name, value in _said(item).items() if name not in {"type", "role", "content"}}
    return [_content(part, {"message": message}, kind) for part in item.get("content") or ()]


def _content(part: Mapping[str, Any], marks: dict[str, Any], kind: str) -> Text | Reasoning:
    field = _TEXT_FIELDS.get(part["type"])
    if field is None:
        return Reasoning("", provider_metadata={kind: {**marks, "part": _said(part)}})
    extra = {name: value for name, value in part.items() if value and name != field}
    if part["type"] == "output_text":
        del extra["type"]
    return Text(text_of(part[field], "a text"), provider_metadata={kind: {**marks, **extra}})


def refuses(part: Part, kind: str) -> bool:
    """Whether a part is a refusal."""
    return isinstance(part, Text) and (part.provider_metadata or {}).get(kind, {}).get("type") == "refusal"


def read_call(item: Mapping[str, Any], kind: str, number: int) -> ToolCall:
    """A call of one of the caller's tools. A vendor that gives no id gets `call_<number>`."""
    extra = {name: value for name, value in _said(item).items() if name not in _NOT_OF_THE_CALL}
    metadata: Metadata | None = {kind: extra} if extra else None
    id_ = label(item.get("call_id")) or label(item.get("id")) or f"call_{number}"
    return tool_call(id_, call_name(item), item.get("arguments"), provider_metadata=metadata)


def call_name(item: Mapping[str, Any]) -> str:
    """The tool that is called."""
    return required(item.get("name"), "the tool call's name")


def read_image(item: Mapping[str, Any], kind: str) -> Media:
    """An image that the model had drawn."""
    try:
        data = base64.b64decode(item["result"], validate=True)
    except binascii.Error as error:
        raise MalformedReply("an image of the reply is not valid base64") from error
    rest = {name: value for name, value in _said(item).items() if name != "result"}
    form = item.get("output_format") or "png"
    return Media(media_type=f"image/{form}", data=data, provider_metadata={kind: {"item": rest}})


def extras(body: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """What else a response says that a caller may need, keyed by kind."""
    found = {name: body[name] for name in _EXTRAS if body.get(name)}
    return {kind: found} if found else None
