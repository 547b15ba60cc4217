"""Azure's addresses, credentials, content filters and errors."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import orjson
import pytest

from orchestrator.config import load_file
from orchestrator.errors import (
    AuthenticationFailed,
    ConfigError,
    ContentFiltered,
    InvalidRequest,
    OrchestratorError,
    Overloaded,
    RateLimited,
)
from orchestrator.registry import find
from orchestrator.spec.auth import Grant, HeaderSigner, Secret, TokenSigner
from orchestrator.spec.provider import Codecs, Failure, Target, Wire
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.types.chat import ChatRequest, Message, Reasoning, Text
from orchestrator.types.collect import collect
from orchestrator.types.retrieval import EmbedRequest
from orchestrator_providers.azure.credential import make_signer

HELLO = ChatRequest(messages=(Message("user", (Text("Hello"),)),))
REQUEST = HttpRequest("https://r.openai.azure.com/", b"", {})
R = "https://r.openai.azure.com"
SAFE = {"hate": {"filtered": False, "severity": "safe"}}


def _wire(kind: str = "azure") -> Wire:
    wire = find(kind)
    assert isinstance(wire, Wire)
    return wire


def _bind(base_url: str = R, model: str = "my dep", kind: str = "azure", **settings: Any) -> Codecs:
    wire = _wire(kind)
    return wire.bind(
        Target(profile=wire.profile, provider="p", deployment="d", model=model, base_url=base_url, settings=settings)
    )


def _urls(codecs: Codecs) -> tuple[str, str]:
    assert codecs.chat is not None
    assert codecs.embed is not None
    return codecs.chat.encode(HELLO).request.url, codecs.embed.encode(EmbedRequest(texts=("x",))).request.url


DATED = f"{R}/openai/deployments/my%20dep"


@pytest.mark.parametrize(
    ("settings", "chat", "embed"),
    [
        ({}, f"{R}/openai/v1/chat/completions", f"{R}/openai/v1/embeddings"),
        ({"api": "responses"}, f"{R}/openai/v1/responses", f"{R}/openai/v1/embeddings"),
        (
            {"api_version": "2024-10-21"},
            f"{DATED}/chat/completions?api-version=2024-10-21",
            f"{DATED}/embeddings?api-version=2024-10-21",
        ),
        (
            {"api_version": "2025-03-01-preview", "api": "responses"},
            f"{R}/openai/responses?api-version=2025-03-01-preview",
            f"{DATED}/embeddings?api-version=2025-03-01-preview",
        ),
        (
            {"api": "models"},
            f"{R}/models/chat/completions?api-version=2024-05-01-preview",
            f"{R}/models/embeddings?api-version=2024-05-01-preview",
        ),
        (
            {"api": "models", "api_version": "v9"},
            f"{R}/models/chat/completions?api-version=v9",
            f"{R}/models/embeddings?api-version=v9",
        ),
    ],
)
@pytest.mark.parametrize("ending", ["", "/", "/openai", "/openai/v1", "/openai/v1/"])
def test_addresses(settings: dict[str, Any], chat: str, embed: str, ending: str) -> None:
    """The API, its version and the deployment make the address, whatever of it the base URL already says."""
    assert _urls(_bind(R + ending, **settings)) == (chat, embed)


def test_an_address_written_out_in_full_is_taken_as_it_is() -> None:
    """A base URL with its deployment, and with or without a version, gets nothing but what it lacks."""
    full = f"{R}/openai/deployments/other"
    assert _urls(_bind(f"{full}?api-version=1"))[0] == f"{full}/chat/completions?api-version=1"
    assert _urls(_bind(full, api_version="2"))[0] == f"{full}/chat/completions?api-version=2"


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"resource": "my-r"}, "https://my-r.openai.azure.com"),
        ({"resource": "my-r", "cloud": "usgov"}, "https://my-r.openai.azure.us"),
        ({"resource": "my-r", "cloud": "china"}, "https://my-r.openai.azure.cn"),
    ],
)
def test_the_resource_makes_the_address(settings: dict[str, Any], url: str) -> None:
    """A resource's name is enough to find it, in each of the clouds."""
    locate = _wire().locate
    assert locate is not None
    assert locate(settings) == url


@pytest.mark.parametrize(
    ("settings", "named"),
    [({}, "resource"), ({"resource": "a/b"}, "resource"), ({"resource": "r", "cloud": "moon"}, "cloud")],
)
def test_settings_that_make_no_address(settings: dict[str, Any], named: str) -> None:
    """What is missing or wrong is named."""
    locate = _wire().locate
    assert locate is not None
    with pytest.raises(ConfigError, match=named):
        locate(settings)


def test_an_api_that_does_not_exist() -> None:
    """The APIs there are, are named, before anything is sent."""
    with pytest.raises(ConfigError, match="chat, responses, models"):
        _bind(api="assistants")
    with pytest.raises(ConfigError, match="chat, responses, models"):
        make_signer(_grant(api="assistants"))


def _grant(secret: str | None = None, now: list[float] | None = None, **settings: Any) -> Grant:
    clock = now or [1_000.0]
    return Grant(
        headers={"content-type": "application/json"},
        secret=None if secret is None else Secret(lambda: secret, source="test"),
        settings=settings,
        time=lambda: clock[0],
    )


def test_a_key_goes_into_its_own_header() -> None:
    """Azure's key goes into `api-key`, bare."""
    signer = make_signer(_grant("k"))
    assert isinstance(signer, HeaderSigner)
    assert signer.sign(REQUEST) == {"content-type": "application/json", "api-key": "k"}


class _Credential:
    """Gives tokens that count up, and notes what it was asked for."""

    def __init__(self) -> None:
        self.scopes: list[str] = []
        self.closed = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed += 1

    def get_token(self, scope: str) -> Any:
        self.scopes.append(scope)
        return SimpleNamespace(token=f"t{len(self.scopes)}", expires_on=5_000)


@pytest.mark.parametrize(
    ("cloud", "scope"),
    [
        ("public", "https://cognitiveservices.azure.com/.default"),
        ("usgov", "https://cognitiveservices.azure.us/.default"),
        ("china", "https://cognitiveservices.azure.cn/.default"),
    ],
)
def test_without_a_key_tokens_are_asked_for(cloud: str, scope: str) -> None:
    """Without a key, a bearer token of the cloud's scope is fetched, kept while it is good, renewed after a refusal."""
    credential, now = _Credential(), [1_000.0]
    signer = make_signer(_grant(now=now, cloud=cloud), lambda: credential)
    assert isinstance(signer, TokenSigner)

    async def authorization() -> str:
        await signer.prepare()
        return signer.sign(REQUEST)["authorization"]

    async def run() -> None:
        assert await authorization() == "Bearer t1"
        assert await authorization() == "Bearer t1"
        assert signer.refresh()
        assert await authorization() == "Bearer t2"
        now[0] = 4_900.0
        assert await authorization() == "Bearer t3"

    asyncio.run(run())
    assert credential.scopes == [scope] * 3
    assert credential.closed == 3


def test_no_token_is_an_error_of_ours() -> None:
    """What azure-identity raises does not reach the caller, and nothing of it is told."""

    def opener() -> Any:
        raise RuntimeError("tenant secret-tenant")

    signer = make_signer(_grant(), opener)
    with pytest.raises(AuthenticationFailed, match="RuntimeError") as caught:
        asyncio.run(signer.prepare())  # type: ignore[attr-defined]
    assert "secret-tenant" not in str(caught.value)


def test_an_application_needs_all_of_its_names() -> None:
    """A client secret without its application is a mistake in the file, and the missing keys are named."""
    secret = Secret(lambda: "s", source="test")
    with pytest.raises(ConfigError, match="tenant_id"):
        make_signer(_grant(client_secret=secret, client_id="c"))


def test_without_the_package_the_install_command_is_told() -> None:
    """No key and no azure-identity: the error gives the command."""
    program = """
import sys
sys.modules["azure.identity"] = None
from orchestrator.errors import ConfigError
from orchestrator.spec.auth import Grant
from orchestrator_providers.azure.credential import make_signer
try:
    make_signer(Grant(headers={}, secret=None, settings={}, time=lambda: 0.0))
except ConfigError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'model-orchestrator[azure]'" in done.stdout


FILE = """
version: 1
providers:
  azure: {kind: azure, resource: r, tenant_id: t, client_id: c, client_secret: SECRET}
deployments:
  gpt: {provider: azure, model: gpt-4o}
routes:
  answer: gpt
"""


def test_the_client_secret_is_a_reference(tmp_path: Path) -> None:
    """In the file a client secret is a reference; a literal one is refused without being repeated."""
    path = tmp_path / "o.yaml"
    path.write_text(FILE.replace("SECRET", "hunter2"))
    with pytest.raises(ConfigError, match="client_secret: a literal secret is refused") as caught:
        load_file(path)
    assert "hunter2" not in str(caught.value)
    path.write_text(FILE.replace("SECRET", "{file: secret.txt}"))
    (tmp_path / "secret.txt").write_text("hunter2\n")
    settings = load_file(path).providers["azure"].settings
    assert "hunter2" not in repr(settings)
    assert settings["client_secret"].open().reveal() == "hunter2"


FILTERED = {
    "message": "filtered",
    "type": None,
    "param": "prompt",
    "code": "content_filter",
    "status": 400,
    "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": SAFE},
}


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (400, {"error": FILTERED}, {}, (ContentFiltered, None)),
        (404, {"error": {"code": "DeploymentNotFound", "message": "x"}}, {}, (InvalidRequest, None)),
        (400, {"error": {"code": "OperationNotSupported", "message": "x"}}, {}, (InvalidRequest, None)),
        (401, {"error": {"code": "401", "message": "x"}}, {}, (AuthenticationFailed, None)),
        (429, {"error": {"code": "429", "message": "x"}}, {"retry-after-ms": "250"}, (RateLimited, 0.25)),
        (429, {"error": {"code": "RateLimitReached", "message": "x"}}, {"retry-after": "7"}, (RateLimited, 7.0)),
        (429, {"error": {"code": "NoCapacity", "message": "x"}}, {}, (Overloaded, None)),
        (
            429,
            {"statusCode": 429, "message": "Rate limit is exceeded."},
            {},
            (RateLimited, None),
        ),
        (401, {"statusCode": 401, "message": "missing key"}, {}, (AuthenticationFailed, None)),
    ],
)
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_errors(
    api: str, status: int, body: Any, headers: dict[str, str], expected: tuple[type[OrchestratorError], float | None]
) -> None:
    """Azure's codes, those of the gateway in front of it, and its delays in milliseconds, over both APIs."""
    codec = _bind(api=api).chat
    assert codec is not None
    error = codec.error(HttpReply(status, headers, orjson.dumps(body)))
    assert (type(error), error.retry_after) == expected
    other_deployment = status in (404, 429) or "Operation" in str(body)
    assert error.scope == ("deployment" if other_deployment else type(error).default_scope)


def _choice(**fields: Any) -> dict[str, Any]:
    return {"index": 0, "content_filter_results": SAFE, **fields}


def test_what_the_filters_found_comes_with_the_reply() -> None:
    """Results for prompt and answer are in the metadata; a stream collects to what the whole reply gives, with the
    model that a router chose.
    """
    prompt = [{"prompt_index": 0, "content_filter_results": SAFE}]
    message = {"role": "assistant", "content": "Hello"}
    base = {"id": "c1", "model": "gpt-5-mini-2025-08-07"}
    whole = base | {"prompt_filter_results": prompt, "choices": [_choice(message=message, finish_reason="stop")]}
    codec = _bind(model="model-router").chat
    assert codec is not None
    result = codec.decode(HttpReply(200, {}, orjson.dumps(whole)))
    assert result.provider_metadata == {"azure": {"prompt_filter_results": prompt, "content_filter_results": SAFE}}
    assert result.model == "gpt-5-mini-2025-08-07"
    chunks: list[Any] = [
        {"id": "", "model": "", "choices": [], "prompt_filter_results": prompt},
        base | {"choices": [_choice(delta={"role": "assistant", "content": ""}, content_filter_results={})]},
        base | {"choices": [_choice(delta={"content": "Hel"})]},
        base | {"choices": [_choice(delta={"content": "lo"})]},
        base | {"choices": [_choice(delta={}, finish_reason="stop", content_filter_results={})]},
    ]
    decoder = codec.decoder()
    decoded = [*decoder.feed([("", orjson.dumps(chunk)) for chunk in chunks]), *decoder.feed([("", b"[DONE]")])]
    assert collect([event for event in decoded if not isinstance(event, Failure)]) == result


def test_the_two_apis_do_not_take_each_others_marks() -> None:
    """A reply of the Responses API goes through the chat API as its text, and the other way round."""
    item = {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}
    said = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
    body = {"status": "completed", "output": [item, said | {"content": [{"type": "output_text", "text": "Hi"}]}]}
    responses, chat = _bind(api="responses").chat, _bind().chat
    assert responses is not None
    assert chat is not None
    message = responses.decode(HttpReply(200, {}, orjson.dumps(body))).message
    assert isinstance(message.parts[0], Reasoning)
    back = responses.encode(ChatRequest(messages=(message,)))
    assert orjson.loads(back.request.body)["input"][0] == item
    encoded = chat.encode(ChatRequest(messages=(message,)))
    assert [warning.kind for warning in encoded.warnings] == ["stripped"]
    assert b"gAAA" not in encoded.request.body
    assert b"Hi" in encoded.request.body


def test_both_names_are_one_wire() -> None:
    """`azure_openai`, the first name, has everything that `azure` has."""
    first, second = _wire("azure_openai").profile, _wire("azure").profile
    assert (first.settings, first.hosts, first.quirks) == (second.settings, second.hosts, second.quirks)
    assert (first.auth_header, first.auth_prefix, first.base_url) == ("api-key", "", None)
    assert _urls(_bind(kind="azure_openai")) == _urls(_bind())
