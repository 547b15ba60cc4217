"""Each fault does what it says, to exactly the requests it is meant for."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator

import pytest
from simulator_client import chat, connect, post, raw_chat

from orchestrator.testing import Fault, Simulator, Vendor

WIRES = ("openai", "anthropic", "cohere")


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """One vendor per wire, each called like its wire."""
    with Simulator([Vendor(name=wire, wire=wire) for wire in WIRES]) as simulator:
        yield simulator


@pytest.mark.parametrize("wire", WIRES)
def test_status(sim: Simulator, wire: str) -> None:
    """A failing vendor answers with that status in its own error shape, with the retry-after it was given."""
    sim[wire].fail(503, retry_after="nan")
    got = chat(sim.url(wire), wire)
    shapes = {"openai": {"error"}, "anthropic": {"type", "error", "request_id"}, "cohere": {"id", "message"}}
    assert (got.status, got.headers["retry-after"], set(got.json)) == (503, "nan", shapes[wire])


def test_count(sim: Simulator) -> None:
    """A fault with a count is over after that many requests; others follow it."""
    sim["openai"].fail(529, count=1)
    sim["openai"].fail(500, count=2)
    statuses = [chat(sim.url("openai")).status for _ in range(4)]
    assert statuses == [500, 500, 529, 200]
    assert sim.requests.by_status == {500: 2, 529: 1, 200: 1}


def test_call_numbers() -> None:
    """A fault for certain calls hits those, and no others."""
    with Simulator([Vendor(name="a", faults=[Fault(kind="status", status=500, calls=(2, 4))])]) as sim:
        assert [chat(sim.url("a")).status for _ in range(5)] == [200, 500, 200, 500, 200]


def test_probability_is_seeded() -> None:
    """A fault with a probability hits about that share, and the same calls for the same seed."""

    def run(seed: int) -> list[int]:
        vendor = Vendor(name="a", seed=seed, faults=[Fault(kind="status", probability=0.3)])
        with Simulator([vendor]) as sim:
            return [chat(sim.url("a")).status for _ in range(60)]

    first = run(1)
    assert first == run(1) != run(2)
    assert 8 <= first.count(503) <= 30


def test_heal(sim: Simulator) -> None:
    """A healed vendor answers again."""
    sim["openai"].fail(500)
    assert chat(sim.url("openai")).status == 500
    sim["openai"].heal()
    assert chat(sim.url("openai")).status == 200


def test_drop(sim: Simulator) -> None:
    """A dropped request meets a reset, no answer, and no bill."""
    sim["openai"].drop(count=1)
    with pytest.raises(ConnectionResetError):
        chat(sim.url("openai"))
    assert sim["openai"].ledger == []
    assert sim["openai"].requests.by_status == {0: 1}


def test_hang(sim: Simulator) -> None:
    """A hanging vendor gives no answer and no bill, until its caller leaves."""
    sim["openai"].hang()
    with pytest.raises(TimeoutError):
        chat(sim.url("openai"), timeout_s=0.2)
    _eventually(lambda: sim["openai"].requests.in_flight == 0)
    assert sim["openai"].ledger == []


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("ending", ["reset", "clean"])
def test_cut_stream(sim: Simulator, wire: str, ending: str) -> None:
    """A cut stream shows exactly the events before the cut, and its bill what they carried."""
    sim[wire].cut(5, ending=ending)
    got = chat(sim.url(wire), wire, stream=True)
    tokens = {"openai": 4, "anthropic": 2, "cohere": 3}[wire]
    assert len(got.events) == 5
    assert got.broken == ("ConnectionResetError" if ending == "reset" else None)
    (entry,) = sim[wire].ledger
    assert (entry.output_tokens, entry.completed, entry.streamed) == (tokens, False, True)
    assert entry.input_tokens == 11


def test_cut_before_the_first_event(sim: Simulator) -> None:
    """A stream may break after its headers."""
    sim["openai"].cut(0)
    got = chat(sim.url("openai"), stream=True)
    assert (got.status, got.body, got.broken) == (200, b"", "ConnectionResetError")
    assert sim.ledger[0].output_tokens == 0


def test_cut_plain_answer(sim: Simulator) -> None:
    """A plain answer breaks off half way; all of it was generated and is billed."""
    sim["openai"].cut(ending="clean")
    got = chat(sim.url("openai"))
    assert got.broken is not None
    assert got.json is None
    (entry,) = sim.ledger
    assert (entry.output_tokens > 10, entry.completed) == (True, False)


@pytest.mark.parametrize("wire", WIRES)
def test_stall(sim: Simulator, wire: str) -> None:
    """A stalled stream shows its first events, then nothing but the vendor's keep-alives."""
    sim[wire].stall(4, keepalive_s=0.05)
    got = chat(sim.url(wire), wire, stream=True, timeout_s=0.03)
    assert (len(got.events), got.broken) == (4, "TimeoutError")
    raw = connect(sim.url(wire))
    body = raw_chat(wire)
    with raw:
        raw.sendall(body)
        deadline = time.monotonic() + 0.3
        seen = b""
        while time.monotonic() < deadline:
            seen += raw.recv(65536)
    keepalive = b"event: ping" if wire == "anthropic" else b": keep-alive\n\n"
    assert seen.count(keepalive) >= 4
    assert not sim[wire].ledger[-1].completed


@pytest.mark.parametrize("wire", WIRES)
def test_error_event(sim: Simulator, wire: str) -> None:
    """A stream may end in the vendor's error event instead of its terminal one."""
    sim[wire].garble("stream_error", after_events=4)
    got = chat(sim.url(wire), wire, stream=True)
    assert len(got.events) == 5
    assert "ERROR" in got.events[-1] or "error" in got.events[-1]
    assert got.broken is None


def test_html(sim: Simulator) -> None:
    """A web page with status 200 is no answer, and not billed."""
    sim["openai"].garble("html")
    got = chat(sim.url("openai"))
    assert (got.status, got.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert got.body.startswith(b"<!DOCTYPE html>")
    assert sim.ledger == []


@pytest.mark.parametrize("kind", ["error_body", "stream_error"])
def test_error_with_status_200(sim: Simulator, kind: str) -> None:
    """An error may come with status 200."""
    sim["openai"].garble(kind)
    got = chat(sim.url("openai"))
    assert (got.status, set(got.json)) == (200, {"error"})


@pytest.mark.parametrize("wire", WIRES)
def test_truncated_json(sim: Simulator, wire: str) -> None:
    """Truncated JSON arrives as a complete HTTP body, in a plain answer and in one event of a stream."""
    sim[wire].garble("truncated_json", after_events=3)
    plain = chat(sim.url(wire), wire)
    assert (plain.status, plain.json, plain.broken) == (200, None, None)
    stream = chat(sim.url(wire), wire, stream=True)
    assert not stream.events[3].endswith("}")
    assert stream.events[4].endswith("}")
    assert [entry.completed for entry in sim[wire].ledger] == [False, False]


@pytest.mark.parametrize("stream", [False, True])
def test_invalid_utf8(sim: Simulator, stream: bool) -> None:
    """Bytes that are not UTF-8 arrive inside the JSON."""
    sim["openai"].garble("invalid_utf8")
    got = chat(sim.url("openai"), stream=stream)
    assert got.body.count(b"\xff") == 1
    assert got.broken is None


@pytest.mark.parametrize("wire", WIRES)
def test_no_choices(sim: Simulator, wire: str) -> None:
    """An answer without an answer is otherwise well formed."""
    sim[wire].garble("no_choices")
    got = chat(sim.url(wire), wire).json
    empty = {"openai": got.get("choices"), "anthropic": got.get("content"), "cohere": got.get("message")}
    assert empty[wire] == ({"role": "assistant"} if wire == "cohere" else [])
    assert got["usage"]


@pytest.mark.parametrize("wire", WIRES)
def test_no_usage(sim: Simulator, wire: str) -> None:
    """Usage may be missing, in streams too, while the ledger knows it."""
    sim[wire].garble("no_usage")
    assert "usage" not in chat(sim.url(wire), wire).json
    stream = chat(sim.url(wire), wire, stream=True)
    assert b'"output_tokens"' not in stream.body
    assert b"completion_tokens" not in stream.body
    assert all(entry.completed and entry.output_tokens > 10 for entry in sim[wire].ledger)


def test_kill_and_revive(sim: Simulator) -> None:
    """A killed vendor resets what is open and refuses what comes, and answers at the same address once revived."""
    url = sim.url("openai")
    sim["openai"].hang(count=1)
    connection = connect(url)
    with connection:
        connection.sendall(raw_chat("openai"))
        _eventually(lambda: sim["openai"].requests.in_flight == 1)
        sim["openai"].kill()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            chat(url)
    assert chat(sim.url("cohere"), "cohere").status == 200
    sim["openai"].kill()
    sim["openai"].revive()
    sim["openai"].revive()
    assert (chat(url).status, sim.url("openai")) == (200, url)


def test_kill_from_a_scripted_answer(sim: Simulator) -> None:
    """A script may kill its own vendor; the caller sees a reset, and the work is billed as undelivered."""

    def die(_: object) -> str:
        sim["openai"].kill()
        return "last words"

    sim["openai"].answer(die)
    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        chat(sim.url("openai"))
    assert [entry.completed for entry in sim.ledger] == [False]


def test_script_that_raises(sim: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """A script that raises is a 500 for the caller and a line in the log for its author."""
    sim["openai"].answer(lambda request: request["no such key"])
    assert chat(sim.url("openai")).status == 500
    assert "KeyError" in caplog.text


def test_caller_that_leaves(sim: Simulator) -> None:
    """A caller that hangs up in the middle of a stream is billed for what was generated till then."""
    sim["openai"].set(tokens_per_s=100)
    connection = connect(sim.url("openai"))
    with connection:
        connection.sendall(raw_chat("openai"))
        connection.recv(100)
        time.sleep(0.05)
    _eventually(lambda: bool(sim.ledger))
    (entry,) = sim.ledger
    assert 0 < entry.output_tokens < 20
    assert not entry.completed
    assert sim.requests.in_flight == 0


def test_timing(sim: Simulator) -> None:
    """Latency, first token and pace add up, for a stream as for a plain answer."""
    sim["openai"].answer("one two three four five")
    sim["openai"].set(latency_s=0.05, first_token_s=0.05, tokens_per_s=50)
    for stream in (False, True):
        start = time.monotonic()
        chat(sim.url("openai"), stream=stream)
        assert 0.2 <= time.monotonic() - start < 0.5


def test_retrieval_faults(sim: Simulator) -> None:
    """Embeddings and rankings fail as chats do."""
    url = sim.url("openai")
    sim["openai"].garble("no_choices")
    assert post(url, "/v1/embeddings", {"model": "m", "input": "x"}).json["data"] == []
    assert post(url, "/rerank", {"model": "m", "query": "x", "documents": ["y"]}).json["results"] == []
    sim["openai"].garble("truncated_json")
    assert post(url, "/v1/embeddings", {"model": "m", "input": "x"}).json is None


def _eventually(condition: Callable[[], bool], within_s: float = 2.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_forget(sim: Simulator) -> None:
    """A vendor's ledger can be emptied; the others' entries, and the counts of what knocked, stay."""
    for wire in WIRES:
        chat(sim.url(wire), wire)
    sim["openai"].forget()
    assert [entry.vendor for entry in sim.ledger] == ["anthropic", "cohere"]
    assert sim["openai"].requests.total == 1
