"""How long each act takes, and how fast the simulated vendors are. Seconds."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FAST", "NORMAL", "Pace"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """The demo's timing.

    Attributes:
        questions_per_s: how many questions the application asks.
        calm_s: before anything happens.
        limited_s: while the vendor answers 429; `retry_after_s` is what it asks for.
        recovered_s: between the rate limit and the crash, so that calls are in flight when it comes.
        dead_s: until the vendor is back.
        revived_s: before the file is edited.
        swap_s: what a running client needs to take over an edit: it looks once a second, and twice.
        after_s: with the new model.
        latency_s, first_token_s, tokens_per_s: of every vendor.
    """

    questions_per_s: float
    calm_s: float
    limited_s: float
    retry_after_s: float
    recovered_s: float
    dead_s: float
    revived_s: float
    swap_s: float
    after_s: float
    latency_s: float
    first_token_s: float
    tokens_per_s: float

    @property
    def questions(self) -> int:
        """About how many questions there will be."""
        acts_s = self.calm_s + self.limited_s + self.recovered_s + self.dead_s + self.revived_s + self.after_s
        return round((acts_s + self.swap_s) * self.questions_per_s)


NORMAL = Pace(
    questions_per_s=40,
    calm_s=1.5,
    limited_s=2.0,
    retry_after_s=1,
    recovered_s=1.4,
    dead_s=2.0,
    revived_s=0.8,
    swap_s=2.0,
    after_s=1.5,
    latency_s=0.12,
    first_token_s=0.25,
    tokens_per_s=60,
)
FAST = Pace(
    questions_per_s=80,
    calm_s=0.4,
    limited_s=0.4,
    retry_after_s=0.3,
    recovered_s=0.5,
    dead_s=0.3,
    revived_s=0.2,
    swap_s=1.5,
    after_s=0.4,
    latency_s=0.03,
    first_token_s=0.05,
    tokens_per_s=200,
)
