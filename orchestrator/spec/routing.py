"""How far one call has come, as the route and attempt policies see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from orchestrator.errors import OrchestratorError

__all__ = ["Candidate", "Health", "Progress"]


class Health:
    """What all calls know of one deployment. Outlives reloads; single writes of plain numbers need no lock.

    `not_before`: monotonic seconds before which the vendor asked not to be called again.
    """

    __slots__ = ("not_before",)

    def __init__(self) -> None:
        self.not_before = 0.0


class Candidate(Protocol):
    """A deployment, as far as choosing one goes."""

    @property
    def name(self) -> str:
        """Unique within the configuration."""
        ...

    @property
    def health(self) -> Health:
        """Shared by all calls."""
        ...


@dataclass(slots=True)
class Progress:
    """The state of one call's attempts.

    Attributes:
        order: candidates, best first, fixed for the call.
        failures: one error per failed attempt, in order.
        tries: attempts per deployment name.
        not_before: this call's own back-off per deployment name, monotonic seconds.
        barred: deployments this call never asks again, with the reason.
    """

    order: Sequence[Candidate]
    failures: list[OrchestratorError] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=dict)
    not_before: dict[str, float] = field(default_factory=dict)
    barred: dict[str, OrchestratorError] = field(default_factory=dict)
