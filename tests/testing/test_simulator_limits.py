"""Rate limits: what is admitted, what is refused, and what the headers say about it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_client import chat

from orchestrator.testing import Limits, Simulator, Vendor
from orchestrator.testing.simulator.limits import Limiter, TooMuch

ARRIVALS = st.lists(
    st.tuples(st.floats(0, 20), st.integers(1, 400), st.integers(0, 400), st.integers(0, 400)), min_size=1, max_size=60
)


@pytest.fixture
def sim() -> Iterator[Simulator]:
    """One vendor per wire, each called like its wire."""
    with Simulator([Vendor(name=wire, wire=wire) for wire in ("openai", "anthropic", "cohere")]) as simulator:
        yield simulator


@given(ARRIVALS)
def test_sliding_window_is_never_exceeded(arrivals: list[tuple[float, int, int, int]]) -> None:
    """Over any period, a sliding window admits at most its requests and tokens, however they come and settle."""
    limiter = Limiter(Limits(rpm=5, tpm=1000, window="sliding", period_s=60))
    now, admitted = 0.0, []
    for gap, tokens, reserved, used in arrivals:
        now += gap
        try:
            reservation = limiter.admit(tokens, reserved, now)
        except TooMuch:
            continue
        limiter.settle(reservation, tokens, min(used, reserved))
        admitted.append((now, tokens + min(used, reserved)))
    for end, _ in admitted:
        window = [used for at, used in admitted if end - 60 < at <= end]
        assert len(window) <= 5
        assert sum(window) <= 1000


@given(ARRIVALS, st.sampled_from(["bucket", "sliding", "fixed"]))
def test_wait_is_truthful(arrivals: list[tuple[float, int, int, int]], window: str) -> None:
    """Whoever waits as long as the refusal says is admitted, and a little earlier is not."""
    limiter = Limiter(Limits(rpm=4, tpm=900, window=window, period_s=60))
    now = 0.0
    for gap, tokens, reserved, _ in arrivals:
        now += gap
        try:
            limiter.admit(tokens, reserved, now)
        except TooMuch as refused:
            if refused.wait_s > 0.01:
                with pytest.raises(TooMuch):
                    limiter.admit(tokens, reserved, now + refused.wait_s * 0.99)
            now += refused.wait_s + 1e-6
            limiter.admit(tokens, reserved, now)


def test_bucket_refills_and_fixed_window_starts_anew() -> None:
    """A bucket gives back a share of its limit with time, a fixed window all of it at once."""
    for window, waits in (("bucket", 6.0), ("fixed", 60.0), ("sliding", 60.0)):
        limiter = Limiter(Limits(rpm=10, window=window))
        for _ in range(10):
            limiter.admit(1, 0, 100.0)
        with pytest.raises(TooMuch) as refused:
            limiter.admit(1, 0, 100.0)
        assert refused.value.wait_s == pytest.approx(waits)


def test_larger_than_the_limit() -> None:
    """A request that can never fit is refused without a time to wait."""
    limiter = Limiter(Limits(input_tpm=100, output_tpm=50))
    with pytest.raises(TooMuch) as refused:
        limiter.admit(10, 51, 0.0)
    assert (refused.value.dimension, refused.value.wait_s) == ("output-tokens", math.inf)
    assert limiter.levels(0.0)["input-tokens"].remaining == 100


def test_output_is_charged_afterwards() -> None:
    """Without an output limit in the request, output is a debt that holds up the next one."""
    limiter = Limiter(Limits(tpm=100, window="bucket"))
    limiter.settle(limiter.admit(10, 0, 0.0), 10, 190)
    assert limiter.levels(0.0)["tokens"].remaining == 0
    with pytest.raises(TooMuch) as refused:
        limiter.admit(10, 0, 0.0)
    assert refused.value.wait_s == pytest.approx(66)


def test_openai_refusal(sim: Simulator) -> None:
    """Beyond the limit comes 429 with retry-after, OpenAI's headers and code, and no bill."""
    sim["openai"].limit(rpm=2, tpm=10_000, period_s=30)
    first, second, third = (chat(sim.url("openai")) for _ in range(3))
    assert [first.status, second.status, third.status] == [200, 200, 429]
    assert (first.headers["x-ratelimit-limit-requests"], first.headers["x-ratelimit-remaining-requests"]) == ("2", "1")
    used = sum(entry.input_tokens + entry.output_tokens for entry in sim.ledger)
    assert second.headers["x-ratelimit-remaining-tokens"] == str(10_000 - used)
    assert second.headers["x-ratelimit-reset-requests"].endswith("s")
    assert 1 <= int(third.headers["retry-after"]) <= 30
    assert third.json["error"]["code"] == "rate_limit_exceeded"
    assert third.json["error"]["type"] == "requests"
    assert len(sim.ledger) == 2


def test_token_limit_names_tokens(sim: Simulator) -> None:
    """The error says which limit was hit, and what can never fit has no retry-after."""
    sim["openai"].limit(tpm=50)
    got = chat(sim.url("openai"), max_tokens=60)
    assert (got.status, got.json["error"]["type"]) == (429, "tokens")
    assert "retry-after" not in got.headers
    assert chat(sim.url("openai"), max_tokens=20).status == 200


def test_anthropic_headers(sim: Simulator) -> None:
    """Anthropic counts input and output apart and says when a limit is whole again, as a time."""
    sim["anthropic"].limit(rpm=10, input_tpm=1000, output_tpm=500, window="bucket")
    got = chat(sim.url("anthropic"), "anthropic")
    (entry,) = sim.ledger
    remaining = {
        name: int(got.headers[f"anthropic-ratelimit-{name}-remaining"]) for name in ("requests", "input-tokens")
    }
    assert remaining == {"requests": 9, "input-tokens": 1000 - entry.input_tokens}
    # A bucket drips while the answer is written, so a token may be back already.
    assert int(got.headers["anthropic-ratelimit-output-tokens-remaining"]) - (500 - entry.output_tokens) in (0, 1)
    reset = datetime.fromisoformat(got.headers["anthropic-ratelimit-requests-reset"])
    assert 4 <= (reset - datetime.now(UTC)).total_seconds() <= 7


def test_silent_limits(sim: Simulator) -> None:
    """A vendor may keep its limits to itself."""
    sim["openai"].limit(rpm=1, advertise=False)
    got = [chat(sim.url("openai")) for _ in range(2)]
    assert [reply.status for reply in got] == [200, 429]
    assert not any("ratelimit" in name or name == "retry-after" for reply in got for name in reply.headers)


def test_lifting_limits(sim: Simulator) -> None:
    """New limits start anew."""
    sim["openai"].limit(rpm=1)
    assert [chat(sim.url("openai")).status for _ in range(2)] == [200, 429]
    sim["openai"].limit()
    assert chat(sim.url("openai")).status == 200


def test_concurrency(sim: Simulator) -> None:
    """More requests at the same time than allowed are refused, and the peak is counted."""
    sim["openai"].limit(concurrency=2)
    sim["openai"].set(latency_s=0.3)
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(chat(sim.url("openai")).status)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 200, 429, 429]
    assert sim["openai"].requests.peak_in_flight >= 3


@pytest.mark.parametrize("window", ["sliding", "bucket", "fixed"])
def test_hammering(sim: Simulator, window: str) -> None:
    """Under a storm from many threads, a vendor admits what its window allows; a sliding one never more."""
    limit, period_s, storm_s = 20, 0.4, 0.9
    sim["openai"].limit(rpm=limit, window=window, period_s=period_s)
    end = time.monotonic() + storm_s

    def storm() -> None:
        while time.monotonic() < end:
            assert chat(sim.url("openai")).status in (200, 429)

    threads = [threading.Thread(target=storm) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times = sorted(entry.time for entry in sim.ledger)
    assert sim.requests.by_status[429] > 0
    assert len(times) >= 2 * limit
    allowed = limit if window == "sliding" else 2 * limit
    slack_s = 0.005
    for at in times:
        assert sum(at <= other < at + period_s - slack_s for other in times) <= allowed
