"""Vectors and relevance made from words: texts that share words lie close together, so that a search makes sense.

Each word, and the first letters of each longer word, points in a few fixed directions chosen by its hash. A text's
vector is their sum, at length one. The same text gives the same vector in every process.
"""

from __future__ import annotations

import base64
import math
import re
import struct
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

__all__ = ["packed", "rank", "vector"]

_WORD = re.compile(r"\w+")
_STEM_LETTERS = 5
_DIRECTIONS = 8


def vector(text: str, dimensions: int) -> list[float]:
    """The unit vector of a text."""
    values = [0.0] * dimensions
    for feature, weight in _features(text).items():
        for place, sign in _directions(feature):
            values[place % dimensions] += sign * weight
    length = math.sqrt(sum(value * value for value in values))
    if not length:
        values[0] = length = 1.0
    return [value / length for value in values]


def packed(values: Sequence[float]) -> str:
    """A vector as base64 of little-endian 32-bit floats."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def rank(query: str, documents: Sequence[str]) -> list[tuple[int, float]]:
    """Index and score from 0 to 1 of every document, best first; equal ones in the given order."""
    wanted = _features(query)
    scores = [(index, round(_cosine(wanted, _features(document)), 7)) for index, document in enumerate(documents)]
    return sorted(scores, key=lambda pair: -pair[1])


def _features(text: str) -> dict[str, float]:
    weights: dict[str, float] = defaultdict(float)
    for word in _WORD.findall(text.lower()):
        # Short words are mostly the glue of a sentence and say little about it.
        weights[word] += 1.0 if len(word) > 3 else 0.2
        if len(word) > _STEM_LETTERS:
            weights[word[:_STEM_LETTERS] + "*"] += 0.7
    return weights


def _cosine(one: dict[str, float], other: dict[str, float]) -> float:
    dot = sum(weight * other.get(feature, 0.0) for feature, weight in one.items())
    size = math.sqrt(sum(w * w for w in one.values()) * sum(w * w for w in other.values()))
    return dot / size if size else 0.0


@lru_cache(maxsize=20_000)
def _directions(feature: str) -> tuple[tuple[int, int], ...]:
    digest = blake2b(feature.encode(), digest_size=4 * _DIRECTIONS).digest()
    numbers = [int.from_bytes(digest[at : at + 4], "little") for at in range(0, len(digest), 4)]
    return tuple((number >> 1, 1 if number & 1 else -1) for number in numbers)
