"""Limits that several processes share: never more than one limit among them, and nothing is lost with a process."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time

import pytest
from redis_processes import hammer, hold
from redis_server import Member, RedisServer, concurrency, free_port, most_in_a_window, requests, tokens, until

from orchestrator.errors import ConfigError
from orchestrator.stores.redis import RedisLimits
from orchestrator.stores.redis_slots import redis_key

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def member(redis):
    """Build members that share the server's limits."""
    made = []

    def build(*limits, **options):
        made.append(Member(redis.url, *limits, **{"timeout_s": 2.0} | options))
        return made[-1]

    yield build
    for one in made:
        one.store.close()


def start(target, *arguments):
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=target, args=(*arguments, theirs))
    process.start()
    return process, ours


def test_processes_share_one_limit(redis):
    """Four processes that take all they can: no window holds more than the limit, and most of it is used."""
    limit = tokens(4_000, period_s=2.0)
    started = [start(hammer, redis.url, limit, 4.0, seed) for seed in range(4)]
    for _, pipe in started:
        assert pipe.recv() == "ready"
    for _, pipe in started:
        pipe.send("go")
    results = [pipe.recv() for _, pipe in started]
    for process, _ in started:
        process.join()
    taken = [one for result in results for one in result[0]]
    assert [result[1:] for result in results] == [([], [])] * 4
    assert all(result[0] for result in results)
    assert most_in_a_window(taken, 2.0 - 0.05) <= 4_000
    assert sum(size for _, size in taken) >= 0.75 * 4_000 * 2


def test_a_killed_process_frees_its_slots(redis, member):
    """A kill -9 of a process that holds all slots: others get them when its lease ends, and not before."""
    process, pipe = start(hold, redis.url, 3)
    assert pipe.recv() == [0.0] * 3
    other = member(concurrency(3))
    assert other.take(1) > 0
    time.sleep(1.5)
    assert other.take(1) > 0  # alive: its lease is renewed
    process.kill()
    process.join()
    begin = time.monotonic()
    assert until(lambda: other.take(1) == 0.0, seconds=8.0)
    assert 2.0 < time.monotonic() - begin < 6.5
    assert [other.take(1), other.take(1)] == [0.0, 0.0]


def test_a_release_is_seen_by_others(member):
    """What one process gives back another one takes."""
    one, other = member(concurrency(1)), member(concurrency(1))
    assert one.take(1) == 0.0
    wait = other.take(1)
    assert 0.0 < wait <= 0.1  # never "until woken": nobody could wake it
    one.settle(-1.0)
    assert until(lambda: other.take(1) == 0.0, seconds=0.5)


def test_what_is_untold_is_told_on_closing(redis, member):
    """Refunds and debts that wait for a ride are not lost when a process ends in order."""
    one = member(tokens(10_000, period_s=86_400.0))
    assert one.take(9_000) == 0.0
    one.settle(-8_000.0)
    one.store.close()
    other = member(tokens(10_000, period_s=86_400.0))
    assert other.take(8_000) == 0.0
    assert until(lambda: redis.do("ZCARD", "orchestrator:processes") == 1)


def test_no_refund_is_lost_between_parts(member):
    """What is given back at once makes room at once, wherever in a part of the period that happens."""
    one = member(tokens(1_000, period_s=3_601.0), tokens(1_000_000, period_s=2.0, key="a/quick"))
    begin = time.monotonic()
    while time.monotonic() - begin < 1.0:
        assert one.take(900, 0) == 0.0
        one.settle(-900.0, 0.0)


def test_refunds_find_their_part(redis, member):
    """Of parts that last 33 ms none keeps what was given back, though clients round the time of a refund."""
    one = member(tokens(1_000_000, period_s=2.0))
    for _ in range(100):
        assert one.take(100) == 0.0
        one.settle(-100.0)
        time.sleep(0.002)
    assert one.take(0) == 0.0
    one.store.close()
    kept = redis.do("HGETALL", redis_key(tokens(0, 2.0), "orchestrator"))
    assert sum(float(taken) for part, taken in kept.items() if part.isdecimal()) <= 500


def test_a_claim_lies_on_one_node(tmp_path):
    """Redis in cluster mode accepts a claim over a deployment's and its account's limits: they share a hash slot."""
    server = RedisServer(tmp_path, "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    try:
        server.start()
        server.do("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
        assert until(lambda: "cluster_state:ok" in str(server.do("CLUSTER", "INFO")))
        one = Member(server.url, requests(60, key="openai/gpt"), tokens(1_000, key="openai"), timeout_s=2.0)
        assert one.take(1, 10) == 0.0
        one.store.close()
        assert one.notices == []
        keys = [redis_key(limit, "p") for limit in (requests(60, key="openai/gpt"), tokens(1_000, key="openai"))]
        assert len({server.do("CLUSTER", "KEYSLOT", key) for key in keys}) == 1
    finally:
        server.stop()


def test_every_key_expires(redis, member):
    """Nothing stays behind in Redis for good."""
    one = member(requests(60), tokens(1_000), concurrency(5), requests(10, period_s=86_400.0))
    assert one.take(1, 10, 1, 1) == 0.0
    assert until(lambda: redis.do("EXISTS", "orchestrator:processes"))
    keys = redis.do("KEYS", "*")
    assert len(keys) == 5
    assert all(0 < redis.do("PTTL", key) <= 2 * 86_400_000 for key in keys)


def test_frequent_reservations_are_leased(redis, member):
    """Hundreds a second take few round trips; what a lease did not use is given back."""
    one = member(tokens(6_000_000), requests(60_000, key="a/m"))
    begin = time.monotonic()
    taken = 0
    while time.monotonic() - begin < 2.5:
        taken += 100 if one.take(100, 1) == 0.0 else 0
        time.sleep(0.002)
    assert taken > 40_000
    assert one.store.round_trips < 0.5 * taken / 100
    one.store.close()
    assert float(redis.do("HGET", redis_key(tokens(0), "orchestrator"), "total")) == pytest.approx(taken)


def test_an_answer_to_nobody_is_given_back(redis, member):
    """A call cancelled while Redis was asked holds nothing: the slot is free for the next."""
    one = member(concurrency(1))

    async def scenario():
        for _ in range(20):
            task = asyncio.ensure_future(one.take(1))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await asyncio.sleep(0.3)
        wait = one.take(1)
        return wait if isinstance(wait, float) else await wait

    assert asyncio.run(scenario()) == 0.0


def test_many_event_loops(member):
    """One store serves one event loop after the other, and threads without one."""
    one = member(requests(6_000))

    async def scenario():
        wait = one.take(1)
        return wait if isinstance(wait, float) else await wait

    assert [asyncio.run(scenario()) for _ in range(20)] == [0.0] * 20
    assert one.take(1) == 0.0


def test_after_fork(member):
    """A child process makes a connection of its own and shares the limit with its parent."""
    one = member(concurrency(2))
    assert one.take(1) == 0.0
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"".join(b"y" if one.take(1) == 0.0 else b"n" for _ in range(2)))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 2) == b"yn"
    one.settle(-1.0)
    assert one.take(1) == 0.0
    os.close(reader)
    os.close(writer)


def test_what_cannot_work_is_said_at_once():
    """An address that is none is refused when the store is made, without showing what it contains."""
    with pytest.raises(ConfigError) as caught:
        RedisLimits("http://user:s3cret@127.0.0.1")
    assert "s3cret" not in str(caught.value)
