"""The handle of a running vendor: change how it behaves, read what it has seen. From any thread, at any time."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypedDict, Unpack

from orchestrator.testing.simulator.answers import Scripted
from orchestrator.testing.simulator.behaviour import Fault, FaultKind, Vendor
from orchestrator.testing.simulator.ledger import Ledger, LedgerEntry, Received, Traffic, TrafficMeter
from orchestrator.testing.simulator.limits import Limiter, Limits

__all__ = ["FaultOptions", "Listener", "SimulatedVendor"]


class Listener(Protocol):
    """The door of a vendor."""

    def close(self) -> None:
        """Refuse connections and reset the open ones."""
        ...

    def open(self) -> None:
        """Accept connections again, at the same port."""
        ...


class FaultOptions(TypedDict, total=False):
    """Which requests a fault hits; see `Fault`."""

    calls: tuple[int, ...] | frozenset[int] | range
    count: int
    probability: float


@dataclass(slots=True)
class _Armed:
    fault: Fault
    left: int | None

    def hits(self, number: int, chance: random.Random) -> bool:
        fault = self.fault
        if self.left == 0 or (fault.calls is not None and number not in fault.calls):
            return False
        if fault.probability < 1 and chance.random() >= fault.probability:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class SimulatedVendor:
    """One vendor of a running simulator. What is changed holds for the requests that arrive afterwards."""

    def __init__(self, vendor: Vendor, ledger: Ledger, meter: TrafficMeter, listener: Listener) -> None:
        self._lock = threading.Lock()
        self._settings = vendor
        self._limiter = Limiter(vendor.limits)
        self._chance = random.Random(vendor.seed)
        self._faults = [_Armed(fault, fault.count) for fault in vendor.faults]
        self._ledger = ledger
        self._listener = listener
        self.meter = meter

    @property
    def name(self) -> str:
        """What the simulator calls it."""
        return self._settings.name

    @property
    def settings(self) -> Vendor:
        """How it behaves now, armed faults aside."""
        return self._settings

    @property
    def limiter(self) -> Limiter:
        """Its rate limits' state; belongs to the simulator's thread."""
        return self._limiter

    @property
    def ledger(self) -> list[LedgerEntry]:
        """What it processed."""
        return self._ledger.entries(self.name)

    def forget(self) -> None:
        """Empty the ledger, which grows with every answer. The counts in `requests` stay."""
        self._ledger.forget(self.name)

    @property
    def requests(self) -> Traffic:
        """What knocked."""
        return self.meter.traffic()

    @property
    def received(self) -> list[Received]:
        """Its last 100 requests."""
        return self.meter.received()

    def set(self, **changes: Any) -> None:
        """Change settings by their names in `Vendor`; `limits` start anew, `faults` replace all others."""
        with self._lock:
            self._settings = replace(self._settings, **changes)
            if "limits" in changes:
                self._limiter = Limiter(self._settings.limits)
            if "faults" in changes:
                self._faults = [_Armed(fault, fault.count) for fault in self._settings.faults]

    def limit(self, **limits: Any) -> None:
        """Replace all limits: `limit(rpm=60)`; `limit()` lifts them. See `Limits`."""
        self.set(limits=Limits(**limits))

    def answer(self, scripted: Scripted | None) -> None:
        """Say this from now on; None for made-up answers."""
        self.set(answer=scripted)

    def inject(self, *faults: Fault) -> None:
        """Let things go wrong. What was injected last comes first."""
        with self._lock:
            self._faults[:0] = [_Armed(fault, fault.count) for fault in faults]

    def fail(
        self,
        status: int = 503,
        *,
        code: str | None = None,
        retry_after: float | str | None = None,
        **which: Unpack[FaultOptions],
    ) -> None:
        """Answer with an error status: `fail(429, code="insufficient_quota")`, `fail(503, count=5)`."""
        self.inject(Fault(kind="status", status=status, code=code, retry_after=retry_after, **which))

    def drop(self, **which: Unpack[FaultOptions]) -> None:
        """Reset the connection instead of answering."""
        self.inject(Fault(kind="drop", **which))

    def hang(self, **which: Unpack[FaultOptions]) -> None:
        """Never answer. What hangs goes on hanging after `heal`, until its caller leaves."""
        self.inject(Fault(kind="hang", **which))

    def cut(
        self, after_events: int = 2, *, ending: Literal["reset", "clean"] = "reset", **which: Unpack[FaultOptions]
    ) -> None:
        """Break answers off after so many events."""
        self.inject(Fault(kind="cut", after_events=after_events, ending=ending, **which))

    def stall(self, after_events: int = 2, *, keepalive_s: float | None = None, **which: Unpack[FaultOptions]) -> None:
        """Fall silent after so many events, with keep-alives or without."""
        self.inject(Fault(kind="stall", after_events=after_events, keepalive_s=keepalive_s, **which))

    def garble(self, kind: FaultKind = "html", *, after_events: int = 2, **which: Unpack[FaultOptions]) -> None:
        """Answer with something that is no answer; see `FaultKind`."""
        self.inject(Fault(kind=kind, after_events=after_events, **which))

    def heal(self) -> None:
        """Disarm all faults. Limits stay, and a killed vendor stays dead."""
        with self._lock:
            self._faults = []

    def kill(self) -> None:
        """Die: reset all connections and refuse new ones."""
        self._listener.close()

    def revive(self) -> None:
        """Listen again at the same address. Does nothing to a vendor that lives."""
        self._listener.open()

    def pick_fault(self, number: int) -> Fault | None:
        """What goes wrong with this request; uses up one of its count."""
        if not self._faults:
            return None
        with self._lock:
            return next((armed.fault for armed in self._faults if armed.hits(number, self._chance)), None)

    def jittered(self, delay_s: float) -> float:
        """A delay, with jitter."""
        jitter = self._settings.jitter
        return delay_s * (1 + jitter * (2 * self._chance.random() - 1)) if jitter and delay_s else delay_s
