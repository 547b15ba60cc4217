"""Retries, failover and deadlines through the public API, in virtual time."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import orjson
import pytest
from vendor import World, completion, error, sse

from orchestrator import (
    AllDeploymentsFailed,
    AuthenticationFailed,
    CallTimeout,
    ConnectionFailed,
    ContentFiltered,
    InvalidRequest,
    MalformedReply,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    ServerError,
)
from orchestrator.spec.transport import HttpReply


async def ask(llm, **options):
    return await llm.chat("answer", "hi", **options)


def test_first_answer_counts():
    """A call that succeeds at once makes one request, with what was asked for and nothing else."""
    world = World({"a": completion("hello")})
    reply = world.run(ask)
    assert reply.text == "hello"
    assert reply.deployment == "a"
    assert world.sent == [("a", 0.0)]
    assert orjson.loads(world.transport.requests[0].body) == {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "hi"}],
    }
    assert world.transport.requests[0].headers["authorization"] == "Bearer sk-test-0123456789abcdef"


def test_failover_at_once():
    """A 503 moves the call to the next deployment without waiting, and both attempts are on the record."""
    world = World({"a": error(503), "b": completion()})
    reply = world.run(ask)
    assert world.sent == [("a", 0.0), ("b", 0.0)]
    assert [(attempt.deployment, attempt.error) for attempt in reply.attempts] == [("a", "Overloaded"), ("b", None)]


def test_waits_for_hint_without_alternative():
    """429 with Retry-After 2 and nobody else: the same deployment is asked again, not before two seconds."""
    world = World({"a": [error(429, retry_after="2"), completion()]})
    world.run(ask)
    (_, first), (_, second) = world.sent
    assert 2.0 <= second - first <= 2.2


def test_resting_deployment_is_left_alone():
    """After a 429 with Retry-After, other calls go elsewhere until the time has come, then come back."""
    world = World({"a": [error(429, retry_after="2"), completion("a")], "b": completion("b")})

    async def scenario(llm):
        texts = [(await ask(llm)).text for _ in range(3)]
        await asyncio.sleep(2.1)
        return [*texts, (await ask(llm)).text]

    assert world.run(scenario) == ["b", "b", "b", "a"]


def test_hour_long_hint_fails_at_once():
    """Retry-After 3600 without an alternative is raised immediately, with the hint."""
    world = World({"a": error(429, retry_after="3600")})
    with pytest.raises(RateLimited) as caught:
        world.run(ask)
    assert caught.value.retry_after == 3600
    assert world.elapsed < 0.05
    assert len(world.sent) == 1


def test_retry_after_on_success_is_ignored():
    """A Retry-After on a 200 delays nobody."""
    reply = completion()
    world = World({"a": HttpReply(200, {**reply.headers, "retry-after": "60"}, reply.body)})

    async def scenario(llm):
        await ask(llm)
        await ask(llm)

    world.run(scenario)
    assert world.elapsed == 0.0


@pytest.mark.parametrize("hint", ["nan", "-1", "1e9", "Sun, 06 Nov 1994 08:49:37 GMT"])
def test_nonsense_hints_fall_back_to_backoff(hint):
    """Nonsense in Retry-After gives the computed back-off, and no crash."""
    world = World({"a": [error(429, retry_after=hint), completion()]})
    world.run(ask)
    assert world.elapsed <= 1.0


@pytest.mark.parametrize(
    ("reply", "kind", "requests"),
    [
        (error(400), InvalidRequest, 1),
        (error(422), InvalidRequest, 1),
        (error(400, "content_filter"), ContentFiltered, 1),
        (error(401), AuthenticationFailed, 1),
        (error(429, "insufficient_quota"), QuotaExhausted, 1),
        (error(500), ServerError, 2),
        (error(503), Overloaded, 2),
        (HttpReply(200, {}, b"<html>"), MalformedReply, 2),
        (HttpReply(200, {}, b'{"choices": []}'), MalformedReply, 2),
        (HttpReply(200, {}, b'{"choices": [{"mess'), MalformedReply, 2),
        (HttpReply(200, {}, b"\xff\xfe{"), MalformedReply, 2),
        (HttpReply(200, {}, b'{"error": {"message": "x", "code": "server_error"}}'), ServerError, 2),
        (ConnectionFailed("refused"), ConnectionFailed, 2),
    ],
)
def test_every_failure_is_typed_and_bounded(reply, kind, requests):
    """Each kind of failure becomes its class, is retried on one deployment at most once, and names the deployment."""
    world = World({"a": reply})
    with pytest.raises(kind) as caught:
        world.run(ask)
    assert type(caught.value) is kind
    assert len(world.sent) == requests
    assert caught.value.deployment == "a"
    assert [attempt.error for attempt in caught.value.attempts] == [kind.__name__] * requests
    event = world.events[-1]
    assert (event.status, type(event.error)) == ("error", kind)


def test_request_faults_are_not_passed_on():
    """A 400 is the request's own fault: the second deployment is not asked."""
    world = World({"a": error(400), "b": completion()})
    with pytest.raises(InvalidRequest):
        world.run(ask)
    assert world.sent == [("a", 0.0)]


@pytest.mark.parametrize(
    "reply", [error(401), error(404), error(429, "insufficient_quota"), error(400, "context_length_exceeded")]
)
def test_deployment_faults_are_passed_on(reply):
    """What is wrong with one deployment or credential sends the call to the next, and not back."""
    world = World({"a": reply, "b": completion()})
    assert world.run(ask).deployment == "b"
    assert [name for name, _ in world.sent] == ["a", "b"]


def test_different_causes_are_all_named():
    """When deployments fail differently, the error lists each cause in order."""
    world = World({"a": error(401), "b": error(404), "c": error(503)})
    with pytest.raises(AllDeploymentsFailed) as caught:
        world.run(ask)
    names = [type(cause).__name__ for cause in caught.value.causes]
    assert names[:3] == ["AuthenticationFailed", "InvalidRequest", "Overloaded"]
    assert caught.value.retryable


def test_attempts_are_bounded():
    """Four attempts at most, two per deployment, untried deployments first."""
    world = World({"a": error(503), "b": error(503), "c": error(503)})
    with pytest.raises(Overloaded):
        world.run(ask)
    names = [name for name, _ in world.sent]
    assert names[:3] == ["a", "b", "c"]
    assert len(names) == 4


def test_poison_stops_after_two_deployments():
    """A request on which two deployments choke is not passed on to a third, and opens nobody's breaker."""
    world = World({"a": error(500), "b": error(500), "c": completion()})
    with pytest.raises(ServerError):
        world.run(ask)
    assert [name for name, _ in world.sent] == ["a", "b"]
    assert all(one.breaker.closed for one in world.llm._core.snapshot.deployments.values())


def test_ambiguous_failures_are_limited_to_two():
    """A reset after the request was sent may have been billed: two of those end the call, and both are marked."""
    reset = ConnectionFailed("reset", maybe_billed=True)
    world = World({"a": reset, "b": ConnectionFailed("reset", maybe_billed=True), "c": completion()})
    with pytest.raises(ConnectionFailed) as caught:
        world.run(ask)
    assert len(world.sent) == 2
    assert all(attempt.maybe_billed and attempt.usage.source == "estimate" for attempt in caught.value.attempts)


def test_deadline_covers_the_whole_call():
    """A vendor that hangs costs the deadline, not more, and the attempt is recorded as maybe billed."""

    async def hang(_):
        await asyncio.sleep(1000)

    world = World({"a": hang})
    with pytest.raises(CallTimeout) as caught:
        world.run(lambda llm: ask(llm, deadline=7))
    assert caught.value.kind == "deadline"
    assert world.elapsed == pytest.approx(7, abs=0.01)
    assert caught.value.attempts[0].maybe_billed
    assert not caught.value.retryable


def test_deadline_is_not_renewed_by_failover():
    """Retries share one deadline: a wait that would outlast it is not begun."""
    world = World({"a": error(429, retry_after="5")})
    with pytest.raises(RateLimited):
        world.run(lambda llm: ask(llm, deadline=3))
    assert world.elapsed < 0.1


def test_cancel_leaves_one_line():
    """A cancelled call releases what it held and leaves a line that says so."""

    async def hang(_):
        await asyncio.sleep(1000)

    world = World({"a": hang}, deployments={"a": {"limits": {"concurrency": 1}}})

    async def scenario(llm):
        task = asyncio.create_task(ask(llm))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate = llm._core.snapshot.deployments["a"].gate
        return gate.slots[0].in_flight

    assert world.run(scenario) == 0
    assert [event.status for event in world.events] == ["cancelled"]


def test_cost_counts_paid_failures():
    """A structured answer that does not fit is paid for, retried elsewhere, and in the call's cost."""
    world = World({"a": completion("not json"), "b": completion('{"n": 1}')})
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    reply = world.run(lambda llm: ask(llm, output=schema))
    assert reply.output == {"n": 1}
    one = Decimal(10) * Decimal("0.15") / 10**6 + Decimal(5) * Decimal("0.60") / 10**6
    assert reply.cost.total == 2 * one
    assert [attempt.cost.total for attempt in reply.attempts] == [one, one]


def test_feature_missing_is_no_attempt():
    """A deployment that cannot carry a part is passed over before anything is sent, and nothing is charged to it."""
    message = {
        "role": "user",
        "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "flac-x"}}],
    }
    world = World({"a": completion()}, deployments={"a": {"limits": {"rpm": 1}}})

    async def scenario(llm):
        with pytest.raises(InvalidRequest):
            await llm.chat("answer", [message])
        return await ask(llm)  # the single request per minute is still there

    world.run(scenario)
    assert len(world.sent) == 1
    assert world.events[0].attempts == ()


def test_vendor_usage_missing_is_estimated_and_marked():
    """A reply without usage is priced by an estimate that says so."""
    body = orjson.loads(completion("four words of text").body)
    del body["usage"]
    world = World({"a": HttpReply(200, {}, orjson.dumps(body))})
    reply = world.run(ask)
    assert reply.usage.source == "estimate"
    assert reply.cost.estimated
    assert reply.cost.total > 0


def test_vendor_usage_without_the_input_is_completed_and_marked():
    """A reply that counts its answer alone has that count, and an estimate of the prompt, and says so."""
    body = orjson.loads(completion("four words of text", output_tokens=77).body)
    del body["usage"]["prompt_tokens"]
    world = World({"a": HttpReply(200, {}, orjson.dumps(body))})
    reply = world.run(ask)
    assert (reply.usage.source, reply.usage.output_tokens) == ("estimate", 77)
    assert reply.usage.input_tokens > 0
    assert reply.cost.estimated
    assert reply.cost.total > 0


def test_rotated_credential_gets_one_more_try(tmp_path):
    """After a 401 the secret's file is read again; a new key is tried once on the same deployment."""
    key = tmp_path / "key"
    key.write_text("old-key-1234\n")

    def answer(request):
        good = request.headers["authorization"] == "Bearer new-key-5678"
        key.write_text("new-key-5678\n")
        return completion() if good else error(401)

    provider = {"kind": "openai", "base_url": "https://a.example.com/v1", "api_key": {"file": str(key)}}
    world = World({"a": answer}, providers={"a": provider})
    assert world.run(ask).text == "hello"
    assert len(world.sent) == 2


def test_stream_fails_over_before_commit():
    """A stream that breaks before its first payload event starts over elsewhere; the caller sees one clean stream."""
    world = World({"a": sse({"choices": []}, done=False), "b": sse("hel", "lo")})

    async def scenario(llm):
        async with llm.stream("answer", "hi") as stream:
            text = [piece async for piece in stream.text]
        return text, stream.reply

    text, reply = world.run(scenario)
    assert text == ["hel", "lo"]
    assert reply.deployment == "b"
    assert [attempt.error for attempt in reply.attempts] == ["MalformedReply", None]
