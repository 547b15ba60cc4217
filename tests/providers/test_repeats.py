"""Chunks that differ in their text alone."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import MalformedReply
from orchestrator.spec.provider import Failure
from orchestrator.types.stream import ReasoningDelta, TextDelta
from orchestrator_providers.openai.profile import Quirks
from orchestrator_providers.openai.stream import OpenAIStream
from orchestrator_providers.shared.repeats import Delta, Repeats

# Texts that stand elsewhere in a chunk too, as a key, a value, or from the end of one to the beginning of the next.
AWKWARD = [*':,{"\\?m é', "content", "delta", "text", ", ", '":"', "", "\u2028", "\U0001f600"]
FIELD = st.sampled_from(["content", "reasoning_content"])
TEXT = st.sampled_from(AWKWARD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)


def _chunk(text: str, *, ascii_only: bool = False, field: str = "content") -> bytes:
    value = {
        "id": "m",
        "object": "text",
        "choices": [{"index": 0, "delta": {field: text}}],
        "model": "?",
        "usage": None,
    }
    return json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":")).encode()


def _reader(chunk: Any) -> Delta | None:
    text = chunk["choices"][0]["delta"].get("content")
    return TextDelta("text", text) if text else None


def _learnt() -> Repeats:
    repeats = Repeats()
    for _ in range(2):
        repeats.learn(_chunk("two"), TextDelta("text", "two"), _reader)
    return repeats


@given(deltas=st.lists(st.tuples(FIELD, TEXT)), ascii_only=st.booleans())
def test_every_text_of_a_stream_is_read_as_it_was_sent(deltas: list[tuple[str, str]], ascii_only: bool) -> None:
    """Whatever the texts, and however reasoning and answer take turns, the events are those of chunks parsed whole."""
    frames = [("", _chunk(text, ascii_only=ascii_only, field=field)) for field, text in deltas]
    events = [event for event in OpenAIStream("openai", Quirks()).feed(frames) if isinstance(event, Delta)]
    kinds = {"content": TextDelta, "reasoning_content": ReasoningDelta}
    assert [(type(event), event.text) for event in events] == [(kinds[field], text) for field, text in deltas if text]


def test_a_chunk_like_another_is_read_by_its_text_alone() -> None:
    """Once two chunks were alike, others with the same bytes around another text are read, escapes included."""
    repeats = _learnt()
    assert repeats.read(_chunk("three")) == TextDelta("text", "three")
    assert repeats.read(_chunk('"\u00e9\n', ascii_only=True)) == TextDelta("text", '"\u00e9\n')


@pytest.mark.parametrize(
    "data",
    [
        _chunk("three").replace(b'"?"', b'"another"'),
        _chunk("three", field="refusal"),
        _chunk(""),
        _chunk("three").replace(b'"three"', b"null"),
        _chunk("three").replace(b'"three"', b'"three'),
        _chunk("three").replace(b'"three"', b'"a","b":"c"'),
        _chunk("three").replace(b'"three"', b""),
        _chunk("")[:-40],
        b"[DONE]",
    ],
)
def test_any_other_chunk_is_left_to_the_parser(data: bytes) -> None:
    """A chunk that differs in anything else, or whose text is none, is not read."""
    assert _learnt().read(data) is None


@pytest.mark.parametrize(("text", "name"), [("m", "id"), ("text", "object"), ("?", "model")])
def test_a_text_that_stands_elsewhere_too_is_not_confused_with_it(text: str, name: str) -> None:
    """Where a text is also the value of another field, a chunk in which that field alone differs says the same text."""
    repeats = Repeats()
    for _ in range(2):
        repeats.learn(_chunk(text), TextDelta("text", text), _reader)
    assert repeats.read(_chunk(text).replace(f'"{name}":"{text}"'.encode(), f'"{name}":"new"'.encode())) is None


def test_a_broken_chunk_among_like_ones_is_malformed() -> None:
    """A text that is cut off or followed by rubbish ends the stream as any other broken chunk does."""
    stream = OpenAIStream("openai", Quirks())
    assert all(isinstance(event, TextDelta) for event in stream.feed([("", _chunk(text)) for text in "abcd"])[2:])
    (failure,) = stream.feed([("", _chunk("e").replace(b'"e"', b'"e" x'))])
    assert isinstance(failure, Failure)
    assert isinstance(failure.error, MalformedReply)


def test_chunks_without_likeness_are_not_probed() -> None:
    """A vendor that pads its chunks costs no second parse: only lengths are compared."""
    repeats = Repeats()
    probed: list[Any] = []
    for pad in range(1, 6):
        data = orjson.dumps({"choices": [{"delta": {"content": "a"}}], "obfuscation": "x" * pad})
        repeats.learn(data, TextDelta("text", "a"), probed.append)
    assert probed == []
