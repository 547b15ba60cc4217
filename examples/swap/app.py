"""Keeps asking, and says which model answered. Edit orchestrator.yaml meanwhile: the next answers are the new model's.

OPENAI_API_KEY=... python app.py
python offline.py                                   # the same with a simulated vendor: no key, no network
"""

import time
from pathlib import Path

from orchestrator import Orchestrator

CONFIG = Path(__file__).with_name("orchestrator.yaml")


def main(config: Path = CONFIG, *, questions: int = 1000, pause_s: float = 1.0) -> None:
    with Orchestrator.from_file(config) as llm:
        for number in range(questions):
            reply = llm.chat("answer", f"Question {number}: which model are you?")
            print(number, reply.model, f"{reply.cost.total} USD", flush=True)
            time.sleep(pause_s)


if __name__ == "__main__":
    main()
