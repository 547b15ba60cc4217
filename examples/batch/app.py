"""Classifies a file of texts, many at a time, and goes on where it stopped when it is started again.

OPENAI_API_KEY=... python app.py tickets.txt labels.jsonl
python offline.py                                   # the same with a simulated vendor: no key, no network

How many calls are under way at once is the file's `concurrency`; WORKERS only bounds how many wait for it.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, TextIO

from pydantic import BaseModel

from orchestrator import AsyncOrchestrator, InvalidRequest, OrchestratorError

CONFIG = Path(__file__).with_name("orchestrator.yaml")
WORKERS = 32


class Label(BaseModel):
    topic: Literal["billing", "access", "other"]


async def classify(llm: AsyncOrchestrator, text: str) -> dict[str, Any]:
    """One line of the result. A text that fails is a line too: it must not stop the others."""
    try:
        reply = await llm.chat("label", text, output=Label, priority="low", tags={"job": "tickets"})
    except OrchestratorError as error:
        return {"text": text, "error": type(error).__name__, "again": not isinstance(error, InvalidRequest)}
    cost = reply.cost.total
    return {"text": text, "topic": reply.output.topic, "usd": None if cost is None else str(cost)}


async def work(llm: AsyncOrchestrator, texts: Iterator[str], out: TextIO) -> None:
    for text in texts:  # all workers share one iterator
        out.write(json.dumps(await classify(llm, text)) + "\n")
        out.flush()


def finished(path: Path) -> dict[str, dict[str, Any]]:
    """What earlier runs have done, by text. Only a text that is itself at fault is not tried again."""
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return {line["text"]: line for line in lines if not line.get("again")}


async def main(source: Path, target: Path) -> None:
    before = finished(target)
    texts = [text for text in source.read_text().splitlines() if text and text not in before]
    async with AsyncOrchestrator.from_file(CONFIG) as llm:
        with target.open("a") as out:
            shared = iter(texts)
            await asyncio.gather(*[work(llm, shared, out) for _ in range(WORKERS)])
    after = finished(target)
    dollars = sum((Decimal(line["usd"]) for line in after.values() if line.get("usd")), Decimal(0))
    print(f"{len(texts)} asked, {len(after)} of {len(before) + len(texts)} done, {dollars} USD in all")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
