"""Structured output on the path of a call: checked, repaired once where the route says so, counted to the digit."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import orjson
import pytest
from pydantic import BaseModel
from vendor import World, completion, config, error, sse

from orchestrator import AsyncOrchestrator
from orchestrator.errors import (
    ConfigError,
    ContentFiltered,
    MalformedReply,
    OrchestratorError,
)
from orchestrator.spec.events import CallEvent
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.telemetry.lines import line
from orchestrator.testing import CapturedEvents, ScriptedTransport, Simulator, Vendor, json_reply
from orchestrator.types.chat import Message, Text, Tool


class Plan(BaseModel):
    name: str
    seats: int


GOOD = '{"name": "Team", "seats": 5}'
BAD = '{"name": "xq7-marker", "seats": "many"}'
WEATHER = Tool(name="weather", description="", parameters={"type": "object", "properties": {}})
PRICES = {name: {"price": {"input": "3", "output": "15"}} for name in ("a", "b")}


def bodies(world: World) -> list[dict[str, Any]]:
    """Everything that was sent, in order."""
    return [orjson.loads(request.body) for request in world.transport.requests]


def ask(world: World, **more: Any) -> Any:
    """One call with `output=Plan`."""
    return world.run(lambda llm: llm.chat("answer", "Which?", output=Plan, **more))


def test_a_misfit_is_repaired_by_who_made_it() -> None:
    """The same deployment is asked once more, with its answer and the places that are wrong, at the price of both."""
    replies = [
        completion(BAD, input_tokens=100, output_tokens=20),
        completion(GOOD, input_tokens=150, output_tokens=10),
    ]
    world = World({"a": replies, "b": completion(GOOD)}, {"repair": True}, deployments=PRICES)
    reply = ask(world)
    assert reply.output == Plan(name="Team", seats=5)
    assert [name for name, _ in world.sent] == ["a", "a"]
    first, second = bodies(world)
    assert second["messages"] == [
        *first["messages"],
        {"role": "assistant", "content": BAD},
        {
            "role": "user",
            "content": "Your answer cannot be used: the answer does not fit Plan: seats. Give the whole answer again,"
            " corrected: one JSON value that fits the schema, and nothing else.",
        },
    ]
    assert {key: value for key, value in second.items() if key != "messages"} == {
        key: value for key, value in first.items() if key != "messages"
    }
    assert [(one.error, one.repair, one.deployment) for one in reply.attempts] == [
        ("MalformedReply", False, "a"),
        (None, True, "a"),
    ]
    costs = [one.cost.total for one in reply.attempts if one.cost]
    assert costs == [Decimal("0.0006"), Decimal("0.0006")]
    assert reply.cost.total == Decimal("0.0012")
    assert reply.usage.input_tokens == 150
    (event,) = [one for one in world.events if isinstance(one, CallEvent)]
    logged = json.loads(orjson.dumps(line(event)))
    assert logged["cost_usd"] == 0.0012
    assert [one["repair"] for one in logged["attempts"]] == [False, True]
    assert [one["cost_usd"] for one in logged["attempts"]] == [0.0006, 0.0006]
    assert "xq7-marker" not in json.dumps(logged)


def test_without_repair_nothing_is_sent_back() -> None:
    """A route that does not say `repair` goes to the next deployment with the plain question."""
    world = World({"a": completion(BAD), "b": completion(GOOD)})
    assert ask(world).output.seats == 5
    assert [name for name, _ in world.sent] == ["a", "b"]
    assert bodies(world)[1]["messages"] == bodies(world)[0]["messages"]


def test_a_repair_that_fails_is_the_last() -> None:
    """After one failed repair the next deployment gets the plain question; no call has two repairs."""
    world = World({"a": completion(BAD), "b": [completion(BAD), completion(GOOD)]}, {"repair": True})
    with pytest.raises(MalformedReply, match="does not fit Plan: seats") as caught:
        ask(world)
    assert [name for name, _ in world.sent] == ["a", "a", "b"]
    assert bodies(world)[2]["messages"] == bodies(world)[0]["messages"]
    assert [(one.error, one.repair) for one in caught.value.attempts] == [
        ("MalformedReply", False),
        ("MalformedReply", True),
        ("MalformedReply", False),
    ]
    assert "xq7-marker" not in str(caught.value)


def test_a_repair_may_meet_another_error() -> None:
    """A repair that is refused goes the way of any failed attempt: the next deployment answers."""
    world = World({"a": [completion(BAD), error(429)], "b": completion(GOOD)}, {"repair": True})
    reply = ask(world)
    assert [(one.error, one.repair) for one in reply.attempts] == [
        ("MalformedReply", False),
        ("RateLimited", True),
        (None, False),
    ]


def test_no_room_for_a_repair() -> None:
    """Where limits leave no room for the repair at once, the call goes on as if the route had not asked for one."""
    limits = {"a": {"limits": {"rpm": 1}}}
    world = World({"a": completion(BAD), "b": completion(GOOD)}, {"repair": True}, deployments=limits)
    assert [one.deployment for one in ask(world).attempts] == ["a", "b"]


def test_what_is_no_json_or_nothing() -> None:
    """An answer without text is not sent back as an empty turn; the model is told all the same."""
    world = World({"a": [completion(""), completion(GOOD)]}, {"repair": True})
    assert ask(world).output.name == "Team"
    roles = [message["role"] for message in bodies(world)[1]["messages"]]
    assert roles == ["user", "user"]
    assert "Invalid" not in bodies(world)[1]["messages"][1]["content"]


def finished(text: str | None, reason: str, **message: Any) -> HttpReply:
    """A completion that ended for this reason."""
    said = {"role": "assistant", "content": text, **message}
    choice = {"index": 0, "message": said, "finish_reason": reason}
    return json_reply({"choices": [choice], "usage": {"prompt_tokens": 10, "completion_tokens": 5}})


def test_an_answer_cut_off_at_the_cap() -> None:
    """An answer that its cap cut off says so; it is neither repaired nor asked for again with the same cap there."""
    world = World({"a": finished('{"name": "Te', "length")}, {"repair": True})
    with pytest.raises(MalformedReply, match="cut off at the cap on output tokens"):
        ask(world, max_output_tokens=5)
    assert len(world.sent) == 1


def test_another_deployment_may_get_by_with_the_cap() -> None:
    """Another deployment is tried after an answer that was cut off."""
    world = World({"a": finished('{"name": "Te', "length"), "b": completion(GOOD)}, {"repair": True})
    assert ask(world).output.seats == 5
    assert [name for name, _ in world.sent] == ["a", "b"]


@pytest.mark.parametrize(
    "refusal",
    [finished(None, "stop", refusal="I cannot help."), finished("", "content_filter"), finished("{", "content_filter")],
)
def test_a_refusal_is_no_misfit(refusal: HttpReply) -> None:
    """A model that refuses, or a filter, is `ContentFiltered`: not repaired, not asked of others, paid for."""
    world = World({"a": refusal, "b": completion(GOOD)}, {"repair": True}, deployments=PRICES)
    with pytest.raises(ContentFiltered) as caught:
        ask(world)
    assert [name for name, _ in world.sent] == ["a"]
    (attempt,) = caught.value.attempts
    assert (attempt.error, attempt.cost.total) == ("ContentFiltered", Decimal("0.000105"))


def test_a_filtered_answer_that_fits() -> None:
    """An answer that fits its schema is given whatever the vendor says of it."""
    world = World({"a": finished(GOOD, "content_filter")})
    assert ask(world).output.seats == 5


def calls(name: str, arguments: str) -> dict[str, Any]:
    """A message's tool calls."""
    return {"tool_calls": [{"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}]}


@pytest.mark.parametrize("text", [None, "Let me look at the weather."])
def test_tools_come_before_the_answer(text: str | None) -> None:
    """With tools and output, a turn that calls a tool is no misfit, whatever is said beside it."""
    world = World({"a": [completion(text, **calls("weather", "{}")), completion(GOOD)]}, {"repair": True})

    async def scenario(llm: AsyncOrchestrator) -> Any:
        first = await llm.chat("answer", "Which?", output=Plan, tools=[WEATHER])
        return first, await llm.chat("answer", "Which?", output=Plan, tools=[WEATHER])

    first, second = world.run(scenario)
    assert (first.output, [call.name for call in first.tool_calls]) == (None, ["weather"])
    assert second.output.seats == 5
    assert {"tools", "response_format"} <= bodies(world)[0].keys()


@pytest.mark.parametrize(("pieces", "seats"), [((GOOD[:9], GOOD[9:]), 5), ((BAD,), None)])
def test_streams_are_checked_at_their_end(pieces: tuple[str, ...], seats: int | None) -> None:
    """A stream's reply holds the checked value; a misfit is raised at its end, and never repaired after the commit."""
    world = World({"a": sse(*pieces), "b": sse(GOOD)}, {"repair": True}, deployments=PRICES)

    async def scenario(llm: AsyncOrchestrator) -> Any:
        async with llm.stream("answer", "Which?", output=Plan) as stream:
            try:
                text = "".join([piece async for piece in stream.text])
            except OrchestratorError as misfit:
                return misfit
        return text, stream.reply

    found = world.run(scenario)
    assert [name for name, _ in world.sent] == ["a"]
    if seats is None:
        assert isinstance(found, MalformedReply)
        assert [(one.error, one.cost.total) for one in found.attempts] == [("MalformedReply", Decimal("0.000105"))]
    else:
        assert found[1].output == Plan(name="Team", seats=seats)
        assert found[0] == GOOD


@pytest.mark.parametrize("task", ["embed", "rerank"])
def test_repair_is_for_chats(task: str) -> None:
    """`repair` on a route without output schemas is a key without effect."""
    values = config(["a"])
    values["routes"] = {"r": {"task": task, "pick": "openai/x" if task == "embed" else "cohere/x", "repair": True}}
    with pytest.raises(ConfigError, match=f"no effect on {task}, which has no output="):
        AsyncOrchestrator(values)


def deepseek(answer: Any) -> tuple[AsyncOrchestrator, list[dict[str, Any]], CapturedEvents]:
    """A client of DeepSeek, what it sends, and its events."""
    sent: list[dict[str, Any]] = []

    async def reply(request: HttpRequest) -> Any:
        sent.append(orjson.loads(request.body))
        return answer(sent[-1])

    events = CapturedEvents()
    values = {
        "version": 1,
        "providers": {"deepseek": {"kind": "deepseek", "api_key": {"env": "TEST_KEY"}}},
        "deployments": {"d": {"provider": "deepseek", "model": "deepseek-v4-flash"}},
        "routes": {"answer": {"task": "chat", "pick": "d", "defaults": {"reasoning_effort": "none"}}},
        "log": {"to": "none"},
    }
    return AsyncOrchestrator(values, transport=ScriptedTransport(reply), sinks=[events]), sent, events


def test_a_forced_tool_in_chat_and_stream() -> None:
    """Where a vendor has no schemas, a forced tool is sent and its call is read as the answer, whole and streamed."""
    opening = {"index": 0, **calls("orchestrator_output", "")["tool_calls"][0]}

    def answer(body: dict[str, Any]) -> HttpReply:
        if not body.get("stream"):
            return completion(None, **calls("orchestrator_output", GOOD))  # type: ignore[arg-type]
        pieces = [{"index": 0, "function": {"arguments": piece}} for piece in (GOOD[:7], GOOD[7:])]
        deltas = [{"tool_calls": [one]} for one in (opening, *pieces)]
        return sse(*[{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas])

    llm, sent, _ = deepseek(answer)

    async def scenario() -> Any:
        whole = await llm.chat("answer", "Which?", output=Plan)
        async with llm.stream("answer", "Which?", output=Plan) as stream:
            text = "".join([piece async for piece in stream.text])
        return whole, text, stream.reply

    whole, text, streamed = asyncio.run(scenario())
    for body in sent:
        assert body["tool_choice"] == {"type": "function", "function": {"name": "orchestrator_output"}}
        assert body["tools"][0]["function"]["parameters"]["required"] == ["name", "seats"]
        assert body["thinking"] == {"type": "disabled"}
    assert whole.output == streamed.output == Plan(name="Team", seats=5)
    assert whole.text == text == GOOD
    assert whole.message == Message("assistant", (Text(GOOD),))
    assert whole.finish_reason.unified == streamed.finish_reason.unified == "stop"


def test_over_real_sockets() -> None:
    """A vendor on a socket that answers nonsense first is asked to correct it; its ledger has both, the log the sum."""
    scripted = [{"name": "Team"}, {"name": "Team", "seats": 5}]
    events = CapturedEvents()
    with Simulator([Vendor(name="v", answer=lambda _: json.dumps(scripted.pop(0)))]) as simulator:
        values = {
            "version": 1,
            "providers": {
                "v": {"kind": "openai", "base_url": simulator.url("v") + "/v1", "api_key": {"env": "TEST_KEY"}}
            },
            "deployments": {"d": {"provider": "v", "model": "gpt-4o-mini", "price": {"input": "3", "output": "15"}}},
            "routes": {"answer": {"task": "chat", "pick": "d", "repair": True}},
            "log": {"to": "none"},
        }

        async def scenario() -> Any:
            async with AsyncOrchestrator(values, sinks=[events]) as llm:
                return await llm.chat("answer", "Which?", output=Plan)

        reply = asyncio.run(scenario())
        entries = simulator["v"].ledger
    assert reply.output.seats == 5
    assert len(entries) == 2
    paid = sum(Decimal(3 * one.input_tokens + 15 * one.output_tokens) for one in entries) / 1_000_000
    assert reply.cost.total == events[-1].cost.total == paid
