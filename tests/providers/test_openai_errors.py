"""What the errors of OpenAI and its cousins become."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai_support import bind, chat, reply

from orchestrator.errors import (
    AuthenticationFailed,
    ContentFiltered,
    ContextTooLong,
    InvalidRequest,
    OrchestratorError,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from orchestrator.spec.transport import HttpReply


def _error(code: Any = None, message: str = "m", **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "code": code, **more}}


@pytest.mark.parametrize(
    ("kind", "status", "value", "cls", "retryable", "scope"),
    [
        ("openai", 429, _error("rate_limit_exceeded"), RateLimited, True, "deployment"),
        ("openai", 429, _error("slow_down", type="rate_limit_error"), RateLimited, True, "deployment"),
        ("openai", 429, _error("insufficient_quota"), QuotaExhausted, False, "credential"),
        ("openai", 429, _error("credit_balance_exhausted"), QuotaExhausted, False, "credential"),
        ("openai", 429, _error("rate_limit_exceeded", "Request too large for m"), ContextTooLong, False, "deployment"),
        ("openai", 503, _error("server_is_overloaded"), Overloaded, True, "deployment"),
        ("openai", 500, _error(None, type="server_error"), ServerError, True, "deployment"),
        ("openai", 400, _error("context_length_exceeded"), ContextTooLong, False, "deployment"),
        ("openai", 400, _error("invalid_value"), InvalidRequest, False, "request"),
        ("openai", 400, _error("unsupported_value"), InvalidRequest, False, "deployment"),
        ("openai", 404, _error("model_not_found"), InvalidRequest, False, "deployment"),
        ("openai", 400, _error("model_not_found"), InvalidRequest, False, "deployment"),
        ("openai", 401, _error("invalid_api_key"), AuthenticationFailed, False, "credential"),
        ("azure_openai", 404, _error("DeploymentNotFound"), InvalidRequest, False, "deployment"),
        ("azure_openai", 400, _error("content_filter"), ContentFiltered, False, "request"),
        ("mistral", 429, {"object": "error", "type": "rate_limited", "code": "1300"}, RateLimited, True, "deployment"),
        ("mistral", 401, {"detail": "Invalid API Key"}, AuthenticationFailed, False, "credential"),
        ("mistral", 422, {"detail": [{"msg": "bad"}]}, InvalidRequest, False, "request"),
        ("groq", 400, _error("tool_use_failed"), InvalidRequest, True, "deployment"),
        ("groq", 413, _error("rate_limit_exceeded", type="tokens"), ContextTooLong, False, "deployment"),
        ("groq", 498, _error("capacity_exceeded"), Overloaded, True, "deployment"),
        ("deepseek", 402, _error(None, "Insufficient Balance"), QuotaExhausted, False, "credential"),
        (
            "deepseek",
            401,
            _error("invalid_request_error", type="authentication_error"),
            AuthenticationFailed,
            False,
            "credential",
        ),
        ("together", 403, _error(None, "input + max_tokens"), ContextTooLong, False, "deployment"),
        ("together", 503, _error(None), Overloaded, True, "deployment"),
        ("fireworks", 412, _error(None, "suspended"), AuthenticationFailed, False, "credential"),
        ("openrouter", 403, _error(403, "flagged"), ContentFiltered, False, "request"),
        ("openrouter", 402, _error(402, "credits"), QuotaExhausted, False, "credential"),
        (
            "openrouter",
            402,
            _error(402, metadata={"limit_source": "openrouter_in_flight_budget"}),
            RateLimited,
            True,
            "deployment",
        ),
        ("openrouter", 502, _error(502), ServerError, True, "deployment"),
        ("perplexity", 400, _error(400, type="too_many_prompt_tokens"), ContextTooLong, False, "deployment"),
        ("moonshot", 429, _error(None, type="exceeded_current_quota_error"), QuotaExhausted, False, "credential"),
        ("llamacpp", 400, _error(400, type="exceed_context_size_error"), ContextTooLong, False, "deployment"),
        ("vllm", 400, _error(400, "maximum context length is 9 tokens"), ContextTooLong, False, "deployment"),
        ("venice", 404, {"error": "Specified model not found"}, InvalidRequest, False, "deployment"),
        ("huggingface", 422, b"Failed to deserialize", InvalidRequest, False, "request"),
        ("openai", 502, b"<html>bad gateway</html>", ServerError, True, "deployment"),
    ],
)
def test_vendor_errors_become_ours(
    kind: str, status: int, value: Any, cls: type[OrchestratorError], *, retryable: bool, scope: str
) -> None:
    """Code first, status next, message last: the class, and with it what may be done about it."""
    error = chat(kind).error(reply(value, status))
    assert (type(error), error.retryable, error.scope, error.status) == (cls, retryable, scope, status)


def test_the_wait_the_vendor_asks_for_is_kept() -> None:
    """Header or sentence, the delay is in the error; so is the request id."""
    error = chat().error(reply(_error("rate_limit_exceeded"), 429, retry_after_ms="250", x_request_id="r1"))
    assert (error.retry_after, error.request_id, error.vendor_code) == (0.25, "r1", "rate_limit_exceeded")
    said = chat("groq").error(reply(_error("rate_limit_exceeded", "Please try again in 5.289s."), 429))
    assert said.retry_after == pytest.approx(5.289)


def test_all_tasks_share_the_classification() -> None:
    """Embedding and reranking read errors as chat does."""
    codecs = bind("together", "m")
    assert codecs.embed is not None
    assert codecs.rerank is not None
    for codec in (codecs.embed, codecs.rerank):
        assert isinstance(codec.error(reply(_error("insufficient_quota"), 429)), QuotaExhausted)


@given(status=st.integers(300, 599), body=st.binary(max_size=60))
@settings(max_examples=150, deadline=None)
def test_no_bytes_make_the_classification_raise(status: int, body: bytes) -> None:
    """Whatever came, there is an error to raise, with its status."""
    assert chat("openrouter").error(HttpReply(status, {}, body)).status == status


@pytest.mark.parametrize(
    "value",
    [
        {"error": None},
        {"error": []},
        {"error": {"code": [], "metadata": 3}},
        [{"error": {"code": 1e400}}],
        [1, 2],
        None,
    ],
)
def test_odd_error_shapes_are_still_errors(value: Any) -> None:
    """An error of an unknown shape is classified by its status."""
    assert isinstance(chat("openrouter").error(reply(value, 500)), ServerError)
