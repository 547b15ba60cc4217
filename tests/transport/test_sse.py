"""Framing of server-sent events."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import MalformedReply
from orchestrator.spec.provider import Frame
from orchestrator.transport.sse import EVENT_BYTES, LINE_BYTES, SseParser

PIECES = st.sampled_from(
    [
        *(
            b"data",
            b"data:",
            b"data: ",
            b"data:  two",
            b"event: tick",
            b"event:",
            b"event: ping",
            b"id: 7",
            b"retry: 9",
        ),
        *(
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"\r\n\r\n",
            b"\r\r",
            b": comment",
            b":",
            b" ",
            b"{}",
            b"\xef\xbb\xbf",
            b"\xff",
        ),
        *(b"data: {}\n\n", b"data: [DONE]\n\n", b"event: tick\ndata: {}\n\n", "data: é\n\n".encode()),
    ]
)
BODIES = st.lists(PIECES, max_size=30).map(b"".join)


def parse(*chunks: bytes) -> list[Frame]:
    """All frames of these chunks."""
    parser = SseParser()
    frames = [frame for chunk in chunks for frame in parser.feed(chunk)]
    return frames + parser.end()


def cut(body: bytes, places: list[int]) -> list[bytes]:
    """The body in chunks."""
    edges = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[start:stop] for start, stop in itertools.pairwise(edges)]


def reference(body: bytes) -> list[Frame]:
    """The standard read literally, one line at a time, with our two rules: an end without blank line, and pings."""
    text = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    frames: list[Frame] = []
    name, data = b"", b""
    for line in [*text.split(b"\n"), b""]:
        if not line:
            if data and name != b"ping":
                frames.append((name.decode("utf-8", "replace"), data[:-1]))
            name, data = b"", b""
            continue
        if line.startswith(b":"):
            continue
        field, colon, value = line.partition(b":")
        if colon and value.startswith(b" "):
            value = value[1:]
        if field == b"data":
            data += value + b"\n"
        elif field == b"event":
            name = value
    return frames


@given(BODIES)
def test_whole_body_agrees_with_the_reference(body: bytes) -> None:
    """A body in one chunk gives the frames of a parser that reads the standard literally."""
    assert parse(body) == reference(body)


@given(BODIES, st.lists(st.integers(min_value=0, max_value=500), max_size=12))
def test_any_cutting_gives_the_same_frames(body: bytes, places: list[int]) -> None:
    """Where the network cuts the bytes makes no difference to the frames."""
    assert parse(*cut(body, places)) == reference(body)


@given(BODIES)
def test_byte_by_byte_gives_the_same_frames(body: bytes) -> None:
    """A body that drips in one byte at a time gives the same frames."""
    assert parse(*[body[i : i + 1] for i in range(len(body))]) == reference(body)


@given(BODIES, st.lists(st.integers(min_value=0, max_value=500), max_size=12))
def test_bounds_do_not_depend_on_the_cutting(body: bytes, places: list[int]) -> None:
    """A body is refused or taken whatever its chunks are, also near the bounds."""

    def outcome(chunks: list[bytes]) -> object:
        parser = SseParser(line_bytes=9, event_bytes=12)
        try:
            return [frame for chunk in chunks for frame in parser.feed(chunk)] + parser.end()
        except MalformedReply:
            return "refused"

    assert outcome(cut(body, places)) == outcome([body])


def test_frames_come_as_soon_as_they_are_complete() -> None:
    """An event is given out by the chunk that ends it, not by the next one."""
    parser = SseParser()
    assert parser.feed(b"data: a\n\nda") == [("", b"a")]
    assert parser.feed(b"ta: b\n") == []
    assert parser.feed(b"\ndata: c\n\n") == [("", b"b"), ("", b"c")]


def test_carriage_returns_alone_end_events_at_once() -> None:
    """A stream that ends its lines with CR is not delayed by waiting for a possible LF."""
    parser = SseParser()
    assert parser.feed(b"data: a\r\r") == [("", b"a")]
    assert parser.feed(b"data: b\r\n\r") == [("", b"b")]
    assert parser.feed(b"\ndata: c\r\n\r\n") == [("", b"c")]


@pytest.mark.parametrize(
    "chunk", [b": keep-alive\n\n", b":\n", b'event: ping\ndata: {"type": "ping"}\n\n', b"retry: 3\n\n"]
)
def test_keep_alives_are_no_frames(chunk: bytes) -> None:
    """Comments, pings and settings give no frame, so they cannot restart a stall timer."""
    parser = SseParser()
    assert [parser.feed(chunk) for _ in range(3)] == [[], [], []]
    assert parser.feed(b"data: x\n\n") == [("", b"x")]


def test_last_event_needs_no_blank_line() -> None:
    """The event that the end of the body cuts short of its blank line is given out, once."""
    parser = SseParser()
    assert parser.feed(b"data: [DONE]") == []
    assert parser.end() == [("", b"[DONE]")]
    assert parser.end() == []


@pytest.mark.parametrize("step", [65536, 7919])
def test_long_lines_are_refused(step: int) -> None:
    """A line beyond its bound is refused before it has arrived in whole."""
    parser = SseParser()
    body = b"data: " + b"x" * (2 * LINE_BYTES)
    starts = iter(range(0, len(body), step))
    with pytest.raises(MalformedReply, match="line of more than 1048576 bytes") as caught:
        all(parser.feed(body[start : start + step]) == [] for start in starts)
    assert next(starts) <= LINE_BYTES + 2 * step
    assert caught.value.maybe_billed


def test_large_events_are_refused() -> None:
    """Many lines of one event are refused at the event's bound, although each is short."""
    parser = SseParser()
    line = b"data: " + b"x" * 65530 + b"\n"
    with pytest.raises(MalformedReply, match="event of more than 4194304 bytes"):
        all(parser.feed(line) == [] for _ in range(EVENT_BYTES // 65530 + 2))


def test_lines_at_the_bound_are_taken() -> None:
    """A line of exactly the bound passes, by either path through the parser."""
    data = b"x" * (LINE_BYTES - 6)
    whole = b"data: " + data + b"\n\n"
    assert parse(whole) == [("", data)]
    assert parse(whole[:1000], whole[1000:]) == [("", data)]


def test_dripping_line_costs_linear_time() -> None:
    """A long line that arrives in tiny chunks is not copied again for each of them."""
    parser = SseParser()
    start = time.process_time()
    for _ in range(LINE_BYTES // 8):
        parser.feed(b"12345678")
    assert time.process_time() - start < 5
