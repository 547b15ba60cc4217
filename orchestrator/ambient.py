"""Who calls, for whole blocks of code: `with orchestrator.context(tenant="acme"): ...`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from orchestrator.errors import InvalidRequest
from orchestrator.spec.events import CallContext

__all__ = ["Ambient", "checked_deadline", "context", "current", "merged", "traced"]


@dataclass(frozen=True, slots=True)
class Ambient:
    """What holds for the calls of the running task or thread. `until` is `time.monotonic()` seconds."""

    call: CallContext = field(default_factory=CallContext)
    until: float | None = None


_NOTHING = Ambient()
_ambient: ContextVar[Ambient] = ContextVar("orchestrator_context", default=_NOTHING)


@contextmanager
def context(
    *,
    tenant: str | None = None,
    user: str | None = None,
    tags: Mapping[str, str] | None = None,
    trace_id: str | None = None,
    deadline: float | None = None,
) -> Iterator[None]:
    """Name the caller for every call made inside, in this task or thread and the tasks it starts. A new thread starts
    without, unless it is given the context (`asyncio.to_thread` does, `contextvars.copy_context().run` can).

    Blocks nest: inner values win, tags add up. An argument of the call itself wins over both. None of it is sent to a
    vendor.

    Args:
        tenant: the customer the calls are for; on every log line.
        user: the person the calls are for; on every log line.
        tags: free keys and values for the log, such as `{"feature": "faq"}`.
        trace_id: puts the log lines in relation to a trace. Taken from OpenTelemetry when that is in use.
        deadline: seconds from now that all calls inside share.

    Example:
        >>> with context(tenant="acme", tags={"feature": "faq"}, deadline=20):
        ...     llm.chat("answer", "Which plan includes SSO?").text
        'The Team plan.'
    """
    outer = _ambient.get()
    until = None if deadline is None else time.monotonic() + checked_deadline(deadline)
    if until is not None and outer.until is not None:
        until = min(until, outer.until)
    inner = merged(outer.call, tenant=tenant, user=user, tags=tags, trace_id=trace_id)
    token = _ambient.set(Ambient(inner, outer.until if until is None else until))
    try:
        yield
    finally:
        _ambient.reset(token)


current: Callable[[], Ambient] = _ambient.get
"""What holds here."""


def merged(
    base: CallContext,
    *,
    tenant: str | None = None,
    user: str | None = None,
    tags: Mapping[str, str] | None = None,
    trace_id: str | None = None,
) -> CallContext:
    """`base` with these values on top."""
    changes: dict[str, Any] = {}
    for name, value in (("tenant", tenant), ("user", user), ("trace_id", trace_id)):
        if value is not None:
            if not isinstance(value, str):
                raise InvalidRequest(f"{name}: expected text, found {type(value).__name__}")
            changes[name] = value
    if tags:
        if not isinstance(tags, Mapping) or not all(
            isinstance(key, str) and isinstance(value, str) for key, value in tags.items()
        ):
            raise InvalidRequest("tags: expected a mapping of texts, such as {'feature': 'faq'}")
        changes["tags"] = {**base.tags, **tags}
    return replace(base, **changes) if changes else base


def traced(base: CallContext) -> CallContext:
    """With the id of the OpenTelemetry trace under way, if that library is loaded and none was given."""
    trace = sys.modules.get("opentelemetry.trace")
    if base.trace_id is not None or not hasattr(trace, "get_current_span"):  # absent, or being imported just now
        return base
    span = trace.get_current_span().get_span_context()  # type: ignore[union-attr]
    return replace(base, trace_id=format(span.trace_id, "032x"), parent=span) if span.is_valid else base


def checked_deadline(seconds: float) -> float:
    """Seconds that a call may take: a positive number."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
        found = repr(seconds) if isinstance(seconds, int | float) else type(seconds).__name__
        raise InvalidRequest(f"deadline: expected a positive number of seconds, found {found}")
    return float(seconds)
