"""When a deployment is given up, who finds out whether it is back, and how it returns."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from orchestrator.errors import (
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
    StreamInterrupted,
)
from orchestrator.policies.breaker import Breaker, BreakerPolicy, blames


def middle() -> float:
    """No jitter."""
    return 0.5


def opened(at: float = 100.0, *, times: int = 1) -> Breaker:
    """A breaker that opened at that time, and whose probes then failed until it had opened so many times."""
    breaker = Breaker()
    for _ in range(5):
        breaker.failed("call", at, middle)
    for _ in range(times - 1):
        now = breaker.open_until
        assert breaker.begin(now) == "probe"
        breaker.failed("probe", now, middle)
    return breaker


def test_five_failures_in_a_row_open_it() -> None:
    """Four failures leave it closed, the fifth opens it, and says so once."""
    breaker = Breaker()
    assert [breaker.failed("call", 100.0, middle) for _ in range(5)] == [False] * 4 + [True]
    assert not breaker.closed
    assert breaker.ready_at(100.0) == 115.0
    assert breaker.begin(114.9) is None


def test_a_success_ends_the_row() -> None:
    """Failures with an answer between them are no row."""
    breaker = Breaker(BreakerPolicy(least_calls=100))
    for _ in range(3):
        for _ in range(4):
            breaker.failed("call", 100.0, middle)
        assert breaker.closed
        breaker.succeeded("call", 100.0)


def test_half_of_ten_calls_open_it() -> None:
    """By turns failed and answered opens it at the tenth call, not before."""
    breaker = Breaker()
    for number in range(1, 11):
        assert breaker.closed
        if number % 2:
            breaker.succeeded("call", 100.0)
        else:
            breaker.failed("call", 100.0, middle)
    assert not breaker.closed


def test_the_window_forgets() -> None:
    """Failures of more than thirty seconds ago are no part of the share."""
    breaker = Breaker()
    for number in range(100):
        now = 100.0 + 10.0 * number  # never ten calls in thirty seconds
        breaker.succeeded("call", now)
        breaker.failed("call", now, middle)
        breaker.failed("call", now, middle)
    assert breaker.closed


def test_each_opening_is_twice_as_long() -> None:
    """15, 30, 60, 120, 240 and then always 300 seconds, each ±20 %."""
    lengths = []
    for times in range(1, 9):
        breaker = opened(times=times)
        lengths.append(breaker.open_until - breaker._probed_at)
    assert lengths == pytest.approx([15, 30, 60, 120, 240, 300, 300, 300])
    for number, factor in ((0.0, 0.8), (1.0, 1.2)):
        breaker = Breaker(BreakerPolicy(failures=1))
        breaker.failed("call", 100.0, lambda number=number: number)
        assert breaker.open_until == pytest.approx(100.0 + 15.0 * factor)


def test_one_probe_at_a_time() -> None:
    """When the time has come one attempt gets through, and nobody else until it has ended."""
    breaker = opened()
    assert breaker.begin(115.0) == "probe"
    assert breaker.begin(116.0) is None
    assert breaker.ready_at(116.0) == float("inf")
    breaker.neutral("probe")  # it was cancelled, for example
    assert breaker.begin(116.0) == "probe"


def test_one_probe_among_threads() -> None:
    """Of fifty threads that ask at the same moment, one gets the probe."""
    breaker, barrier = opened(), Barrier(50)

    def ask(_: int) -> str | None:
        barrier.wait(10)
        return breaker.begin(115.0)

    with ThreadPoolExecutor(50) as pool:
        granted = list(pool.map(ask, range(50)))
    assert granted.count("probe") == 1
    assert granted.count(None) == 49


def test_two_good_probes_close_it() -> None:
    """After the first good probe the second may follow at once; then all go through."""
    breaker = opened()
    assert breaker.begin(115.0) == "probe"
    breaker.succeeded("probe", 116.0)
    assert not breaker.closed
    assert breaker.begin(116.0) == "probe"
    breaker.succeeded("probe", 117.0)
    assert breaker.closed
    assert breaker.begin(117.0) == "call"


def test_earlier_failures_are_forgiven() -> None:
    """What closed is not opened again by the failures from before: it takes five new ones."""
    breaker = opened()
    for _ in range(2):
        breaker.begin(115.0)
        breaker.succeeded("probe", 115.0)
    assert [breaker.failed("call", 115.0, middle) for _ in range(5)] == [False] * 4 + [True]
    assert breaker.open_until == 130.0


def test_one_bad_probe_opens_it_again() -> None:
    """A good probe and a bad one: open again, for longer."""
    breaker = opened()
    breaker.begin(115.0)
    breaker.succeeded("probe", 115.0)
    breaker.begin(115.0)
    assert breaker.failed("probe", 116.0, middle)
    assert breaker.ready_at(116.0) == 146.0


def test_stragglers_decide_nothing() -> None:
    """Attempts from before it opened neither close it nor lengthen it when they end."""
    breaker = opened()
    breaker.succeeded("call", 101.0)
    assert not breaker.failed("call", 102.0, middle)
    assert breaker.ready_at(102.0) == 115.0


def test_early_probes_come_once_a_second() -> None:
    """Where nobody else is left, one call a second may ask before the time."""
    breaker = opened()
    assert breaker.begin(100.5, early=True) is None
    assert breaker.begin(101.0, early=True) == "probe"
    breaker.neutral("probe")
    assert breaker.begin(101.5, early=True) is None
    assert breaker.begin(102.0, early=True) == "probe"


def test_early_probes_do_not_lengthen_the_outage() -> None:
    """However many early probes fail, the deployment is asked again when it was going to be."""
    breaker = opened()
    for second in range(1, 15):
        assert breaker.begin(100.0 + second, early=True) == "probe"
        breaker.failed("probe", 100.0 + second, middle)
    assert breaker.ready_at(114.5) == 115.0
    assert breaker.begin(115.0) == "probe"
    breaker.failed("probe", 115.0, middle)
    assert breaker.ready_at(115.0) == 145.0


def test_early_probes_may_close_it() -> None:
    """Good news counts whenever it comes."""
    breaker = opened()
    assert breaker.begin(101.0, early=True) == "probe"
    breaker.succeeded("probe", 101.0)
    assert breaker.begin(101.0) == "probe"
    breaker.succeeded("probe", 101.0)
    assert breaker.closed


def test_calls_come_back_slowly() -> None:
    """A tenth of the calls at once, all of them after thirty seconds, in a line between."""
    breaker = opened()
    for _ in range(2):
        breaker.begin(115.0)
        breaker.succeeded("probe", 115.0)
    for after_s, share in ((0.0, 0.1), (10.0, 0.4), (20.0, 0.7), (29.0, 0.97)):
        assert breaker.favoured(115.0 + after_s, lambda share=share: share - 0.001)
        assert not breaker.favoured(115.0 + after_s, lambda share=share: share + 0.001)
    assert breaker.favoured(145.0, lambda: 0.999)


def test_healthy_deployments_draw_nothing() -> None:
    """A breaker that never opened takes every call, and no random number."""

    def draw() -> float:
        raise AssertionError

    assert Breaker().favoured(100.0, draw)


@pytest.mark.parametrize(
    ("error", "blamed"),
    [
        (ConnectionFailed("x"), True),
        (ConnectionFailed("x", maybe_billed=True), True),
        (CallTimeout("x", kind="connect"), True),
        (CallTimeout("x", kind="first_token"), True),
        (CallTimeout("x", kind="stall"), True),
        (ServerError("x"), True),
        (Overloaded("x"), True),
        (MalformedReply("x"), True),
        (StreamInterrupted("x", cause=Overloaded("x")), True),
        (StreamInterrupted("x", cause=CallTimeout("x", kind="deadline")), False),
        (StreamInterrupted("x"), False),
        (CallTimeout("x", kind="deadline"), False),
        (RateLimited("x"), False),
        (InvalidRequest("x"), False),
        (ContentFiltered("x"), False),
        (AuthenticationFailed("x"), False),
        (QuotaExhausted("x"), False),
        (None, False),
    ],
)
def test_what_speaks_against_a_deployment(error: Exception, blamed: bool) -> None:
    """Outages count; limits, refusals, credentials and the call's own deadline do not."""
    assert blames(error) is blamed  # type: ignore[arg-type]


@dataclass
class Reference:
    """What the module's text says, with a list of outcomes instead of counters."""

    outcomes: list[tuple[int, bool]] = field(default_factory=list)
    row: int = 0
    openings: int = 0
    good: int = 0
    until: float = 0.0
    probed: float = 0.0
    probing: bool = False

    def begin(self, now: float, *, early: bool) -> str | None:
        if not self.openings:
            return "call"
        if self.probing or now < (min(self.until, self.probed + 1.0) if early else self.until):
            return None
        self.probing, self.probed = True, now
        return "probe"

    def end(self, granted: str, now: float, *, failed: bool | None) -> None:
        probe = granted == "probe"
        if probe:
            self.probing = False
        if failed is None:
            return
        self.outcomes.append((int(now / 5.0), failed))
        self.row = self.row + 1 if failed else self.row if self.openings else 0
        if not self.openings:
            recent = [bad for at, bad in self.outcomes if at > int(now / 5.0) - 6]
            if failed and (self.row >= 5 or (len(recent) >= 10 and sum(recent) * 2 >= len(recent))):
                self.open(now)
        elif probe and failed and now >= self.until:
            self.open(now)
        elif probe and failed:
            self.good = 0
        elif probe:
            self.good, self.until = self.good + 1, now
            if self.good == 2:
                self.outcomes, self.row, self.openings, self.good = [], 0, 0, 0

    def open(self, now: float) -> None:
        self.until = now + min(15.0 * 2.0**self.openings, 300.0)
        self.openings, self.good, self.probed = self.openings + 1, 0, now


class BreakerMachine(RuleBasedStateMachine):
    """Attempts begin and end in any order and at any time; the breaker must agree with the reference throughout."""

    passes = Bundle("passes")

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0
        self.breaker = Breaker()
        self.reference = Reference()
        self.probes = 0

    @rule(seconds=st.sampled_from([0.0, 0.25, 1.0, 5.0, 15.0, 30.0, 300.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(target=passes, early=st.booleans())
    def begin(self, early: bool) -> str | None:
        granted = self.breaker.begin(self.now, early=early)
        assert granted == self.reference.begin(self.now, early=early)
        self.probes += granted == "probe"
        return granted

    @rule(granted=consumes(passes), failed=st.sampled_from([True, True, False, None]))
    def end(self, granted: str | None, failed: bool | None) -> None:
        if granted is None:
            return
        self.probes -= granted == "probe"
        self.reference.end(granted, self.now, failed=failed)
        if failed is None:
            self.breaker.neutral(granted)  # type: ignore[arg-type]
        elif failed:
            self.breaker.failed(granted, self.now, middle)  # type: ignore[arg-type]
        else:
            self.breaker.succeeded(granted, self.now)  # type: ignore[arg-type]

    @precondition(lambda self: self.reference.openings == 0)
    @rule(count=st.integers(1, 6))
    def fail(self, count: int) -> None:
        for _ in range(count):
            granted = self.reference.begin(self.now, early=False)
            if granted != "call":
                return
            assert self.breaker.begin(self.now) == "call"
            self.reference.end("call", self.now, failed=True)
            self.breaker.failed("call", self.now, middle)

    @invariant()
    def agrees(self) -> None:
        reference = self.reference
        assert self.probes <= 1
        assert self.breaker.closed == (reference.openings == 0)
        if reference.openings:
            early = float("inf") if reference.probing else min(reference.until, reference.probed + 1.0)
            assert self.breaker.early_at() == early
            waits = reference.until if self.now < reference.until else float("inf") if reference.probing else 0.0
            assert self.breaker.ready_at(self.now) == waits
        else:
            assert self.breaker.ready_at(self.now) == 0.0


BreakerMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestBreakerAgainstReference = BreakerMachine.TestCase
