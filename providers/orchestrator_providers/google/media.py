"""Writes media as parts: bytes inline, everything else as a reference."""

from __future__ import annotations

import base64
from mimetypes import guess_type
from typing import Any
from urllib.parse import urlsplit

from orchestrator.errors import UnsupportedFeature
from orchestrator.spec.provider import Target
from orchestrator.types.chat import Media
from orchestrator_providers.google.address import api_base
from orchestrator_providers.google.profile import VERTEX

__all__ = ["write_media"]

_FAMILIES = ("audio/", "image/", "text/", "video/")
_TYPES = frozenset({"application/pdf", "application/json"})


def write_media(part: Media, target: Target) -> dict[str, Any]:
    """A part with `inlineData` or `fileData`.

    `file_id` is what the vendor's Files API calls a name (`files/…`) or URI, or a `gs://` address.

    Raises:
        UnsupportedFeature: a type that the vendor does not read, or bytes or (on Vertex) an address without one.
    """
    if part.url is not None and part.url.startswith("data:"):
        return {"inlineData": _data_url(part.url)}
    if part.data is not None:
        _check(part.media_type)
        return {"inlineData": _inline(part.media_type, base64.b64encode(part.data).decode(), part.filename)}
    return {"fileData": _file(part, target)}


def _inline(media_type: str, data: str, filename: str | None) -> dict[str, Any]:
    written = {"mimeType": media_type, "data": data}
    return written | ({"displayName": filename} if filename else {})


def _check(media_type: str) -> None:
    if media_type.endswith("/*") or not (media_type.startswith(_FAMILIES) or media_type in _TYPES):
        raise UnsupportedFeature(f"media of type {media_type!r} cannot be sent to this provider")


def _data_url(url: str) -> dict[str, Any]:
    head, _, data = url.partition(",")
    media_type, *parameters = head.removeprefix("data:").split(";")
    if parameters[-1:] != ["base64"]:
        raise UnsupportedFeature("a data URL must be base64 to be sent to this provider")
    _check(media_type)
    return _inline(media_type, data, None)


def _file(part: Media, target: Target) -> dict[str, Any]:
    uri = part.url or part.file_id or ""
    if part.file_id is not None and uri.startswith("files/"):
        uri = f"{api_base(target)}/{uri}"
    media_type: str | None = part.media_type
    if media_type is None or media_type.endswith("/*"):
        media_type = guess_type(urlsplit(uri).path)[0]
    if media_type is not None:
        _check(media_type)
        return {"mimeType": media_type, "fileUri": uri}
    if target.profile.kind == VERTEX.kind:
        raise UnsupportedFeature("this provider must be told the exact media type of an address without a known suffix")
    return {"fileUri": uri}
