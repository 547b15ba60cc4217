"""Output where not every character can be written: pipes and consoles in ASCII or in an old code page."""

from __future__ import annotations

import codecs
import sys
from io import TextIOWrapper

__all__ = ["spell_out", "writes_everything"]

_PLAIN = {"…": "...", "✓": "+", "✗": "x", "─": "-", "━": "-", "╸": "-", "│": "|"}
_NAME = "orchestrator.spelled"


def writes_everything(encoding: str | None) -> bool:
    """Whether an encoding has all characters."""
    return (encoding or "").lower().replace("-", "").replace("_", "").startswith("utf")


def spell_out() -> None:
    """Have standard output and error write what they can instead of failing: look-alikes, or the character's number."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and not writes_everything(stream.encoding):
            codecs.register_error(_NAME, _spelled)
            stream.reconfigure(errors=_NAME)


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end]
    return "".join(_PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in lost), error.end
