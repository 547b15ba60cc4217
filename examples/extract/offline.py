"""Runs app.py with a simulated vendor, whose first answer does not fit: the route's `repair` has it corrected."""

import json
import os
from pathlib import Path
from typing import Any

from app import main

from orchestrator.testing import Simulator, Vendor

LINES = [{"what": "two coils of rope, 12 mm", "amount": "84.00"}, {"what": "delivery", "amount": "6.50"}]


def model(request: dict[str, Any]) -> str:
    asked_to_correct = len(request["messages"]) > 1
    due = "2027-06-30" if asked_to_correct else "the 30th of June"
    return json.dumps({"number": "2041", "due": due, "lines": LINES})


if __name__ == "__main__":
    with Simulator([Vendor(name="openai", answer=model)]) as sim:
        os.environ.update(OPENAI_BASE_URL=sim.url("openai") + "/v1", OPENAI_API_KEY="not-a-real-key")
        main(Path(__file__).with_name("letter.txt").read_text())
