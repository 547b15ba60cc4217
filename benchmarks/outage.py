"""One of two vendors fails: what a hundred calls a second notice of it, client by client.

    python benchmarks/outage.py --peer litellm --peer litellm-tuned

Each client is run through the same outages, one after the other: the vendor answers 503 to everything; it accepts
requests and never answers; it resets connections and cuts streams before their first token. Half of the calls are
streams, both vendors get half of the calls, and the healthy one stays healthy throughout.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import math
import platform
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from clients import CLIENTS, Client
from vendors import VendorProcess

from orchestrator.testing import Vendor

LATENCY_S = 0.05
SHARE = 0.5
BACK_SHARE = 0.4
"""The vendor counts as fully back once it answers this share of the calls again; its weight is a half."""

Break = Callable[[VendorProcess], None]

OUTAGES: dict[str, Break] = {
    "503": lambda vendor: vendor.change("alpha", "fail", status=503),
    "hangs": lambda vendor: vendor.change("alpha", "hang"),
    "cuts": lambda vendor: (
        vendor.change("alpha", "cut", after_events=1),
        vendor.change("alpha", "drop", probability=0.5),
    )[0],
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One call. Monotonic seconds; `error` is the class of what was raised."""

    started: float
    took_s: float
    error: str | None


@dataclass(slots=True)
class Phase:
    """An outage as one client lived through it. Times are monotonic seconds."""

    name: str
    broken_at: float = 0.0
    healed_at: float = 0.0
    first_back_s: float = math.nan
    back_s: float = math.nan
    requests: int = 0
    outcomes: list[Outcome] = field(default_factory=list)

    def calm(self) -> list[Outcome]:
        """Calls from before the outage."""
        return [one for one in self.outcomes if one.started < self.broken_at]

    def hit(self) -> list[Outcome]:
        """Calls from while the vendor was sick."""
        return [one for one in self.outcomes if self.broken_at <= one.started < self.healed_at]


class Load:
    """Calls at a steady rate, however long they take: chats and streams by turns."""

    def __init__(self, client: Client, rate: float, deadline_s: float) -> None:
        self._client = client
        self._rate = rate
        self._deadline_s = deadline_s
        self._calls: set[asyncio.Task[None]] = set()
        self._stopped = False
        self.outcomes: list[Outcome] = []

    async def run(self) -> None:
        """Until `stop`."""
        begin, number = time.monotonic(), 0
        while not self._stopped:
            await asyncio.sleep(begin + number / self._rate - time.monotonic())
            call = asyncio.create_task(self._call(self._client.stream if number % 2 else self._client.chat))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
            number += 1

    async def stop(self) -> None:
        """No more calls; returns when the last one has ended."""
        self._stopped = True
        while self._calls:
            await asyncio.wait(self._calls)

    async def _call(self, ask: Callable[[float], object]) -> None:
        started, error = time.monotonic(), None
        try:
            await ask(self._deadline_s)  # type: ignore[misc]
        except Exception as failure:  # noqa: BLE001  # whatever a client raises is a call without an answer
            error = type(failure).__name__
        self.outcomes.append(Outcome(started, time.monotonic() - started, error))


async def endure(
    name: str, client: Client, alpha: VendorProcess, beta: VendorProcess, args: argparse.Namespace
) -> Phase:
    """Calm, the outage, and the way back."""
    phase, load = Phase(name), Load(client, args.rate, args.deadline)
    running = asyncio.create_task(load.run())
    await asyncio.sleep(args.calm)
    before = alpha.seen("alpha").requests
    phase.broken_at = time.monotonic()
    OUTAGES[name](alpha)
    await asyncio.sleep(args.outage)
    alpha.change("alpha", "heal")
    phase.healed_at = time.monotonic()
    phase.requests = alpha.seen("alpha").requests - before
    await watch_return(phase, alpha, beta, args.patience)
    await load.stop()
    await running
    phase.outcomes = load.outcomes
    return phase


async def watch_return(phase: Phase, alpha: VendorProcess, beta: VendorProcess, patience_s: float) -> None:
    """Until the healed vendor has its share of the calls again, looking at three seconds at a time."""
    window: list[tuple[int, int]] = []
    begin = alpha.seen("alpha").answered
    while (since := time.monotonic() - phase.healed_at) < patience_s:
        now = (alpha.seen("alpha").answered, beta.seen("beta").answered)
        if now[0] > begin and math.isnan(phase.first_back_s):
            phase.first_back_s = since
        window = [*window[-30:], now]
        mine, others = (now[i] - window[0][i] for i in (0, 1))
        if len(window) > 30 and mine >= BACK_SHARE * (mine + others):
            phase.back_s = max(since - 3.0, phase.first_back_s)
            return
        await asyncio.sleep(0.1)


def percentile(outcomes: Sequence[Outcome], share: float) -> float:
    """Milliseconds that this share of the calls took at most, failed ones included."""
    ranked = sorted(one.took_s for one in outcomes)
    return ranked[min(int(len(ranked) * share), len(ranked) - 1)] * 1e3


def row(label: str, phase: Phase) -> list[str]:
    """One line of the table."""
    calm, hit = phase.calm(), phase.hit()
    failed = [one for one in hit if one.error]
    before, during = ([percentile(calls, share) for share in (0.5, 0.99)] for calls in (calm, hit))
    return [
        phase.name,
        label,
        f"{len(hit) / (phase.healed_at - phase.broken_at):.0f}",
        f"{1 - len(failed) / len(hit):.2%}",
        "{:.0f} / {:.0f}".format(*before),
        "{:+.0f} / {:+.0f}".format(*(one - other for one, other in zip(during, before, strict=True))),
        f"{phase.requests / (len(hit) * SHARE):.2f}",
        f"{phase.first_back_s:.1f}",
        f"{phase.back_s:.1f}",
        ", ".join(f"{name} {count}" for name, count in Counter(one.error for one in failed).most_common(3)),
    ]


HEADER = [
    "outage",
    "client",
    "calls/s",
    "answered",
    "calm p50 / p99 ms",
    "added p50 / p99 ms",
    "load",
    "first back s",
    "back s",
    "failures",
]


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """As Markdown."""
    widths = [max(len(line[i]) for line in [HEADER, *rows]) for i in range(len(HEADER))]
    for line in [HEADER, ["-" * width for width in widths], *rows]:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |")


async def rehearse(args: argparse.Namespace) -> None:
    """All outages with all clients."""
    rows = []
    for outage in args.outages:
        for name in ["orchestrator", *args.peer]:
            # New vendors and a new client each time: nobody carries anything over.
            vendors = [Vendor(name=vendor, latency_s=LATENCY_S) for vendor in ("alpha", "beta")]
            with VendorProcess(vendors[0]) as alpha, VendorProcess(vendors[1]) as beta:
                client: Client = CLIENTS[name]({"alpha": alpha.url("alpha"), "beta": beta.url("beta")})
                await client.chat(args.deadline)
                rows.append(row(client.label, await endure(outage, client, alpha, beta, args)))
                await client.close()
                print("  ".join(rows[-1]), flush=True)
    print(f"\n{args.rate:g} calls/s, {args.deadline:g} s deadline, {args.calm:g} s calm, {args.outage:g} s outage;")
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}\n")
    print_table(rows)


def main() -> None:
    """Read the arguments and go."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--peer", action="append", default=[], choices=sorted(set(CLIENTS) - {"orchestrator"}))
    parser.add_argument("--outages", nargs="+", default=list(OUTAGES), choices=list(OUTAGES))
    parser.add_argument("--rate", type=float, default=100.0, help="calls a second")
    parser.add_argument("--deadline", type=float, default=30.0, help="seconds of one call")
    parser.add_argument("--calm", type=float, default=10.0, help="seconds before the outage")
    parser.add_argument("--outage", type=float, default=20.0, help="seconds of the outage")
    parser.add_argument("--patience", type=float, default=90.0, help="seconds to wait for the vendor's calls to return")
    logging.disable(logging.CRITICAL)  # the Router reports each failure
    asyncio.run(rehearse(parser.parse_args()))


if __name__ == "__main__":
    main()
