"""What happened, as frozen values handed to every sink: the log, and whoever else listens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from orchestrator.errors import OrchestratorError
from orchestrator.types.call import Attempt, Task, Timings
from orchestrator.types.usage import Cost, Usage
from orchestrator.types.values import value

__all__ = ["CallContent", "CallContext", "CallEvent", "Event", "NoticeEvent", "Sink"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """Who calls, for the log only: never sent to a vendor."""

    tenant: str | None = None
    user: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    trace_id: str | None = None
    parent: Any = field(default=None, repr=False, compare=False)
    """The caller's OpenTelemetry span context, if that library is in use."""


@dataclass(frozen=True, slots=True)
class CallContent:
    """What was asked and answered, as sent and decoded; only of routes whose file says `log_content: true`."""

    request: Any = field(repr=False)
    result: Any = field(repr=False)


@value(frozen=True, slots=True, kw_only=True)
class CallEvent:
    """A call has ended, one way or the other. `attempts` are in order; the last one answered if `error` is None."""

    time: float
    call_id: str
    config_hash: str
    route: str
    task: Task | None
    context: CallContext
    stream: bool
    timings: Timings
    attempts: tuple[Attempt, ...]
    usage: Usage | None
    cost: Cost
    region: str | None = None
    response_model: str | None = None
    response_id: str | None = None
    items: int | None = None
    dimensions: int | None = None
    finish_reason: str | None = None
    error: OrchestratorError | None = None
    status: Literal["ok", "error", "cancelled", "abandoned"] = "ok"
    otel_provider: str | None = None
    """`gen_ai.provider.name` of who answered."""

    content: CallContent | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeEvent:
    """Something the operator should know that is not a call: a refused configuration, lost log lines.

    `name` is `llm.config.reloaded`, `llm.config.refused`, `llm.credential.reloaded`, `llm.log.dropped`,
    `llm.log.refused`, `llm.budget.alert`, `llm.budget.exceeded` or `llm.budget.unpriced`.
    """

    time: float
    name: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


Event: TypeAlias = CallEvent | NoticeEvent
Sink: TypeAlias = Callable[[Event], None]
"""Takes an event; must be quick, thread-safe and must not raise."""
