"""AWS's binary event streams: what is a frame, what is damage, and what a network may do to the bytes."""

from __future__ import annotations

import base64
import struct
from contextlib import suppress
from itertools import pairwise
from typing import Any
from zlib import crc32

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import MalformedReply
from orchestrator.spec.provider import Frame
from orchestrator_providers.bedrock.eventstream import EXCEPTION, ChunkParser, EventStreamParser


def header(name: str, kind: int, value: bytes) -> bytes:
    """One header as bytes; the value as it stands after the type."""
    return bytes([len(name)]) + name.encode() + bytes([kind]) + value


def text(name: str, value: str) -> bytes:
    """A header of type text."""
    return header(name, 7, struct.pack("!H", len(value.encode())) + value.encode())


def message(headers: bytes, payload: bytes = b"{}") -> bytes:
    """A message with its checksums."""
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    whole = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return whole + struct.pack("!I", crc32(whole))


def event(kind: str, payload: bytes) -> bytes:
    """An event."""
    return message(text(":message-type", "event") + text(":event-type", kind), payload)


def read(*chunks: bytes) -> list[Frame]:
    """The frames of bytes that come in these pieces."""
    parser = EventStreamParser()
    return [*[frame for chunk in chunks for frame in parser.feed(chunk)], *parser.end()]


_MESSAGES = st.lists(
    st.tuples(st.text(st.characters(codec="utf-8"), max_size=40), st.binary(max_size=300)), min_size=1, max_size=5
)


@given(_MESSAGES, st.data())
def test_any_boundary_gives_the_same_frames(events: list[tuple[str, bytes]], data: st.DataObject) -> None:
    """However the bytes are cut, the frames are the events' types and payloads, in order."""
    body = b"".join(event(kind, payload) for kind, payload in events)
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=30))
    edges = [0, *sorted(cuts), len(body)]
    assert read(*[body[a:b] for a, b in pairwise(edges)]) == events


def test_one_byte_at_a_time() -> None:
    """A stream that trickles gives its frames too."""
    body = event("messageStart", b'{"role":"assistant"}') + event("messageStop", b'{"stopReason":"end_turn"}')
    assert len(read(*[body[i : i + 1] for i in range(len(body))])) == 2


@given(_MESSAGES, st.data())
def test_agrees_with_botocore(events: list[tuple[str, bytes]], data: st.DataObject) -> None:
    """Botocore reads the same events from the same bytes."""
    buffer = pytest.importorskip("botocore.eventstream").EventStreamBuffer()
    body = b"".join(event(kind, payload) for kind, payload in events)
    buffer.add_data(body)
    assert [(one.headers[":event-type"], one.payload) for one in buffer] == read(body)


@settings(max_examples=300)
@given(_MESSAGES, st.data())
def test_a_damaged_byte_is_found(events: list[tuple[str, bytes]], data: st.DataObject) -> None:
    """One byte changed anywhere is a malformed reply: never another error, never a frame that was not sent."""
    body = bytearray(b"".join(event(kind, payload) for kind, payload in events))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    parser = EventStreamParser()
    with pytest.raises(MalformedReply):
        [*parser.feed(bytes(body)), *parser.end()]


@settings(max_examples=300)
@given(st.binary(max_size=200), st.binary(max_size=80))
def test_no_bytes_raise_anything_else(noise: bytes, headers: bytes) -> None:
    """Noise, and sound messages with noise for headers, give frames or a malformed reply."""
    for body in (noise, message(headers), noise + event("x", b"{}")):
        with suppress(MalformedReply):
            assert all(isinstance(name, str) for name, _ in read(body))


def test_all_types_of_headers_are_passed_over() -> None:
    """Headers of every type the encoding has may stand before those that count."""
    fixed = {
        0: b"",
        1: b"",
        2: b"\x01",
        3: b"\x00\x01",
        4: b"\x00" * 4,
        5: b"\x00" * 8,
        8: b"\x00" * 8,
        9: b"\x00" * 16,
    }
    odd = b"".join(header(f"h{kind}", kind, value) for kind, value in fixed.items())
    odd += header("h6", 6, b"\x00\x03abc") + text("h7", "é")
    assert read(message(odd + text(":message-type", "event") + text(":event-type", "late"), b"1")) == [("late", b"1")]


@pytest.mark.parametrize(
    "headers",
    [
        header("h", 10, b""),
        header("h", 7, b"\x00\x09abc"),
        header("h", 5, b"\x00"),
        b"\x05ab",
        header("h", 7, b"\x00\x01\xff"),
    ],
    ids=["unknown type", "short text", "short number", "short name", "not UTF-8"],
)
def test_headers_that_do_not_fit_are_malformed(headers: bytes) -> None:
    """A header that is cut, of an unknown type or no text is a malformed reply."""
    with pytest.raises(MalformedReply, match="headers"):
        read(message(headers))


@pytest.mark.parametrize(("total", "size"), [(2**31, 10), (15, 0), (40, 30), (2**20, 2**18), (0, 0)])
def test_lengths_are_checked_before_they_are_waited_for(total: int, size: int) -> None:
    """A message larger than its bound, or whose lengths disagree, is refused at its prelude."""
    prelude = struct.pack("!II", total, size)
    with pytest.raises(MalformedReply):
        EventStreamParser().feed(prelude + struct.pack("!I", crc32(prelude)))


def test_a_stream_that_ends_inside_a_message_is_malformed() -> None:
    """Half a message at the end is no end, and what was asked may be billed."""
    parser = EventStreamParser()
    assert list(parser.feed(event("a", b"1") + event("b", b"2")[:-1])) == [("a", b"1")]
    with pytest.raises(MalformedReply) as caught:
        parser.end()
    assert caught.value.maybe_billed


def test_errors_are_frames_of_their_own() -> None:
    """Modelled exceptions and unmodelled errors give frames named as such; other kinds of message are malformed."""
    exception = text(":message-type", "exception") + text(":exception-type", "throttlingException")
    error = text(":message-type", "error") + text(":error-code", "InternalFailure") + text(":error-message", "no luck")
    assert read(message(exception, b'{"message":"slow"}') + message(error, b"")) == [
        (f"{EXCEPTION}throttlingException", b'{"message":"slow"}'),
        (f"{EXCEPTION}InternalFailure", b'{"message":"no luck"}'),
    ]
    with pytest.raises(MalformedReply):
        read(message(text(":message-type", "surprise")))


def _chunks(*values: Any) -> list[Frame]:
    parser = ChunkParser()
    return [*parser.feed(b"".join(event("chunk", orjson.dumps(value)) for value in values)), *parser.end()]


def test_chunks_are_unwrapped() -> None:
    """InvokeModel's chunks give the model's own event; anything but Base64 in one is malformed."""
    inner = b'{"type":"ping"}'
    assert _chunks({"bytes": base64.b64encode(inner).decode(), "p": "abc"}) == [("chunk", inner)]
    for value in ({"bytes": "%"}, {"bytes": 5}, {}, [], 3):
        with pytest.raises(MalformedReply, match="Base64"):
            _chunks(value)
