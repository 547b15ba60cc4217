"""Runs app.py twice with a simulated vendor: it fails for a while in the first run, and the second does the rest."""

import asyncio
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from app import main

from orchestrator.testing import Simulator, Vendor


def model(request: dict[str, Any]) -> str:
    text = request["messages"][-1]["content"]
    return '{"topic": "billing"}' if "invoice" in text else '{"topic": "access"}'


def run(folder: Path) -> None:
    tickets = folder / "tickets.txt"
    tickets.write_text("\n".join(f"{number}: my {('invoice', 'login')[number % 2]} is wrong" for number in range(200)))
    with Simulator([Vendor(name="openai", answer=model, latency_s=0.01)]) as sim:
        vendor = sim["openai"]
        os.environ.update(OPENAI_BASE_URL=sim.url("openai") + "/v1", OPENAI_API_KEY="not-a-real-key")
        vendor.fail(401, calls=range(150, 10_000))  # somebody revokes the key half way
        asyncio.run(main(tickets, folder / "labels.jsonl"))
        vendor.heal()
        asyncio.run(main(tickets, folder / "labels.jsonl"))
        print(f"at most {vendor.requests.peak_in_flight} calls at once")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        run(Path(folder))
