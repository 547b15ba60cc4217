"""A process of the tests' own that spends as fast as it may."""

from __future__ import annotations

import asyncio
import json
import sys

from orchestrator import AsyncOrchestrator, OrchestratorError


def say(*words: object) -> None:
    """One line, whole: several threads speak."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def main(setup: dict, callers: int, turns: int) -> None:
    """So many callers at once, each asking so many times; says how every call ended, and what was told."""

    def told(event: object) -> None:
        if getattr(event, "name", "") == "llm.budget.alert":
            say("alert", event.details["share"])

    async with AsyncOrchestrator(setup, sinks=[told]) as llm:
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)

        async def caller() -> None:
            for _ in range(turns):
                try:
                    reply = await llm.chat("answer", "hi there", deadline=15)
                    say("answered", reply.deployment)
                except OrchestratorError as error:
                    say("refused", type(error).__name__)
                    await asyncio.sleep(0.3)

        await asyncio.gather(*[caller() for _ in range(callers)])


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
