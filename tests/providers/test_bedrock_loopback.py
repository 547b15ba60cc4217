"""Bedrock from a file to the socket: what arrives there is signed or carries the key, and what comes back is read."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from test_bedrock_eventstream import event

from orchestrator import AsyncOrchestrator, errors
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.testing import ScriptedTransport, VirtualClock
from orchestrator.transport.httpx import HttpxTransport

KEY_ID, KEY = "AKIALOOPBACK", "loopback-secret"
USAGE = {"inputTokens": 9, "outputTokens": 4, "totalTokens": 13}
MODEL = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


def _stream() -> bytes:
    return (
        event("messageStart", b'{"role":"assistant"}')
        + event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"Hel"}}')
        + event("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"lo"}}')
        + event("contentBlockStop", b'{"contentBlockIndex":0}')
        + event("messageStop", b'{"stopReason":"end_turn"}')
        + event("metadata", orjson.dumps({"usage": USAGE, "metrics": {"latencyMs": 2}}))
    )


def _answer(path: str, body: Any) -> tuple[bytes, dict[str, str]]:
    model, _, operation = path.removeprefix("/model/").partition("/")
    if operation == "converse-stream":
        return _stream(), {"content-type": "application/vnd.amazon.eventstream"}
    if operation == "converse":
        found: Any = {"output": {"message": {"content": [{"text": "Hello"}]}}, "stopReason": "end_turn", "usage": USAGE}
    elif "rerank" in model:
        found = {"results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]}
    else:
        found = {"embeddings": [[1.0, float(number)] for number in range(len(body["texts"]))], "id": "e"}
    return orjson.dumps(found), {"content-type": "application/json", "x-amzn-bedrock-input-token-count": "7"}


class Vendor(ThreadingHTTPServer):
    """Answers as Bedrock would. `seen` holds path, headers and body of each request; `refuse` how many to refuse."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.refuse = 0
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def base_url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Vendor
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}, raw))
        status, (body, headers) = 200, _answer(self.path, orjson.loads(raw))
        if self.server.refuse:
            self.server.refuse -= 1
            status, body = 403, b'{"message":"The security token included in the request is expired"}'
            headers = {"x-amzn-errortype": "ExpiredTokenException:http://internal.amazon.com/"}
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body)), "x-amzn-requestid": "req-1"}.items():
            self.send_header(name, value)
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


def _config(vendor: Vendor, **provider: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "providers": {"aws": {"kind": "bedrock", "base_url": vendor.base_url, "region": "us-east-1", **provider}},
        "deployments": {
            "haiku": {"provider": "aws", "model": MODEL, "priced_as": f"bedrock/{MODEL}"},
            "embed": {"provider": "aws", "model": "cohere.embed-english-v3"},
            "rank": {"provider": "aws", "model": "cohere.rerank-v3-5:0"},
        },
        "routes": {
            "answer": "haiku",
            "search": {"task": "embed", "pick": "embed"},
            "rank": {"task": "rerank", "pick": "rank"},
        },
    }


async def _everything(llm: AsyncOrchestrator) -> None:
    async with llm:
        reply = await llm.chat("answer", "Hi")
        assert (reply.text, reply.usage.input_tokens, reply.finish_reason.unified) == ("Hello", 9, "stop")
        assert reply.cost.total is not None
        async with llm.stream("answer", "Hi") as stream:
            assert "".join([text async for text in stream.text]) == "Hello"
        assert stream.reply.usage.output_tokens == 4
        assert (await llm.embed("search", ["a", "b"])).vectors == [[1.0, 0.0], [1.0, 1.0]]
        ranked = await llm.rerank("rank", query="q", documents=["a", "b"])
        assert [item.index for item in ranked.results] == [1, 0]


def _signed_by_botocore(base_url: str, path: str, headers: dict[str, str], raw: bytes) -> str:
    """What botocore makes of the request that arrived, with the headers that it says are signed."""
    auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    names = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    request = AWSRequest("POST", base_url + path, data=raw, headers={name: headers[name] for name in names})
    request.context["timestamp"] = headers["x-amz-date"]
    signer = auth.SigV4Auth(Credentials(KEY_ID, KEY), "bedrock", "us-east-1")
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    signer._inject_signature_to_request(request, signature)
    return str(request.headers["Authorization"])


@pytest.mark.parametrize("client", ["aiohttp", "httpx"])
def test_signed_requests_of_every_task(monkeypatch: pytest.MonkeyPatch, client: str) -> None:
    """Chat, stream, embed and rerank arrive with a signature over what arrived, through each transport."""
    monkeypatch.setenv("TEST_AWS_KEY_ID", KEY_ID)
    monkeypatch.setenv("TEST_AWS_KEY", KEY)
    keys = {"access_key_id": {"env": "TEST_AWS_KEY_ID"}, "secret_access_key": {"env": "TEST_AWS_KEY"}}
    transport = None if client == "aiohttp" else HttpxTransport(lambda: httpx.AsyncClient(trust_env=False))
    with _vendor() as vendor:
        asyncio.run(_everything(AsyncOrchestrator(_config(vendor, **keys), transport=transport)))
        assert [path.rpartition("/")[2] for path, *_ in vendor.seen] == [
            "converse",
            "converse-stream",
            "invoke",
            "invoke",
        ]
        assert vendor.seen[0][0] == f"/model/{MODEL.replace(':', '%3A')}/converse"
        for path, headers, raw in vendor.seen:
            assert headers["authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={KEY_ID}/")
            assert headers["authorization"] == _signed_by_botocore(vendor.base_url, path, headers, raw)


def test_an_api_key_of_every_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an api_key every request carries it as a bearer token, and no signature."""
    monkeypatch.setenv("TEST_BEDROCK_KEY", "bedrock-api-key")
    with _vendor() as vendor:
        asyncio.run(_everything(AsyncOrchestrator(_config(vendor, api_key={"env": "TEST_BEDROCK_KEY"}))))
        assert {headers["authorization"] for _, headers, _ in vendor.seen} == {"Bearer bedrock-api-key"}
        assert not any("x-amz-date" in headers for _, headers, _ in vendor.seen)


def test_what_botocore_finds_signs_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without keys in the file, those of AWS's own environment variables are found at the first call."""
    pytest.importorskip("botocore")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY)
    with _vendor() as vendor:
        asyncio.run(_everything(AsyncOrchestrator(_config(vendor))))
        for path, headers, raw in vendor.seen:
            assert headers["authorization"] == _signed_by_botocore(vendor.base_url, path, headers, raw)


def test_the_address_and_the_price_without_a_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """The region makes the address, and at that address the book's prices hold, by the inference profile asked for."""
    monkeypatch.setenv("TEST_BEDROCK_KEY", "bedrock-api-key")
    urls: list[str] = []

    def answer(request: HttpRequest) -> HttpReply:
        urls.append(request.url)
        return HttpReply(200, {}, _answer("/model/x/converse", {})[0])

    async def costs() -> list[str | None]:
        found = []
        for model in (MODEL, f"global.{MODEL.removeprefix('us.')}"):
            provider = {"kind": "bedrock", "region": "eu", "aws_region": "eu-central-1"}
            config = {
                "version": 1,
                "providers": {"aws": provider | {"api_key": {"env": "TEST_BEDROCK_KEY"}}},
                "deployments": {"d": {"provider": "aws", "model": model}},
                "routes": {"answer": "d"},
            }
            async with AsyncOrchestrator(config, transport=ScriptedTransport(answer)) as llm:
                found.append((await llm.chat("answer", "Hi")).cost.price_row)
        return found

    regional, worldwide = asyncio.run(costs())
    assert urls[0] == (f"https://bedrock-runtime.eu-central-1.amazonaws.com/model/{MODEL.replace(':', '%3A')}/converse")
    assert regional is not None
    assert worldwide is not None
    assert regional.startswith("aws/")
    assert regional != worldwide


def test_a_refused_credential_is_read_again(tmp_path: Path) -> None:
    """After an expired token the files are read again, and the call succeeds with the new keys."""
    for name, value in (("id", KEY_ID), ("key", "old"), ("token", "t1")):
        (tmp_path / name).write_text(value)
    files = {"access_key_id": "id", "secret_access_key": "key", "session_token": "token"}
    keys = {setting: {"file": str(tmp_path / name)} for setting, name in files.items()}

    async def ask(vendor: Vendor) -> str:
        async with AsyncOrchestrator(_config(vendor, **keys)) as llm:
            (tmp_path / "token").write_text("t2")
            return (await llm.chat("answer", "Hi")).text

    with _vendor() as vendor:
        vendor.refuse = 1
        assert asyncio.run(ask(vendor)) == "Hello"
        assert [headers["x-amz-security-token"] for _, headers, _ in vendor.seen] == ["t1", "t2"]


def test_keys_in_files_are_followed(tmp_path: Path) -> None:
    """Keys in files that are replaced while the client runs sign the calls that come after, without a refusal."""
    (tmp_path / "id").write_text(KEY_ID)
    (tmp_path / "key").write_text("old")
    keys = {"access_key_id": {"file": str(tmp_path / "id")}, "secret_access_key": {"file": str(tmp_path / "key")}}
    clock = VirtualClock()

    async def ask(vendor: Vendor) -> list[bool]:
        async with AsyncOrchestrator(_config(vendor, **keys), clock=clock) as llm:
            await llm.chat("answer", "Hi")
            (tmp_path / "new").write_text(KEY)
            (tmp_path / "new").replace(tmp_path / "key")
            for _ in range(200):  # files are looked at in a thread of its own
                clock.advance(5)
                await llm.chat("answer", "Hi")
                if _is_signed(vendor, vendor.seen[-1]):
                    break
                await asyncio.sleep(0.01)
        return [_is_signed(vendor, vendor.seen[0]), _is_signed(vendor, vendor.seen[-1])]

    with _vendor() as vendor:
        assert asyncio.run(ask(vendor)) == [False, True]


def _is_signed(vendor: Vendor, seen: tuple[str, dict[str, str], bytes]) -> bool:
    return _signed_by_botocore(vendor.base_url, *seen) == seen[1]["authorization"]


def test_secrets_of_the_file_are_references() -> None:
    """A literal key is refused, and so is a provider without a region."""
    literal = {"kind": "bedrock", "region": "us-east-1", "access_key_id": "AKIA", "secret_access_key": {"env": "X"}}
    for provider, said in ((literal, "literal secret"), ({"kind": "bedrock"}, "needs its region")):
        config = {
            "version": 1,
            "providers": {"aws": provider},
            "deployments": {"d": {"provider": "aws", "model": MODEL}},
            "routes": {"answer": "d"},
        }
        with pytest.raises(errors.ConfigError, match=said):
            AsyncOrchestrator(config)
