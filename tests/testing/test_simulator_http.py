"""The simulator's server: HTTP as clients speak it, many connections, a clean start and end."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from simulator_client import CHAT, chat, connect, raw_chat

from orchestrator.testing import Simulator, Vendor
from orchestrator.testing.simulator.http import BadHttp, RequestReader


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """One vendor."""
    with Simulator([Vendor(name="a")]) as simulator:
        yield simulator


def _talk(sim: Simulator, *pieces: bytes, until_s: float = 2.0, answers: int = 1) -> bytes:
    """Send pieces one by one, and read until so many answers are there or the connection ends."""
    with connect(sim.url("a")) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(0.01)
        connection.settimeout(until_s)
        seen = b""
        while seen.count(b'"total_tokens"') < answers:
            data = connection.recv(65536)
            if not data:
                break
            seen += data
        return seen


def test_keep_alive_and_pipelining(sim: Simulator) -> None:
    """Requests on one connection are answered in order, also when they arrive at once."""
    seen = _talk(sim, raw_chat(stream=False) * 3, raw_chat(stream=False), answers=4)
    assert seen.count(b"HTTP/1.1 200 OK") == 4
    ids = [entry.response_id for entry in sim.ledger]
    places = [seen.index((response_id or "").encode()) for response_id in ids]
    assert len(ids) == 4
    assert places == sorted(places)


def test_pipelining_behind_a_slow_answer(sim: Simulator) -> None:
    """A request that arrives while another is being answered waits for its turn."""
    sim["a"].set(latency_s=0.05)
    seen = _talk(sim, raw_chat(stream=False), raw_chat(stream=False), answers=2)
    assert seen.count(b"HTTP/1.1 200 OK") == 2
    assert sim.requests.peak_in_flight == 1


def test_request_in_pieces(sim: Simulator) -> None:
    """A request may arrive byte by byte."""
    raw = raw_chat(stream=False)
    seen = _talk(sim, raw[:10], raw[10:60], raw[60:-5], raw[-5:])
    assert seen.startswith(b"HTTP/1.1 200 OK")


def test_chunked_request_and_continue(sim: Simulator) -> None:
    """A chunked body is understood, and a sender who waits for permission gets it."""
    head, _, body = raw_chat(stream=False).partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"content-length")]
    start = b"\r\n".join([*lines, b"transfer-encoding: chunked", b"expect: 100-continue"]) + b"\r\n\r\n"
    chunks = b"%x\r\n%b\r\n%x;note=1\r\n%b\r\n0\r\n\r\n" % (7, body[:7], len(body) - 7, body[7:])
    seen = _talk(sim, start, chunks[:20], chunks[20:])
    assert seen.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    assert sim["a"].received[-1].body["messages"] == CHAT["messages"]


def test_pieces_of_a_stream_do_not_wait_for_each_other(sim: Simulator) -> None:
    """A stream's writes leave at once, also on a connection that has been used: nothing waits 40 ms for an ACK."""
    sim["a"].set(tokens_per_s=500.0)
    took = []
    with connect(sim.url("a")) as connection:
        for _ in range(12):
            seen, arrived = b"", []
            connection.sendall(raw_chat(stream=True))
            while b"0\r\n\r\n" not in seen:
                seen += connection.recv(65536)
                arrived.append(time.monotonic())
            took.append(max(later - earlier for earlier, later in itertools.pairwise(arrived)))
    assert sum(gap > 0.035 for gap in took) < 4


def test_connection_close_and_http_10(sim: Simulator) -> None:
    """The connection is closed for those who ask, and a stream to an old client ends with it, without chunks."""
    closing = raw_chat(stream=False, extra="connection: close\r\n")
    assert _talk(sim, closing, answers=99).count(b"200 OK") == 1
    old = _talk(sim, raw_chat().replace(b"HTTP/1.1", b"HTTP/1.0"), answers=99)
    assert b"transfer-encoding" not in old
    assert old.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / SPDY/3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000, 431),
    ],
)
def test_bad_http(sim: Simulator, raw: bytes, status: int) -> None:
    """What is not HTTP, or too large, is answered with its status, and the connection ends."""
    seen = _talk(sim, raw, answers=99)
    assert seen.startswith(b"HTTP/1.1 %d" % status)
    assert chat(sim.url("a")).status == 200


def test_reader_keeps_what_follows() -> None:
    """Bytes after a request stay for the next one."""
    reader = RequestReader()
    reader.feed(b"POST /a?x=1 HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiGET /b HTTP/1.0\r\n\r\nrest")
    first, second = reader.next(), reader.next()
    assert first is not None
    assert second is not None
    assert (first.path, first.body, first.keep_alive) == ("/a", b"hi", True)
    assert (second.method, second.path, second.keep_alive) == ("GET", "/b", False)
    assert reader.next() is None
    with pytest.raises(BadHttp):
        reader.feed(b"\0" * 70_000_000)


def test_starts_and_ends_quickly() -> None:
    """Three vendors start in a tenth of a second, and leave no thread and no open file behind."""
    files = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    threads = threading.active_count()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        with Simulator([Vendor(name="a"), Vendor(name="b", wire="anthropic"), Vendor(name="c", wire="cohere")]) as sim:
            times.append(time.perf_counter() - start)
            sim["a"].hang(count=1)
            with connect(sim.url("a")) as connection:
                connection.sendall(raw_chat())
                time.sleep(0.01)
    assert min(times) < 0.1
    assert threading.active_count() == threads
    if sys.platform == "linux":
        assert len(os.listdir("/proc/self/fd")) == files


def test_close_ends_what_hangs() -> None:
    """Closing resets open connections, whatever they wait for, and the ledger stays readable."""
    sim = Simulator([Vendor(name="a")]).start()
    chat(sim.url("a"))
    sim["a"].stall()
    with connect(sim.url("a")) as connection:
        connection.sendall(raw_chat())
        connection.recv(10)
        sim.close()
        sim.close()
        with pytest.raises(ConnectionResetError):
            _drain(connection)
    assert [entry.completed for entry in sim.ledger] == [True, False]
    with pytest.raises(ConnectionRefusedError):
        chat(sim.url("a"))


def test_names_are_unique() -> None:
    """Two vendors of one name are a mistake."""
    with pytest.raises(ValueError, match="same name"):
        Simulator([Vendor(name="a"), Vendor(name="a")])


def test_inside_an_event_loop() -> None:
    """It is started, steered and closed inside a running event loop, and served requests do not block that loop."""

    async def ask(url: str) -> int:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(raw_chat(stream=False))
        status = int((await reader.readline()).split()[1])
        writer.close()
        await writer.wait_closed()
        return status

    async def main() -> list[int]:
        with Simulator([Vendor(name="a", latency_s=0.05)]) as sim:
            before = await asyncio.gather(*(ask(sim.url("a")) for _ in range(50)))
            assert sim.requests.peak_in_flight == 50
            sim["a"].kill()
            sim["a"].revive()
            sim["a"].fail(500)
            return [*before, await ask(sim.url("a"))]

    assert asyncio.run(main()) == [200] * 50 + [500]


def _drain(connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


_CROWD = """
import resource, socket, sys
from simulator_client import raw_chat
port, count = int(sys.argv[1]), int(sys.argv[2])
crowd = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(count)]
for one in crowd:
    one.sendall(raw_chat(stream=False))
print(sum(one.recv(65536).startswith(b"HTTP/1.1 200") for one in crowd))
"""


def test_ten_thousand_connections(sim: Simulator) -> None:
    """Ten thousand open connections, as far as the system has descriptors for them, are all served."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        count = min(10_000, hard - 500 if hard > 0 else 10_000)
        port = sim.url("a").rpartition(":")[2]
        here = os.path.dirname(__file__)
        env = {**os.environ, "PYTHONPATH": here}
        done = subprocess.run(
            [sys.executable, "-c", _CROWD, port, str(count)],
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert int(done.stdout) == count
    assert len(sim.ledger) == count
