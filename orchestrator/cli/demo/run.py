"""Runs the demo from the first line to the exit code."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from orchestrator import AsyncOrchestrator, OrchestratorError
from orchestrator.cli.calling import dollars
from orchestrator.cli.demo.audit import audit, read_log
from orchestrator.cli.demo.observer import Observer
from orchestrator.cli.demo.pace import FAST, NORMAL, Pace
from orchestrator.cli.demo.questions import questions
from orchestrator.cli.demo.report import report, way_on
from orchestrator.cli.demo.screen import Screen
from orchestrator.cli.demo.stage import VENDORS, DemoError, Stage, open_folder, staged
from orchestrator.cli.demo.story import Story
from orchestrator.cli.demo.traffic import Traffic

__all__ = ["run"]

_QUESTION = "Which plan includes SSO?"
_FAILED = 1
_INTERRUPTED = 130
_BOOKS_CLOSED_WITHIN_S = 5.0


def run(directory: Path | None, *, fast: bool, quiet: bool, seed: int) -> int:
    """Play the demo; returns the exit code. What can be expected to go wrong is said in one line."""
    pace = FAST if fast else NORMAL
    screen = Screen(plain=quiet, total=pace.questions)
    try:
        folder = open_folder(directory)
        with staged(folder, pace, seed) as stage:
            return asyncio.run(_play(stage, screen, pace, seed))
    except (DemoError, OrchestratorError, OSError) as error:
        print(f"orchestrator demo: {error}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        print("orchestrator demo: stopped; the vendors are gone, file and log stay", file=sys.stderr)
        return _INTERRUPTED


async def _play(stage: Stage, screen: Screen, pace: Pace, seed: int) -> int:
    _introduce(screen, stage)
    observer = Observer(screen)
    story = Story(stage, screen, observer, pace)
    with screen:
        async with AsyncOrchestrator.from_file(stage.file, sinks=[observer]) as llm:
            await _one_call(screen, llm)
            traffic = Traffic(llm, questions(seed), lambda: screen.count(traffic.ended, traffic.in_flight))
            await _perform(story, traffic, pace)
    await _books_closed(stage)
    lines = read_log(stage.log)
    found = audit(lines, stage.simulator.ledger)
    report(screen.console, traffic, lines, story.acts, found)
    way_on(screen.console, stage.file)
    return 0 if traffic.answered == traffic.asked and found.agrees else _FAILED


async def _one_call(screen: Screen, llm: AsyncOrchestrator) -> None:
    """What the application writes, and what it gets."""
    console = screen.console
    console.print("[bold]One call[/] of the application:")
    console.print(f'  reply = llm.chat("answer", "{_QUESTION}", tenant="acme")', markup=False, soft_wrap=True)
    reply = await llm.chat("answer", _QUESTION, tenant="acme", tags={"feature": "faq"})
    counts = f"{reply.usage.input_tokens} tokens in, {reply.usage.output_tokens} out"
    total = "" if reply.cost.total is None else f", {dollars(reply.cost.total)}"
    took = f"{reply.timings.duration_ms / 1e3:.1f} s"
    console.print(f"  {reply.deployment} ({reply.model}), {counts}{total}, {took}\n", style="dim", markup=False)


async def _perform(story: Story, traffic: Traffic, pace: Pace) -> None:
    over = asyncio.Event()
    flow = asyncio.create_task(traffic.flow(pace.questions_per_s, over))
    try:
        await story.play(lambda: traffic.in_flight)
        over.set()
        await flow
    finally:
        flow.cancel()
        await asyncio.wait([flow])


async def _books_closed(stage: Stage) -> None:
    """A vendor books a request when its answer is out, which may be a moment after it was read."""
    clock = asyncio.get_running_loop().time
    end = clock() + _BOOKS_CLOSED_WITHIN_S
    while stage.simulator.requests.in_flight and clock() < end:
        await asyncio.sleep(0.02)


def _introduce(screen: Screen, stage: Stage) -> None:
    console = screen.console
    vendors = ", ".join(f"{name} ({wire})" for name, wire in VENDORS.items())
    console.print("[bold]orchestrator demo[/]: one application, three vendors, one bad day\n")
    console.print(
        f"The vendors are simulated on this machine, and their answers are made up: {vendors}. Routing, retries,"
        " limits, prices and the log are the real thing. Nothing leaves this machine."
    )
    console.print(f"Who answers what is said in {stage.file}\n", markup=False, soft_wrap=True)
