"""Azure and the Responses API from a file to the socket: what arrives there, and what comes back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from orchestrator import AsyncOrchestrator, errors

USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}


def _said(text: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": content}


REASONING = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}


def _response(*items: Any, status: str = "completed") -> dict[str, Any]:
    usage = {"input_tokens": 9, "output_tokens": 4, "total_tokens": 13}
    return {"id": "resp_1", "model": "gpt-5-mini", "status": status, "output": list(items), "usage": usage}


def _events() -> list[dict[str, Any]]:
    at = {"output_index": 0, "content_index": 0}
    return [
        {"type": "response.created", "response": _response(status="in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": _said("") | {"content": []}},
        *[{"type": "response.output_text.delta", "delta": piece, **at} for piece in ("Hel", "lo")],
        {"type": "response.output_item.done", "output_index": 0, "item": _said("Hello")},
        {"type": "response.completed", "response": _response(_said("Hello"))},
    ]


def _chunks() -> list[dict[str, Any]]:
    choices = [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": "stop"}]
    return [{"id": "c", "model": "m", "choices": choices}, {"choices": [], "usage": USAGE}]


def _sse(events: list[dict[str, Any]]) -> bytes:
    return b"".join([b"event: %s\ndata: %s\n\n" % (e.get("type", "").encode(), orjson.dumps(e)) for e in events])


def _answer(path: str, body: Any) -> bytes:
    if path.partition("?")[0].endswith("/responses"):
        return _sse(_events()) if body.get("stream") else orjson.dumps(_response(REASONING, _said("Hello")))
    if "embeddings" in path:
        return orjson.dumps({"model": "e", "data": [{"index": 0, "embedding": [1.0, 0.0]}], "usage": USAGE})
    if body.get("stream"):
        return _sse(_chunks()) + b"data: [DONE]\n\n"
    message = {"role": "assistant", "content": "Hello"}
    return orjson.dumps(
        {
            "id": "c",
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": USAGE,
        }
    )


class Vendor(ThreadingHTTPServer):
    """Answers as a resource would, and as the machine's identity endpoint. `refuse`: tokens that are refused."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str], Any]] = []
        self.asked: list[tuple[str, str | None]] = []
        self.refuse: set[str] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def base_url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Vendor
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = orjson.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.path, headers, body))
        if headers.get("authorization", "") in self.server.refuse:
            self._send(401, b'{"error":{"code":"401","message":"the token has expired"}}')
        else:
            self._send(200, _answer(self.path, body))

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("x-identity-header")))
        token = {"access_token": f"t{len(self.server.asked)}", "expires_on": "4102444800", "token_type": "Bearer"}
        self._send(200, orjson.dumps(token))

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.send_header("apim-request-id", "req-1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def _vendor() -> Iterator[Vendor]:
    server = Vendor()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _config(vendor: Vendor, kind: str = "azure", **provider: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "providers": {"p": {"kind": kind, "base_url": vendor.base_url, **provider}},
        "deployments": {"gpt": {"provider": "p", "model": "gpt-5-mini", "priced_as": "openai/gpt-5-mini"}},
        "routes": {"answer": "gpt"} | ({"search": {"task": "embed", "pick": "gpt"}} if kind == "azure" else {}),
        "log": {"to": "logging"},
    }


@pytest.mark.parametrize(
    ("settings", "base", "chat"),
    [
        ({}, "/openai/v1", "/openai/v1/chat/completions"),
        (
            {"api_version": "2024-10-21"},
            "/openai/deployments/gpt-5-mini",
            "/openai/deployments/gpt-5-mini/chat/completions?api-version=2024-10-21",
        ),
        ({"api": "responses"}, "/openai/v1", "/openai/v1/responses"),
    ],
)
def test_a_key_and_every_address(
    settings: dict[str, str], base: str, chat: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chat, stream and embeddings arrive at the API's address with the key, and are answered with a cost."""
    monkeypatch.setenv("KEY", "the-key")
    with _vendor() as vendor:

        async def run() -> None:
            async with AsyncOrchestrator(_config(vendor, api_key={"env": "KEY"}, **settings)) as llm:
                reply = await llm.chat("answer", "Hi")
                assert (reply.text, reply.usage.input_tokens, reply.request_id) == ("Hello", 9, "req-1")
                assert reply.cost.total is not None
                async with llm.stream("answer", "Hi") as stream:
                    assert [text async for text in stream.text]
                assert stream.reply is not None
                assert stream.reply.text == "Hello"
                assert (await llm.embed("search", ["x"])).vectors == [[1.0, 0.0]]

        asyncio.run(run())
    paths = [path for path, _, _ in vendor.seen]
    assert paths[:2] == [chat, chat]
    assert paths[2].startswith(f"{base}/embeddings")
    assert {headers["api-key"] for _, headers, _ in vendor.seen} == {"the-key"}
    assert not [headers for _, headers, _ in vendor.seen if "authorization" in headers]


def test_tokens_of_the_machines_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key the machine's identity is asked for a token, once for all calls, and once more when one is
    refused; a token that is refused again is an error.
    """
    with _vendor() as vendor:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{vendor.base_url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "machine")

        async def run() -> None:
            async with AsyncOrchestrator(_config(vendor)) as llm:
                assert (await llm.chat("answer", "Hi")).text == "Hello"
                assert (await llm.chat("answer", "Hi")).text == "Hello"
                assert len(vendor.asked) == 1
                vendor.refuse = {"Bearer t1"}
                assert (await llm.chat("answer", "Hi")).text == "Hello"
                assert len(vendor.asked) == 2
                vendor.refuse = {"Bearer t2", "Bearer t3"}
                with pytest.raises(errors.AuthenticationFailed):
                    await llm.chat("answer", "Hi")

        asyncio.run(run())
    sent = [headers["authorization"] for _, headers, _ in vendor.seen]
    assert sent == [f"Bearer t{number}" for number in (1, 1, 1, 2, 2, 3)]
    for path, header in vendor.asked:
        assert parse_qs(urlsplit(path).query)["resource"] == ["https://cognitiveservices.azure.com"]
        assert header == "machine"


def test_the_responses_api_keeps_a_conversation(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply's message goes into the next request with its encrypted reasoning and ids, in place."""
    monkeypatch.setenv("KEY", "the-key")
    with _vendor() as vendor:

        async def run() -> None:
            config = _config(vendor, "openai_responses", api_key={"env": "KEY"})
            async with AsyncOrchestrator(config) as llm:
                reply = await llm.chat("answer", "Hi")
                again = [{"role": "user", "content": "Hi"}, reply.message, {"role": "user", "content": "More"}]
                assert (await llm.chat("answer", again)).text == "Hello"

        asyncio.run(run())
    (path, headers, first), (_, _, second) = vendor.seen
    assert path == "/responses"
    assert headers["authorization"] == "Bearer the-key"
    assert (first["store"], first["include"]) == (False, ["reasoning.encrypted_content"])
    hi, more = ({"role": "user", "content": text} for text in ("Hi", "More"))
    assert second["input"] == [hi, REASONING, _said("Hello"), more]
