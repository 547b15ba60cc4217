"""Engines of the conformance suite: each over a double of what it drives, which answers without I/O.

To add an engine: write `engine_<kind>.py` with `sample() -> EngineSample`, and name it here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import engine_litellm
import engine_local
from engine_sample import EngineSample

__all__ = ["ENGINE_SAMPLES"]

ENGINE_SAMPLES: Mapping[str, Callable[[], EngineSample]] = {
    "litellm": engine_litellm.sample,
    "local": engine_local.sample,
}
