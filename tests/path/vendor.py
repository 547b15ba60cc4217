"""A scripted OpenAI-shaped vendor for tests of the path, below the codecs: what is sent can be asserted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import orjson

from orchestrator import AsyncOrchestrator
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.testing import CapturedEvents, ScriptedTransport, VirtualClock, json_reply


def completion(text: str = "hello", *, input_tokens: int = 10, output_tokens: int = 5, **message: Any) -> HttpReply:
    """A chat completion."""
    return json_reply(
        {
            "id": "chatcmpl-1",
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text, **message},
                    "finish_reason": "tool_calls" if "tool_calls" in message else "stop",
                }
            ],
            "usage": {"prompt_tokens": input_tokens, "completion_tokens": output_tokens},
        },
        headers={"x-request-id": "req_1"},
    )


def error(status: int, code: str | None = None, message: str = "no", **headers: str) -> HttpReply:
    """An error in the vendor's shape."""
    body = {"error": {"message": message, "type": "error", "code": code}}
    return json_reply(body, status=status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def sse(*chunks: Any, done: bool = True) -> HttpReply:
    """A stream: dicts are JSON events, strings are text deltas."""
    lines = []
    for chunk in chunks:
        data = {"choices": [{"index": 0, "delta": {"content": chunk}, "finish_reason": None}]}
        data = {"id": "chatcmpl-1", "model": "gpt-4o-mini"} | (data if isinstance(chunk, str) else chunk)
        lines.append(b"data: " + orjson.dumps(data) + b"\n\n")
    if done:
        stop = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        usage = {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}
        lines += [b"data: " + orjson.dumps(stop) + b"\n\n", b"data: " + orjson.dumps(usage) + b"\n\n"]
        lines.append(b"data: [DONE]\n\n")
    return HttpReply(200, {"content-type": "text/event-stream"}, b"".join(lines))


def host(request: HttpRequest) -> str:
    """Which of the vendors a request went to."""
    return request.url.split("/")[2].partition(".")[0]


class World:
    """A client over scripted vendors `a`, `b`, `c` in virtual time.

    `script` maps a vendor's name to a reply, an exception, a list of those (used up, the last one repeated), or a
    function of the request. `sent` lists `(vendor, virtual seconds since the start)`.
    """

    def __init__(self, script: dict[str, Any], route: dict[str, Any] | None = None, **more: Any) -> None:
        self.clock = VirtualClock()
        self.begin = self.clock.monotonic()
        self.events = CapturedEvents()
        self.sent: list[tuple[str, float]] = []
        self._script = {name: list(value) if isinstance(value, list) else value for name, value in script.items()}
        self.transport = ScriptedTransport(self._answer)
        self.llm = AsyncOrchestrator(
            config(list(script), route, **more),
            transport=self.transport,
            clock=self.clock,
            random=Random(7),
            sinks=[self.events],
        )

    async def _answer(self, request: HttpRequest) -> Any:
        name = host(request)
        self.sent.append((name, round(self.clock.monotonic() - self.begin, 3)))
        script = self._script[name]
        if isinstance(script, list):
            script = script.pop(0) if len(script) > 1 else script[0]
        if callable(script):
            script = script(request)
        if asyncio.iscoroutine(script):
            script = await script
        return script

    def run(self, scenario: Callable[[AsyncOrchestrator], Any]) -> Any:
        """Run a coroutine function of the client in virtual time."""
        return self.clock.run(scenario(self.llm))

    @property
    def elapsed(self) -> float:
        """Virtual seconds since the start."""
        return self.clock.monotonic() - self.begin


def config(names: list[str], route: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Vendors of those names, one deployment each, chat route `answer` over them in order."""
    deployments: dict[str, Any] = {name: {"provider": name, "model": "gpt-4o-mini"} for name in names}
    for name, extra in more.pop("deployments", {}).items():
        deployments.setdefault(name, {}).update(extra)
    return {
        "version": 1,
        "providers": {
            name: {
                "kind": "openai",
                "base_url": f"https://{name}.example.com/v1",
                "priced_as": "openai",
                "api_key": {"env": "TEST_KEY"},
            }
            for name in names
        },
        "deployments": deployments,
        "routes": {"answer": {"task": "chat", "pick": names, **(route or {})}},
        "log": {"to": "none"},
    } | more
