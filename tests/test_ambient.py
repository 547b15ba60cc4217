"""Who calls, said once around a block of code."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from contextvars import copy_context
from types import ModuleType, SimpleNamespace

import pytest

import orchestrator
from orchestrator import AsyncOrchestrator, CallTimeout, InvalidRequest, Orchestrator
from orchestrator.ambient import current
from orchestrator.arguments import call_context
from orchestrator.testing import CapturedEvents, ScriptedTransport, json_reply

CONFIG = {
    "version": 1,
    "providers": {"p": {"kind": "openai", "api_key": {"env": "TEST_KEY"}}},
    "deployments": {"d": {"provider": "p", "model": "gpt-4o-mini"}},
    "routes": {"answer": {"task": "chat", "pick": "d"}},
    "log": {"to": "none"},
}
ANSWER = {
    "id": "x",
    "model": "gpt-4o-mini",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1},
}


def client(cls, answer=lambda request: json_reply(ANSWER)):
    events, transport = CapturedEvents(), ScriptedTransport(answer)
    return cls(CONFIG, transport=transport, sinks=[events]), events, transport


def seen():
    """Tenant, user, tags and trace of a call made here."""
    found = call_context({})[0]
    return found.tenant, found.user, dict(found.tags), found.trace_id


def test_blocks_nest():
    """Inner values win, tags add up, and leaving a block restores what held before, also after an exception."""
    assert seen() == (None, None, {}, None)
    with orchestrator.context(tenant="a", user="u", tags={"x": "1", "y": "1"}, trace_id="t"):
        with pytest.raises(KeyError), orchestrator.context(tenant="b", tags={"y": "2"}):
            assert seen() == ("b", "u", {"x": "1", "y": "2"}, "t")
            raise KeyError
        assert seen() == ("a", "u", {"x": "1", "y": "1"}, "t")
    assert seen() == (None, None, {}, None)


def test_arguments_of_the_call_win():
    """What the call itself says beats its surroundings, tag by tag, and is taken out of its arguments."""
    given = {"tenant": "c", "tags": {"y": "3"}, "temperature": 1}
    with orchestrator.context(tenant="a", user="u", tags={"x": "1", "y": "1"}):
        found, time_s, *_ = call_context(given)
    assert (found.tenant, found.user, found.tags, time_s) == ("c", "u", {"x": "1", "y": "3"}, None)
    assert given == {"temperature": 1}


def test_tags_are_copied():
    """A dict that the application changes later does not change what was said."""
    tags = {"x": "1"}
    with orchestrator.context(tags=tags):
        tags["x"] = "2"
        assert seen()[2] == {"x": "1"}


def test_tasks_inherit_threads_do_not():
    """A task begins with its creator's context and keeps its own changes; a thread begins without, unless given it."""
    found = {}

    def look(name):
        found[name] = current().call.tenant

    async def inner(name):
        with orchestrator.context(tenant=name):
            await asyncio.sleep(0)
            look(name)

    async def main():
        with orchestrator.context(tenant="outer"):
            await asyncio.gather(inner("one"), inner("two"))
            look("outer")
            await asyncio.to_thread(look, "to_thread")
            for name, target in (("bare", look), ("copied", copy_context().run)):
                arguments = (name,) if target is look else (look, name)
                thread = threading.Thread(target=target, args=arguments)
                thread.start()
                thread.join()

    asyncio.run(main())
    assert found == {
        "one": "one", "two": "two", "outer": "outer", "to_thread": "outer", "bare": None, "copied": "outer",
    }  # fmt: skip


def test_blocking_calls_carry_it():
    """The blocking client makes the call elsewhere but logs the context of the thread that asked; nothing is sent."""
    llm, events, transport = client(Orchestrator)
    with llm, orchestrator.context(tenant="acme-7", user="u-7", tags={"feature": "faq-7"}, trace_id="trace-7"):
        llm.chat("answer", "hi")
    context = events[0].context
    assert (context.tenant, context.user, context.tags, context.trace_id) == (
        "acme-7", "u-7", {"feature": "faq-7"}, "trace-7",
    )  # fmt: skip
    (request,) = transport.requests
    assert not any(mark in str((request.url, request.headers, request.body)) for mark in ("acme-7", "u-7", "faq-7"))


def test_deadlines_are_shared():
    """All calls inside one block share its seconds; an inner block or the call can shorten but not lengthen them."""
    with orchestrator.context(deadline=10):
        time.sleep(0.02)
        left_s = call_context({})[1]
        assert 9 < left_s < 9.985
        assert call_context({"deadline": 3})[1] == 3
        assert call_context({"deadline": 60})[1] < 9.985
        with orchestrator.context(deadline=60):
            assert call_context({})[1] < 9.985
        with orchestrator.context(deadline=1):
            assert call_context({})[1] <= 1
        with orchestrator.context(tenant="a"):
            assert call_context({})[1] < 9.985
    assert call_context({})[1] is None


def test_second_call_gets_what_the_first_left():
    """Two slow calls in one block end together when its time is up, not each after its own."""

    async def slow(request):
        await asyncio.sleep(0.25)
        return json_reply(ANSWER)

    llm, _, transport = client(AsyncOrchestrator, slow)

    async def main():
        with orchestrator.context(deadline=0.4):
            await llm.chat("answer", "hi")
            with pytest.raises(CallTimeout):
                await llm.chat("answer", "hi")

    begin = time.monotonic()
    asyncio.run(main())
    assert 0.38 < time.monotonic() - begin < 0.6
    assert len(transport.requests) == 2


def test_nothing_is_sent_when_time_is_up():
    """A call in a block whose time has run out fails at once and sends nothing: nobody would read the answer."""
    llm, events, transport = client(AsyncOrchestrator)

    async def main():
        with orchestrator.context(deadline=0.01):
            await asyncio.sleep(0.02)
            with pytest.raises(CallTimeout) as caught:
                await llm.chat("answer", "hi")
            assert caught.value.kind == "deadline"

    asyncio.run(main())
    assert transport.requests == []
    assert events[0].status == "error"


@pytest.mark.parametrize("deadline", [0, -1, float("inf"), float("nan"), "5", True])
def test_bad_deadlines(deadline):
    """A deadline is a positive number of seconds, in a block and in a call."""
    with pytest.raises(InvalidRequest, match="deadline: expected a positive number of seconds"):
        orchestrator.context(deadline=deadline).__enter__()
    with pytest.raises(InvalidRequest, match="deadline: expected a positive number of seconds"):
        call_context({"deadline": deadline})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tenant": 5}, "tenant: expected text, found int"),
        ({"user": ["u"]}, "user: expected text, found list"),
        ({"trace_id": b"t"}, "trace_id: expected text, found bytes"),
        ({"tags": {"a": 1}}, "tags: expected a mapping of texts, such as {'feature': 'faq'}"),
        ({"tags": {1: "a"}}, "tags: expected a mapping of texts, such as {'feature': 'faq'}"),
        ({"tags": ["a"]}, "tags: expected a mapping of texts, such as {'feature': 'faq'}"),
    ],
)
def test_bad_values(given, message):
    """What is logged is text, so that every reader of the log can group by it."""
    with pytest.raises(InvalidRequest, match=message):
        orchestrator.context(**given).__enter__()


def test_bad_values_of_a_call_are_logged():
    """A call refused for its context leaves a line too."""
    llm, events, transport = client(AsyncOrchestrator)
    with pytest.raises(InvalidRequest):
        asyncio.run(llm.chat("answer", "hi", tenant=5))
    assert [type(event.error).__name__ for event in events] == ["InvalidRequest"]
    assert transport.requests == []


def tracing(trace_id, *, valid=True):
    """A stand-in for OpenTelemetry's module with a span under way."""
    module = ModuleType("opentelemetry.trace")
    span = SimpleNamespace(get_span_context=lambda: SimpleNamespace(trace_id=trace_id, is_valid=valid))
    module.get_current_span = lambda: span
    return module


def test_opentelemetry_trace(monkeypatch):
    """With OpenTelemetry loaded and a span under way, its trace id is on the line, unless one was given."""
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", tracing(0xABC))
    assert seen()[3] == "0" * 29 + "abc"
    with orchestrator.context(trace_id="mine"):
        assert seen()[3] == "mine"


def test_opentelemetry_absent_or_idle(monkeypatch):
    """No span, a library half imported by another thread, or none at all: no trace id and no error."""
    for module in (tracing(0, valid=False), ModuleType("opentelemetry.trace"), None):
        monkeypatch.setitem(sys.modules, "opentelemetry.trace", module)
        assert seen()[3] is None
    monkeypatch.delitem(sys.modules, "opentelemetry.trace")
    assert seen()[3] is None


def test_a_bug_in_the_application_is_no_cancellation():
    """An exception that is not ours passes as it is, and its line says error."""

    def broken(request):
        raise ZeroDivisionError

    llm, events, _ = client(AsyncOrchestrator, broken)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(llm.chat("answer", "hi"))
    assert [event.status for event in events] == ["error"]
