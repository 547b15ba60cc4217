"""`log: {required: true}`: no call without its line."""

from __future__ import annotations

import json
import time

import pytest
from log_events import Flaky, call, until
from vendor import completion

from orchestrator import LogUnavailable, Orchestrator
from orchestrator.telemetry import jsonl
from orchestrator.telemetry.jsonl import LogWriter
from orchestrator.testing import ScriptedTransport


def config(path, **log):
    return {
        "version": 1,
        "providers": {"o": {"kind": "ollama", "base_url": "http://127.0.0.1:9"}},
        "deployments": {"d": {"provider": "p", "model": "m"}},
        "routes": {"answer": {"task": "chat", "pick": "d"}},
        "log": {"path": str(path), **log},
    } | {
        "providers": {"p": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:9/v1"}},
    }


def test_refused_before_sending_and_taken_again(tmp_path):
    """While the file cannot be opened nothing is sent and the caller is told why; once it can, calls go on."""
    wrong, sent = tmp_path / "logs", []
    wrong.write_text("")
    transport = ScriptedTransport(lambda request: sent.append(request) or completion())
    with Orchestrator(config(wrong / "calls.jsonl", required=True), transport=transport) as llm:
        for _ in range(2):
            with pytest.raises(LogUnavailable) as caught:
                llm.chat("answer", "hi")
        assert (caught.value.retryable, sent) == (True, [])
        wrong.unlink()
        llm.chat("answer", "hi")
    assert len(sent) == 1
    lines = [json.loads(line) for line in (wrong / "calls.jsonl").read_text().splitlines()]
    assert [(line["event"], line.get("calls")) for line in lines] == [("llm.call", None), ("llm.log.refused", 2)]


def test_without_it_calls_go_on(tmp_path):
    """Unless the file says so, a log that cannot be written stops no call."""
    (tmp_path / "logs").write_text("")
    transport = ScriptedTransport(lambda _: completion())
    with Orchestrator(config(tmp_path / "logs" / "calls.jsonl"), transport=transport) as llm:
        assert llm.chat("answer", "hi").text
        (tmp_path / "logs").unlink()


def test_fails_later_and_recovers():
    """A disk that fills up later: from the first failed write calls are refused, until the lines are written."""
    flaky = Flaky()
    writer = LogWriter(flaky, required=True)
    writer.check()
    flaky.error = OSError(28, "No space left on device")
    writer.emit(call("a"))
    writer.flush()
    with pytest.raises(LogUnavailable):
        writer.check()
    flaky.error = None
    assert until(lambda: flaky.ids[:1] == ["a"])
    writer.check()
    writer.close()
    assert [line["event"] for line in flaky.lines] == ["llm.call", "llm.log.refused"]


def test_a_full_buffer_refuses():
    """A destination that hangs: calls are refused once as many lines wait as are kept, none is dropped."""
    flaky = Flaky()
    writer = LogWriter(flaky, required=True)
    writer.check()
    log = writer._log
    log._running, log._idle = True, False  # no thread: nothing is written
    for number in range(jsonl.MAX_KEPT_LINES - 1):
        writer.emit(call(str(number)))
    writer.check()
    writer.emit(call("last"))
    with pytest.raises(LogUnavailable):
        writer.check()
    log.flush()
    writer.check()
    log._running = False
    writer.close()
    assert len([name for name in flaky.ids if name]) == jsonl.MAX_KEPT_LINES


def test_the_price_of_a_check():
    """Where the log can be written, the check is a few attribute look-ups."""
    writer = LogWriter(Flaky(), required=True)
    writer.check()
    begin = time.perf_counter()
    for _ in range(10_000):
        writer.check()
    assert (time.perf_counter() - begin) / 10_000 < 20e-6
