"""Token counts, which the server puts into the headers of an answer."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.types.usage import Usage

__all__ = ["read_usage"]

_TOKENS = "x-compute-tokens"
_COUNTS = (_TOKENS, "x-compute-characters")
_DIGITS = 18


def read_usage(headers: Mapping[str, str]) -> Usage | None:
    """The tokens that went through the model, special ones included, over all texts (for a ranking: over all pairs).

    None where a proxy has dropped the header.
    """
    raw = {name: int(text) for name in _COUNTS if _is_count(text := headers.get(name, ""))}
    return Usage(input_tokens=raw[_TOKENS], raw=raw) if _TOKENS in raw else None


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS
