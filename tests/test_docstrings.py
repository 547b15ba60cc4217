"""What `help()` and an editor show: every public name says what it is, with an example that is run here."""

from __future__ import annotations

import asyncio
import doctest
import inspect
import os
import pydoc
import subprocess
import sys

import httpx
import pytest

import orchestrator
from orchestrator import Orchestrator, OrchestratorError, errors, testing
from orchestrator.types.chat import ToolCall

FILE = """\
version: 1
providers:
  openai: {kind: openai, api_key: {env: TEST_KEY}}
  cohere: {kind: cohere, api_key: {env: TEST_KEY}}
deployments:
  mini: {provider: openai, model: gpt-4o-mini}
  te3: {provider: openai, model: text-embedding-3-small, dimensions: 8}
  ranker: {provider: cohere, model: rerank-v3.5}
routes:
  answer: {task: chat, pick: mini, retry: {attempts: 1}}
  search: {task: embed, pick: te3}
  rank: {task: rerank, pick: ranker}
"""

METHODS = ["chat", "stream", "embed", "rerank", "reload", "close"]
NAMES = [*sorted(set(orchestrator.__all__) - {"__version__"}), *[f"Orchestrator.{name}" for name in METHODS]]


BUSY = errors.Overloaded("no capacity", status=503)
LIMITED = errors.RateLimited("slow", retry_after=20.0)
FAILURES = {
    "AllDeploymentsFailed": lambda: errors.AllDeploymentsFailed("all failed", causes=(BUSY, LIMITED)),
    "BudgetExceeded": lambda: errors.BudgetExceeded("spent", budget="tenant-day"),
    "CallTimeout": lambda: errors.CallTimeout("silent", kind="first_token"),
    "OrchestratorError": lambda: BUSY,
    "RateLimited": lambda: LIMITED,
    "StreamInterrupted": lambda: errors.StreamInterrupted("broke", text="The Team"),
}
"""What the route answers with, for the examples of errors."""


def public(name):
    value = orchestrator
    for part in name.split("."):
        value = getattr(value, part)
    return value


def needs_no_example(value):
    """Errors that carry nothing beyond what all carry: the base class has the example."""
    return isinstance(value, type) and issubclass(value, OrchestratorError) and "__init__" not in vars(value)


def answering(name):
    """What the chat route does for the examples of one name: a tool call where there are tools, else a sentence."""

    def answer(request):
        if name in FAILURES:
            return FAILURES[name]()
        return (
            ToolCall(id="call_1", name="forecast", arguments={"city": "Bergen"}) if request.tools else "The Team plan."
        )

    return answer


@pytest.mark.parametrize("name", NAMES)
def test_examples_do_what_they_say(name, tmp_path, monkeypatch):
    """A public name has an example in its docstring, and running it prints what the docstring says."""
    (tmp_path / "orchestrator.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    value = public(name)
    example = doctest.DocTestParser().get_examples(value.__doc__)
    if not example:
        assert needs_no_example(value), f"{name} has no example"
        return
    scripts = {
        "answer": answering(name),
        "search": True,
        "rank": lambda request: [1, 0][: request.options.top_n],
    }
    with testing.use(**scripts), Orchestrator.from_file("orchestrator.yaml") as llm:
        world = {one: getattr(orchestrator, one) for one in orchestrator.__all__}
        world |= {"llm": llm, "asyncio": asyncio, "httpx": httpx}
        test = doctest.DocTest(example, world, name, None, 0, value.__doc__)
        said: list[str] = []
        outcome = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert outcome.failed == 0, "".join(said)


@pytest.mark.parametrize("name", NAMES)
def test_docstrings_begin_with_a_sentence(name):
    """The first line, which lists and editors show alone, is a sentence of its own."""
    first = inspect.getdoc(public(name)).splitlines()[0]
    assert 10 < len(first) <= 120
    assert first[0].isupper()


def test_help_shows_the_way_in():
    """`help(orchestrator)` begins with the use of it, and names every group of what is public."""
    shown = pydoc.render_doc(orchestrator, renderer=pydoc.plaintext)
    opening = shown[: shown.index("PACKAGE CONTENTS")]
    for word in ("Orchestrator.from_file", "chat", "embed", "rerank", "Message", "ChatReply", "context", "testing"):
        assert word in opening
    assert "OrchestratorError" in opening


def test_completion_offers_what_is_public():
    """`dir` lists what is public, the lazily loaded clients as well, and no import of ours."""
    offered = {name for name in dir(orchestrator) if not name.startswith("__")}
    assert offered == set(orchestrator.__all__) - {"__version__"}


def test_using_it_warns_of_nothing():
    """Importing and building a client gives no warning, of ours or of what it loads, under `-W error`."""
    source = (
        "from orchestrator import Orchestrator, testing\n"
        "with testing.use(answer='yes'), Orchestrator({'version': 1, 'routes': {'answer': 'openai/gpt-4o'}}) as llm:\n"
        "    assert llm.chat('answer', 'hi').text == 'yes'"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", source], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
