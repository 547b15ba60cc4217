"""Ten thousand calls at once on one client, 200 of them at the vendor at a time, over real sockets; prints figures.

The vendor is in the same process: its part of memory and time is in the figures.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS / name) for name in ("path", "transport")]
sys.path[:0] = [str(TESTS.parent), str(TESTS.parent / "providers")]
os.environ.setdefault("TEST_KEY", "sk-test-0123456789abcdef")

from transport_server import Peer, Request, answer, served  # noqa: E402
from vendor import completion, config  # noqa: E402

from orchestrator import AsyncOrchestrator  # noqa: E402

CALLS = 10_000
UNDER_WAY = 200


def peak_mb() -> int:
    """The peak of this program alone; `ru_maxrss` would begin with that of whoever started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


async def main() -> dict[str, float]:
    """Run, and give the figures."""
    reply = answer(completion().body)

    async def script(peer: Peer, request: Request) -> None:
        await asyncio.sleep(0.05)
        await peer.send(reply)

    async with served(script) as server:
        values = config(["a"], deployments={"a": {"limits": {"concurrency": UNDER_WAY}}})
        values["providers"]["a"]["base_url"] = server.url("/v1")
        order: list[int] = []
        before = len(os.listdir("/proc/self/fd"))

        async def ask(number: int) -> None:
            await llm.chat("answer", f"question {number}", deadline=110)
            order.append(number)

        async with AsyncOrchestrator(values) as llm:
            began, cpu = time.monotonic(), time.process_time()
            await asyncio.gather(*[ask(number) for number in range(CALLS)])
            wall_s, cpu_s = time.monotonic() - began, time.process_time() - cpu
            gate = llm._core.snapshot.deployments["a"].gate
            assert gate.waiting == 0
            assert gate.slots[0].in_flight == 0  # type: ignore[attr-defined]
        await asyncio.sleep(0.3)
        return {
            "answered": len(order),
            "wall_s": round(wall_s, 2),
            "cpu_s": round(cpu_s, 2),
            "rss_mb": peak_mb(),
            "most_overtaken": max(abs(place - number) for place, number in enumerate(order)),
            "connections": server.connections,
            "left_sockets": len(os.listdir("/proc/self/fd")) - before,
        }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main())) + "\n")
