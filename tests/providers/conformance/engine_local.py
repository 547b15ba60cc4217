"""The local engine over a double of its model: a vector for each of four texts."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from engine_sample import EngineSample

from orchestrator.spec.provider import Engine
from orchestrator_providers.local.engine import LocalEngine
from orchestrator_providers.local.profile import MODELS

__all__ = ["sample"]

_VECTORS = {"q": [1.0, 0.0], "a": [0.5, 0.25], "b": [0.125, 0.5], "c": [0.875, -0.25]}


class _Row(list[float]):
    """A row of a matrix, as the engine uses it."""

    def tobytes(self) -> bytes:
        return array("f", self).tobytes()

    def __matmul__(self, other: Sequence[float]) -> float:
        return sum(one * two for one, two in zip(self, other, strict=True))


class _Model:
    def embed(self, texts: Sequence[str], dimensions: int) -> tuple[Any, int]:
        return [_Row(_VECTORS[text]) for text in texts], len(texts)


class _Broken:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def embed(self, texts: Sequence[str], dimensions: int) -> tuple[Any, int]:
        raise self._error


def _open(model: Any) -> Engine:
    name, facts = next(iter(MODELS.items()))
    return LocalEngine(name, facts, load=lambda *_: model)


def sample() -> EngineSample:
    """The model in this process."""
    return EngineSample(
        open=lambda _: _open(_Model()),
        broken=lambda error: _open(_Broken(error)),
        vectors=[_VECTORS[text] for text in "abc"],
        ranking=[(2, 0.875), (0, 0.5), (1, 0.125)],
    )
