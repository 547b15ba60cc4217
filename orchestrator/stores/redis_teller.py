"""What the worker's thread says to Redis about budgets, and what it keeps until Redis has confirmed it.

Whatever is sent may be lost on the way, or done without our being told. So every reservation and every note has a name
of its own, and saying it twice does nothing more. What Redis itself may lose (it was restarted, emptied, replaced by a
replica) all processes tell once more: what they know to be spent, and what they hold. Redis calls the time since such a
loss an *era*, refuses whatever belongs to another one, and reserves nothing until all have had the time to tell. Only a
settlement whose answer was lost in that very moment may count twice: rather than not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

from orchestrator.spec.budgets import Charge, Listener, Refusal
from orchestrator.stores.redis_asks import Ask, answer_all
from orchestrator.stores.redis_slots import Command
from orchestrator.stores.redis_worker import Parcel

__all__ = ["Note", "Reservation", "Settlement", "Teller"]

_PER_COMMAND = 200
_PER_ROUND = 500
_MOST_KEPT = 50_000
_KEEP_S = 3_600.0

Answer: TypeAlias = Sequence[Any]


@dataclass(slots=True, eq=False)
class Reservation:
    """Money that is asked for, or held. `refusal` and `quiet_s` say why it was not granted."""

    id: str
    charges: Sequence[Charge]
    amount: int
    lease_s: float
    refusal: Refusal | None = None
    quiet_s: float = 0.0
    sent: bool = False


@dataclass(slots=True, eq=False)
class Settlement(Parcel):
    """A reservation has become what was spent."""

    reservation: Reservation
    spent: int
    sent: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Note(Parcel):
    """Money that was spent without a reservation."""

    charges: Sequence[Charge]
    spent: int


class Teller:
    """A `Passenger`. Other threads read `offset_s` and `down`, and write nothing.

    Args:
        prefix: of all keys.
        monotonic: this process's clock.
        listener: told, on the worker's thread, of money that this process has spent.
    """

    def __init__(self, prefix: str, monotonic: Callable[[], float], listener: Listener) -> None:
        self.offset_s: float | None = None
        """Redis's clock minus the monotonic one; None before the first answer."""
        self.down = False
        self._prefix = f"{prefix}:{{budgets}}:"
        self._monotonic = monotonic
        self._listener = listener
        self._server = self._era = ""
        self._asks: dict[str, Ask[Reservation]] = {}
        self._held: dict[str, Reservation] = {}
        self._settlements: dict[str, Settlement] = {}
        self._notes: dict[str, tuple[Charge, int]] = {}
        self._note: dict[str, tuple[Charge, int]] = {}
        self._note_number = 0
        self._note_sent = False
        self._known: dict[str, tuple[int, float]] = {}
        """What is spent by key, and when its window ends."""
        self._greet = True
        self._tell_again = self._telling = False
        self._handlers: list[Callable[[Answer], None]] = []
        self._answers: list[tuple[Ask[Any], float | None]] = []

    # What comes in --------------------------------------------------------------------------------------------------

    def take(self, work: object) -> bool:
        """See `Passenger.take`."""
        if isinstance(work, Ask) and isinstance(work.claim, Reservation):
            self._asks[work.claim.id] = work
            self._greet |= not work.claim.charges
        elif isinstance(work, Settlement):
            self._settle(work)
        elif isinstance(work, Note):
            for charge in work.charges:
                self._notes[charge.key] = (charge, self._notes.get(charge.key, (charge, 0))[1] + work.spent)
        else:
            return False
        return True

    def _settle(self, settlement: Settlement) -> None:
        self._held.pop(settlement.reservation.id, None)
        self._settlements[settlement.reservation.id] = settlement
        if len(self._settlements) > _MOST_KEPT:  # Redis is away for long: all that these held stays counted
            del self._settlements[next(iter(self._settlements))]

    def arrived(self, server: str) -> None:
        """See `Passenger.arrived`."""
        self._server = server
        self._greet = True

    def failed(self, *, down: bool) -> None:
        """See `Passenger.failed`. Who asks waits on for a passing failure, and is told of another."""
        self._handlers.clear()
        self._greet = True
        self.down = down
        if down:
            asks, self._asks = self._asks, {}
            for ask in asks.values():
                self._withdraw(ask)
            answer_all([(ask, None) for ask in asks.values()])

    def _withdraw(self, ask: Ask[Reservation]) -> None:
        if ask.claim.sent:  # it may be held over there
            self._settle(Settlement(ask.claim, 0))

    # What goes out --------------------------------------------------------------------------------------------------

    def commands(self, *, ticked: bool) -> list[Command]:
        """See `Passenger.commands`."""
        self._handlers, found = [], []
        for command, handler in self._all(ticked=ticked):
            found.append(command)
            self._handlers.append(handler)
        return found

    def _all(self, *, ticked: bool) -> Iterator[tuple[Command, Callable[[Answer], None]]]:
        if ticked:
            self._forget()
        if ticked or self._greet:
            self._greet = False
            yield self._command("greet", (), self._server, self._era), self._greeted
        if not self._era:
            return
        self._telling = self._tell_again
        if self._telling:
            yield from self._all_again()
        yield from self._noted()
        for settlement in islice(self._settlements.values(), _PER_ROUND):
            held, again = settlement.reservation, settlement.sent
            settlement.sent = True
            ends = [charge.ends for charge in held.charges]
            command = self._command("settle", held.charges, self._era, held.id, settlement.spent, *ends)
            yield command, partial(self._settled, settlement, again)
        for ask in self._asks.values():
            if ask.claim.charges:
                ask.claim.sent = True
                yield self._reserve("reserve", ask.claim), partial(self._asked, ask)

    def _all_again(self) -> Iterator[tuple[Command, Callable[[Answer], None]]]:
        """What Redis may have lost. What it has already is not counted twice."""
        known = iter(self._known.items())
        while batch := list(islice(known, _PER_COMMAND)):
            numbers = [number for _, pair in batch for number in pair]
            yield ("budgets.recall", self._keys(key for key, _ in batch), (self._era, *numbers)), _ignore
        for held in [*self._held.values(), *(one.reservation for one in self._settlements.values())]:
            yield self._reserve("renew", held), _ignore

    def _noted(self) -> Iterator[tuple[Command, Callable[[Answer], None]]]:
        if not self._note and self._notes:
            self._note = dict(islice(self._notes.items(), _PER_COMMAND))
            self._notes = {key: note for key, note in self._notes.items() if key not in self._note}
            self._note_number += 1
            self._note_sent = False
        if self._note:
            charges = [charge for charge, _ in self._note.values()]
            numbers = [number for charge, spent in self._note.values() for number in (spent, charge.ends)]
            again, self._note_sent = self._note_sent, True
            command = self._command("add", charges, self._era, self._note_number, *numbers)
            yield command, partial(self._added, charges, again)

    def _reserve(self, mode: str, held: Reservation) -> Command:
        numbers = [number for one in held.charges for number in (one.limit if one.capped else -1, one.ends)]
        return self._command(mode, held.charges, self._era, held.id, held.amount, held.lease_s, *numbers)

    def _command(self, mode: str, charges: Sequence[Charge], *arguments: Any) -> Command:
        return f"budgets.{mode}", self._keys(charge.key for charge in charges), arguments

    def _keys(self, names: Iterable[str]) -> tuple[str, ...]:
        return (f"{self._prefix}home", *[self._prefix + _sendable(name) for name in names])

    # What comes back ------------------------------------------------------------------------------------------------

    def answered(self, answers: Sequence[Any]) -> None:
        """See `Passenger.answered`."""
        handlers, self._handlers = self._handlers, []
        self.down = False
        for handler, answer in zip(handlers, answers, strict=True):
            handler(answer)
        if any(answer[0] == "over" for answer in answers):
            self._greet = True
        elif self._telling:
            self._tell_again = False
        granted, self._answers = self._answers, []
        answer_all(granted)

    def _greeted(self, answer: Answer) -> None:
        time, era, _ = answer
        self.offset_s = float(time) - self._monotonic()
        if era != self._era:
            self._tell_again = bool(self._era)
            self._era = era
        for met in [ask for ask in self._asks.values() if not ask.claim.charges]:
            del self._asks[met.claim.id]
            self._answers.append((met, 0.0))

    def _asked(self, ask: Ask[Reservation], answer: Answer) -> None:
        claim = ask.claim
        if answer[0] == "over":
            return
        del self._asks[claim.id]
        if answer[0] == "held":
            self._held[claim.id] = claim
            self._learn(claim.charges, answer[1:])
            self._answers.append((ask, 0.0))
            return
        if answer[0] == "full":
            charge = claim.charges[int(answer[1]) - 1]
            claim.refusal = Refusal(charge, soon=bool(answer[2]))
            self._learn([charge], answer[3:])
        else:
            claim.quiet_s = float(answer[1])
        claim.sent = False
        self._answers.append((ask, 1.0))

    def _settled(self, settlement: Settlement, again: bool, answer: Answer) -> None:
        if answer[0] == "over":
            return
        del self._settlements[settlement.reservation.id]
        for charge, counted, spent in zip(settlement.reservation.charges, answer[1::2], answer[2::2], strict=True):
            self._spent(charge, settlement.spent, counted, again, int(spent))

    def _added(self, charges: Sequence[Charge], again: bool, answer: Answer) -> None:
        if answer[0] == "over":
            return
        note, self._note = self._note, {}
        for charge, counted, spent in zip(charges, answer[1::2], answer[2::2], strict=True):
            self._spent(charge, note[charge.key][1], counted, again, int(spent))

    def _spent(self, charge: Charge, amount: int, counted: int, again: bool, after: int) -> None:
        """Tell the listener. Where the first answer was lost, from what was known before: rather twice than not."""
        before = after - amount if counted else self._known.get(charge.key, (after, 0.0))[0]
        self._learn([charge], [after])
        if amount and (counted or again):
            self._listener(charge, before, after)

    def _learn(self, charges: Sequence[Charge], spent: Sequence[Any]) -> None:
        for charge, amount in zip(charges, spent, strict=True):
            self._known[charge.key] = (int(amount), charge.ends)

    def _forget(self) -> None:
        """Of windows that are over nothing needs to be known."""
        if self.offset_s is not None and len(self._known) > _PER_COMMAND:
            over = self._monotonic() + self.offset_s - _KEEP_S
            self._known = {key: known for key, known in self._known.items() if known[1] > over}


def _sendable(name: str) -> str:
    """The name of a tenant or user may hold half a surrogate pair, which has no bytes that could be sent."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()


def _ignore(_answer: Answer) -> None:
    """Whether it was refused is seen of all answers together."""
