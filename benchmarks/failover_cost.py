"""What a call that fails over costs in CPU beyond one that does not: the path alone, without network or vendor.

    python benchmarks/failover_cost.py

The transport answers at once. Of the calls that are to fail over, every third meets a 503 at the first deployment (more
in a row would open its breaker, and then nothing fails over); the cost of one is worked out from the difference.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import os
import platform
import pstats
import statistics
import time
from collections.abc import Callable

from clients import QUESTION, orchestrator_config

from orchestrator import AsyncOrchestrator
from orchestrator.spec.transport import HttpReply, HttpRequest
from orchestrator.testing import ScriptedTransport, json_reply

EVERY = 3
URLS = {"alpha": "https://alpha.example.com", "beta": "https://beta.example.com"}
OK = json_reply(
    {
        "id": "chatcmpl-1",
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 1},
    }
)
REFUSED = json_reply({"error": {"message": "overloaded", "type": "server_error", "code": None}}, status=503)


class FarSide:
    """Answers; with `failing`, refuses each third call at the first deployment."""

    def __init__(self, *, failing: bool) -> None:
        self._failing = failing
        self._calls = 0

    def __call__(self, request: HttpRequest) -> HttpReply:
        """One exchange."""
        if "alpha" not in request.url:
            return OK
        self._calls += 1
        return REFUSED if self._failing and self._calls % EVERY == 0 else OK


async def chats(calls: int, *, failing: bool, around: Callable[[], None] = lambda: None) -> float:
    """CPU microseconds per call, one at a time."""
    transport = ScriptedTransport(FarSide(failing=failing))
    config = orchestrator_config(URLS)
    config["routes"]["answer"]["pick"] = list(URLS)
    async with AsyncOrchestrator(config, transport=transport) as llm:
        for _ in range(200):
            await llm.chat("answer", QUESTION)
        around()
        begin = time.process_time()
        for _ in range(calls):
            transport.requests.clear()
            await llm.chat("answer", QUESTION)
        return (time.process_time() - begin) / calls * 1e6


def profile(calls: int, lines: int) -> None:
    """Where the time of failing over goes."""
    profiler = cProfile.Profile()
    asyncio.run(chats(calls, failing=True, around=profiler.enable))
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(lines)


def main() -> None:
    """Read the arguments and go."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=6_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--profile", type=int, metavar="LINES", help="print a profile instead")
    args = parser.parse_args()
    os.environ.setdefault("BENCHMARK_KEY", "sk-benchmark")
    if args.profile:
        profile(args.calls, args.profile)
        return
    plain, extra = [], []
    for _ in range(args.rounds):
        plain.append(asyncio.run(chats(args.calls, failing=False)))
        mixed = asyncio.run(chats(args.calls, failing=True))
        extra.append((mixed - plain[-1]) * EVERY)
    print("| call | CPU µs, median of rounds |\n| --- | --- |")
    print(f"| answered at once | {statistics.median(plain):.0f} |")
    print(f"| failed over once | {statistics.median(plain) + statistics.median(extra):.0f} |")
    print(f"\nPython {platform.python_version()}, {platform.system()} {platform.machine()}")


if __name__ == "__main__":
    main()
