"""Files that go along with a prompt."""

from __future__ import annotations

import mimetypes
from pathlib import Path

import typer

from orchestrator.types.chat import Media, Text

__all__ = ["attached"]

_AS_MEDIA = ("image/", "audio/", "video/", "application/pdf")


def attached(path: Path) -> Media | Text:
    """The file as a part of a message: by its name a picture, sound, film or PDF, and otherwise text in UTF-8.

    Raises:
        typer.BadParameter: it is neither.
    """
    media_type = mimetypes.guess_type(path.name)[0] or ""
    data = path.read_bytes()
    if media_type.startswith(_AS_MEDIA):
        return Media(media_type=media_type, data=data, filename=path.name)
    try:
        return Text(f"{path.name}:\n\n{data.decode()}")
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{path}: neither text in UTF-8 nor a picture, PDF, sound or film by name") from None
