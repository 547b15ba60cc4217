"""Writes images, documents, videos and sound as Converse takes them."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from orchestrator.errors import UnsupportedFeature
from orchestrator.types.chat import Media

__all__ = ["CARRIED", "DocumentNames", "write_media"]

_DOCUMENTS = {
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
}
_IMAGES = {"gif": "gif", "jpeg": "jpeg", "jpg": "jpeg", "png": "png", "webp": "webp"}
_VIDEOS = {
    "3gpp": "three_gp",
    "mp4": "mp4",
    "mpeg": "mpeg",
    "mpg": "mpg",
    "quicktime": "mov",
    "webm": "webm",
    "x-flv": "flv",
    "x-matroska": "mkv",
    "x-ms-wmv": "wmv",
}
_SOUNDS = {
    "aac": "aac",
    "flac": "flac",
    "m4a": "m4a",
    "mp3": "mp3",
    "mp4": "mp4",
    "mpeg": "mp3",
    "ogg": "ogg",
    "opus": "opus",
    "wav": "wav",
    "webm": "webm",
    "x-m4a": "m4a",
    "x-wav": "wav",
}
_FAMILIES: Mapping[str, Mapping[str, str]] = {"audio": _SOUNDS, "image": _IMAGES, "video": _VIDEOS}
CARRIED = frozenset({*_DOCUMENTS, *[f"{family}/{kind}" for family, kinds in _FAMILIES.items() for kind in kinds]})
"""The media types that have a place in the API; models read some of them each."""

_REFUSED_IN_NAME = re.compile(r"[^A-Za-z0-9\s()\[\]-]+")
_SPACE = re.compile(r"\s+")
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_LONGEST_NAME = 200


class DocumentNames:
    """Names for the documents of one request: in the characters that the vendor takes, and none of them twice."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def make(self, filename: str | None) -> str:
        """`Quarterly_report.v2.pdf` becomes `Quarterly-report-v2`."""
        plain = _REFUSED_IN_NAME.sub("-", _EXTENSION.sub("", filename or ""))
        base = _SPACE.sub(" ", plain).strip(" -")[: _LONGEST_NAME - 6] or "document"
        name, number = base, 1
        while name in self._taken:
            number += 1
            name = f"{base} {number}"
        self._taken.add(name)
        return name


def write_media(part: Media, names: DocumentNames) -> dict[str, Any]:
    """One content block. A file reference is an S3 address, `s3://bucket/key`.

    Raises:
        UnsupportedFeature: a type without a place in this API, or an address that only the web can answer.
    """
    family, _, kind = part.media_type.partition("/")
    found = _FAMILIES.get(family, {}).get(kind)
    if found:
        return {family: {"format": found, "source": _source(part)}}
    if part.media_type in _DOCUMENTS:
        name = names.make(part.filename)
        return {"document": {"format": _DOCUMENTS[part.media_type], "name": name, "source": _source(part)}}
    raise UnsupportedFeature(f"media of type {part.media_type!r} cannot be sent to this provider")


def _source(part: Media) -> dict[str, Any]:
    if part.file_id is not None:
        if not part.file_id.startswith("s3://"):
            raise UnsupportedFeature("a file reference must be an s3:// address to be sent to this provider")
        return {"s3Location": {"uri": part.file_id}}
    if part.data is None:
        raise UnsupportedFeature("this provider fetches no URLs: send the bytes, or an s3:// address as file_id")
    return {"bytes": base64.b64encode(part.data).decode()}
