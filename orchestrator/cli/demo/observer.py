"""Listens to the client's own events and says what is new, in words. The first of each kind is enough."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from threading import Lock

from orchestrator.cli.demo.screen import Screen
from orchestrator.cli.demo.stage import CHATTING, NEW_MODEL
from orchestrator.spec.events import CallEvent, Event, NoticeEvent
from orchestrator.types.call import Attempt

__all__ = ["Observer"]

_WHAT = {
    "RateLimited": "{provider} answered 429",
    "ConnectionFailed": "{provider} cannot be reached",
    "StreamInterrupted": "{provider} broke off a stream in mid-answer",
}


class Observer:
    """A sink. `reloaded` counts the configurations that the running client took over."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._lock = Lock()
        self._told = {"back"}  # it has not been away yet
        self._resting = False
        self._answered: Counter[str] = Counter()
        self._retried = 0
        self.reloaded = 0

    def __call__(self, event: Event) -> None:
        """Take an event, in the thread where it happened."""
        with self._lock:
            if isinstance(event, NoticeEvent):
                self._notice(event)
                return
            for about, text in self._remarks(event):
                if about not in self._told:
                    self._told.add(about)
                    self._screen.tell(text)

    def new_act(self) -> tuple[Counter[str], int]:
        """Start counting anew. Gives the answers of the past act by deployment, and how many took a detour."""
        with self._lock:
            past = self._answered, self._retried
            self._answered, self._retried = Counter(), 0
            return past

    def expect_rest(self) -> None:
        """The first choice has asked for a rest: it is news that others are asked at once."""
        self._resting = True

    def expect_return(self) -> None:
        """The first choice is well again: it is news that it answers."""
        with self._lock:
            self._resting = False
            self._told.discard("back")

    def _notice(self, event: NoticeEvent) -> None:
        if event.name == "llm.config.reloaded":
            self.reloaded += 1
            self._screen.tell("took the new file over; nothing was restarted")
        else:
            self._screen.tell(event.message)

    def _remarks(self, event: CallEvent) -> Iterator[tuple[str, str]]:
        """What might be worth a word: a key to say it once, and the words."""
        if event.task != "chat" or not event.attempts:
            return
        last = event.attempts[-1]
        if event.error is not None:
            yield from self._failure(last)
            return
        self._answered[last.deployment] += 1
        if len(event.attempts) > 1:
            self._retried += 1
            yield from self._detour(event.attempts[0], last, event.timings.duration_ms)
        elif self._resting and self._retried and last.deployment != CHATTING[0]:
            yield "rest", f"{CHATTING[0]} is left alone for as long as it asked; {last.deployment} is called at once"
        elif last.deployment == CHATTING[0]:
            yield "back", f"{CHATTING[0]} ({last.provider}) answers again"
        if last.model == NEW_MODEL:
            yield "new model", f"first answer by {NEW_MODEL}"

    def _failure(self, last: Attempt) -> Iterator[tuple[str, str]]:
        what = _WHAT.get(last.error or "", "{provider}: " + str(last.error)).format(provider=last.provider)
        if last.error == "StreamInterrupted":
            what += "; the application has the text so far, and asks again"
        yield f"failed {last.error}", what

    def _detour(self, first: Attempt, last: Attempt, duration_ms: float) -> Iterator[tuple[str, str]]:
        what = _WHAT.get(first.error or "", "{provider}: " + str(first.error)).format(provider=first.provider)
        if first.maybe_billed:
            what = f"{first.provider} broke off a call in mid-flight"
        text = f"{what}; {last.deployment} ({last.provider}) answered that call, {duration_ms:.0f} ms in all"
        yield f"detour {first.error} {first.maybe_billed}", text
