"""What all replies share: who answered, when, after which attempts, at what cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from orchestrator.types.elsewhere import Elsewhere
from orchestrator.types.usage import Cost, Usage
from orchestrator.types.values import value

__all__ = ["Attempt", "CallWarning", "Charged", "Reply", "Task", "Timings"]

Task = Literal["chat", "embed", "rerank"]


@dataclass(frozen=True, slots=True)
class CallWarning:
    """Something the caller asked for was left out or changed. Returned with the reply, never printed.

    `kind` is `unsupported` (a setting was left out), `compatibility` (sent in another form), `stripped` (a vendor's
    mark in the history was dropped), `unproven_end` (the wire cannot prove that the answer is complete), or `other`.
    """

    kind: Literal["unsupported", "compatibility", "stripped", "unproven_end", "other"]
    setting: str
    message: str


@dataclass(frozen=True, slots=True)
class Charged:
    """A budget that an attempt was counted in.

    Attributes:
        budget: its name.
        per: what it goes by, as in the file: `all`, `tenant`, `user`, `route`, `provider` or `tags.NAME`.
        whose: the tenant, user, ... whose share it was; empty for all.
        window: `call`, `hour`, `day` or `month`.
        period: the window that it fell into, in the budget's time zone: `2026-11`, `2026-11-23`, or the time in UTC at
            which its hour began; empty for `call`.
        limit_usd: dollars per window, then in force.
    """

    budget: str
    per: str
    whose: str
    window: str
    period: str
    limit_usd: Decimal


@value(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One exchange with one deployment. `error` is the class name of the failure, None for the one that answered.
    `repair`: it asked to correct the answer of the attempt before. `served`: the model that the vendor says it was.
    `ended`: seconds since the epoch, the moment whose prices hold. `budgets`: those that count what it cost.
    """

    number: int
    deployment: str
    provider: str
    model: str
    duration_ms: float
    start_ms: float = 0.0
    """Since the call began."""

    error: str | None = None
    status: int | None = None
    usage: Usage | None = None
    cost: Cost | None = None
    request_id: str | None = None
    maybe_billed: bool = False
    repair: bool = False
    served: str | None = None
    ended: float | None = None
    budgets: tuple[Charged, ...] = ()


@value(frozen=True, slots=True, kw_only=True)
class Timings:
    """Milliseconds. `queue_ms` waited for limits, `wait_ms` for back-off; `first_token_ms` only for streams."""

    duration_ms: float
    queue_ms: float = 0.0
    wait_ms: float = 0.0
    first_token_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Reply(Elsewhere):
    """Shared part of `ChatReply`, `EmbedReply` and `RerankReply`.

    `request_model` is the model asked for, `model` the one the vendor says it served. `cost` contains failed attempts.
    """

    call_id: str
    route: str
    deployment: str
    provider: str
    request_model: str
    model: str | None
    usage: Usage
    cost: Cost
    timings: Timings
    attempts: tuple[Attempt, ...]
    warnings: tuple[CallWarning, ...] = ()
    response_id: str | None = None
    request_id: str | None = None
    provider_metadata: Mapping[str, Any] | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        counts = [str(n) for n in (self.usage.input_tokens, self.usage.output_tokens) if n is not None]
        tokens = [" + ".join(counts) + " tokens"] if counts else []
        cost = "cost unknown" if self.cost.total is None else f"{self.cost.total} USD"
        served = f"{self.deployment} ({self.model or self.request_model})"
        told = [self._content(), served, *tokens, cost, f"{self.timings.duration_ms:.0f} ms"]
        return f"<{type(self).__name__} {', '.join(told)}>"

    def _content(self) -> str:
        """What came, by its size: never the content itself."""
        return self.route
