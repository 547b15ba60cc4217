"""Runs app.py with a simulated vendor: a model that gets the city wrong, corrects itself, and then answers."""

import os
from typing import Any

from app import main

from orchestrator.testing import CallTool, Simulator, Vendor


def model(request: dict[str, Any]) -> str | CallTool:
    last = request["messages"][-1]
    if last["role"] == "user":
        return CallTool("forecast", {"city": "Bergn"})
    if "no station" in last["content"]:
        return CallTool("forecast", {"city": "Bergen", "days": 2})
    return f"Take one along: {last['content']}."


if __name__ == "__main__":
    with Simulator([Vendor(name="openai", answer=model)]) as sim:
        os.environ.update(OPENAI_BASE_URL=sim.url("openai") + "/v1", OPENAI_API_KEY="not-a-real-key")
        main("Do I need an umbrella in Bergen?")
