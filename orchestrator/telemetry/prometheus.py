"""Calls as Prometheus metrics (extra `prometheus`): `sinks=[Prometheus()]`, served as the application serves its own.

    orchestrator_calls_total, orchestrator_call_duration_seconds     route, task, deployment, provider, model, status,
                                                                     error_type
    orchestrator_first_token_seconds                                 route, deployment, provider, model
    orchestrator_attempts_total                                      route, deployment, provider, model, error_type
    orchestrator_tokens_total                                        the same without error_type, and kind
    orchestrator_cost_usd_total, orchestrator_unpriced_total         route, deployment, provider, model
    orchestrator_in_flight                                           calls and streams under way, see `watch`

Tokens and money count by attempt, where they were spent. Labels are names of the configuration and classes of errors:
no tenant, user or tag, whose number nobody bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from orchestrator.errors import ConfigError
from orchestrator.spec.events import CallEvent, Event
from orchestrator.telemetry.jsonl import LogWriter
from orchestrator.types.call import Attempt

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

__all__ = ["Client", "Prometheus"]

_PLACE = ("route", "deployment", "provider", "model")
_CALL = ("route", "task", "deployment", "provider", "model", "status", "error_type")
_DURATIONS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0)
_KINDS = ("input", "output", "cache_read", "cache_write", "reasoning")


class Client(Protocol):
    """A client that knows how many of its calls are under way: both orchestrators do."""

    @property
    def in_flight(self) -> int:
        """Calls and streams under way."""
        ...


class Prometheus:
    """A sink: `sinks=[Prometheus()]`. Takes events in where they happen, counts them on a thread of its own.

    Args:
        registry: where metrics are registered; the library's default registry if not given.

    Raises:
        ConfigError: prometheus-client is not installed.
        ValueError: the registry has these metrics already; give one sink to several clients instead.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._metrics = _Metrics(registry)
        self._writer = LogWriter(self._metrics, render=_same)

    def __call__(self, event: Event) -> None:
        """Take an event. Never raises, never waits."""
        self._writer.emit(event)

    def watch(self, client: Client) -> None:
        """Have `orchestrator_in_flight` show this client's calls, asked for at each scrape."""
        self._metrics.in_flight.set_function(lambda: client.in_flight)

    def flush(self) -> None:
        """Count what was taken in."""
        self._writer.flush()

    def close(self) -> None:
        """The same, and end the thread."""
        self._writer.close()


def _same(event: Event) -> CallEvent | None:
    return event if isinstance(event, CallEvent) else None


class _Metrics:
    """A `Destination` of events that counts them."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        try:
            from prometheus_client import REGISTRY, Counter, Gauge, Histogram  # noqa: PLC0415
        except ImportError as error:
            command = "pip install 'model-orchestrator[prometheus]'"
            raise ConfigError(f"prometheus-client is not installed: {command}") from error
        to: Any = {"namespace": "orchestrator", "registry": registry or REGISTRY}
        self._calls = Counter("calls", "Calls by how they ended.", _CALL, **to)
        self._durations = Histogram("call_duration_seconds", "Whole calls.", _CALL, buckets=_DURATIONS_S, **to)
        self._first = Histogram("first_token_seconds", "To a stream's first event.", _PLACE, buckets=_DURATIONS_S, **to)
        self._attempts = Counter("attempts", "Exchanges with vendors.", (*_PLACE, "error_type"), **to)
        self._tokens = Counter("tokens", "Tokens; cache and reasoning are parts.", (*_PLACE, "kind"), **to)
        self._cost = Counter("cost_usd", "US dollars, as far as prices are known.", _PLACE, **to)
        self._unpriced = Counter("unpriced", "Attempts whose cost is not known.", _PLACE, **to)
        self.in_flight = Gauge("in_flight", "Calls and streams under way.", **to)

    def write(self, lines: Sequence[CallEvent]) -> int:
        """See `Destination.write`."""
        for event in lines:
            self._call(event)
            for attempt in event.attempts:
                self._attempt(event.route, attempt)
        return len(lines)

    def _call(self, event: CallEvent) -> None:
        last = event.attempts[-1] if event.attempts else None
        place = (last.deployment, last.provider, last.model) if last else ("", "", "")
        error = type(event.error).__name__ if event.error else ""
        # A route that does not exist is whatever the caller wrote: no name of the configuration.
        route = event.route if event.call_id else ""
        labels = (route, event.task or "", *place, event.status, error)
        self._calls.labels(*labels).inc()
        self._durations.labels(*labels).observe(event.timings.duration_ms / 1e3)
        if event.timings.first_token_ms is not None:
            self._first.labels(route, *place).observe(event.timings.first_token_ms / 1e3)

    def _attempt(self, route: str, attempt: Attempt) -> None:
        place = (route, attempt.deployment, attempt.provider, attempt.model)
        self._attempts.labels(*place, attempt.error or "").inc()
        if attempt.usage is None:
            return
        for kind in _KINDS:
            tokens = getattr(attempt.usage, f"{kind}_tokens")
            if tokens:
                self._tokens.labels(*place, kind).inc(tokens)
        if attempt.cost is None or attempt.cost.total is None:
            self._unpriced.labels(*place).inc()
        else:
            self._cost.labels(*place).inc(float(attempt.cost.total))

    def close(self) -> None:
        """See `Destination.close`."""
