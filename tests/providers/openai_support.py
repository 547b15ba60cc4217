"""Builders shared by the tests of the OpenAI wire."""

from __future__ import annotations

from typing import Any

import orjson

from orchestrator.models import bundled
from orchestrator.registry import find
from orchestrator.spec.provider import ChatCodec, Codecs, Decoded, Encoded, Frame, StreamDecoder, Target, Wire
from orchestrator.spec.transport import HttpReply
from orchestrator.types.chat import ChatOptions, ChatRequest, Message, Text

__all__ = ["DONE", "bind", "body", "chat", "chunk", "decode_all", "frame", "reply", "request", "user"]

DONE: Frame = ("", b"[DONE]")


def bind(kind: str = "openai", model: str = "gpt-4o-mini", base_url: str | None = None) -> Codecs:
    """The codecs of one deployment of that kind."""
    wire = find(kind)
    assert isinstance(wire, Wire)
    url = base_url or wire.profile.base_url or "https://host.test/v1"
    known = bundled().find(kind, model)
    return wire.bind(
        Target(profile=wire.profile, provider="p", deployment="d", model=model, base_url=url, model_profile=known)
    )


def chat(kind: str = "openai", model: str = "gpt-4o-mini", base_url: str | None = None) -> ChatCodec:
    """The chat codec of one deployment of that kind."""
    codec = bind(kind, model, base_url).chat
    assert codec is not None
    return codec


def user(text: str = "Hi") -> Message:
    """A user message of one text."""
    return Message("user", (Text(text),))


def request(*messages: Message, **fields: Any) -> ChatRequest:
    """A request; option names go into the options, the rest into the request."""
    own = {name: fields.pop(name) for name in ("tools", "output") if name in fields}
    return ChatRequest(messages=messages or (user(),), options=ChatOptions(**fields), **own)


def body(encoded: Encoded) -> dict[str, Any]:
    """What was sent."""
    value: dict[str, Any] = orjson.loads(encoded.request.body)
    return value


def reply(value: Any, status: int = 200, **headers: str) -> HttpReply:
    """An answer with this JSON, or with these bytes."""
    data = value if isinstance(value, bytes) else orjson.dumps(value)
    return HttpReply(status, {name.replace("_", "-"): text for name, text in headers.items()}, data)


def frame(value: Any, event: str = "") -> Frame:
    """A frame with this JSON."""
    return event, orjson.dumps(value)


def chunk(delta: Any = None, reason: str | None = None, *, index: int = 0, **extra: Any) -> Frame:
    """A chunk of one choice."""
    choice = {"index": index, "delta": delta or {}, "finish_reason": reason}
    return frame({"id": "c1", "model": "m1", "choices": [choice], **extra})


def decode_all(decoder: StreamDecoder, *frames: Frame) -> Decoded:
    """Everything that these frames and the end of the body give."""
    return [*decoder.feed(frames), *decoder.end()]
