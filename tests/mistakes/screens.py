"""Snapshots that people read: one file per area, a heading per mistake.

`UPDATE_SCREENS=1 pytest tests/mistakes` writes them anew; the difference is then for a reader of the change to judge.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["expect", "heading"]

_FOLDER = Path(__file__).parent / "screens"
_RULE = "─" * 3


def heading(title: str) -> str:
    """The line above one mistake's screen."""
    return f"{_RULE} {title} {'─' * max(3, 74 - len(title))}"


def expect(area: str, found: dict[str, str]) -> None:
    """The area's file holds these screens, by title, in this order."""
    file = _FOLDER / f"{area}.txt"
    whole = "\n".join(f"{heading(title)}\n{_trimmed(screen)}\n" for title, screen in found.items())
    if os.environ.get("UPDATE_SCREENS"):
        file.write_text(whole, "utf-8")
    assert file.read_text("utf-8") == whole, f"{file.name} differs; UPDATE_SCREENS=1 writes it anew"


def _trimmed(screen: str) -> str:
    return re.sub(r"[ \t]+$", "", screen, flags=re.MULTILINE).strip("\n")
