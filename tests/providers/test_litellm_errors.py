"""What the litellm engine raises for each failure of a vendor, and that one attempt is one request."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from litellm_loopback import Answer, Vendor, closed_port, drop_clients, sse, vendor

from orchestrator.errors import (
    AuthenticationFailed,
    CallTimeout,
    ConnectionFailed,
    ContentFiltered,
    ContextTooLong,
    InvalidRequest,
    MalformedReply,
    OrchestratorError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from orchestrator.spec.auth import Secret
from orchestrator.spec.provider import Target
from orchestrator.types import ChatRequest, EmbedRequest, Message, RerankRequest, Text
from orchestrator_providers.litellm.engine import LiteLLMEngine
from orchestrator_providers.litellm.errors import translate
from orchestrator_providers.litellm.profile import PROFILE

pytestmark = [
    pytest.mark.usefixtures("clients"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:litellm.*"),
    # litellm keeps its HTTP clients; when a loop has ended their sockets are left to the collector.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning"),
]

PROMPT = "PROMPT-SENTINEL-the-quick-brown-fox"
KEY = "sk-sentinel-0123456789abcdef"
ASK = ChatRequest(messages=(Message("user", (Text(PROMPT),)),))


@pytest.fixture(scope="module")
def clients() -> Iterator[None]:
    """Collects what litellm leaves open before another module's tests would be blamed for it."""
    yield
    drop_clients()


def engine(model: str, base_url: str) -> LiteLLMEngine:
    """An engine for a model string and address."""
    secret = Secret(lambda: KEY, source="test")
    target = Target(profile=PROFILE, provider="other", deployment="one", model=model, base_url=base_url, secret=secret)
    return LiteLLMEngine(target)


def of_openai(code: str | None, kind: str = "some_type", message: str = "no") -> dict[str, Any]:
    """An error body in OpenAI's shape."""
    return {"error": {"message": message, "type": kind, "code": code, "param": None}}


def of_anthropic(kind: str, message: str = "no") -> dict[str, Any]:
    """An error body in Anthropic's shape."""
    return {"type": "error", "error": {"type": kind, "message": message}}


def failure(one: LiteLLMEngine, *, timeout_s: float = 20) -> OrchestratorError:
    """The error that a chat raises; holds neither prompt nor key, and pickles."""
    with pytest.raises(OrchestratorError) as caught:
        asyncio.run(one.chat(ASK, timeout_s=timeout_s))
    return checked(caught.value)


def checked(error: OrchestratorError) -> OrchestratorError:
    """The error, after a look at what it shows."""
    assert PROMPT not in f"{error} {error!r}"
    assert KEY not in f"{error} {error!r}"
    assert type(pickle.loads(pickle.dumps(error))) is type(error)
    return error


def stream_failure(one: LiteLLMEngine, *, timeout_s: float = 20) -> tuple[list[str], OrchestratorError]:
    """Names of the events before a stream failed, and the error."""
    seen: list[str] = []

    async def read() -> None:
        async for event in one.stream(ASK, timeout_s=timeout_s):
            seen.append(type(event).__name__)

    with pytest.raises(OrchestratorError) as caught:
        asyncio.run(read())
    return seen, checked(caught.value)


OPENAI = [
    (400, of_openai("context_length_exceeded"), ContextTooLong),
    (400, of_openai(None, message="This model's maximum context length is 10 tokens"), ContextTooLong),
    (400, of_openai("content_policy_violation"), ContentFiltered),
    (400, of_openai("bad"), InvalidRequest),
    (401, of_openai("invalid_api_key"), AuthenticationFailed),
    (402, of_openai("x"), QuotaExhausted),
    (403, of_openai("x"), AuthenticationFailed),
    (404, of_openai("model_not_found"), InvalidRequest),
    (413, of_openai("x"), InvalidRequest),
    (422, of_openai("x"), InvalidRequest),
    (429, of_openai("rate_limit_exceeded"), RateLimited),
    (429, of_openai("insufficient_quota"), QuotaExhausted),
    (500, of_openai(None), ServerError),
    (502, "<html>bad gateway</html>", ServerError),
    (503, of_openai(None), Overloaded),
    (529, of_openai(None), Overloaded),
]
ANTHROPIC = [
    (400, of_anthropic("invalid_request_error", "prompt is too long: 9 tokens > 8"), ContextTooLong),
    (400, of_anthropic("invalid_request_error"), InvalidRequest),
    (401, of_anthropic("authentication_error"), AuthenticationFailed),
    (403, of_anthropic("permission_error"), AuthenticationFailed),
    (404, of_anthropic("not_found_error"), InvalidRequest),
    (429, of_anthropic("rate_limit_error"), RateLimited),
    (500, of_anthropic("api_error"), ServerError),
    (529, of_anthropic("overloaded_error"), Overloaded),
]


@pytest.mark.parametrize(("status", "body", "expected"), OPENAI)
def test_openai_shaped_errors(status: int, body: Any, expected: type[OrchestratorError]) -> None:
    """Each error answer becomes one class of ours after exactly one request, with the vendor's status and id."""
    with vendor() as one:
        one.will(Answer(status=status, body=body, headers={"x-request-id": "req-1"}))
        error = failure(engine("openai/gpt-4o", one.url + "/v1"))
    assert type(error) is expected
    assert len(one.received) == 1
    assert (error.status, error.request_id) == (status, "req-1")
    assert error.__cause__ is not None


@pytest.mark.parametrize(("status", "body", "expected"), ANTHROPIC)
def test_anthropic_shaped_errors(status: int, body: Any, expected: type[OrchestratorError]) -> None:
    """The same, where litellm speaks without the OpenAI client and invents statuses (529 as 500)."""
    with vendor() as one:
        one.will(Answer(status=status, body=body, headers={"request-id": "req-1"}))
        error = failure(engine("anthropic/claude-haiku-4-5", one.url))
    assert type(error) is expected
    assert len(one.received) == 1
    assert (error.status, error.request_id) == (status, "req-1")
    assert error.vendor_code == body["error"]["type"]


def test_a_vendors_code_and_sentence_are_kept() -> None:
    """The error carries the vendor's own code and sentence, without what looks like a key."""
    body = of_openai("invalid_api_key", message=f"Incorrect API key provided: {KEY}.")
    with vendor() as one:
        one.will(Answer(status=401, body=body))
        error = failure(engine("openai/gpt-4o", one.url + "/v1"))
    assert error.vendor_code == "invalid_api_key"
    assert error.message.startswith("Incorrect API")
    assert error.message.endswith(("[redacted]", "[redacted]."))


@pytest.mark.parametrize("status", [429, 503])
def test_the_delay_asked_for_is_carried(status: int) -> None:
    """A fractional retry-after arrives as seconds, from both of litellm's clients and from rerank."""
    answer = Answer(status=status, body=of_openai("x"), headers={"retry-after": "7.5"})
    with vendor() as one:
        one.will(answer)
        delays = [
            failure(engine("openai/gpt-4o", one.url + "/v1")).retry_after,
            failure(engine("anthropic/claude-haiku-4-5", one.url)).retry_after,
            stream_failure(engine("openai/gpt-4o", one.url + "/v1"))[1].retry_after,
            rerank_failure(one).retry_after,
            embed_failure(one).retry_after,
        ]
    assert delays == [7.5] * 5
    assert len(one.received) == 5


def rerank_failure(one: Vendor) -> OrchestratorError:
    """The error that a rerank raises."""
    request = RerankRequest(query=PROMPT, documents=("a",))
    with pytest.raises(OrchestratorError) as caught:
        asyncio.run(engine("cohere/rerank-v3.5", one.url).rerank(request, timeout_s=20))
    return checked(caught.value)


def embed_failure(one: Vendor) -> OrchestratorError:
    """The error that an embedding raises."""
    one_engine = engine("openai/text-embedding-3-small", one.url + "/v1")
    with pytest.raises(OrchestratorError) as caught:
        asyncio.run(one_engine.embed(EmbedRequest(texts=(PROMPT,)), timeout_s=20))
    return checked(caught.value)


@pytest.mark.parametrize("model", ["openai/gpt-4o", "anthropic/claude-haiku-4-5"])
def test_a_refused_connection(model: str) -> None:
    """Nobody listening is a failed connection that cost nothing, not litellm's status 500."""
    error = failure(engine(model, f"http://127.0.0.1:{closed_port()}"))
    assert type(error) is ConnectionFailed
    assert (error.status, error.maybe_billed, error.retryable) == (None, False, True)


def test_the_deadline_ends_a_call() -> None:
    """A slow vendor is left when the time given is over, after one request."""
    with vendor() as one:
        one.will(Answer(body={}, wait_s=1.5))
        engine("openai/gpt-4o", one.url).warm_up()
        error = failure(engine("openai/gpt-4o", one.url + "/v1"), timeout_s=0.4)
    assert isinstance(error, CallTimeout)
    assert (error.kind, error.maybe_billed, len(one.received)) == ("deadline", True, 1)


def test_the_deadline_ends_a_stream() -> None:
    """A stream that stalls after its first text ends at the deadline too."""
    frames = sse(*[_chunk("Hel") for _ in range(20)])
    with vendor() as one:
        one.will(Answer(events=frames, hold_s=0.3))
        seen, error = stream_failure(engine("openai/gpt-4o", one.url + "/v1"), timeout_s=1.0)
    assert "TextDelta" in seen
    assert isinstance(error, CallTimeout)
    assert error.kind == "deadline"


def test_html_with_200_is_malformed() -> None:
    """An answer that is not JSON is malformed, whatever litellm calls it."""
    with vendor() as one:
        one.will(Answer(body="<html>hello</html>"))
        errors = [
            failure(engine("openai/gpt-4o", one.url + "/v1")),
            failure(engine("anthropic/claude-haiku-4-5", one.url)),
        ]
    assert [type(error) for error in errors] == [MalformedReply] * 2
    assert [error.status for error in errors] == [None] * 2


def _chunk(text: str) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def test_a_stream_whose_connection_breaks() -> None:
    """A reset in the middle is a failed connection that may have been billed, after one request."""
    with vendor() as one:
        one.will(Answer(events=sse(_chunk("Hel"), _chunk("lo"))[:-1], cut=True))
        seen, error = stream_failure(engine("openai/gpt-4o", one.url + "/v1"))
    assert "TextDelta" in seen
    assert type(error) is ConnectionFailed
    assert (error.maybe_billed, len(one.received)) == (True, 1)


def test_an_error_inside_a_stream_keeps_the_vendors_code() -> None:
    """An error event is what the vendor says it is, unwrapped from litellm's own fallback exception."""
    frames = sse(_chunk("Hel"), of_openai("rate_limit_exceeded", message="slow down"))
    with vendor() as one:
        one.will(Answer(events=frames))
        seen, error = stream_failure(engine("openai/gpt-4o", one.url + "/v1"))
    assert "TextDelta" in seen
    assert (type(error), error.vendor_code, error.status) == (RateLimited, "rate_limit_exceeded", None)


class NoCredentialsError(Exception):
    """Named as botocore's, which litellm wraps as a connection error."""


def test_missing_cloud_credentials_are_an_authentication_failure() -> None:
    """A cloud SDK without credentials is known by its exception, whatever litellm wraps it in."""
    try:
        try:
            raise NoCredentialsError
        except NoCredentialsError:
            raise RuntimeError(PROMPT)  # noqa: B904 - as litellm does, without `from`
    except RuntimeError as wrapped:
        error = checked(translate(wrapped))
    assert type(error) is AuthenticationFailed


def test_an_unknown_exception_shows_its_class_only() -> None:
    """What litellm did not expect becomes an error that is not retried and does not quote the text."""
    error = checked(translate(ValueError(f"cannot convert {PROMPT}")))
    assert (type(error), error.retryable, error.message) == (ServerError, False, "litellm failed with ValueError")
