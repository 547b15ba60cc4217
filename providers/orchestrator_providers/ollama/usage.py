"""From Ollama's counts to ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.types.usage import Usage
from orchestrator_providers.shared.reading import integer

__all__ = ["read_usage"]

_COUNTS = ("prompt_eval_count", "eval_count")
_DURATIONS = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")


def read_usage(value: Mapping[str, Any]) -> Usage | None:
    """Usage of an answer, None where it holds no count.

    A server leaves a count of 0 out, and older ones the prompt's when it was cached: what is missing is unknown.
    Durations, in nanoseconds, are in `raw`.
    """
    raw = {name: value[name] for name in (*_COUNTS, *_DURATIONS) if integer(value.get(name)) is not None}
    if raw.keys().isdisjoint(_COUNTS):
        return None
    return Usage(
        input_tokens=integer(raw.get("prompt_eval_count")), output_tokens=integer(raw.get("eval_count")), raw=raw
    )
