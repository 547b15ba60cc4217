"""OpenTelemetry: what a real OTLP receiver gets for calls."""

from __future__ import annotations

import threading
import time
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from log_events import call
from test_lines import attempt
from test_required_log import config
from vendor import completion

from orchestrator import Orchestrator
from orchestrator.errors import ConfigError, RateLimited
from orchestrator.spec.events import CallContext
from orchestrator.telemetry import otel
from orchestrator.telemetry.otel import DURATION_BUCKETS_S, TOKEN_BUCKETS, collector
from orchestrator.testing import ScriptedTransport
from orchestrator.types.call import Timings
from orchestrator.types.usage import Cost, Usage

SPANS, METRICS = "/v1/traces", "/v1/metrics"


class Receiver:
    """An OTLP receiver on a socket: keeps what it is sent, decoded."""

    def __init__(self):
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        kinds = {SPANS: ExportTraceServiceRequest, METRICS: ExportMetricsServiceRequest}
        self.bodies, self.headers = {SPANS: [], METRICS: []}, []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                receiver.bodies[self.path].append(kinds[self.path].FromString(body))
                receiver.headers.append(self.headers)
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def spans(self):
        return [
            span
            for body in self.bodies[SPANS]
            for resource in body.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def metrics(self):
        return {
            metric.name: metric
            for body in self.bodies[METRICS]
            for resource in body.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="opentelemetry is not installed")
    made = Receiver()
    yield made
    made.close()


def values(span):
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def export(receiver, *events, **more):
    log = collector(receiver.url, headers=more.pop("headers", {}), service_name="shop")
    for event in events:
        log.emit(event)
    log.close()


RETRIED = call(
    context=CallContext(tenant="acme", tags={"feature": "faq"}),
    timings=Timings(duration_ms=2_000.0, first_token_ms=1_500.0),
    attempts=(
        attempt(1, error="ServerError", status=500, start_ms=100.0),
        attempt(2, status=200, start_ms=900.0),
    ),
    usage=Usage(input_tokens=70, output_tokens=5, cache_read_tokens=64),
    cost=Cost(total=Decimal("0.00012")),
    finish_reason="stop",
    otel_provider="openai",
)


def test_spans(receiver):
    """A call is one CLIENT span with the conventions' names and its own times; attempts are children in place."""
    export(receiver, RETRIED, headers={"x-team": "platform"})
    spans = {span.name: span for span in receiver.spans}
    assert set(spans) == {"chat m", "attempt 1 d1", "attempt 2 d2"}
    whole, first = spans["chat m"], spans["attempt 1 d1"]
    assert (whole.kind, whole.parent_span_id) == (3, b"")
    assert whole.end_time_unix_nano - whole.start_time_unix_nano == pytest.approx(2e9, abs=1e3)
    assert first.parent_span_id == whole.span_id
    assert first.start_time_unix_nano - whole.start_time_unix_nano == pytest.approx(1e8, abs=1e3)
    found = values(whole)
    expected = {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "m",
        "gen_ai.usage.input_tokens": 70, "gen_ai.usage.output_tokens": 5, "gen_ai.usage.cache_read.input_tokens": 64,
        "gen_ai.usage.cost": 0.00012, "orchestrator.tenant": "acme", "orchestrator.tag.feature": "faq",
        "orchestrator.deployment": "d2", "gen_ai.response.time_to_first_chunk": 1.5,
    }  # fmt: skip
    assert found | expected == found
    assert "gen_ai.usage.reasoning.output_tokens" not in found
    assert (values(first)["error.type"], first.status.code) == ("ServerError", 2)
    assert {headers["x-team"] for headers in receiver.headers} == {"platform"}


def test_errors_and_one_attempt(receiver):
    """A failed call's span has the error's class, never its words; a single attempt has no child."""
    export(
        receiver, call(error=RateLimited("secret words"), status="error", attempts=(attempt(1, error="RateLimited"),))
    )
    (span,) = receiver.spans
    assert (values(span)["error.type"], span.status.code, span.status.message) == ("RateLimited", 2, "RateLimited")
    assert "secret words" not in str(receiver.bodies)


def test_parent(receiver):
    """The span hangs under the caller's, in its trace, though it is made later on another thread."""
    from opentelemetry.trace import SpanContext, TraceFlags

    parent = SpanContext(trace_id=7, span_id=9, is_remote=False, trace_flags=TraceFlags(1))
    export(receiver, call(context=CallContext(parent=parent)))
    (span,) = receiver.spans
    assert (int.from_bytes(span.trace_id), int.from_bytes(span.parent_span_id)) == (7, 9)


def test_metrics(receiver):
    """Tokens, durations and times to the first chunk are histograms with the conventions' buckets; money is a sum."""
    export(receiver, RETRIED)
    tokens = receiver.metrics["gen_ai.client.token.usage"]
    points = {values(point)["gen_ai.token.type"]: point for point in tokens.histogram.data_points}
    assert (points["input"].sum, points["output"].sum) == (70, 5)
    assert tuple(points["input"].explicit_bounds) == TOKEN_BUCKETS
    (duration,) = receiver.metrics["gen_ai.client.operation.duration"].histogram.data_points
    assert (duration.sum, tuple(duration.explicit_bounds)) == (2.0, DURATION_BUCKETS_S)
    (first,) = receiver.metrics["gen_ai.client.operation.time_to_first_chunk"].histogram.data_points
    assert first.sum == 1.5
    assert receiver.metrics["orchestrator.cost"].sum.data_points[0].as_double == 0.00012
    assert "orchestrator.tenant" not in values(duration)


def test_from_the_file_to_the_socket(receiver, tmp_path, monkeypatch):
    """With `otel:` in the configuration a call arrives at the collector, under the current span, no content."""
    from opentelemetry.sdk.trace import TracerProvider

    monkeypatch.setenv("OTEL_KEY", "sk-collector")
    given = config(tmp_path / "calls.jsonl") | {
        "otel": {"endpoint": receiver.url, "headers": {"authorization": {"env": "OTEL_KEY"}}}
    }
    transport = ScriptedTransport(lambda _: completion("reply-marked"))
    tracer = TracerProvider().get_tracer("app")
    with Orchestrator(given, transport=transport) as llm, tracer.start_as_current_span("request") as outer:
        llm.chat("answer", "prompt-marked")
    (span,) = receiver.spans
    assert int.from_bytes(span.parent_span_id) == outer.get_span_context().span_id
    assert values(span)["orchestrator.route"] == "answer"
    assert receiver.headers[0]["authorization"] == "sk-collector"
    assert not [mark for mark in ("prompt-marked", "reply-marked") if mark in str(receiver.bodies)]


def test_a_literal_credential_is_refused(tmp_path):
    """A credential for the collector stands in the file as a reference only."""
    given = config(tmp_path / "c.jsonl") | {
        "otel": {"endpoint": "http://127.0.0.1:1", "headers": {"authorization": "x"}}
    }
    with pytest.raises(ConfigError, match="literal secret"):
        Orchestrator(given)


def test_a_collector_that_is_away(caplog):
    """Closing gives a collector that does not answer two seconds, and raises nothing."""
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="opentelemetry is not installed")
    log = collector("http://127.0.0.1:9", headers={})
    log.emit(RETRIED)
    begin = time.monotonic()
    log.close()
    assert time.monotonic() - begin < 5


def test_not_installed():
    """Without the package the error says how to install it."""
    with pytest.raises(ConfigError, match=r"model-orchestrator\[otel\]"):
        otel._required("opentelemetry_that_is_not_there.sdk")
