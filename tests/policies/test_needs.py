"""Reservations near to what answers really take."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.policies.limits import Need
from orchestrator.policies.needs import Forecast
from orchestrator.types.usage import Usage


def used(input_tokens=100, output_tokens=100, **more):
    return Usage(input_tokens=input_tokens, output_tokens=output_tokens, **more)


def taught(outputs, forecast=None):
    forecast = forecast or Forecast()
    for tokens in outputs:
        forecast.learn(Need(100, 4_000), used(output_tokens=tokens))
    return forecast


def test_nothing_learnt_changes_nothing():
    """Before twenty answers the cap is reserved, and before one the input is taken as estimated."""
    assert Forecast().need(Need(123, 456)) == Need(123, 456)
    assert taught([10] * 19).need(Need(100, 4_000)) == Need(100, 4_000)
    assert taught([10] * 20).need(Need(100, 4_000)) == Need(100, 10)


def test_never_more_than_the_cap():
    """An answer cannot be longer than its cap, whatever others were; without a cap the guess gives way."""
    forecast = taught([3_000] * 20)
    assert forecast.need(Need(100, 500)).output_tokens == 500
    assert forecast.need(Need(100, 1_000), capped=False).output_tokens == 3_000
    assert forecast.need(Need(100, 0)).output_tokens == 0


def test_vendors_that_charge_the_cap():
    """Where the vendor counts the cap when the request arrives, the cap is reserved, however short the answers."""
    forecast = taught([10] * 50, forecast=Forecast(charges_output_cap=True))
    assert forecast.need(Need(100, 4_000)) == Need(100, 4_000)
    assert forecast.need(Need(100, 1_000), capped=False) == Need(100, 1_000)


LENGTHS = {
    "log-normal": lambda random: int(random.lognormvariate(6.0, 0.8)) + 1,
    "uniform": lambda random: random.randint(1, 1_000),
    "constant": lambda random: 300,
    "two kinds": lambda random: random.randint(20, 40) if random.random() < 0.7 else random.randint(1_500, 2_000),
}


@pytest.mark.parametrize("kind", LENGTHS)
def test_ninetieth_percentile(kind):
    """Over 4,000 answers of each distribution, 87 to 94 of 100 answers fit their reservation."""
    random, forecast, fitting = Random(7), taught([]), 0
    for number in range(5_000):
        tokens = LENGTHS[kind](random)
        fitting += number >= 1_000 and tokens <= forecast.need(Need(100, 10_000)).output_tokens
        forecast.learn(Need(100, 10_000), used(output_tokens=tokens))
    assert 0.87 <= fitting / 4_000 <= (1.0 if kind == "constant" else 0.94)
    assert forecast.output_p90 <= (330 if kind == "constant" else math.inf)


def test_lengths_that_change():
    """When answers become ten times as long, a hundred of them suffice; ten times as short, five hundred."""
    forecast = taught([100] * 100)
    taught([1_000] * 100, forecast=forecast)
    assert forecast.output_p90 >= 950
    taught([100] * 500, forecast=forecast)
    assert forecast.output_p90 <= 120


def test_input_is_corrected():
    """Where estimates are off by a constant factor, reservations come to it; with noise, to its upper end."""
    exact, noisy, random, covered = Forecast(), Forecast(), Random(7), 0
    for number in range(3_000):
        exact.learn(Need(1_000, 0), used(input_tokens=1_400))
        tokens = int(random.gauss(1_200, 150))
        covered += number >= 1_000 and tokens <= noisy.need(Need(1_000, 0)).input_tokens
        noisy.learn(Need(1_000, 0), used(input_tokens=tokens))
    assert exact.need(Need(500, 0)).input_tokens == pytest.approx(700, abs=2)
    assert 0.91 <= covered / 2_000 <= 0.97


def test_input_is_bounded():
    """No stream of odd counts moves the correction beyond a half or three times."""
    low, high = Forecast(), Forecast()
    for _ in range(300):
        low.learn(Need(1_000, 0), used(input_tokens=1))
        high.learn(Need(1_000, 0), used(input_tokens=10**9))
    assert (low.input_ratio, high.input_ratio) == (0.5, 3.0)


def test_what_teaches_nothing():
    """Our own estimates, tiny inputs and tasks without output leave the forecast as it was."""
    forecast = Forecast()
    for _ in range(30):
        forecast.learn(Need(1_000, 4_000), used(2_000, 10, source="estimate"))
        forecast.learn(Need(5, 0), used(15, None))
        forecast.learn(Need(1_000, 4_000), Usage())
    assert forecast.need(Need(100, 4_000)) == Need(100, 4_000)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6)), max_size=60))
def test_always_within_bounds(answers):
    """After any answers at all, a need is half to three times the input, and at least nothing, at most the cap."""
    forecast = Forecast()
    for estimate, input_tokens, output_tokens in answers:
        forecast.learn(Need(estimate, 500), used(input_tokens, output_tokens))
        need = forecast.need(Need(1_000, 500))
        assert 500 <= need.input_tokens <= 3_000
        assert 0 <= need.output_tokens <= 500
