"""A vendor on 127.0.0.1 for the tests of the litellm engine: scripted answers, recorded requests."""

from __future__ import annotations

import gc
import json
import socket
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import aiohttp


@dataclass
class Answer:
    """One scripted answer. `events` are sent as they are; `cut` resets the connection, `wait_s` delays the answer."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    events: list[str] | None = None
    wait_s: float = 0.0
    cut: bool = False
    hold_s: float = 0.0


@dataclass
class Received:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class Vendor:
    """Answers in the order scripted, then repeats the last one."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.script: deque[Answer] = deque()
        self.received: list[Received] = []
        self.hung_up = threading.Event()

    def will(self, *answers: Answer) -> Vendor:
        self.script.extend(answers)
        return self

    def next(self) -> Answer:
        return self.script.popleft() if len(self.script) > 1 else self.script[0]


def sse(*objects: Any) -> list[str]:
    """Frames in OpenAI's form, with its end marker."""
    return [f"data: {json.dumps(one)}\n\n" for one in objects] + ["data: [DONE]\n\n"]


def named(*objects: Mapping[str, Any]) -> list[str]:
    """Frames in Anthropic's form."""
    return [f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in objects]


@contextmanager
def vendor() -> Iterator[Vendor]:
    """A running vendor; stopped at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.vendor = Vendor(server.server_address[1])  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.vendor  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def drop_clients() -> None:
    """Throw away the HTTP clients that litellm keeps, together with their sockets."""
    sys.modules["litellm"].in_memory_llm_clients_cache.flush_cache()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()
        for session in gc.get_objects():  # the one in litellm's own module would report itself at exit
            if isinstance(session, aiohttp.ClientSession) and not session.closed:
                session.detach()
        gc.collect()


class _Handler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        return

    def do_POST(self) -> None:
        one: Vendor = self.server.vendor  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        one.received.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, json.loads(body)))
        answer = one.next()
        time.sleep(answer.wait_s)
        try:
            self._stream(answer) if answer.events is not None else self._whole(answer)
        except OSError:
            one.hung_up.set()
            self.close_connection = True

    def _whole(self, answer: Answer) -> None:
        data = answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in answer.events or ():
            data = event.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()
            if answer.hold_s:
                time.sleep(answer.hold_s)
        if answer.cut:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")
