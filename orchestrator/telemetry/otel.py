"""Calls as OpenTelemetry spans and metrics, by the GenAI conventions (extra `otel`).

    Orchestrator.from_file("orchestrator.yaml", sinks=[OpenTelemetry()])          # the application's own providers

A call gives one CLIENT span, made after its end with its own times, under the span that was the caller's; attempts are
its children when there was more than one. No content is exported. Events are only taken in where they happen; spans
and metrics are made on a thread of their own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from threading import Thread
from typing import TYPE_CHECKING, Any

from orchestrator.errors import ConfigError
from orchestrator.spec.events import CallEvent, Event
from orchestrator.telemetry.jsonl import LogWriter
from orchestrator.telemetry.lines import line
from orchestrator.telemetry.schema import ATTRIBUTES
from orchestrator.types.call import Attempt

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

__all__ = ["DURATION_BUCKETS_S", "TOKEN_BUCKETS", "OpenTelemetry", "collector"]

TOKEN_BUCKETS = tuple(4**power for power in range(14))
DURATION_BUCKETS_S = tuple(round(0.01 * 2**power, 2) for power in range(14))

_OPERATIONS: Mapping[str | None, str] = {"chat": "chat", "embed": "embeddings", "rerank": "rerank"}
_SCOPE = "orchestrator"
_CLOSING_S = 2.0
"""A collector that is away must not hold up the end of a process: by itself the exporter tries for 14 s."""

_LOW_CARDINALITY = (
    "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "gen_ai.response.model",
    "orchestrator.route", "orchestrator.deployment", "error.type",
)  # fmt: skip


class OpenTelemetry:
    """A sink: `sinks=[OpenTelemetry()]`. Without providers, those that the application has set for the process.

    Raises:
        ConfigError: OpenTelemetry is not installed.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._writer = LogWriter(_Exporter(tracer_provider, meter_provider), render=_same)

    def __call__(self, event: Event) -> None:
        """Take an event. Never raises, never waits."""
        self._writer.emit(event)

    def flush(self) -> None:
        """Make the spans of what was taken in, and hand them to the providers."""
        self._writer.flush()

    def close(self) -> None:
        """The same, and end the thread. The providers are the application's to shut down."""
        self._writer.close()


def collector(endpoint: str, *, headers: Mapping[str, str], service_name: str | None = None) -> LogWriter:
    """What sends to a collector at this base URL, OTLP over HTTP, with providers of its own. Starts no thread yet.

    Raises:
        ConfigError: the exporter is not installed.
    """
    _required("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    return LogWriter(_Collector(endpoint, headers, service_name), render=_same)


def _same(event: Event) -> CallEvent | None:
    return event if isinstance(event, CallEvent) else None


def _required(module: str) -> None:
    from importlib.util import find_spec  # noqa: PLC0415

    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise ConfigError("OpenTelemetry is not installed: pip install 'model-orchestrator[otel]'", key="otel")


class _Exporter:
    """A `Destination` of events: makes spans and records metrics."""

    def __init__(self, tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None) -> None:
        _required("opentelemetry.trace")
        from opentelemetry import metrics, trace  # noqa: PLC0415

        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)

        def histogram(name: str, unit: str, buckets: Sequence[float]) -> Any:
            return meter.create_histogram(
                f"gen_ai.client.{name}", unit=unit, explicit_bucket_boundaries_advisory=list(buckets)
            )

        self._tokens = histogram("token.usage", "{token}", TOKEN_BUCKETS)
        self._durations = histogram("operation.duration", "s", DURATION_BUCKETS_S)
        self._first_chunks = histogram("operation.time_to_first_chunk", "s", DURATION_BUCKETS_S)
        self._cost = meter.create_counter("orchestrator.cost", unit="{USD}")

    def write(self, lines: Sequence[CallEvent]) -> int:
        """See `Destination.write`."""
        for event in lines:
            values = _attributes(event)
            self._span(event, values)
            self._measure(event, {name: values[name] for name in _LOW_CARDINALITY if name in values})
        return len(lines)

    def _span(self, event: CallEvent, values: dict[str, Any]) -> None:
        from opentelemetry import trace  # noqa: PLC0415

        start = event.time - event.timings.duration_ms / 1e3
        name = " ".join(str(values[key]) for key in ("gen_ai.operation.name", "gen_ai.request.model") if key in values)
        span = self._tracer.start_span(
            name, context=_parent(event), kind=trace.SpanKind.CLIENT, attributes=values, start_time=_ns(start)
        )
        if event.error is not None:
            span.set_status(trace.StatusCode.ERROR, type(event.error).__name__)
        if len(event.attempts) > 1:
            context = trace.set_span_in_context(span)
            for attempt in event.attempts:
                self._attempt(attempt, start, context)
        span.end(_ns(event.time))

    def _attempt(self, attempt: Attempt, call_start: float, context: Context) -> None:
        from opentelemetry import trace  # noqa: PLC0415

        start = call_start + attempt.start_ms / 1e3
        span = self._tracer.start_span(
            f"attempt {attempt.number} {attempt.deployment}",
            context=context,
            attributes=_attempt_attributes(attempt),
            start_time=_ns(start),
        )
        if attempt.error is not None:
            span.set_status(trace.StatusCode.ERROR, attempt.error)
        span.end(_ns(start + attempt.duration_ms / 1e3))

    def _measure(self, event: CallEvent, labels: dict[str, Any]) -> None:
        self._durations.record(event.timings.duration_ms / 1e3, labels)
        if event.timings.first_token_ms is not None:
            self._first_chunks.record(event.timings.first_token_ms / 1e3, labels)
        if event.usage is not None:
            for kind, tokens in (("input", event.usage.input_tokens), ("output", event.usage.output_tokens)):
                if tokens is not None:
                    self._tokens.record(tokens, labels | {"gen_ai.token.type": kind})
        if event.cost.total is not None:
            self._cost.add(float(event.cost.total), labels)

    def close(self) -> None:
        """See `Destination.close`."""


class _Collector:
    """An `_Exporter` with providers that send to one address, made when the first event comes."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], service_name: str | None) -> None:
        self._endpoint = endpoint
        self._headers = dict(headers)
        self._service_name = service_name
        self._exporter: _Exporter | None = None
        self._shutdown: list[Callable[[], None]] = []

    def write(self, lines: Sequence[CallEvent]) -> int:
        """See `Destination.write`."""
        if self._exporter is None:
            self._exporter = self._open()
        return self._exporter.write(lines)

    def _open(self) -> _Exporter:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        resource = Resource.create({"service.name": self._service_name} if self._service_name else {})
        headers = self._headers
        spans = OTLPSpanExporter(f"{self._endpoint}/v1/traces", headers=headers)
        tracers = TracerProvider(resource=resource)
        tracers.add_span_processor(BatchSpanProcessor(spans))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{self._endpoint}/v1/metrics", headers=headers))
        meters = MeterProvider(resource=resource, metric_readers=[reader])
        self._shutdown = [tracers.shutdown, meters.shutdown]
        return _Exporter(tracers, meters)

    def close(self) -> None:
        """See `Destination.close`: sends what there is, as far as the collector takes it in good time."""
        self._exporter = None
        ending = [Thread(target=shutdown, name="orchestrator-otel", daemon=True) for shutdown in self._shutdown]
        self._shutdown = []
        for thread in ending:
            thread.start()
        until = time.monotonic() + _CLOSING_S
        for thread in ending:
            thread.join(max(0.0, until - time.monotonic()))


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


def _parent(event: CallEvent) -> Context:
    from opentelemetry import trace  # noqa: PLC0415
    from opentelemetry.context import Context  # noqa: PLC0415

    parent = event.context.parent
    return Context() if parent is None else trace.set_span_in_context(trace.NonRecordingSpan(parent), Context())


def _attributes(event: CallEvent) -> dict[str, Any]:
    """The line's values by their OpenTelemetry names; money as a float, which is what attributes can hold."""
    values = line(event)
    values["cost_usd"] = None if event.cost.total is None else float(event.cost.total)
    factor = event.attempts[-1].cost.factor if event.attempts and event.attempts[-1].cost else None
    values["price_factor"] = None if factor is None else float(factor)
    values["finish_reason"] = None if event.finish_reason is None else (event.finish_reason,)
    values["task"] = _OPERATIONS.get(event.task, event.task)
    values["stream"] = event.stream or None  # the conventions have it only where it is true
    found = {name: values[key] for key, name in ATTRIBUTES.items() if values.get(key) is not None}
    found |= {f"orchestrator.tag.{key}": value for key, value in event.context.tags.items()}
    if event.otel_provider or event.attempts:
        found["gen_ai.provider.name"] = event.otel_provider or event.attempts[-1].provider
    if event.timings.first_token_ms is not None:
        found["gen_ai.response.time_to_first_chunk"] = event.timings.first_token_ms / 1e3
    return found


def _attempt_attributes(attempt: Attempt) -> dict[str, Any]:
    usage, cost = attempt.usage, attempt.cost
    found = {
        "orchestrator.attempt.number": attempt.number,
        "orchestrator.deployment": attempt.deployment,
        "orchestrator.provider": attempt.provider,
        "gen_ai.request.model": attempt.model,
        "http.response.status_code": attempt.status,
        "error.type": attempt.error,
        "gen_ai.usage.input_tokens": usage.input_tokens if usage else None,
        "gen_ai.usage.output_tokens": usage.output_tokens if usage else None,
        "gen_ai.usage.cost": float(cost.total) if cost and cost.total is not None else None,
        "orchestrator.attempt.maybe_billed": attempt.maybe_billed or None,
    }
    return {name: value for name, value in found.items() if value is not None}
