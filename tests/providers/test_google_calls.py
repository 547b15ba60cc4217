"""Whole calls to the Gemini API and Vertex AI through the asyncio client, over sockets on loopback."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google_support import ask, chat

from orchestrator import AsyncOrchestrator, errors
from orchestrator.errors import AuthenticationFailed, ConfigError
from orchestrator.spec.auth import Grant, HeaderSigner, Secret, Token, TokenSigner
from orchestrator.spec.transport import HttpRequest
from orchestrator_providers.google import WIRES
from orchestrator_providers.google.address import locate

KEY = "sk-test-0123456789abcdef"
_USAGE = {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13}


def _response(text: str, **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, **more}
    return {"candidates": [candidate], "modelVersion": "gemini-2.5-flash", "responseId": "r", "usageMetadata": _USAGE}


ANSWERS: Mapping[str, Any] = {
    "generateContent": _response("Hello", finishReason="STOP"),
    "streamGenerateContent": [_response("Hel"), _response("lo", finishReason="STOP")],
    "batchEmbedContents": {"embeddings": [{"values": [0.5, 1.0]}, {"values": [2.0, 3.0]}]},
}


@dataclass
class Far:
    """A vendor: answers by method, gives tokens, and remembers what came. Refuses the first `refuse` calls."""

    url: str
    refuse: int = 0
    tokens: int = 0
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
        """Status, content type and body."""
        if path == "/token":
            self.tokens += 1
            token = {"access_token": f"token-{self.tokens}", "expires_in": 3600, "token_type": "Bearer"}
            return 200, "application/json", json.dumps(token).encode()
        self.seen.append((path, headers, body))
        if self.refuse:
            self.refuse -= 1
            refused = {"error": {"code": 401, "message": "expired", "status": "UNAUTHENTICATED"}}
            return 401, "application/json", json.dumps(refused).encode()
        found = ANSWERS[path.rpartition(":")[2].partition("?")[0]]
        if isinstance(found, list):
            return 200, "text/event-stream", "".join([f"data: {json.dumps(one)}\r\n\r\n" for one in found]).encode()
        return 200, "application/json", json.dumps(found).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        return

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        far: Far = self.server.far  # type: ignore[attr-defined]
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, media_type, data = far.answer(self.path, headers, body)
        self.send_response(status)
        self.send_header("content-type", media_type)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def _running() -> Iterator[Far]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    far = Far(f"http://127.0.0.1:{server.server_address[1]}")
    server.far = far  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield far
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _config(far: Far, kind: str, **provider: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "providers": {"far": {"kind": kind, "base_url": far.url, "priced_as": "google", **provider}},
        "deployments": {
            "chats": {"provider": "far", "model": "gemini-2.5-flash"},
            "embeds": {"provider": "far", "model": "gemini-embedding-001"},
        },
        "routes": {"answer": {"task": "chat", "pick": "chats"}, "search": {"task": "embed", "pick": "embeds"}},
        "log": {"to": "logging"},
    }


async def _everything(llm: AsyncOrchestrator) -> None:
    async with llm:
        reply = await llm.chat("answer", "Hi", temperature=0.5)
        assert (reply.text, reply.model, reply.usage.input_tokens) == ("Hello", "gemini-2.5-flash", 9)
        assert reply.cost.total is not None
        assert reply.cost.total > 0
        async with llm.stream("answer", "Hi") as stream:
            assert [text async for text in stream.text] == ["Hel", "lo"]
        assert stream.reply.usage.output_tokens == 4
        embedded = await llm.embed("search", ["a", "b"])
        assert embedded.vectors == [[0.5, 1.0], [2.0, 3.0]]


def test_every_task_of_the_gemini_api() -> None:
    """Chat, stream and embeddings work over a socket; the key is in its header and never in an address."""
    with _running() as far:
        asyncio.run(_everything(AsyncOrchestrator(_config(far, "google", api_key={"env": "TEST_KEY"}))))
        assert [path for path, *_ in far.seen] == [
            "/v1beta/models/gemini-2.5-flash:generateContent",
            "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
            "/v1beta/models/gemini-embedding-001:batchEmbedContents",
        ]
        assert {headers["x-goog-api-key"] for _, headers, _ in far.seen} == {KEY}
        assert not any("authorization" in headers for _, headers, _ in far.seen)
        assert json.loads(far.seen[0][2])["generationConfig"] == {"temperature": 0.5}


def _service_account(tmp_path: Path, far: Far) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    account = {
        "type": "service_account",
        "project_id": "a-project",
        "private_key_id": "k",
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "client_email": "me@a-project.iam.gserviceaccount.com",
        "token_uri": f"{far.url}/token",
    }
    file = tmp_path / "account.json"
    file.write_text(json.dumps(account))
    return str(file)


def test_every_task_of_vertex_with_a_service_account(tmp_path: Path) -> None:
    """A service account's file gives one token for all calls, which go to the project and location."""
    with _running() as far:
        file = _service_account(tmp_path, far)
        settings = {"project": "a-project", "location": "europe-west4", "credentials_file": file}
        asyncio.run(_everything(AsyncOrchestrator(_config(far, "vertex", **settings))))
        place = "/v1beta1/projects/a-project/locations/europe-west4/publishers/google/models"
        assert [path for path, *_ in far.seen] == [
            f"{place}/gemini-2.5-flash:generateContent",
            f"{place}/gemini-2.5-flash:streamGenerateContent?alt=sse",
            f"{place}/gemini-embedding-001:batchEmbedContents",
        ]
        assert {headers["authorization"] for _, headers, _ in far.seen} == {"Bearer token-1"}
        assert far.tokens == 1


def test_a_refused_token_is_fetched_again(tmp_path: Path) -> None:
    """After a 401 another token is fetched, and the call succeeds with it."""

    async def call(config: dict[str, Any]) -> str:
        async with AsyncOrchestrator(config) as llm:
            return (await llm.chat("answer", "Hi")).text

    with _running() as far:
        far.refuse = 1
        file = _service_account(tmp_path, far)
        settings = {"project": "a-project", "location": "global", "credentials_file": file}
        assert asyncio.run(call(_config(far, "vertex", **settings))) == "Hello"
        assert [headers["authorization"] for _, headers, _ in far.seen] == ["Bearer token-1", "Bearer token-2"]


def test_vertex_in_express_mode() -> None:
    """With an API key alone the calls go to the publisher's models, without a project."""
    with _running() as far:
        asyncio.run(_everything(AsyncOrchestrator(_config(far, "vertex", api_key={"env": "TEST_KEY"}))))
        assert far.seen[0][0] == "/v1beta1/publishers/google/models/gemini-2.5-flash:generateContent"
        assert {headers["x-goog-api-key"] for _, headers, _ in far.seen} == {KEY}


def test_a_credentials_file_that_is_none(tmp_path: Path) -> None:
    """A missing file is a failed authentication that shows no path and no content."""

    async def call(config: dict[str, Any]) -> None:
        async with AsyncOrchestrator(config) as llm:
            await llm.chat("answer", "Hi")

    with _running() as far:
        settings = {"project": "p", "location": "global", "credentials_file": str(tmp_path / "secret-name.json")}
        with pytest.raises(AuthenticationFailed) as caught:
            asyncio.run(call(_config(far, "vertex", **settings)))
        assert "secret-name" not in str(caught.value)
        assert far.seen == []


def _grant(secret: Secret | None = None, **settings: Any) -> Grant:
    return Grant(headers={"content-type": "application/json"}, secret=secret, settings=settings, time=lambda: 1000.0)


def _signer(grant: Grant) -> Any:
    make = WIRES["vertex"].signer
    assert make is not None
    return make(grant)


def test_which_signer() -> None:
    """A key makes a header, no key makes tokens, and tokens without a project are refused."""
    assert isinstance(_signer(_grant(Secret(lambda: "k", source="s"))), HeaderSigner)
    assert isinstance(_signer(_grant(project="p", location="global")), TokenSigner)
    with pytest.raises(ConfigError, match="project"):
        _signer(_grant())


def test_tokens_are_fetched_once_and_after_a_refusal() -> None:
    """The first call fetches, the next does not, and the one after a refusal fetches another."""
    given: Iterator[str] = iter(["one", "two"])
    fetch: Callable[[], Token] = lambda: Token(next(given), 5000.0)  # noqa: E731
    signer = TokenSigner(_grant(project="p"), fetch)

    async def sign() -> str:
        await signer.prepare()
        return signer.sign(HttpRequest("https://host.test", b""))["authorization"]

    assert [asyncio.run(sign()), asyncio.run(sign())] == ["Bearer one", "Bearer one"]
    assert signer.refresh()
    assert asyncio.run(sign()) == "Bearer two"


@pytest.mark.parametrize(
    ("settings", "host"),
    [
        ({}, "aiplatform.googleapis.com"),
        ({"project": "p", "location": "global"}, "aiplatform.googleapis.com"),
        ({"project": "p", "location": "europe-west4"}, "europe-west4-aiplatform.googleapis.com"),
        ({"project": "p", "location": "eu"}, "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_where_vertex_answers(settings: dict[str, str], host: str) -> None:
    """Each location has its own host, the global one and the multi-regions theirs."""
    assert locate(settings) == f"https://{host}"


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"project": "p"}, "location"),
        ({"location": "eu"}, "project"),
        ({"project": "p", "location": "a/b"}, "location"),
    ],
)
def test_what_vertex_must_be_told(settings: dict[str, str], missing: str) -> None:
    """A missing or impossible setting is a configuration error that names it."""
    with pytest.raises(ConfigError, match=missing):
        locate(settings)
    config = {
        "version": 1,
        "providers": {"far": {"kind": "vertex", **settings}},
        "deployments": {"d": {"provider": "far", "model": "gemini-2.5-flash"}},
        "routes": {"answer": "d"},
    }
    with pytest.raises(errors.ConfigError, match=missing):
        AsyncOrchestrator(config)


@pytest.mark.parametrize(
    ("kind", "model", "path"),
    [
        ("google", "models/gemini-2.5-flash", "models/gemini-2.5-flash"),
        ("google", "tunedModels/mine", "tunedModels/mine"),
        ("vertex", "meta/llama-4", "projects/p/locations/global/publishers/meta/models/llama-4"),
        ("vertex", "123456", "projects/p/locations/global/endpoints/123456"),
        ("vertex", "projects/x/locations/y/endpoints/1", "projects/x/locations/y/endpoints/1"),
    ],
)
def test_how_models_are_named(kind: str, model: str, path: str) -> None:
    """Models may be given by the vendor's own resource names, tuned ones by their endpoint."""
    settings = {"project": "p", "location": "global"} if kind == "vertex" else {}
    encoded = chat(model, kind, settings=settings, base_url="https://host.test/v1/").encode(ask())
    assert encoded.request.url == f"https://host.test/v1/{path}:generateContent"
