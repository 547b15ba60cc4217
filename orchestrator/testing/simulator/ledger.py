"""What a simulated vendor remembers: a line per request it would bill, and a count of everything that knocked."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.types.call import Task

__all__ = ["Ledger", "LedgerEntry", "Received", "Traffic", "TrafficMeter"]

RECEIVED_KEPT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One request that a vendor processed, as its bill would show it.

    Attributes:
        request_id: the id in the answer's headers.
        response_id: the id in the answer's body; None where the wire has none.
        time: seconds since the epoch at which the request was admitted.
        vendor, wire, task: who answered, in which shape, what.
        model: the model asked for.
        input_tokens: all of the prompt, with the cached parts inside.
        cache_read_tokens, cache_write_tokens: parts of `input_tokens`.
        output_tokens: what was generated, reasoning inside; for a broken stream, until it broke.
        reasoning_tokens: part of `output_tokens`.
        search_units: rerank units, as Cohere counts them.
        status: the HTTP status of the answer, 0 if the connection broke before one was sent.
        streamed: the answer was sent as a stream.
        completed: the whole answer was handed to the network, without a fault in it.
    """

    request_id: str
    response_id: str | None
    time: float
    vendor: str
    wire: str
    model: str
    task: Task
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    search_units: int = 0
    status: int = 200
    streamed: bool = False
    completed: bool = True


class Ledger:
    """Entries in the order in which their requests ended. Safe to read from any thread."""

    def __init__(self) -> None:
        self._entries: list[LedgerEntry] = []
        self._lock = threading.Lock()

    def add(self, entry: LedgerEntry) -> None:
        """Append an entry."""
        with self._lock:
            self._entries.append(entry)

    def forget(self, vendor: str) -> None:
        """Drop one vendor's entries."""
        with self._lock:
            self._entries = [entry for entry in self._entries if entry.vendor != vendor]

    def entries(self, vendor: str | None = None) -> list[LedgerEntry]:
        """A copy of all entries, or of one vendor's."""
        with self._lock:
            entries = self._entries.copy()
        return entries if vendor is None else [entry for entry in entries if entry.vendor == vendor]


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it arrived. `body` is the parsed JSON, None if it was not JSON. Header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Traffic:
    """Every request seen, refused ones included. `by_status` counts what was answered; 0 stands for no answer."""

    total: int
    by_status: Mapping[int, int]
    in_flight: int
    peak_in_flight: int


class TrafficMeter:
    """Counts requests; `within` is the meter of the whole simulator, counted along."""

    def __init__(self, within: TrafficMeter | None = None) -> None:
        self._within = within
        self._lock = threading.Lock()
        self._total = self._in_flight = self._peak = 0
        self._by_status: Counter[int] = Counter()
        self._received: deque[Received] = deque(maxlen=RECEIVED_KEPT)

    @property
    def in_flight(self) -> int:
        """Requests that have arrived and are not answered yet."""
        return self._in_flight

    def arrive(self, received: Received | None = None) -> int:
        """Count a request in; gives its number, from 1."""
        if self._within is not None:
            self._within.arrive()
        with self._lock:
            self._total += 1
            self._in_flight += 1
            self._peak = max(self._peak, self._in_flight)
            if received is not None:
                self._received.append(received)
            return self._total

    def leave(self, status: int) -> None:
        """Count a request out."""
        if self._within is not None:
            self._within.leave(status)
        with self._lock:
            self._in_flight -= 1
            self._by_status[status] += 1

    def traffic(self) -> Traffic:
        """The counts now."""
        with self._lock:
            return Traffic(self._total, dict(self._by_status), self._in_flight, self._peak)

    def received(self) -> list[Received]:
        """The last requests, oldest first; at most 100 are kept."""
        with self._lock:
            return list(self._received)
