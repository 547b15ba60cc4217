"""A plain HTTP client for the simulator's tests: shows bytes and breakages as they are."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

PROMPT = [{"role": "user", "content": "Which plan includes single sign-on?"}]
CHAT = {"model": "m", "messages": PROMPT}
KEYS = {
    "openai": {"authorization": "Bearer any"},
    "anthropic": {"x-api-key": "any", "anthropic-version": "2023-06-01"},
    "cohere": {"authorization": "Bearer any"},
}
CHAT_PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "cohere": "/v2/chat"}


@dataclass
class Got:
    """An answer, as far as it came. `broken` is the class name of what interrupted the body."""

    status: int
    headers: dict[str, str]
    body: bytes
    broken: str | None = None
    json: Any = field(default=None)

    @property
    def events(self) -> list[str]:
        return [event for event in self.body.decode().split("\n\n") if event]


def chat_body(wire: str, **extra: Any) -> dict[str, Any]:
    """A small chat request."""
    return {**CHAT, **({"max_tokens": 100} if wire == "anthropic" else {}), **extra}


def post(
    url: str, path: str, body: Any, headers: dict[str, str] | None = None, *, method: str = "POST", timeout_s: float = 5
) -> Got:
    """Send one request on a connection of its own."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=timeout_s)
    try:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data, KEYS["openai"] if headers is None else headers)
        return _read(connection.getresponse())
    finally:
        connection.close()


def chat(url: str, wire: str = "openai", *, timeout_s: float = 5, **extra: Any) -> Got:
    """Ask for a chat."""
    return post(url, CHAT_PATHS[wire], chat_body(wire, **extra), KEYS[wire], timeout_s=timeout_s)


def _read(reply: http.client.HTTPResponse) -> Got:
    got = Got(reply.status, {name.lower(): value for name, value in reply.getheaders()}, b"")
    try:
        while piece := reply.read1():
            got.body += piece
        if reply.length:
            got.broken = "IncompleteRead"
    except (OSError, http.client.HTTPException) as error:
        got.broken = type(error).__name__
    finally:
        reply.close()
    if got.body.startswith(b"{"):
        try:
            got.json = json.loads(got.body)
        except ValueError:
            got.json = None
    return got


def connect(url: str) -> socket.socket:
    """An open connection."""
    place = urlsplit(url)
    return socket.create_connection((place.hostname or "", place.port or 0), timeout=5)


def raw_chat(wire: str = "openai", *, stream: bool = True, extra: str = "") -> bytes:
    """The bytes of a chat request, with further header lines."""
    body = json.dumps(chat_body(wire, stream=stream)).encode()
    headers = "".join(f"{name}: {value}\r\n" for name, value in KEYS[wire].items())
    head = f"POST {CHAT_PATHS[wire]} HTTP/1.1\r\nhost: x\r\n{extra}{headers}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body
