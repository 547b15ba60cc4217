"""Rehearses outages of the vendors in CI: real HTTP, no key, no network. Run it with `pytest`."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from faq import SORRY, faq

from orchestrator import Orchestrator, StreamInterrupted
from orchestrator.spec.events import CallEvent
from orchestrator.testing import CapturedEvents, Simulator, Vendor

CONFIG = Path(__file__).with_name("orchestrator.yaml")


@pytest.fixture
def sim() -> Iterator[Simulator]:
    vendors = [Vendor(name="first", answer="first"), Vendor(name="second", wire="anthropic", answer="second")]
    with Simulator(vendors) as sim:
        yield sim


@pytest.fixture
def events() -> CapturedEvents:
    return CapturedEvents()


@pytest.fixture
def llm(sim: Simulator, events: CapturedEvents, monkeypatch: pytest.MonkeyPatch) -> Iterator[Orchestrator]:
    """The application's own file, with its vendors' addresses on loopback."""
    monkeypatch.setenv("FIRST_URL", sim.url("first") + "/v1")
    monkeypatch.setenv("SECOND_URL", sim.url("second"))
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-key")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-real-key")
    with Orchestrator.from_file(CONFIG, sinks=[events]) as llm:
        yield llm


def test_on_a_good_day_the_first_one_answers(llm: Orchestrator, sim: Simulator) -> None:
    assert faq(llm, "Which plan?") == "first"
    assert sim["second"].received == []


@pytest.mark.parametrize("trouble", ["429", "503", "reset", "a web page", "gone"])
def test_the_second_one_steps_in(llm: Orchestrator, sim: Simulator, trouble: str) -> None:
    first = sim["first"]
    match trouble:
        case "429" | "503":
            first.fail(int(trouble))
        case "reset":
            first.drop()
        case "a web page":
            first.garble("html")
        case _:
            first.kill()
    assert faq(llm, "Which plan?") == "second"


def test_without_vendors_the_user_is_told_before_the_deadline(llm: Orchestrator, sim: Simulator) -> None:
    sim["first"].kill()
    sim["second"].fail(529)
    begun = time.monotonic()
    assert faq(llm, "Which plan?") == SORRY
    assert time.monotonic() - begun < 6


def test_an_answer_that_breaks_off_is_never_taken_for_whole(llm: Orchestrator, sim: Simulator) -> None:
    sim["first"].answer("one two three four")
    sim["first"].cut(after_events=4, ending="clean")
    with pytest.raises(StreamInterrupted) as caught, llm.stream("answer", "Which plan?") as stream:
        list(stream)
    assert caught.value.text.startswith("one")


def test_what_failed_is_in_the_log(llm: Orchestrator, sim: Simulator, events: CapturedEvents) -> None:
    sim["first"].fail(503)
    faq(llm, "Which plan?")
    (call,) = [event for event in events if isinstance(event, CallEvent)]
    assert [attempt.error for attempt in call.attempts] == ["Overloaded", None]
    assert call.cost.total
