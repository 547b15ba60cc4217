"""Cuts AWS's binary event streams (`application/vnd.amazon.eventstream`) into frames.

One message: total length and headers' length (4 bytes each, big endian), CRC32 of these 8 bytes, headers, payload,
CRC32 of all before it. A header: length of its name (1 byte), name, type of its value (1 byte), value.
Source: the event stream encoding in AWS's Smithy specification.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from zlib import crc32

import orjson

from orchestrator.errors import MalformedReply
from orchestrator.spec.provider import Frame

__all__ = ["EXCEPTION", "ChunkParser", "EventStreamParser"]

EXCEPTION = "!"
"""The name of a frame that carries an error begins with this; the rest is the vendor's type of it."""

MAX_HEADERS_BYTES = 128 * 1024
MAX_PAYLOAD_BYTES = 24 * 1024 * 1024

_PRELUDE = struct.Struct("!III")
_PRELUDE_BYTES = 12
_CRC = struct.Struct("!I")
_CRC_BYTES = 4
_LENGTH = struct.Struct("!H")
# Bytes of a value by its type: true, false, byte, short, int, long, (bytes, text: with a length), timestamp, uuid.
_FIXED_BYTES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_COUNTED = (6, 7)
_TEXT = 7


class EventStreamParser:
    """See `FrameParser`. A frame is the event's type and its payload; an error's name begins with `EXCEPTION`."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> Sequence[Frame]:
        """See `FrameParser.feed`."""
        buffer = self._buffer
        buffer += chunk
        frames = []
        start = 0
        while len(buffer) - start >= _PRELUDE_BYTES:
            total, headers_bytes = _read_prelude(buffer, start)
            if len(buffer) - start < total:
                break
            frames.append(self._frame(bytes(buffer[start : start + total]), headers_bytes))
            start += total
        del buffer[:start]
        return frames

    def end(self) -> Sequence[Frame]:
        """See `FrameParser.end`. A message is complete by its own length: half a one is lost."""
        if self._buffer:
            raise MalformedReply("the event stream ended inside a message", maybe_billed=True)
        return ()

    def _frame(self, message: bytes, headers_bytes: int) -> Frame:
        (crc,) = _CRC.unpack_from(message, len(message) - _CRC_BYTES)
        if crc32(message[:-_CRC_BYTES]) != crc:
            raise MalformedReply("a message of the event stream has a wrong checksum")
        payload_at = _PRELUDE_BYTES + headers_bytes
        headers = _read_headers(message[_PRELUDE_BYTES:payload_at])
        return _as_frame(headers, message[payload_at:-_CRC_BYTES])


class ChunkParser(EventStreamParser):
    """For InvokeModel, whose events carry the model's own event as Base64: a frame's data is that one."""

    __slots__ = ()

    def _frame(self, message: bytes, headers_bytes: int) -> Frame:
        name, payload = super()._frame(message, headers_bytes)
        if name != "chunk":
            return name, payload
        try:
            return name, base64.b64decode(orjson.loads(payload)["bytes"], validate=True)
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedReply("a chunk of the event stream holds no Base64") from error


def _read_prelude(buffer: bytearray, start: int) -> tuple[int, int]:
    """Length of the message and of its headers, checked before anything of that length is waited for."""
    total, headers_bytes, crc = _PRELUDE.unpack_from(buffer, start)
    if crc32(buffer[start : start + _PRELUDE_BYTES - _CRC_BYTES]) != crc:
        raise MalformedReply("the bytes are no AWS event stream, or damaged")
    payload_bytes = total - headers_bytes - _PRELUDE_BYTES - _CRC_BYTES
    if headers_bytes > MAX_HEADERS_BYTES or not 0 <= payload_bytes <= MAX_PAYLOAD_BYTES:
        raise MalformedReply("a message of the event stream is larger than its bound, or its lengths disagree")
    return total, headers_bytes


def _read_headers(data: bytes) -> dict[str, str]:
    """The text headers by name; others are skipped. Any that does not fit into the data is malformed."""
    headers: dict[str, str] = {}
    at = 0
    try:
        while at < len(data):
            value_at = at + 2 + data[at]
            name, kind = data[at + 1 : value_at - 1].decode(), data[value_at - 1]
            if kind in _COUNTED:
                (size,) = _LENGTH.unpack_from(data, value_at)
                value_at += _LENGTH.size
            else:
                size = _FIXED_BYTES[kind]
            at = value_at + size
            if at > len(data):
                raise IndexError
            if kind == _TEXT:
                headers[name] = data[value_at:at].decode()
    except (LookupError, ValueError, struct.error) as error:
        raise MalformedReply("a message of the event stream has malformed headers") from error
    return headers


def _as_frame(headers: dict[str, str], payload: bytes) -> Frame:
    kind = headers.get(":message-type", "event")
    if kind == "event":
        return headers.get(":event-type", ""), payload
    if kind == "exception":
        return EXCEPTION + headers.get(":exception-type", ""), payload
    if kind == "error":
        message = headers.get(":error-message", "")
        return EXCEPTION + headers.get(":error-code", ""), orjson.dumps({"message": message})
    raise MalformedReply("a message of the event stream is neither event nor error")
