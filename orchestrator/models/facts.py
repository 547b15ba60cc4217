"""Facts as the data files and the configuration write them, and the `ModelProfile` made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from orchestrator.spec.models import ModelProfile

__all__ = ["MEDIA_TYPES", "media_types", "overlaid"]

MEDIA_TYPES: Mapping[str, str] = {
    "audio": "audio/*",
    "image": "image/*",
    "pdf": "application/pdf",
    "video": "video/*",
}
"""The words for media by what they stand for. A type such as `image/png` stands for itself."""

_SETS = frozenset({"refuses", "refuses_when_reasoning"})
_TUPLES = frozenset({"dimension_choices", "efforts", "uncapped_efforts"})


def media_types(words: Iterable[str]) -> frozenset[str]:
    """Media types of words such as `image`."""
    return frozenset([MEDIA_TYPES.get(word, word) for word in words])


def overlaid(profile: ModelProfile, facts: Mapping[str, Any]) -> ModelProfile:
    """The profile with these facts over its own. Each one given replaces what was known under its name."""
    return replace(profile, **{name: _value(name, value) for name, value in facts.items()}) if facts else profile


def _value(name: str, value: Any) -> Any:
    if name == "media":
        return None if value is None else media_types(value)
    if name in _SETS:
        return frozenset(value)
    if name in _TUPLES:
        return tuple(value)
    if name == "retires_on" and isinstance(value, str):
        return date.fromisoformat(value)
    return value
