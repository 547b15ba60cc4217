"""Puts tables into a page of the documentation, between `<!-- measured: NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

__all__ = ["fill"]

_PART = re.compile(r"(<!-- measured: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(page: Path, parts: Mapping[str, str]) -> None:
    """Write what was measured; parts that were not measured stay."""

    def part(found: re.Match[str]) -> str:
        text = parts.get(found[2])
        return f"{found[1]}\n{text}\n\n{found[3]}" if text else found[0]

    page.write_text(_PART.sub(part, page.read_text()))
