"""How far off estimates of a request's tokens are, over recorded exchanges.

    WIRE_CORPUS=... python benchmarks/estimates.py

Prints two tables in Markdown: the error by family of models, and what an estimate costs. The truth is the vendor's own
count of the input, cached tokens included.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "corpus"))

from calls import answers, decode, task
from recorded_requests import read_request

from orchestrator.errors import OrchestratorError
from orchestrator.pricing import estimate_tokens
from orchestrator.sizing import frame_for
from orchestrator.tasks import TASKS
from orchestrator.types.chat import Media, ToolResult

FAMILIES = (
    "claude", "command", "deepseek", "gemini", "gpt-oss", "gpt-", "grok", "llama", "mistral", "nova", "qwen", "sonar",
)  # fmt: skip
LEAST = 10
TEXTS = {
    "English": "The committee met on Thursday to discuss the proposal that had been circulating for several weeks. ",
    "code": "def merge(left: list[int], right: list[int]) -> list[int]:\n    return sorted([*left, *right])\n",
    "Chinese": "昨天下午我们在图书馆见面讨论了下个月的旅行计划大家都同意先坐火车去南方。",
}


def measured() -> Iterator[tuple[str, int, int]]:
    """What a request is, its estimate and the vendor's count, of each recorded exchange that has all three."""
    for exchange in answers():
        name = task(exchange)
        request = read_request(name, exchange.dialect, exchange.request) if exchange.request else None
        try:
            usage = decode(exchange).usage if request is not None else None
        except OrchestratorError:
            continue
        if usage is None or not usage.input_tokens:
            continue
        model = (exchange.model or "").lower()
        estimate = TASKS[name].need(request, frame_for(model)).input_tokens
        yield kind_of(name, model, request), estimate, usage.input_tokens


def kind_of(name: str, model: str, request: Any) -> str:
    """The row of the table."""
    if name != "chat":
        return f"all, {name}"
    if any(has_media(part) for message in request.messages for part in message.parts):
        return "all, with media"
    family = next((one for one in FAMILIES if one in model), "others")
    return f"{family}{', with tools' if request.tools else ''}"


def has_media(part: Any) -> bool:
    """Whether a part is, or holds, what is no text."""
    if isinstance(part, ToolResult) and not isinstance(part.content, str):
        return any(isinstance(one, Media) for one in part.content)
    return isinstance(part, Media)


def row(name: str, pairs: list[tuple[int, int]]) -> str:
    """One row: how many, the median error, the error that nine of ten stay within, the share that is too low."""
    errors = sorted(abs(estimate - truth) / truth for estimate, truth in pairs)
    low = sum(estimate < truth for estimate, truth in pairs) / len(pairs)
    p90 = errors[int(0.9 * (len(errors) - 1))]
    return f"| {name} | {len(pairs)} | {statistics.median(errors):.0%} | {p90:.0%} | {low:.0%} |"


def accuracy() -> None:
    """Print the table of errors."""
    rows: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for name, estimate, truth in measured():
        rows[name].append((estimate, truth))
    print("| requests | recorded | median error | 90 % within | too low |\n| --- | ---: | ---: | ---: | ---: |")
    for name in sorted(rows, key=lambda one: (one.startswith("all"), one)):
        if len(rows[name]) >= LEAST:
            print(row(name, rows[name]))
    chats = [pair for name, pairs in rows.items() if not name.startswith("all") for pair in pairs]
    print(row("**all chats without media**", chats))


def cost() -> None:
    """Print the table of what an estimate costs, in CPU time: medians of many rounds."""
    print("\n| text | µs per 1,000 characters |\n| --- | ---: |")
    for name, line in TEXTS.items():
        text = (line * (100_000 // len(line) + 1))[:100_000]
        rounds = []
        for _ in range(31):
            begun = time.process_time()
            for _ in range(10):
                estimate_tokens(text)
            rounds.append((time.process_time() - begun) / 10 / (len(text) / 1_000) * 1e6)
        print(f"| {name} | {statistics.median(rounds):.1f} |")


if __name__ == "__main__":
    accuracy()
    cost()
