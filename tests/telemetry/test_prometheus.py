"""Prometheus: counters for calls, asked for by a real Prometheus where there is one."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from decimal import Decimal

import pytest
from log_events import call
from test_lines import attempt
from test_required_log import config
from vendor import completion

from orchestrator import Orchestrator
from orchestrator.errors import InvalidRequest, RateLimited
from orchestrator.spec.events import CallContext
from orchestrator.testing import ScriptedTransport
from orchestrator.types.call import Timings
from orchestrator.types.usage import Cost, Usage

client = pytest.importorskip("prometheus_client", reason="prometheus-client is not installed")

from orchestrator.telemetry.prometheus import Prometheus  # noqa: E402

USED = Usage(input_tokens=70, output_tokens=5, cache_read_tokens=64)
RETRIED = call(
    context=CallContext(tenant="acme-tenant"),
    timings=Timings(duration_ms=2_000.0, first_token_ms=100.0),
    attempts=(
        attempt(1, error="ServerError", usage=Usage(input_tokens=1, output_tokens=0), cost=Cost(unknown="no row")),
        attempt(2, usage=USED, cost=Cost(total=Decimal("0.25"))),
    ),
)


def counted(*events):
    registry = client.CollectorRegistry()
    sink = Prometheus(registry)
    for event in events:
        sink(event)
    sink.close()
    return registry


PLACE = {"route": "answer", "deployment": "d2", "provider": "p", "model": "m"}


def test_counts():
    """Calls, attempts, tokens and money are counted where they were spent, what has no price apart."""
    registry = counted(RETRIED, RETRIED)
    found = registry.get_sample_value
    whole = PLACE | {"task": "chat", "status": "ok", "error_type": ""}
    assert found("orchestrator_calls_total", whole) == 2
    assert found("orchestrator_call_duration_seconds_sum", whole) == 4
    assert found("orchestrator_first_token_seconds_count", PLACE) == 2
    assert found("orchestrator_attempts_total", PLACE | {"deployment": "d1", "error_type": "ServerError"}) == 2
    assert found("orchestrator_tokens_total", PLACE | {"kind": "cache_read"}) == 128
    assert found("orchestrator_cost_usd_total", PLACE) == 0.5
    assert found("orchestrator_unpriced_total", PLACE | {"deployment": "d1"}) == 2
    assert found("orchestrator_cost_usd_total", PLACE | {"deployment": "d1"}) is None


def test_labels_are_bounded():
    """Neither tenants nor route names that do not exist become labels."""
    refused = call("", route="made-up", error=InvalidRequest("no such route"), status="error", cost=Cost())
    text = client.generate_latest(counted(RETRIED, refused, call(error=RateLimited("x"), status="error"))).decode()
    assert "acme-tenant" not in text
    assert "made-up" not in text
    assert 'error_type="RateLimited"' in text


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")
def test_scraped_by_prometheus(tmp_path):
    """A real Prometheus scrapes a client's calls and answers a query about them."""
    registry = client.CollectorRegistry()
    sink = Prometheus(registry)
    with Orchestrator(
        config(tmp_path / "c.jsonl"), transport=ScriptedTransport(lambda _: completion()), sinks=[sink]
    ) as llm:
        sink.watch(llm)
        for _ in range(3):
            llm.chat("answer", "hi")
        sink.flush()
        server, thread = client.start_http_server(0, addr="127.0.0.1", registry=registry)
        port = free_port()
        (tmp_path / "prometheus.yml").write_text(
            "scrape_configs: [{job_name: app, scrape_interval: 200ms, scrape_timeout: 200ms,"
            f" static_configs: [{{targets: ['127.0.0.1:{server.server_port}']}}]}}]"
        )
        command = ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
                   f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            assert ask(port, "sum(orchestrator_calls_total)") == "3"
            assert ask(port, "orchestrator_in_flight") == "0"
        finally:
            process.terminate()
            process.wait(20)
            server.shutdown()
            server.server_close()
            thread.join(5)


def ask(port, query, seconds=30.0):
    """The query's first value; None if none comes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={query}", timeout=2) as answer:
                found = json.load(answer)["data"]["result"]
        except OSError:
            found = []
        if found:
            return found[0]["value"][1]
        time.sleep(0.2)
    return None
