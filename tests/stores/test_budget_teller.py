"""What is said to Redis about budgets when answers get lost: everything again, nothing twice."""

from __future__ import annotations

import time
from typing import Any

from orchestrator.spec.budgets import Charge
from orchestrator.stores.redis_asks import BlockingAsk
from orchestrator.stores.redis_teller import Note, Reservation, Settlement, Teller

BUDGET = Charge("b", "b", "", 1_000, True, time.time() + 1_000, (0.5,))


class Talk:
    """A teller, and a Redis that answers by hand."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []
        self.teller = Teller("p", time.monotonic, lambda charge, before, after: self.told.append((before, after)))
        self.teller.arrived("server")

    def said(self) -> list[tuple[Any, ...]]:
        """Modes, with what comes after the era."""
        return [(mode.removeprefix("budgets."), *more[1:]) for mode, _, more in self.teller.commands(ticked=False)]

    def hear(self, *answers: list[Any]) -> None:
        self.teller.answered(answers)

    def meet(self, era: str = "one") -> None:
        assert self.said()[0][0] == "greet"
        self.hear(["1000.0", era, "0"])

    def hold(self, name: str) -> Reservation:
        asked = Reservation(name, [BUDGET], 100, 60.0)
        ask = BlockingAsk(asked, lambda reservation: None)
        self.teller.take(ask)
        assert self.said() == [("reserve", name, 100, 60.0, 1_000, BUDGET.ends)]
        self.hear(["held", "0"])
        assert ask.outcome(0.0) == 0.0
        return asked


def test_a_settlement_is_said_until_it_is_answered():
    """A settlement whose answer is lost is said again under its name; who was told nothing is told what was missed."""
    talk = Talk()
    talk.meet()
    talk.teller.take(Settlement(talk.hold("a"), 70))
    settle = ("settle", "a", 70, BUDGET.ends)
    assert talk.said() == [settle]
    talk.teller.failed(down=False)
    assert talk.said()[1:] == [settle]
    talk.hear(["1000.0", "one", "0"], ["done", 0, "95"])
    assert talk.told == [(0, 95)]
    assert talk.said() == []


def test_notes_are_added_up_and_numbered():
    """What is spent without a reservation goes as one sum; lost on the way, it goes again under the same number."""
    talk = Talk()
    talk.meet()
    for spent in (3, 4):
        talk.teller.take(Note([BUDGET], spent))
    assert talk.said() == [("add", 1, 7, BUDGET.ends)]
    talk.teller.take(Note([BUDGET], 5))
    talk.teller.failed(down=True)
    assert talk.said()[1:] == [("add", 1, 7, BUDGET.ends)]
    talk.hear(["1000.0", "one", "0"], ["done", 1, "7"])
    assert talk.said() == [("add", 2, 5, BUDGET.ends)]
    talk.hear(["done", 1, "12"])
    assert talk.told == [(0, 7), (7, 12)]


def test_a_new_era_is_told_everything():
    """After Redis lost its memory it is told what is spent, held and being settled, until it has heard it."""
    talk = Talk()
    talk.meet()
    talk.hold("a")
    gone = talk.hold("b")
    talk.teller.take(Settlement(gone, 70))
    assert talk.said() == [("settle", "b", 70, BUDGET.ends)]
    talk.hear(["over"])
    talk.said()
    talk.hear(["1001.0", "two", "3"], ["over"])
    everything = [
        ("recall", 0, BUDGET.ends),
        ("renew", "a", 100, 60.0, 1_000, BUDGET.ends),
        ("renew", "b", 100, 60.0, 1_000, BUDGET.ends),
        ("settle", "b", 70, BUDGET.ends),
    ]
    assert talk.said()[1:] == everything
    talk.teller.failed(down=False)
    assert talk.said()[1:] == everything
    talk.hear(["1001.0", "two", "3"], ["done"], ["held", "0"], ["held", "0"], ["done", 1, "70"])
    assert talk.said() == []
    assert talk.told == [(0, 70)]


def test_who_asked_in_vain_holds_nothing():
    """A reservation whose answer never came is given back as soon as Redis can be told."""
    talk = Talk()
    talk.meet()
    ask = BlockingAsk(Reservation("a", [BUDGET], 100, 60.0), lambda reservation: None)
    talk.teller.take(ask)
    assert talk.said()[0][:2] == ("reserve", "a")
    talk.teller.failed(down=True)
    assert talk.teller.down
    assert ask.outcome(0.0) is None
    assert talk.said()[1:] == [("settle", "a", 0, BUDGET.ends)]
