"""Runs each program, before and after, against a simulated vendor: their answers and costs are the same."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from orchestrator.testing import Simulator, Vendor

HERE = Path(__file__).parent


def run(name: str) -> None:
    with Simulator([Vendor(name="openai", answer="The Team plan.")]) as sim:
        vendor = {"OPENAI_BASE_URL": sim.url("openai") + "/v1", "OPENAI_API_KEY": "not-a-real-key"}
        # LiteLLM would fetch its price list at import.
        environment = {**os.environ, **vendor, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        done = subprocess.run(
            [sys.executable, str(HERE / name)], env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
        print(f"{name}: {done.stdout.strip().replace(chr(10), ' | ')}")


if __name__ == "__main__":
    for package in ("openai", "litellm"):
        if find_spec(package) is not None:
            run(f"{package}_before.py")
        run(f"{package}_after.py")
