"""Runs app.py with a simulated chat vendor, which reads out the passage that it was given first.

The search is real where the extra `local` is installed; without it, it is simulated at vendors too.
"""

import os
from importlib.util import find_spec
from typing import Any

from app import HERE, main

from orchestrator.testing import Simulator, Vendor


def model(request: dict[str, Any]) -> str:
    first_passage = request["messages"][-1]["content"].split("\n\n")[0]
    return first_passage.removeprefix("[1] ") + " [1]"


if __name__ == "__main__":
    with Simulator([Vendor(name="openai", answer=model), Vendor(name="cohere", wire="cohere")]) as sim:
        os.environ.update(OPENAI_BASE_URL=sim.url("openai") + "/v1", OPENAI_API_KEY="not-a-real-key")
        os.environ.update(COHERE_BASE_URL=sim.url("cohere"), COHERE_API_KEY="not-a-real-key")
        local = find_spec("wordllama") is not None
        main("How do I turn on single sign-on?", HERE / ("orchestrator.yaml" if local else "vendors.yaml"))
