"""The rules of picking, cases, stickiness and the settings of the bad case, through the public API in virtual time."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from vendor import World, completion, config, error, sse

from orchestrator import AuthenticationFailed, CallTimeout, ConfigError, Overloaded, QuotaExhausted, RateLimited
from orchestrator.testing import CapturedEvents


def taking(seconds, text="ok"):
    async def answer(_):
        await asyncio.sleep(seconds)
        return completion(text)

    return answer


async def ask(llm, **options):
    return (await llm.chat("answer", "hi", **options)).deployment


def test_least_busy_spreads_a_burst():
    """A burst goes evenly to all picks, the slow one included, because every call in flight counts at once."""
    world = World({"a": taking(1), "b": taking(1), "c": taking(1)}, {"pick": {"least_busy": ["a", "b", "c"]}})

    async def scenario(llm):
        return Counter(await asyncio.gather(*[ask(llm) for _ in range(30)]))

    assert world.run(scenario) == {"a": 10, "b": 10, "c": 10}


def test_fastest_finds_the_fast_one_and_looks_again():
    """Most calls go to the fast pick; when it becomes slow and the other fast, the calls follow."""
    speed = {"a": 0.01, "b": 0.5}

    def vendor(name):
        return lambda _: taking(speed[name])(None)

    world = World({"a": vendor("a"), "b": vendor("b")}, {"pick": {"fastest": ["a", "b"]}})

    async def scenario(llm):
        before = Counter([await ask(llm) for _ in range(200)])
        speed.update(a=0.5, b=0.01)
        for _ in range(400):  # one a second: what is not measured again is believed less and less
            await ask(llm)
            await asyncio.sleep(1)
        return before, Counter([await ask(llm) for _ in range(100)])

    before, after = world.run(scenario)
    assert before["a"] > 180
    assert after["b"] > 80


def test_cheapest_goes_by_the_routes_own_mix():
    """With dear output a chatty route picks the other deployment than a terse one would."""
    prices = {"a": {"price": {"input": 1, "output": 100}}, "b": {"price": {"input": 10, "output": 10}}}
    long_prompt = completion(input_tokens=10_000, output_tokens=1)
    world = World({"a": long_prompt, "b": long_prompt}, {"pick": {"cheapest": ["a", "b"]}}, deployments=prices)

    async def scenario(llm):
        first = await ask(llm)  # before anything is known: three parts input, one part output
        for _ in range(50):
            await ask(llm)
        await asyncio.sleep(11)
        return first, await ask(llm)

    assert world.run(scenario) == ("b", "a")


def test_cases_by_tenant_and_tag():
    """The first case that matches decides; everybody else gets the route's own pick."""
    when = [
        {"tenant": ["acme", "globex"], "pick": "b"},
        {"tags": {"tier": "gold"}, "pick": ["c", "a"]},
    ]
    world = World({name: completion() for name in "abc"}, {"pick": "a", "when": when})

    async def scenario(llm):
        return [
            await ask(llm),
            await ask(llm, tenant="acme"),
            await ask(llm, tenant="other"),
            await ask(llm, tags={"tier": "gold"}),
            await ask(llm, tenant="globex", tags={"tier": "gold"}),
        ]

    assert world.run(scenario) == ["a", "b", "a", "c", "b"]


def test_sticky_keeps_a_conversation_together():
    """Calls of one key always go to the same pick, different keys are spread, and failover still works."""
    world = World(
        {name: completion() for name in "abc"}, {"pick": {"weighted": {"a": 1, "b": 1, "c": 1}}, "sticky": "tags.chat"}
    )

    async def scenario(llm):
        return {key: {await ask(llm, tags={"chat": key}) for _ in range(5)} for key in map(str, range(60))}

    homes = world.run(scenario)
    assert all(len(home) == 1 for home in homes.values())
    assert all(count > 8 for count in Counter(next(iter(home)) for home in homes.values()).values())


def test_breaker_opens_and_comes_back():
    """Five failures in a row, and the sick deployment sees no more than a probe at a time until it is well."""
    sick = {"now": True}
    world = World({"a": lambda _: error(503) if sick["now"] else completion(), "b": completion()})

    async def scenario(llm):
        for _ in range(300):  # thirty seconds
            await ask(llm)
            await asyncio.sleep(0.1)
        seen = sum(name == "a" for name, _ in world.sent)
        sick["now"] = False
        for _ in range(1200):
            await ask(llm)
            await asyncio.sleep(0.1)
        return seen, world.sent[-50:]

    seen, last = world.run(scenario)
    assert seen <= 8  # five, and a probe or two
    assert {name for name, _ in last} == {"a"}


def test_breaker_can_be_set_and_switched_off():
    """`breaker: {failures: 2}` opens after two; `breaker: off` never does."""

    async def scenario(llm):
        for _ in range(20):
            await ask(llm)

    for setting, least, most in (({"failures": 2}, 2, 2), ("off", 20, 40)):
        world = World({"a": error(503), "b": completion()}, breaker=setting)
        world.run(scenario)
        assert least <= sum(name == "a" for name, _ in world.sent) <= most


def test_all_open_fails_fast_and_says_when():
    """With every breaker open a call fails at once, unsent, with the time to come back; one in a second may probe."""
    world = World({"a": error(503)})

    async def scenario(llm):
        for _ in range(20):
            with pytest.raises(Overloaded):
                await ask(llm)
        before = len(world.sent)
        begin = world.elapsed
        with pytest.raises(Overloaded) as caught:
            await ask(llm)
        assert world.elapsed - begin < 0.01
        assert caught.value.retry_after > 0
        return before, len(world.sent)

    before, after = world.run(scenario)
    assert before == after < 12


@pytest.mark.parametrize(("reply", "kind"), [(error(401), AuthenticationFailed), (error(402), QuotaExhausted)])
def test_refused_credential_rests(reply, kind):
    """A refused credential rests for five minutes; calls that have no other fail unsent."""
    world = World({"a": [reply, completion()]})

    async def scenario(llm):
        for _ in range(10):
            with pytest.raises(kind):
                await ask(llm)
        assert len(world.sent) == 1
        await asyncio.sleep(301)
        return await ask(llm)

    assert world.run(scenario) == "a"


def test_refused_credential_stops_all_its_deployments():
    """A used-up quota rests the account, not only the model that met it: the other key is used at once."""
    world = World(
        {"a": error(429, "insufficient_quota"), "b": completion()},
        {"pick": ["a", "a2", "b"]},
        deployments={"a2": {"provider": "a", "model": "gpt-4o"}},
    )
    assert world.run(ask) == "b"
    assert [name for name, _ in world.sent] == ["a", "b"]


def test_retry_settings_hold():
    """`retry:` bounds attempts and pauses; a route's own beat the top's."""
    world = World({"a": error(503)}, {"retry": {"attempts": 1}}, retry={"attempts": 4}, breaker="off")
    with pytest.raises(Overloaded):
        world.run(ask)
    assert len(world.sent) == 1
    patient = World({"a": [error(429, retry_after="50"), completion()]}, {"retry": {"max_wait": "60s"}})
    assert patient.run(ask) == "a"
    hasty = World({"a": [error(429, retry_after="5"), completion()]}, {"retry": {"max_wait": "1s"}})
    with pytest.raises(RateLimited):
        hasty.run(ask)


def test_timeout_settings_hold():
    """`timeouts:` sets how long a stream may take to begin."""

    async def hang(_):
        await asyncio.sleep(1000)

    world = World({"a": hang}, {"timeouts": {"first_token": "2s"}, "retry": {"attempts": 1}})

    async def scenario(llm):
        async with llm.stream("answer", "hi"):
            pass

    with pytest.raises(CallTimeout) as caught:
        world.run(scenario)
    assert caught.value.kind == "first_token"
    assert world.elapsed == pytest.approx(2, abs=0.1)


def test_a_reload_keeps_what_was_learnt():
    """Breakers, rests and quarantines outlive a reload of the file; a new credential starts afresh."""
    world = World({"a": error(401), "b": completion()})

    async def scenario(llm):
        await ask(llm)
        llm.reload(config(["a", "b"]))
        await ask(llm)
        assert [name for name, _ in world.sent] == ["a", "b", "b"]
        fresh = config(["a", "b"])
        fresh["providers"]["a"]["base_url"] = "https://a.example.com/v2"
        llm.reload(fresh)
        await ask(llm)
        return [name for name, _ in world.sent]

    assert world.run(scenario) == ["a", "b", "b", "a", "b"]


def test_unknown_rule_is_refused():
    """A rule that does not exist is named with the nearest one."""
    with pytest.raises(ConfigError, match="fastest"):
        World({"a": sse("x"), "b": sse("y")}, {"pick": {"fastst": ["a", "b"]}})


def test_events_name_every_attempt():
    """What the log says of a call that moved is what happened."""
    events = CapturedEvents()
    world = World({"a": error(503), "b": completion()})
    world.llm._core._sinks = (events,)
    world.run(ask)
    assert [attempt.deployment for attempt in events[0].attempts] == ["a", "b"]
