"""Rules by which a book finds the row of a model id that it does not list literally."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

__all__ = ["bare", "dashed_date", "matches"]

_COMPACT_DATE = re.compile(r"-(20\d\d)(\d\d)(\d\d)(?=-|:|$)", re.ASCII)

_RESOURCE = re.compile(
    r"(?:projects/[^/]+/locations/[^/]+/)?(?:publishers/[^/]+/)?models/|"
    r"arn:aws[a-z-]*:bedrock:[^/]*/"
)

_TESTS: Mapping[str, Callable[[str, Any], bool]] = {
    "equals": lambda text, value: text == value,
    "starts": lambda text, value: text.startswith(value),
    "ends": lambda text, value: text.endswith(value),
    "contains": lambda text, value: value in text,
    "regex": lambda text, value: re.search(value, text) is not None,
    "all": lambda text, value: all(matches(text, rule) for rule in value),
    "any": lambda text, value: any(matches(text, rule) for rule in value),
}


def matches(model: str, rule: list[Any]) -> bool:
    """Whether a lower-case model id fits `[test, value]`; `all` and `any` take a list of rules."""
    return _TESTS[rule[0]](model, rule[1])


def bare(model: str) -> str:
    """A lower-case model id without its place in Google's or Amazon's tree: `publishers/google/models/x` as `x`."""
    match = _RESOURCE.match(model)
    return model[match.end() :] if match else model


def dashed_date(model: str) -> str:
    """`gpt-x-20251211` as `gpt-x-2025-12-11`, the form the sources list; gateways send the compact one."""
    return _COMPACT_DATE.sub(_dashed, model)


def _dashed(match: re.Match[str]) -> str:
    try:
        return f"-{date(*map(int, match.groups())).isoformat()}"
    except ValueError:
        return match[0]
