"""Asks one question and says what the answer cost.

OPENAI_API_KEY=... python app.py "Which plan includes SSO?"
python app.py --simulate "Which plan includes SSO?"      # a simulated vendor: no key, no network
"""

import os
import sys
from pathlib import Path

from orchestrator import Orchestrator
from orchestrator.testing import Simulator, Vendor

CONFIG = Path(__file__).with_name("orchestrator.yaml")


def ask(question: str) -> None:
    with Orchestrator.from_file(CONFIG) as llm:
        reply = llm.chat("answer", question, tags={"example": "minimal"})
    print(reply.text)
    print(f"{reply.deployment} ({reply.model}), {reply.usage.total_tokens} tokens, {reply.cost.total} USD")


def main(arguments: list[str]) -> None:
    if "--simulate" not in arguments:
        ask(" ".join(arguments) or "Say hello.")
        return
    arguments.remove("--simulate")
    with Simulator([Vendor(name="openai")]) as sim:
        os.environ.update(OPENAI_BASE_URL=sim.url("openai") + "/v1", OPENAI_API_KEY="not-a-real-key")
        ask(" ".join(arguments) or "Say hello.")


if __name__ == "__main__":
    main(sys.argv[1:])
