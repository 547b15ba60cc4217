"""Newline-delimited JSON, cut from bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import MalformedReply
from orchestrator_providers.shared.ndjson import NdjsonParser

lines = st.lists(st.binary(max_size=12).map(lambda text: text.replace(b"\n", b"").strip()), max_size=8)


def _cut(body: bytes, cuts: list[int], **bounds: int) -> list[tuple[str, bytes]]:
    parser = NdjsonParser(**bounds)
    edges = sorted({cut % (len(body) + 1) for cut in cuts} | {0, len(body)})
    found = []
    for start, end in pairwise(edges):
        found += parser.feed(body[start:end])
    return [*found, *parser.end()]


@given(lines=lines, end=st.sampled_from([b"\n", b"\r\n", b"\n\n"]), cuts=st.lists(st.integers(0, 200)))
def test_any_cut_gives_the_lines(lines: list[bytes], end: bytes, cuts: list[int]) -> None:
    """Lines that say something are frames in their order, however the bytes come and whatever ends a line."""
    assert _cut(end.join(lines), cuts) == [("", line) for line in lines if line]


def test_the_last_line_needs_no_end() -> None:
    """A body that ends without a line end has its last line given out by `end`, once."""
    parser = NdjsonParser()
    assert parser.feed(b'{"a":1}\n{"b"') == [("", b'{"a":1}')]
    assert parser.feed(b":2}") == []
    assert parser.end() == [("", b'{"b":2}')]
    assert parser.end() == []


@pytest.mark.parametrize(
    "chunks", [[b"x" * 11], [b"x" * 6, b"x" * 5], [b"x" * 11 + b"\n"], [b"y\n" + b"x" * 11 + b"\n"]]
)
def test_lines_are_bounded(chunks: list[bytes]) -> None:
    """A line longer than the bound is malformed, finished or not, before it fills the memory."""
    parser = NdjsonParser(line_bytes=10)
    with pytest.raises(MalformedReply, match="more than 10 bytes") as caught:
        for chunk in chunks:
            parser.feed(chunk)
    assert caught.value.maybe_billed


def test_a_line_of_the_bound_is_a_frame() -> None:
    """A line as long as the bound is still one."""
    assert NdjsonParser(line_bytes=10).feed(b"x" * 10 + b"\n") == [("", b"x" * 10)]
