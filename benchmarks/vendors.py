"""Simulated vendors in processes of their own, so that a client's CPU, memory and sockets are its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from orchestrator.testing import Simulator, Vendor

__all__ = ["Seen", "VendorProcess"]

PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What a vendor has seen so far: all requests, and those it answered with status 200."""

    requests: int
    answered: int


def _serve(pipe: Connection, vendors: Sequence[Vendor]) -> None:
    with Simulator(vendors) as sim:
        pipe.send({vendor.name: sim.url(vendor.name) for vendor in vendors})
        while True:
            try:
                name, method, settings = pipe.recv()
            except EOFError:  # whoever started us is gone
                return
            if method == "seen":
                traffic = sim[name].requests
                pipe.send(Seen(traffic.total, traffic.by_status.get(200, 0)))
            else:
                getattr(sim[name], method)(**settings)
                pipe.send(None)


class VendorProcess:
    """Vendors behind real sockets, in a process of their own. Use in a `with` block."""

    def __init__(self, *vendors: Vendor) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, vendors), daemon=True)
        self._process.start()
        other.close()
        self._urls: dict[str, str] = self._answer()

    def url(self, name: str) -> str:
        """Where a vendor answers, without a path."""
        return self._urls[name]

    def seen(self, name: str) -> Seen:
        """A vendor's counts."""
        seen: Seen = self._ask(name, "seen")
        return seen

    def change(self, name: str, method: str, **settings: Any) -> None:
        """Call a method of `SimulatedVendor`: `fail`, `hang`, `cut`, `drop`, `heal`, `forget`."""
        self._ask(name, method, **settings)

    def _ask(self, name: str, method: str, **settings: Any) -> Any:
        self._pipe.send((name, method, settings))
        return self._answer()

    def _answer(self) -> Any:
        if not self._pipe.poll(PATIENCE_S):
            raise RuntimeError(f"the vendors' process does not answer (exit code {self._process.exitcode})")
        return self._pipe.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join(PATIENCE_S)
