"""Sound that a model made, whole or in pieces, with what is said in it."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from orchestrator.errors import MalformedReply
from orchestrator.types.chat import Media
from orchestrator_providers.shared.reading import integer, label, text_of

__all__ = ["Sound"]

# The answer does not say which format it is in; raw samples have no mark at all.
_FORMATS = ((b"RIFF", "audio/wav"), (b"fLaC", "audio/flac"), (b"OggS", "audio/ogg"), (b"ID3", "audio/mpeg"))
_RAW = "audio/pcm"
_MPEG_FRAMES = frozenset({b"\xff\xfb", b"\xff\xfa", b"\xff\xf3", b"\xff\xf2"})


class Sound:
    """The `audio` of one message."""

    __slots__ = ("_data", "_marks")

    def __init__(self) -> None:
        self._data = bytearray()
        self._marks: dict[str, Any] = {}

    def add(self, raw: Any) -> str:
        """Take a piece, or the whole; gives the words in it.

        Raises:
            MalformedReply: the sound is not valid base64.
        """
        if not isinstance(raw, dict):
            return ""
        found = {"id": label(raw.get("id")), "expires_at": integer(raw.get("expires_at"))}
        self._marks.update({name: value for name, value in found.items() if value is not None})
        try:
            self._data += base64.b64decode(text_of(raw.get("data") or "", "sound"), validate=True)
        except binascii.Error:
            raise MalformedReply("the sound of the reply is not valid base64") from None
        return text_of(raw.get("transcript") or "", "a transcript")

    def media(self, kind: str) -> Media | None:
        """The whole sound, None if there is none; the vendor's id of it and when that expires are its marks."""
        if not self._data:
            return None
        data = bytes(self._data)
        marks = {kind: self._marks} if self._marks else None
        return Media(media_type=_media_type(data), data=data, provider_metadata=marks)


def _media_type(data: bytes) -> str:
    for mark, media_type in _FORMATS:
        if data.startswith(mark):
            return media_type
    return "audio/mpeg" if data[:2] in _MPEG_FRAMES else _RAW
