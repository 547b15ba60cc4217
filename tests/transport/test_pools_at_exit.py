"""A client that lives as long as its process, as most do."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
from orchestrator import Orchestrator
from orchestrator.testing import Simulator, Vendor

with Simulator([Vendor(name="here", answer="Yes.")]) as vendors:
    provider = {"kind": "openai", "base_url": vendors.url("here") + "/v1", "api_key": {"env": "TEST_KEY"}}
    llm = Orchestrator({
        "version": 1,
        "providers": {"here": provider},
        "deployments": {"d": {"provider": "here", "model": "m"}},
        "routes": {"answer": {"task": "chat", "pick": "d"}},
        "log": {"to": "none"},
    })
    print(llm.chat("answer", "Does it?").text)
"""
INSIDE = PROGRAM.replace("    llm = ", "    def ask():\n        llm = ").replace("    print(llm", "        print(llm")


@pytest.mark.parametrize("program", [PROGRAM, f"{INSIDE}    ask()\n"], ids=["a global", "a local"])
def test_a_client_that_nobody_closes_says_nothing_at_exit(program: str) -> None:
    """The answer is printed, and no complaint of unclosed sessions after it."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("Yes.\n", "", 0)
