"""What learning is worth: ten virtual minutes of a client that always has one more call, against a vendor's bucket."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from orchestrator.policies.learning import Learner
from orchestrator.policies.limits import Need
from orchestrator.policies.needs import Forecast
from orchestrator.spec.stores import Limit, SeenLimit
from orchestrator.stores.memory import MemoryLimits
from orchestrator.types.usage import Usage

TEN_MINUTES_S = 600.0


@dataclass
class Vendor:
    """Enforces requests or tokens per minute as a full bucket that refills evenly; `others` use so much a second."""

    limit: float
    dimension: str = "requests"
    says: bool = True
    others: float = 0.0
    left: float = 0.0
    at: float = 0.0
    answered: float = 0.0
    refused: int = 0

    def __post_init__(self):
        self.left = self.limit

    def answer(self, amount, now):
        """Whether it answered, and what it says about its limits."""
        refill = (self.limit / 60.0 - self.others) * (now - self.at)
        self.left, self.at = max(min(self.left + refill, self.limit), 0.0), now
        taken = amount <= self.left
        if taken:
            self.left -= amount
            self.answered += amount
        else:
            self.refused += 1
        return taken, [SeenLimit(self.dimension, self.limit, self.left, None, 60.0)] if self.says else []

    @property
    def goodput(self):
        """Answered, of what its limit allows in ten minutes beside the bucket it begins with."""
        return self.answered / (self.limit * 10.0)


def run(vendor, configured, *, learn):
    """Ten minutes of requests, as many as the limiter lets through; returns the vendor."""
    store = MemoryLimits()
    learner = Learner(store, "k")
    (limit,) = learner.configure([Limit("k", "requests", float(configured), 60.0)], 0.0)
    slots, now = [store.slot(limit)], 0.0
    while now < TEN_MINUTES_S:
        learner.refresh(now)
        wait = store.reserve(slots, [1.0], now)
        if wait > 0.0:
            now += min(wait, 1.0)
            continue
        taken, seen = vendor.answer(1.0, now)
        if learn:
            (learner.seen if taken else learner.throttled)(seen, now)
    return vendor


def run_answers(vendor, forecast):
    """Ten minutes of answers of some 480 tokens under a cap of 4,000, each of which takes ten seconds."""
    random, store = Random(7), MemoryLimits()
    slots, now, under_way = [store.slot(Limit("k", "tokens", vendor.limit, 60.0))], 0.0, []
    cap = Need(0, 4_000)
    while now < TEN_MINUTES_S:
        claim = forecast.need(cap).output_tokens
        wait = store.reserve(slots, [claim], now)
        if wait == 0.0:
            really = min(int(random.lognormvariate(6.0, 0.6)) + 1, 4_000)
            under_way.append((now + 10.0, now, claim, really))
            vendor.answer(really, now)
            continue
        now = min(now + wait, under_way[0][0] if under_way else now + wait)
        while under_way and under_way[0][0] <= now:
            _, since, claim, really = under_way.pop(0)
            store.settle(slots, [really - claim], now, since)
            forecast.learn(cap, Usage(input_tokens=0, output_tokens=really))
    return vendor


def test_limit_configured_too_high():
    """With twice the vendor's limit in the file, stated limits cut its refusals from thousands to none."""
    blind = run(Vendor(600), 1_200, learn=False)
    taught = run(Vendor(600), 1_200, learn=True)
    assert blind.refused > 3_000
    assert taught.refused == 0
    assert 0.85 <= taught.goodput <= 1.0


def test_vendor_that_says_nothing():
    """Without a word from the vendor, refusals alone find its limit: most of it is used, few are refused."""
    blind = run(Vendor(600, says=False), 1_200, learn=False)
    taught = run(Vendor(600, says=False), 1_200, learn=True)
    assert taught.refused < blind.refused / 15
    assert taught.goodput >= 0.9


def test_others_on_the_account():
    """When others take half of the limit unseen, refusals that its statements do not explain make room for them: nearly
    none are left, and no less is answered.
    """
    blind = run(Vendor(600, others=5.0), 600, learn=False)
    taught = run(Vendor(600, others=5.0), 600, learn=True)
    assert blind.refused > 1_500
    assert taught.refused < 100
    assert taught.goodput >= 0.98 * blind.goodput


def test_limit_configured_right():
    """With the vendor's own limit in the file, learning costs nothing."""
    for says in (True, False):
        vendor = run(Vendor(600, says=says), 600, learn=True)
        assert vendor.refused == 0
        assert vendor.goodput >= 0.9


def test_reserving_what_answers_take():
    """Where caps are far above what answers take, learnt needs let more of a token limit be used, without refusals."""
    capped = run_answers(Vendor(100_000, "tokens"), Forecast(charges_output_cap=True))
    learnt = run_answers(Vendor(100_000, "tokens"), Forecast())
    assert learnt.refused == 0
    assert learnt.goodput >= 2.0 * capped.goodput
