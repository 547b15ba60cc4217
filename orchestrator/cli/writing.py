"""Writes configuration as people would: one entry per line, in YAML's flow style."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from orchestrator.config.yaml import plain

__all__ = ["block", "flow"]

_PLAIN = re.compile(r"[A-Za-z0-9_./$][A-Za-z0-9_./@+:~$-]*")


def flow(value: Any) -> str:
    """The value on one line."""
    match value:
        case Mapping():
            return "{" + ", ".join(f"{_key(key)}: {flow(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(flow, value)) + "]"
        case str():
            return _text(value)
        case Decimal():
            return format(value.normalize(), "f")
        case _:
            return json.dumps(value)


def _text(value: str) -> str:
    # A colon at the end would make it a key, and what reads as a number must stay text.
    bare = _PLAIN.fullmatch(value) and not value.endswith(":") and isinstance(plain(value), str)
    return value if bare else json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    return key if _PLAIN.fullmatch(key) and ":" not in key else json.dumps(key, ensure_ascii=False)


def block(name: str, entries: Mapping[str, Any]) -> str:
    """A section with one entry per line."""
    return f"{name}:\n" + "".join(f"  {_key(key)}: {flow(value)}\n" for key, value in entries.items())
