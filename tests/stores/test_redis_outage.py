"""Redis slow, paused, emptied, restarted or absent: limits hold, nobody waits for it, and it heals by itself.

Three members share 2,000 tokens per two seconds and take all they can. Every period of the store that is longer (looks,
probes) is in proportion, as it would be with minutes.
"""

from __future__ import annotations

import asyncio
import time

import pytest
from redis_server import Member, concurrency, most_in_a_window, requests, tokens, until

LIMIT, PERIOD_S = 2_000, 2.0
QUICK = requests(60_000, PERIOD_S, key="quick")
"""A limit that is no limit, but makes the store probe as often as limits per two seconds do."""


@pytest.fixture
def members(server):
    """Three members, taking all they can; stopped and checked at the end."""
    made = [Member(server.url, tokens(LIMIT, PERIOD_S), seed=seed, expected_processes=3) for seed in range(3)]
    yield made
    for one in made:
        one.stop()
        one.store.close()


def start(members):
    for one in members:
        one.start()


def check(members, *, share=1.0):
    """What holds in all trouble: the limit, the time that callers waited, and that nobody met an exception."""
    taken = [one for member in members for one in member.taken]
    assert [error for member in members for error in member.errors] == []
    assert most_in_a_window(taken, PERIOD_S - 0.05) <= 1.25 * LIMIT * share
    assert max(member.slowest_s for member in members) < 0.3  # 150 ms, and a machine that does something else


def used(members, begin, end):
    """Share of the limit that was used between two times."""
    size = sum(size for member in members for at, size in member.taken if begin <= at < end)
    return size / (LIMIT * (end - begin) / PERIOD_S)


def shared(members):
    return all(member.store._worker.local is None for member in members)


def local(members):
    return all(member.store._worker.local is not None for member in members)


def test_paused_for_ten_seconds(server, members):
    """SIGSTOP for 10 s: after three failures every process keeps to its share; afterwards they share again."""
    server.start()
    start(members)
    time.sleep(2.0)
    server.pause()
    paused = time.monotonic()
    assert until(lambda: all("llm.limits.local" in one.notices for one in members), 2.0)
    time.sleep(10.0 - (time.monotonic() - paused))
    server.resume()
    resumed = time.monotonic()
    assert until(lambda: all("llm.limits.shared" in one.notices for one in members), 2.0)
    time.sleep(2.0)
    for one in members:
        one.stop()
    check(members)
    assert 0.4 < used(members, paused + 3.0, resumed) <= 0.85
    assert used(members, resumed + 0.5, resumed + 2.0) > 0.4
    assert all(one.notices == ["llm.limits.local", "llm.limits.shared"] for one in members)


def test_emptied(server, members):
    """FLUSHALL: what was used is put back by whoever notices first; nobody starts anew with a whole limit."""
    server.start()
    start(members)
    time.sleep(2.0)
    for _ in range(3):
        server.do("FLUSHALL")
        time.sleep(0.5)
    for one in members:
        one.stop()
    check(members, share=1.0 / 1.25 * 1.1)
    assert all(one.notices == [] for one in members)


def test_scripts_flushed(server, members):
    """SCRIPT FLUSH is not noticed by anybody."""
    server.start()
    start(members)
    for _ in range(3):
        time.sleep(0.4)
        server.do("SCRIPT", "FLUSH")
    time.sleep(0.4)
    for one in members:
        one.stop()
    check(members)
    assert shared(members)
    assert all(one.notices == [] for one in members)


def test_scripts_flushed_on_one_connection(redis):
    """After SCRIPT FLUSH the same connection goes on: the script is sent along once more."""
    one = Member(redis.url, requests(600), timeout_s=2.0)
    assert one.take(1) == 0.0
    before = redis.do("INFO", "stats")["total_connections_received"]
    redis.do("SCRIPT", "FLUSH")
    assert [one.take(1), one.take(1)] == [0.0, 0.0]
    assert redis.do("INFO", "stats")["total_connections_received"] == before + 2  # those of this test
    one.store.close()


def test_what_others_used_counts_in_an_outage(redis):
    """A budget that one process has used up is not there again for another one when Redis dies."""
    budget = tokens(1_000, period_s=7_200.0)
    one, other = [Member(redis.url, budget, QUICK, timeout_s=2.0) for _ in range(2)]
    assert other.take(0, 0) == 0.0
    assert one.take(900, 0) == 0.0
    assert until(lambda: all(member.store._worker._processes == 2 for member in (one, other)))
    time.sleep(0.3)  # several looks
    redis.stop()
    assert until(lambda: local([one, other]))
    for member in (one, other):
        assert member.take(30, 0) > 0  # of 400 each 380 may be used, and 360 have been
        assert member.take(15, 0) == 0.0
        member.store.close()


def test_killed_and_started_again(server, members):
    """A server that dies and comes back empty on the same port: limits hold all the time, and it is found again."""
    server.start()
    start(members)
    time.sleep(2.0)
    server.stop()
    assert until(lambda: local(members), 1.0)
    time.sleep(1.0)
    server.start()
    assert until(lambda: shared(members), 2.0)
    time.sleep(1.5)
    for one in members:
        one.stop()
    check(members)
    assert all(one.notices == ["llm.limits.local", "llm.limits.shared"] for one in members)


def test_absent_at_start(server, members):
    """Without Redis each process begins with its part of 80 % of the limit, and shares as soon as Redis appears."""
    start(members)
    time.sleep(2.5)
    assert local(members)
    before = time.monotonic()
    server.start()
    assert until(lambda: shared(members), 2.0)
    time.sleep(1.5)
    for one in members:
        one.stop()
    check(members)
    assert 0.3 < used(members, before - 2.0, before) <= 0.85
    assert all(one.notices == ["llm.limits.local", "llm.limits.shared"] for one in members)


def test_clients_with_jumping_clocks(server, members):
    """Clients' clocks that jump an hour either way change nothing: Redis's clock decides."""
    server.start()
    start(members)
    for offset in (3_600.0, -3_600.0, 0.0):
        time.sleep(0.8)
        for one in members[:2]:
            one.clock.offset = offset
    time.sleep(0.8)
    for one in members:
        one.stop()
    check(members)


def test_a_servers_clock_that_jumps_back(redis):
    """After a failover to a server whose clock is behind, what seems to lie in the future counts from now on."""
    one = Member(redis.url, tokens(1_000, period_s=7_200.0), timeout_s=2.0)
    assert one.take(900) == 0.0
    key = "orchestrator:{a}:m:tokens:7200"
    part = int(redis.do("HGET", key, "turn"))
    redis.do("HDEL", key, str(part))
    redis.do("HSET", key, str(part + 30), 900, "turn", part + 30)
    wait = one.take(900)
    assert 7_000 < wait <= 7_200 * 61 / 60
    assert float(redis.do("HGET", key, "total")) == 900
    one.store.close()


def test_concurrency_in_an_outage(redis):
    """What is in flight when Redis dies still counts; releases make room; afterwards Redis is told the truth."""
    one = Member(redis.url, concurrency(10), QUICK, timeout_s=0.5)
    assert [one.take(1, 0) for _ in range(5)] == [0.0] * 5
    redis.stop()
    assert until(lambda: local([one]), 3.0)
    assert [one.take(1, 0) for _ in range(3)] == [0.0] * 3  # 80 % of ten
    assert one.take(1, 0) > 0
    one.settle(-1.0, 0.0)
    assert one.take(1, 0) == 0.0
    redis.start()
    assert until(lambda: shared([one]), 8.0)
    other = Member(redis.url, concurrency(10), timeout_s=0.5)
    assert [other.take(1), other.take(1)] == [0.0, 0.0]
    assert other.take(1) > 0
    one.store.close()
    other.store.close()


def test_small_limits_stay_usable(server):
    """A share of less than one request or slot is one: an outage of Redis is no outage of the application."""
    one = Member(server.url, requests(3), concurrency(1), expected_processes=8)
    assert one.take(1, 1) == 0.0
    assert 0.0 < one.take(1, 1) < 70
    one.store.close()


def test_nothing_is_refused_for_good_by_a_share(server):
    """A request that fits the limit but not this process's share waits for Redis."""
    one = Member(server.url, tokens(1_000), QUICK, expected_processes=4)
    assert 0.0 < one.take(900, 0) < 1.0
    server.start()
    assert until(lambda: one.take(900, 0) == 0.0, 8.0)
    one.store.close()


def test_calls_on_an_event_loop_do_not_wait(server):
    """A paused Redis costs a call on an event loop 150 ms at most, and later calls nothing."""
    server.start()
    one = Member(server.url, requests(60_000))

    async def take():
        begin = time.monotonic()
        wait = one.take(1)
        wait = wait if isinstance(wait, float) else await wait
        return wait, time.monotonic() - begin

    async def scenario():
        first = await take()
        server.pause()
        return [first, *await asyncio.gather(*(take() for _ in range(50))), await take()]

    results = asyncio.run(scenario())
    assert all(wait == 0.0 for wait, _ in results)
    assert max(took for _, took in results) < 0.2
    assert results[-1][1] < 0.01
    server.resume()
    one.store.close()
