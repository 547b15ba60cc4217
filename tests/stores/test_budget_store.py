"""What every store of budgets keeps to, in this process and over a real Redis alike, whatever the order of events."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule, run_state_machine_as_test
from redis_server import until

from orchestrator.spec.budgets import Charge, Hold, Refusal
from orchestrator.stores.budgets import MemoryBudgets
from orchestrator.stores.redis import RedisLimits

LATE_S = -61.0
"""A lease that is over when it begins: the attempt of a process that was killed."""

ENDS = time.time() + 10_000
AMOUNTS = st.integers(0, 400) | st.sampled_from([10**9, 3 * 10**15 + 1])


def charge(name: str, limit: int, *, capped: bool = True, of_call: bool = False) -> Charge:
    """A budget of a window that lasts."""
    return Charge(name, name, "", limit, capped, ENDS, (0.5, 1.0), of_call)


class Machine(RuleBasedStateMachine):
    """The same events at both stores, and sums of our own."""

    url = ""
    examples = count()
    holds = Bundle("holds")

    @initialize(limits=st.lists(st.integers(1, 1_000) | st.just(9 * 10**15), min_size=1, max_size=4))
    def begin(self, limits: list[int]) -> None:
        """Budgets `0`, `1`, …; every third only counts, the last is of a single call."""
        self.loop = asyncio.Runner()
        prefix = f"machine{next(self.examples)}"
        self.told: dict[str, list[Any]] = {"memory": [], "redis": []}
        self.memory = MemoryBudgets(lambda one, *change: self.told["memory"].append((one.key, *change)))
        self.link = RedisLimits(self.url, prefix=prefix, timeout_s=2.0)
        self.redis = self.link.budgets(lambda one, *change: self.told["redis"].append((one.key, *change)))
        self.prefix = f"{prefix}:{{budgets}}:"
        last = len(limits) - 1
        self.charges = [charge(f"{n}", one, capped=n % 3 != 2, of_call=n == last > 0) for n, one in enumerate(limits)]
        self.spent = dict.fromkeys((one.key for one in self.charges), 0)
        self.held = dict.fromkeys(self.spent, 0)
        self.over = dict.fromkeys(self.spent, 0)
        self.lapsed: set[str] = set()

    def ask(self, store: Any, hold: Hold) -> Refusal | None:
        async def asked() -> Refusal | None:
            answer = store.reserve(hold, time.time())
            return answer if answer is None or isinstance(answer, Refusal) else await answer

        return self.loop.run(asked())

    @rule(target=holds, which=st.sets(st.integers(0, 3), min_size=1), amount=AMOUNTS, killed=st.booleans())
    def reserve(self, which: set[int], amount: int, killed: bool) -> Any:
        """Both grant it, or both name a budget that has no room."""
        charges = [one for n, one in enumerate(self.charges) if n in which] or self.charges[:1]
        pair = [Hold(charges, amount, LATE_S if killed else 60.0) for _ in range(2)]
        answers = [self.ask(store, hold) for store, hold in zip((self.memory, self.redis), pair, strict=True)]
        if answers[0] is None or answers[1] is None:
            assert answers == [None, None]
            for one in charges:
                self.held[one.key] += amount
                if killed and amount:
                    self.lapsed.add(one.key)
            return pair
        for answer in answers:  # of several without room either may be named
            key = answer.charge.key
            assert self.spent[key] + self.held[key] + amount > answer.charge.limit
            assert answer.soon == (self.spent[key] + amount <= answer.charge.limit) or key in self.lapsed
            assert not answer.unknown
        return None

    @rule(pair=consumes(holds), share=st.floats(0, 1))
    def settle(self, pair: Any, share: float) -> None:
        """It cost no more than was held."""
        self.end(pair, round(pair[0].amount * share) if pair else 0)

    @rule(pair=consumes(holds))
    def cancel(self, pair: Any) -> None:
        """It cost nothing."""
        self.end(pair, 0)

    @rule(pair=consumes(holds), more=st.integers(1, 500))
    def exceed(self, pair: Any, more: int) -> None:
        """It cost more than was held: a vendor's surcharge that nobody could foresee."""
        if pair:
            for one in pair[0].charges:
                self.over[one.key] += more
            self.end(pair, pair[0].amount + more)

    def end(self, pair: Any, spent: int) -> None:
        if not pair:
            return
        for store, hold in zip((self.memory, self.redis), pair, strict=True):
            store.settle(hold, spent)
        for one in pair[0].charges:
            self.held[one.key] -= pair[0].amount
            self.spent[one.key] += spent

    def check(self) -> None:
        """No capped budget is exceeded but by what was said above; all sums are exact."""
        for one in self.charges:
            assert self.memory.spent(one.key) == self.spent[one.key]
            assert self.memory.held(one.key) == self.held[one.key]
            if one.capped:
                assert self.spent[one.key] + self.held[one.key] <= one.limit + self.over[one.key]

    def teardown(self) -> None:
        """What Redis has in the end is the same, to the last digit, and the same was told."""
        if not hasattr(self, "charges"):
            return
        self.loop.close()
        self.link.close()
        self.check()
        with self.client() as client:
            for one in self.charges:
                if not one.of_call:
                    kept = client.hgetall(self.prefix + one.key)
                    assert int(kept.get("spent", 0)) == self.spent[one.key]
                    assert int(kept.get("held", 0)) == self.held[one.key]
                    assert not kept or client.pttl(self.prefix + one.key) > 0
        for told in self.told.values():
            for one in self.charges:
                self.check_told([change for key, *change in told if key == one.key], self.spent[one.key])

    def check_told(self, changes: list[list[int]], total: int) -> None:
        """Each nano-dollar was told once: where one change ends, the next begins."""
        assert [after for _, after in changes[:-1]] == [before for before, _ in changes[1:]]
        assert (changes[0][0], changes[-1][1]) == (0, total) if changes else not total


def test_any_interleaving(redis):
    """Any order of reserving, settling, cancelling, exceeding and dying: no `deny` budget is overspent, sums are exact.

    Memory and Redis answer alike.
    """
    Machine.url, Machine.client = redis.url, staticmethod(redis.client)
    quick = settings(max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Machine, settings=quick)


def member(redis: Any, told: list[Any] | None = None) -> tuple[RedisLimits, Any]:
    """One process's store."""
    link = RedisLimits(redis.url, timeout_s=2.0)
    return link, link.budgets(lambda one, *change: told.append(change) if told is not None else None)


async def granted(store: Any, hold: Hold) -> Refusal | None:
    """Ask a store."""
    answer = store.reserve(hold, store.time())
    return answer if answer is None or isinstance(answer, Refusal) else await answer


def test_a_flush_is_told_by_all(redis):
    """Redis is emptied: nothing is granted until all have told what they know, and then to the last digit."""
    told: list[Any] = []
    (one, ones), (other, others) = member(redis, told), member(redis, told)
    budget = charge("b", 1_000)

    async def scenario() -> None:
        spent, held, mine = Hold([budget], 300, 60.0), Hold([budget], 200, 60.0), Hold([budget], 100, 60.0)
        assert [await granted(ones, spent), await granted(others, held), await granted(ones, mine)] == [None] * 3
        ones.settle(spent, 250)
        await asyncio.to_thread(until, lambda: told)
        await asyncio.to_thread(redis.do, "FLUSHALL")
        refusal = await granted(ones, Hold([budget], 451, 60.0))
        assert refusal is not None
        assert not refusal.unknown
        assert await granted(others, Hold([budget], 450, 60.0)) is None
        others.settle(held, 0)
        ones.settle(mine, 7)

    asyncio.run(scenario())
    one.close()
    other.close()
    with redis.client() as client:
        kept = client.hgetall("orchestrator:{budgets}:b")
    assert (kept["spent"], kept["held"]) == ("257", "450")
    assert told == [(0, 250), (250, 257)]


def test_cancelling_holds_nothing(redis):
    """A reservation that is cancelled on its way is given back, wherever it had come to."""
    link, store = member(redis)
    budget = charge("b", 1_000)

    async def scenario() -> None:
        for pause in (0.0, 0.0001, 0.0005, 0.001, 0.002):
            asked = asyncio.ensure_future(granted(store, Hold([budget, charge("c", 9)], 9, 60.0)))
            await asyncio.sleep(pause)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            if asked.done() and not asked.cancelled():
                return  # it was quicker
        await asyncio.sleep(0.3)
        assert await granted(store, Hold([budget], 1_000, 60.0)) is None

    asyncio.run(scenario())
    link.close()


def test_a_name_that_has_no_bytes(redis):
    """A tenant's name with half a surrogate pair is counted, and harms nobody else's budget."""
    link, store = member(redis)
    odd, plain = charge("tenant \ud800", 1_000), charge("b", 1_000)

    async def scenario() -> None:
        hold = Hold([odd], 400, 60.0)
        assert await granted(store, hold) is None
        store.settle(hold, 300)
        refusal = await granted(store, Hold([odd], 701, 60.0))
        assert refusal == Refusal(odd, soon=False)
        assert await granted(store, Hold([plain], 1_000, 60.0)) is None

    asyncio.run(scenario())
    link.close()


def test_late_settlements_of_a_lapsed_hold_count(redis):
    """A hold that lapsed because its process could not reach Redis is corrected when it can."""
    link, store = member(redis)
    budget = charge("b", 1_000)

    async def scenario() -> None:
        lost = Hold([budget], 900, LATE_S)
        assert await granted(store, lost) is None
        refusal = await granted(store, Hold([budget], 200, 60.0))
        assert refusal == Refusal(budget, soon=False)
        store.settle(lost, 100)
        assert await granted(store, Hold([budget], 900, 60.0)) is None

    asyncio.run(scenario())
    link.close()


def test_accounts_end_with_their_windows(redis):
    """What Redis keeps of a budget goes an hour after its window, and nothing stays for good or on another node."""
    link, store = member(redis)
    asyncio.run(granted(store, Hold([Charge("soon", "n", "", 9, True, time.time() + 60)], 1, 1.0)))
    assert 3_600_000 < redis.do("PTTL", "orchestrator:{budgets}:soon") <= 3_660_000
    keys = redis.do("KEYS", "*budgets*")
    assert len(keys) == 2
    assert all(key.startswith("orchestrator:{budgets}:") and redis.do("PTTL", key) > 0 for key in keys)
    link.close()
