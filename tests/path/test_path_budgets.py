"""Budgets on the path of a call, in virtual time and in this process."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from decimal import Decimal
from itertools import count
from typing import Any

import pytest
from vendor import World, completion, config, error, sse

from orchestrator.errors import BudgetExceeded, InvalidRequest, OrchestratorError
from orchestrator.spec.events import CallEvent

CHEAP = {"price": {"input": 1, "output": 10}}
DEAR = {"price": {"input": 2, "output": 20}}
LONG = completion(input_tokens=10, output_tokens=1000)
PER_MILLION = Decimal(10) ** 6
CHEAP_ANSWER = (10 * Decimal(1) + 1000 * Decimal(10)) / PER_MILLION
DEAR_ANSWER = 2 * CHEAP_ANSWER


def world(script: dict[str, Any], *budgets: dict[str, Any], **more: Any) -> World:
    """Deployment `a` is cheap, `b` twice as dear."""
    deployments = {"a": dict(CHEAP), "b": dict(DEAR)}
    kept = {name: deployments[name] for name in script}
    return World(script, deployments=kept, budgets=list(budgets), **more)


def calls_of(found: World) -> list[CallEvent]:
    """The calls that left a line."""
    return [event for event in found.events if isinstance(event, CallEvent)]


def notices(found: World, name: str) -> list[Any]:
    """Notices of that name."""
    return [event for event in found.events if getattr(event, "name", None) == name]


def test_two_hundred_parallel_calls_never_spend_more_than_the_budget() -> None:
    """200 parallel calls against one dollar, with failover to a dearer deployment, spend at most one dollar."""
    answered: Counter[str] = Counter()
    turns = count()

    async def cheap(_request: Any) -> Any:
        await asyncio.sleep(0.5)
        if next(turns) % 3 == 0:
            return error(503)
        answered["a"] += 1
        return LONG

    async def dear(_request: Any) -> Any:
        await asyncio.sleep(0.5)
        answered["b"] += 1
        return LONG

    found = world({"a": cheap, "b": dear}, {"usd": 1, "window": "day"}, breaker="off")

    async def scenario(llm: Any) -> list[Any]:
        calls = [llm.chat("answer", "hello", max_output_tokens=1000) for _ in range(200)]
        return list(await asyncio.gather(*calls, return_exceptions=True))

    outcomes = found.run(scenario)
    truth = answered["a"] * CHEAP_ANSWER + answered["b"] * DEAR_ANSWER
    assert Decimal("0.5") < truth <= 1
    assert answered["b"]
    assert any(isinstance(outcome, BudgetExceeded) for outcome in outcomes)
    assert len(calls_of(found)) == 200


def test_a_refused_call_is_not_sent_and_says_when_to_come_back() -> None:
    """A call that does not fit is refused unsent, with the budget's name and the end of its window."""
    found = world({"a": LONG}, {"name": "pocket", "usd": "0.011", "window": "hour"})

    async def scenario(llm: Any) -> BudgetExceeded:
        await llm.chat("answer", "hello", max_output_tokens=1000)
        with pytest.raises(BudgetExceeded) as refused:
            await llm.chat("answer", "hello", max_output_tokens=1000)
        return refused.value

    refusal = found.run(scenario)
    assert len(found.sent) == 1
    assert refusal.budget == "pocket"
    assert refusal.retry_after == pytest.approx(3600 - found.clock.time() % 3600, abs=1)
    line = calls_of(found)[-1]
    assert (line.status, type(line.error).__name__, line.attempts) == ("error", "BudgetExceeded", ())
    assert len(notices(found, "llm.budget.exceeded")) == 1


def test_a_call_that_never_fits_says_so() -> None:
    """An attempt that could cost more than the whole budget names both sums, and no time at which to come back."""
    found = world({"a": LONG}, {"name": "pocket", "usd": "0.005", "window": "day"})

    async def scenario(llm: Any) -> BudgetExceeded:
        with pytest.raises(BudgetExceeded) as refused:
            await llm.chat("answer", "hello", max_output_tokens=1000)
        return refused.value

    refusal = found.run(scenario)
    assert "can cost, $0.010" in str(refusal)
    assert "more than all of it, $0.005; a lower max_output_tokens" in str(refusal)
    assert refusal.retry_after is None
    assert not found.sent


@pytest.mark.parametrize(("price", "sent"), [(0, 1), (1, 0)])
def test_what_costs_nothing_needs_no_bound(price: int, sent: int) -> None:
    """An answer of any length fits a budget where it is free; where it is not, it has to be bounded."""
    house = {"model": "nobody-knows-it", "price": {"input": 0, "output": price}}
    found = World({"a": LONG}, deployments={"a": house}, budgets=[{"usd": "0.005", "window": "day"}])

    async def scenario(llm: Any) -> None:
        if sent:
            await llm.chat("answer", "hello")
            return
        with pytest.raises(InvalidRequest, match="the answer has no bound"):
            await llm.chat("answer", "hello")

    found.run(scenario)
    assert len(found.sent) == sent


def test_settled_money_is_free_again() -> None:
    """What an attempt held and did not use can be spent by the next."""
    short = completion(input_tokens=10, output_tokens=5)
    found = world({"a": short}, {"usd": "0.011", "window": "hour"})

    async def scenario(llm: Any) -> None:
        for _ in range(10):
            await llm.chat("answer", "hello", max_output_tokens=1000)

    found.run(scenario)
    assert len(found.sent) == 10


def test_a_window_that_is_over_forgets() -> None:
    """In the next hour there is money again."""
    found = world({"a": LONG}, {"usd": "0.011", "window": "hour"})

    async def scenario(llm: Any) -> None:
        await llm.chat("answer", "hello", max_output_tokens=1000)
        with pytest.raises(BudgetExceeded) as refused:
            await llm.chat("answer", "hello", max_output_tokens=1000)
        await asyncio.sleep(refused.value.retry_after or 0)
        await llm.chat("answer", "hello", max_output_tokens=1000)

    found.run(scenario)
    assert len(found.sent) == 2


def test_tenants_have_budgets_of_their_own() -> None:
    """One tenant's spending refuses nobody else; a selector leaves others out."""
    each = {"usd": "0.011", "window": "day", "per": "tenant", "for": {"tenant": ["acme", "bolt"]}}
    found = world({"a": LONG}, each)

    async def scenario(llm: Any) -> list[str]:
        who = ["acme", "acme", "bolt", "free", "free"]
        outcomes = []
        for tenant in who:
            try:
                await llm.chat("answer", "hello", max_output_tokens=1000, tenant=tenant)
                outcomes.append("sent")
            except BudgetExceeded:
                outcomes.append("refused")
        return outcomes

    assert found.run(scenario) == ["sent", "refused", "sent", "sent", "sent"]


def test_without_an_output_cap_a_deny_budget_refuses() -> None:
    """A model with no known length of answer needs a cap from the call, the route or the deployment."""
    unknown = {"a": {"price": {"input": 1, "output": 10}, "model": "never-heard-of"}}
    found = World({"a": LONG}, deployments=unknown, budgets={"usd": 1, "window": "day"})

    async def scenario(llm: Any) -> None:
        with pytest.raises(InvalidRequest, match="max_output_tokens"):
            await llm.chat("answer", "hello")

    found.run(scenario)
    assert found.sent == []


def test_an_unknown_price_is_refused_under_deny_and_told_under_warn() -> None:
    """Money that cannot be counted is not spent under a deny budget; a warn budget lets it through and says so."""
    unknown = {"a": {"price": {"input": 1}}}

    async def scenario(llm: Any) -> None:
        await llm.chat("answer", "hello", max_output_tokens=10)

    strict = World({"a": LONG}, deployments=unknown, budgets={"usd": 1, "window": "day"})
    with pytest.raises(InvalidRequest, match="price"):
        strict.run(scenario)
    assert strict.sent == []
    loose = World({"a": LONG}, deployments=unknown, budgets={"usd": 1, "window": "day", "on_exceed": "warn"})
    loose.run(scenario)
    assert len(loose.sent) == 1
    assert len(notices(loose, "llm.budget.unpriced")) == 1


def test_warn_only_tells() -> None:
    """A warn budget refuses nothing; each share that is reached is told once."""
    found = world({"a": LONG}, {"usd": "0.02", "window": "day", "on_exceed": "warn", "alert_at": [0.5, 1]})

    async def scenario(llm: Any) -> None:
        for _ in range(4):
            await llm.chat("answer", "hello", max_output_tokens=1000)

    found.run(scenario)
    assert len(found.sent) == 4
    assert [event.details["share"] for event in notices(found, "llm.budget.alert")] == [0.5, 1]
    assert len(notices(found, "llm.budget.exceeded")) == 1


def test_a_dear_candidate_without_room_is_passed_over() -> None:
    """Where the dear candidate does not fit, the next is asked: refusing costs no attempt."""
    route = {"pick": ["b", "a"]}
    found = world({"a": LONG, "b": LONG}, {"usd": "0.015", "window": "day"}, route=route)

    async def scenario(llm: Any) -> str:
        return str((await llm.chat("answer", "hello", max_output_tokens=1000)).deployment)

    assert found.run(scenario) == "a"
    assert [name for name, _ in found.sent] == ["a"]


def test_cheaper_keeps_the_cheapest_candidate() -> None:
    """When a `cheaper` budget is used up, the cheapest candidate still answers, and no other."""
    route = {"pick": ["b", "a"]}
    found = world({"a": LONG, "b": LONG}, {"usd": "0.021", "window": "day", "on_exceed": "cheaper"}, route=route)

    async def scenario(llm: Any) -> None:
        for _ in range(3):
            await llm.chat("answer", "hello", max_output_tokens=1000)

    found.run(scenario)
    assert [name for name, _ in found.sent] == ["b", "a", "a"]


def test_a_budget_per_call_counts_all_of_its_attempts() -> None:
    """A second attempt that would bring the call over its cap is not made."""
    wrong = {"price": {"input": 1000, "output": 1000}}
    found = World({"a": [completion("no json", output_tokens=1000)]}, deployments={"a": wrong},
                  budgets={"usd": 3, "window": "call"})  # fmt: skip

    async def scenario(llm: Any) -> None:
        with pytest.raises(OrchestratorError):
            await llm.chat("answer", "hello", max_output_tokens=1000, output={"type": "object"})

    found.run(scenario)
    assert len(found.sent) == 1


def test_a_stream_that_is_closed_early_settles() -> None:
    """A stream that the caller ends gives back what it did not use."""
    found = world({"a": sse("one", " two")}, {"usd": "0.011", "window": "day"})

    async def scenario(llm: Any) -> None:
        for _ in range(5):
            async with llm.stream("answer", "hello", max_output_tokens=1000) as stream:
                await stream.read()

    found.run(scenario)
    assert len(found.sent) == 5


def test_each_attempt_says_which_budgets_count_it() -> None:
    """The record of an attempt names the budgets it was charged to, their windows and limits, and whose share it is."""
    budgets = (
        {"name": "All", "usd": 5, "window": "month"},
        {"name": "Each", "per": "tenant", "usd": "0.5", "window": "hour", "on_exceed": "warn"},
        {"name": "Others", "usd": 1, "window": "day", "for": {"tenant": ["globex"]}},
    )
    found = world({"a": lambda _request: LONG}, *budgets)
    reply = found.run(lambda client: client.chat("answer", "hello", tenant="acme"))
    month, hour = reply.attempts[0].budgets
    assert (month.budget, month.per, month.whose, month.window, month.limit_usd) == ("All", "all", "", "month", 5)
    assert (hour.budget, hour.per, hour.whose, hour.window) == ("Each", "tenant", "acme", "hour")
    assert hour.limit_usd == Decimal("0.5")
    assert hour.period.startswith(month.period)
    assert hour.period.endswith(":00Z")


def test_a_stream_that_is_forgotten_settles() -> None:
    """A stream that nobody reads or closes gives back what it did not use, and what it did is spent."""
    found = world({"a": sse("one", " two", done=False)}, {"usd": "0.011", "window": "day"})

    async def scenario(llm: Any) -> None:
        for _ in range(3):
            stream = llm.stream("answer", "hello", max_output_tokens=1000)
            await stream.__aenter__()
            del stream
            gc.collect()
            llm._core.log.flush()

    found.run(scenario)
    assert len(found.sent) == 3
    assert [line.status for line in calls_of(found)] == ["abandoned"] * 3


def test_a_call_in_flight_over_the_end_of_its_window() -> None:
    """Money held before midnight is settled before midnight; the next day begins with all of its money."""
    found = world({"a": [_late, LONG]}, {"usd": "0.011", "window": "hour"})

    async def scenario(llm: Any) -> None:
        late = asyncio.create_task(llm.chat("answer", "hello", max_output_tokens=1000, deadline=7200))
        await asyncio.sleep(3601)
        await llm.chat("answer", "hello", max_output_tokens=1000)
        with pytest.raises(BudgetExceeded):
            await llm.chat("answer", "hello", max_output_tokens=1000)
        await late

    found.run(scenario)
    assert len(found.sent) == 2


async def _late(_request: Any) -> Any:
    await asyncio.sleep(4000)
    return LONG


@pytest.mark.parametrize(
    ("after", "outcome"),
    [
        ({"usd": "0.03", "window": "day"}, "sent"),
        ({"usd": "0.005", "window": "day"}, "refused"),
        (None, "sent"),
        ({"usd": "0.011", "window": "day", "on_exceed": "warn"}, "sent"),
        ({"usd": "0.011", "window": "day", "name": "another"}, "sent"),
    ],
    ids=["raised", "lowered", "removed", "loosened", "renamed"],
)
def test_a_reload_changes_budgets_of_calls_to_come(after: dict[str, Any] | None, outcome: str) -> None:
    """A reload raises, lowers or removes a budget for the calls after it; what was spent under its name stays spent."""
    before = {"usd": "0.011", "window": "day"}
    found = world({"a": LONG}, before)

    def with_budgets(*budgets: dict[str, Any]) -> dict[str, Any]:
        return config(["a"], deployments={"a": dict(CHEAP)}, budgets=list(budgets))

    async def scenario(llm: Any) -> str:
        await llm.chat("answer", "hello", max_output_tokens=1000)
        llm.reload(with_budgets(*([after] if after else [])))
        try:
            await llm.chat("answer", "hello", max_output_tokens=1000)
        except BudgetExceeded:
            return "refused"
        llm.reload(with_budgets(before))
        with pytest.raises(BudgetExceeded):
            await llm.chat("answer", "hello", max_output_tokens=1000)
        return "sent"

    assert found.run(scenario) == outcome


def test_cheaper_compares_candidates_by_their_own_defaults() -> None:
    """A cap that only the file gives counts for candidates that were not looked at yet, too."""
    route = {"pick": ["b", "a"], "defaults": {"max_output_tokens": 1000}}
    found = world({"a": LONG, "b": LONG}, {"usd": "0.001", "window": "day", "on_exceed": "cheaper"}, route=route)

    async def scenario(llm: Any) -> None:
        await llm.chat("answer", "hello")

    found.run(scenario)
    assert [name for name, _ in found.sent] == ["a"]
