"""What a call's error says when something out there is wrong: `screens/errors.txt` has the text of each."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from screens import expect

from orchestrator import Orchestrator
from orchestrator.errors import AuthenticationFailed, OrchestratorError
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.testing import ScriptedTransport, json_reply

KEY = "sk-test-0123456789abcdef"
CONFIG: dict[str, Any] = {
    "version": 1,
    "providers": {
        "openai": {"kind": "openai", "api_key": {"env": "TEST_KEY"}},
        "claude": {"kind": "anthropic", "api_key": {"env": "TEST_KEY"}},
        "own": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:9"},
    },
    "deployments": {
        "mini": {"provider": "openai", "model": "gpt-4o-mini"},
        "haiku": {"provider": "claude", "model": "claude-haiku-4-5"},
        "house": {"provider": "own", "model": "house-7b"},
    },
    "routes": {
        "answer": {"task": "chat", "pick": "mini"},
        "safe": {"task": "chat", "pick": "mini", "then": "haiku"},
        "house": {"task": "chat", "pick": "house"},
        "paid": {"task": "chat", "pick": "mini", "defaults": {"max_output_tokens": 1000}},
    },
    "retry": {"attempts": 2, "base": "1ms", "throttled_base": "1ms"},
    "log": {"to": "none"},
}


def refused(status: int, message: str, type_: str, code: str | None = None, **headers: str) -> HttpReply:
    """An error of OpenAI's."""
    body = {"error": {"message": message, "type": type_, "param": None, "code": code}}
    return json_reply(body, status=status, headers={"x-request-id": "req_7"} | headers)


WRONG_KEY = refused(401, f"Incorrect API key provided: {KEY}.", "invalid_request_error", "invalid_api_key")
NO_MODEL = refused(404, "The model `gpt-9` does not exist.", "invalid_request_error", "model_not_found")
SLOW_DOWN = refused(429, "Rate limit reached.", "requests", "rate_limit_exceeded", **{"retry-after": "600"})
NO_CREDIT = refused(429, "You exceeded your current quota.", "insufficient_quota", "insufficient_quota")
TOO_LONG = refused(400, "Maximum context length is 128000.", "invalid_request_error", "context_length_exceeded")
FILTERED = refused(400, "Rejected by the safety system.", "invalid_request_error", "content_policy_violation")
DOWN = refused(500, "The server had an error.", "server_error")
BUSY = refused(503, "The engine is overloaded.", "server_error")
PAGE = HttpReply(404, {"content-type": "text/html"}, b"<html><body>Not Found</body></html>")
NOT_FOUND = json_reply({"detail": "Not Found"}, status=404)
LOGIN = HttpReply(200, {"content-type": "text/html"}, b"<html><body>Please log in</body></html>")
UNKNOWN = refused(404, "Unknown request URL: POST /chat/completions.", "invalid_request_error", "unknown_url")
MOVED = HttpReply(301, {"location": "https://elsewhere.example"}, b"")

TROUBLE: dict[str, tuple[str, Callable[[HttpRequest], Any] | HttpReply]] = {
    "a wrong key": ("answer", WRONG_KEY),
    "a model that is not there": ("answer", NO_MODEL),
    "too many requests": ("answer", SLOW_DOWN),
    "no credit": ("answer", NO_CREDIT),
    "too long an input": ("answer", TOO_LONG),
    "a filter": ("answer", FILTERED),
    "the vendor is down": ("answer", DOWN),
    "the vendor is busy": ("answer", BUSY),
    "a page instead of an answer": ("house", PAGE),
    "a wrong path": ("house", NOT_FOUND),
    "no /v1 in the address": ("house", UNKNOWN),
    "a login page": ("house", LOGIN),
    "a redirection": ("house", MOVED),
    "two vendors, two reasons": ("safe", lambda request: DOWN if "openai" in request.url else WRONG_KEY),
}


def client(answer: Callable[[HttpRequest], Any] | HttpReply, **changes: Any) -> Orchestrator:
    transport = ScriptedTransport(answer if callable(answer) else lambda _: answer)
    return Orchestrator(CONFIG | changes, transport=transport, random=Random(1))


def said(error: OrchestratorError) -> str:
    return f"{type(error).__name__}: {error}"


def _timeless(text: str) -> str:
    return re.sub(r"retry_after=[\d.]+", "retry_after=…", text)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)


def test_errors_of_calls_say_who_what_and_how_to_look_it_up() -> None:
    """Provider, deployment, status, code, request id and attempts are in the text; no key and no prompt is."""
    screens: dict[str, str] = {}
    for title, (route, answer) in TROUBLE.items():
        with client(answer) as llm, pytest.raises(OrchestratorError) as caught:
            llm.chat(route, "Which plan includes hunter2?")
        screens[title] = said(caught.value)
        assert not any(hidden in repr(vars(caught.value)) + screens[title] for hidden in (KEY, "hunter2")), title
    with client(WRONG_KEY) as llm:
        for _ in range(2):
            with pytest.raises(AuthenticationFailed) as again:
                llm.chat("answer", "Hi")
    screens["a wrong key, again"] = _timeless(said(again.value))
    budget = {"usd": 0.000001, "window": "call"}
    with client(DOWN, budgets=[budget]) as llm, pytest.raises(OrchestratorError) as caught:
        llm.chat("paid", "Hi")
    screens["a budget without room"] = _timeless(said(caught.value))
    expect("errors", screens)
