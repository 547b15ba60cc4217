"""Sound in replies of the OpenAI wire, and names of who speaks in its histories."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai_support import DONE, body, chat, chunk, decode_all, reply, request, user

from orchestrator.errors import MalformedReply
from orchestrator.spec.provider import Failure
from orchestrator.types.chat import Media, Message, Text
from orchestrator.types.collect import collect

SOUND = b"RIFF\x24\x00\x00\x00WAVEfmt "
MARKS = {"openai": {"id": "audio_1", "expires_at": 1_800_000_000}}
SAID = "Good morning."


def audio(data: bytes, transcript: str = "") -> dict[str, Any]:
    """The vendor's object."""
    return {"data": base64.b64encode(data).decode(), "transcript": transcript} | MARKS["openai"]


def whole(sound: Any, **message: Any) -> Any:
    """A whole reply that holds this sound."""
    said = {"role": "assistant", "content": None, "audio": sound, **message}
    return chat().decode(reply({"id": "c1", "model": "m1", "choices": [{"message": said, "finish_reason": "stop"}]}))


def test_sound_comes_with_what_is_said_in_it() -> None:
    """The transcript is the answer's text, the sound a part with the vendor's id of it."""
    parts = whole(audio(SOUND, SAID)).message.parts
    assert parts == (Text(SAID), Media(media_type="audio/wav", data=SOUND, provider_metadata=MARKS))


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"RIFF....WAVE", "audio/wav"), (b"fLaC\x00", "audio/flac"), (b"OggS\x00", "audio/ogg"),
        (b"ID3\x04", "audio/mpeg"), (b"\xff\xfb\x90", "audio/mpeg"), (b"\x00\x01", "audio/pcm"),
    ],
)  # fmt: skip
def test_the_format_is_read_off_the_sound(data: bytes, media_type: str) -> None:
    """The reply does not say what format it is in; its first bytes do."""
    assert whole(audio(data)).message.parts == (Media(media_type=media_type, data=data, provider_metadata=MARKS),)


@given(st.lists(st.tuples(st.binary(max_size=7), st.text(max_size=5)), max_size=5))
def test_sound_in_pieces(pieces: list[tuple[bytes, str]]) -> None:
    """However the sound and its words are cut, the collected stream equals the whole reply."""
    frames = [chunk({"role": "assistant", "audio": {"id": "audio_1"}})]
    frames += [chunk({"audio": audio(data, words)}) for data, words in pieces]
    sound = audio(b"".join(data for data, _ in pieces), "".join(words for _, words in pieces))
    events = decode_all(chat().decoder(), *frames, chunk({}, "stop"), DONE)
    streamed = collect(events)  # type: ignore[arg-type]
    expected = whole({"id": "audio_1"} if not pieces else sound)
    assert streamed.message == expected.message
    assert streamed.finish_reason == expected.finish_reason


@pytest.mark.parametrize("sound", [{"data": "%%%"}, {"data": 5}, {"data": "AAAA", "transcript": 5}])
def test_broken_sound(sound: Any) -> None:
    """Sound that is none is a malformed reply, whole or streamed."""
    with pytest.raises(MalformedReply):
        whole(sound)
    (*_, last) = decode_all(chat().decoder(), chunk({"audio": sound}), chunk({}, "stop"), DONE)
    assert isinstance(last, Failure)
    assert isinstance(last.error, MalformedReply)


@pytest.mark.parametrize("sound", [None, "x", [], {}])
def test_no_sound(sound: Any) -> None:
    """Vendors that write the field where there is no sound mean nothing by it."""
    assert whole(sound, content="Hi").message.parts == (Text("Hi"),)


def test_a_heard_answer_goes_back_as_text() -> None:
    """In a history the transcript stands for the sound, which the vendor takes back only for as long as it keeps it."""
    answer = whole(audio(SOUND, SAID)).message
    encoded = chat().encode(request(user(), answer, user("And now?")))
    assert body(encoded)["messages"][1] == {"role": "assistant", "content": SAID}
    assert [warning.kind for warning in encoded.warnings] == ["compatibility"]


def test_names_of_who_speaks() -> None:
    """Fields of a message, such as `name`, go with it under this kind; those of another kind are left out."""
    named = Message("user", (Text("Hi"),), provider_metadata={"openai": {"name": "ada"}})
    assert body(chat().encode(request(named)))["messages"] == [{"role": "user", "content": "Hi", "name": "ada"}]
    other = chat("groq").encode(request(named))
    assert body(other)["messages"] == [{"role": "user", "content": "Hi"}]
    assert [warning.kind for warning in other.warnings] == ["stripped"]
