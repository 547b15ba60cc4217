"""What the conformance suite must know about an engine: how to open it over a double of what it drives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wire_sample import Said

from orchestrator.spec.provider import Engine

__all__ = ["EngineSample"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSample:
    """One engine.

    Attributes:
        open: the engine over a double that answers chats so.
        broken: the engine over a double in which everything raises this exception.
        vectors: what the double answers to as many texts, in their order; None if the engine does not embed.
        ranking: what the double answers to three documents, best first; None if it does not rank.
        exempt: claims that do not hold here, with the reason.
    """

    open: Callable[[Said], Engine]
    broken: Callable[[Exception], Engine]
    vectors: list[list[float]] | None = None
    ranking: list[tuple[int, float]] | None = None
    exempt: Mapping[str, str] = field(default_factory=dict)
