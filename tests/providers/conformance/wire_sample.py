"""What the conformance suite must know about a wire: a small vendor that answers in its shapes, written by hand."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import OrchestratorError, Overloaded
from orchestrator.types.chat import UnifiedFinish
from orchestrator.types.usage import Usage

__all__ = [
    "Call",
    "ChatSample",
    "EmbedSample",
    "RerankSample",
    "Said",
    "Stream",
    "WireSample",
    "eventstream",
    "ndjson",
    "pieces",
    "sse",
]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that the sample vendor makes."""

    id: str
    name: str
    arguments: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The arguments as JSON text."""
        return json.dumps(self.arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One answer of the sample vendor. `finish` and `usage` are raw; None is the usual one."""

    reasoning: str = ""
    text: str = ""
    calls: tuple[Call, ...] = ()
    finish: str | None = None
    usage: Any = None


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream's frames as bytes. `signal` is the number of the frame with which the answer is complete."""

    frames: tuple[bytes, ...]
    signal: int

    @property
    def body(self) -> bytes:
        """All bytes."""
        return b"".join(self.frames)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSample:
    """The chats of a sample vendor.

    Attributes:
        whole: the JSON of an answer.
        stream: the same answer as a stream.
        stream_error: frames of an error inside a stream.
        error_class: what `stream_error` is in our words.
        unfinished: JSON of an answer that lacks its terminal reason; None if this wire has none in whole answers.
        finish: raw reasons with their meaning, beyond those of plain answers and tool calls.
        other_finish: a reason this wire does not know, None where reasons are not the vendor's own words.
        usage, counts: a raw usage with every part that the vendor counts, and what it means.
        reasoning, own_ids: the wire shows reasoning, gives ids to tool calls.
        ends_with_body: no signal says that nothing more comes; a reason to stop may be followed by more of the answer.
    """

    whole: Callable[[Said], Any]
    stream: Callable[[Said], Stream]
    stream_error: bytes
    error_class: type[OrchestratorError] = Overloaded
    unfinished: Any = None
    finish: Mapping[str, UnifiedFinish] = field(default_factory=dict)
    other_finish: str | None = "brand_new_reason"
    usage: Any = None
    counts: Usage | None = None
    reasoning: bool = True
    own_ids: bool = True
    ends_with_body: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedSample:
    """The embeddings of a sample vendor: JSON for these vectors, and other JSON that means the same."""

    whole: Callable[[list[list[float]]], Any]
    same: tuple[Callable[[list[list[float]]], Any], ...] = ()
    counts: Usage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankSample:
    """The rankings of a sample vendor: JSON for `(index, score)` pairs.

    `sends_top_n`: False for servers that always rank everything; the client cuts what they answer.
    """

    sends_top_n: bool = True
    whole: Callable[[list[tuple[int, float]]], Any]
    same: tuple[Callable[[list[tuple[int, float]]], Any], ...] = ()
    counts: Usage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WireSample:
    """One wire.

    Attributes:
        model: a model's name whose settings are the richest.
        error: an error body with this message, in the vendor's shape and without a code that would decide.
        settings: what the file must give so that the wire can be bound.
        base_url: used where the profile has none.
        statuses: classes of HTTP statuses to which this vendor gives a meaning of its own.
    """

    model: str
    error: Callable[[str], Any]
    chat: ChatSample | None = None
    embed: EmbedSample | None = None
    rerank: RerankSample | None = None
    embed_model: str = "embed-1"
    rerank_model: str = "rank-1"
    settings: Mapping[str, Any] = field(default_factory=dict)
    base_url: str = "https://host.test/v1"
    statuses: Mapping[int, type[OrchestratorError]] = field(default_factory=dict)


def pieces(text: str) -> list[str]:
    """The text in at most three pieces, none of them empty."""
    cut = len(text) // 3
    return [piece for piece in (text[:cut], text[cut : 2 * cut], text[2 * cut :]) if piece]


def sse(value: Any, event: str = "") -> bytes:
    """A server-sent event."""
    data = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return (f"event: {event}\n" if event else "").encode() + f"data: {data}\n\n".encode()


def ndjson(value: Any) -> bytes:
    """A line of JSON."""
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def eventstream(value: Any, **headers: str) -> bytes:
    """A message of AWS's binary event stream; header names are written with `_` for `-` and a leading colon."""
    named = {":" + name.replace("_", "-"): text for name, text in headers.items()}
    head = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(text)) + text.encode()
        for name, text in named.items()
    )
    payload = json.dumps(value, ensure_ascii=False).encode()
    prelude = struct.pack(">II", len(head) + len(payload) + 16, len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))
