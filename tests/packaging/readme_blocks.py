"""The code blocks of `providers/README.md`, by the name in their first line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["README", "blocks"]

README = Path(__file__).parents[2] / "providers" / "README.md"
_BLOCK = re.compile(r"^```\w+\n# ([^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> Mapping[str, str]:
    """Each block without its fences; a block that names no file is an error of the page.

    Raises:
        AssertionError: a block whose first line is no comment with its name.
    """
    text = README.read_text()
    found = dict(_BLOCK.findall(text))
    assert len(found) == text.count("\n```") / 2, "a block without a name in its first line, or a name used twice"
    return found
