"""Histories that begin at one vendor and go on at another, made of what the sample vendors really answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from entries import WIRES, chat_codec, kinds_with, representatives, sample_of
from hostile import SAID
from wire_sample import Said

from orchestrator.policies import validate
from orchestrator.spec.transport import HttpReply
from orchestrator.types.chat import Media, Message, Metadata, Part, Text, ToolCall, ToolResult

__all__ = ["CACHE_MARKS", "FROM", "PIXEL", "TO", "foreign_marks", "history", "leaves", "strip_images"]

TO = kinds_with("chat")
"""Every kind that chats."""

FROM = [kind for kind in representatives("chat") if sample_of(kind).chat is not None]
"""One kind of each wire, and of each way in which a wire marks what it answers."""

PIXEL = b"\x89PNG\r\n\x1a\n-one-pixel"
CACHE_MARKS: dict[str, dict[str, Any]] = {
    "anthropic": {"cache_control": {"type": "ephemeral"}},
    "openrouter": {"cache_control": {"type": "ephemeral"}},
}
"""How a part is marked as the end of what is cached, where vendors have such marks on parts."""


def _decoded(kind: str, said: Said) -> Message:
    chat = sample_of(kind).chat
    assert chat is not None
    if not chat.reasoning:
        said = Said(text=said.text, calls=said.calls)
    return chat_codec(kind).decode(HttpReply(200, {}, orjson.dumps(chat.whole(said)))).message


def history(kind: str) -> tuple[Message, ...]:
    """A conversation that this kind has had: all there is in one, ending in a system message."""
    cached: Metadata | None = {kind: CACHE_MARKS[kind]} if kind in CACHE_MARKS else None
    asked = _decoded(kind, SAID)
    first, second = asked.tool_calls
    image = Media(media_type="image/png", data=PIXEL)
    results = (
        ToolResult(id=first.id, name=first.name, content="no such city", is_error=True),
        ToolResult(id=second.id, name=second.name, content=(Text("18 degrees"), image), provider_metadata=cached),
    )
    again = _decoded(kind, SAID)  # the same call once more: vendors that count ids give the same ones
    more = tuple([ToolResult(id=call.id, name=call.name, content="sunny") for call in again.tool_calls])
    return validate.messages(
        [
            Message("system", (Text("Be brief.", provider_metadata=cached),)),
            Message("user", (Text("What is the weather where this was taken?"), image)),
            asked,
            Message("tool", results),
            _decoded(kind, Said(text="It is 18 degrees in Rome.")),
            Message("user", (Text("And tomorrow?", provider_metadata=cached),)),
            again,
            Message("tool", more),
            Message("system", (Text("Answer in French."),)),
        ]
    )


def strip_images(messages: tuple[Message, ...], *, results_only: bool) -> tuple[Message, ...]:
    """The same history without images, for vendors that have no place for them."""
    return tuple([_without(message, results_only=results_only) for message in messages])


def _without(message: Message, *, results_only: bool) -> Message:
    parts: list[Part] = []
    for part in message.parts:
        if isinstance(part, ToolResult) and not isinstance(part.content, str):
            texts = tuple([inner for inner in part.content if isinstance(inner, Text)])
            part = ToolResult(id=part.id, name=part.name, content=texts, provider_metadata=part.provider_metadata)  # noqa: PLW2901
        if results_only or not isinstance(part, Media):
            parts.append(part)
    return Message(message.role, tuple(parts), provider_metadata=message.provider_metadata)


def _metadata(messages: tuple[Message, ...]) -> Iterator[Metadata]:
    for message in messages:
        for holder in (message, *message.parts):
            if holder.provider_metadata:
                yield holder.provider_metadata
            content = holder.content if isinstance(holder, ToolResult) else ()
            yield from [p.provider_metadata for p in content if not isinstance(p, str) and p.provider_metadata]


def foreign_marks(messages: tuple[Message, ...], kind: str) -> bool:
    """Something in the history is marked by another kind, and not by this one."""
    return any(kind not in metadata for metadata in _metadata(messages))


def leaves(messages: tuple[Message, ...]) -> set[str]:
    """Texts that only the vendor's marks hold, such as signatures."""
    said = "".join([str(part) for message in messages for part in message.parts if not isinstance(part, ToolCall)])
    return {
        text
        for metadata in _metadata(messages)
        for text in _texts(dict(metadata))
        if len(text) >= 8 and text not in said
    }


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("type", "format"):  # words of the wire, not what a vendor marked
                yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)


def takes_images(kind: str) -> bool:
    """The kind's profile names images."""
    return bool({"image/*", "image/png"} & WIRES[kind].profile.media)
