"""`orchestrator routes`: who would serve a call, in which order and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from orchestrator import Orchestrator
from orchestrator.cli.app import app
from orchestrator.spec.events import CallContext

FILE = """\
version: 1
providers:
  openai: {kind: openai, api_key: {env: OPENAI_API_KEY}, limits: {tpm: 2M}}
  claude: {kind: anthropic, api_key: {env: ANTHROPIC_API_KEY}, region: eu, trains: false, retention: 30 days}
  own: {kind: openai_compatible, base_url: "http://127.0.0.1:9/v1"}
deployments:
  mini: {provider: openai, model: gpt-4o-mini, limits: {rpm: 500}, price: {input: 0.15, output: 0.6}}
  haiku: {provider: claude, model: claude-haiku-4-5, price: {input: 1, output: 5}}
  house: {provider: own, model: house-7b}
routes:
  answer:
    task: chat
    pick: {weighted: {mini: 9, haiku: 1}}
    then: [house]
    when: [{tenant: acme, pick: haiku, then: []}, {tags: {tier: gold}, pick: {cheapest: [haiku, mini]}}]
  kept: {task: chat, pick: [mini, haiku], sticky: user, require: [tools]}
"""
SCREEN = """\
answer  chat
  1  mini  for 90% of calls
     gpt-4o-mini at openai (openai)
     $0.15 in, $0.60 out per million tokens
     context 128,000; limits: rpm 500, account's tpm 2M
  2  haiku  for 10% of calls
     claude-haiku-4-5 at claude (anthropic)
     $1 in, $5 out per million tokens
     context 200,000
     region eu; retention: 30 days; does not train on what is sent
  3  house  if those fail
     house-7b at own (openai_compatible)
     no price: base_url is not the vendor's own: set priced_as or price

By the file alone: health, limits, latencies and budgets are known to each
process, and may reorder.
"""


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("orchestrator.yaml").write_text(FILE)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["routes", *arguments], env={"COLUMNS": "80"})


def plan(*arguments: str) -> Any:
    return json.loads(run("--json", *arguments).output)[0]


def order(found: Any) -> list[str]:
    return [seat["deployment"] for seat in found["seats"]]


def test_a_route_reads_well_at_80_columns() -> None:
    """Order, reason, model, price, limits and terms of each deployment, without a secret being set."""
    result = run("--route", "answer")
    assert result.exit_code == 0
    assert "\n".join(line.rstrip() for line in result.output.split("\n")) == SCREEN


def test_a_case_takes_the_call_and_says_who_is_left_out() -> None:
    """A tenant's own case decides, and the others say why they would not serve."""
    found = plan("--route", "answer", "--tenant", "acme")
    assert order(found) == ["haiku"]
    assert found["case"] == "tenant acme (when[0])"
    assert {aside["deployment"] for aside in found["asides"]} == {"mini", "house"}


def test_the_cheapest_is_worked_out_from_the_prices() -> None:
    """By `cheapest` the order is that of the prices, and the reason says so."""
    found = plan("--route", "answer", "--tag", "tier=gold")
    assert order(found) == ["mini", "haiku", "house"]
    assert found["seats"][0]["why"] == "cheapest first"


@pytest.mark.parametrize("user", ["ann", "bob", "cyd", "dan", "eve", "fay"])
def test_a_sticky_key_leads_where_the_client_would_go(user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a sticky route the first deployment is the one that a real client calls for that user."""
    told = order(plan("--route", "kept", "--user", user))
    for variable in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(variable, "none")
    with Orchestrator.from_file("orchestrator.yaml") as llm:
        chooser = llm.aio._core.snapshot.routes["kept"].chooser
        chosen = chooser.order(lambda: 0.5, CallContext(user=user), 0.0)
    assert told == [candidate.name for candidate in chosen]


def test_requirements_are_told() -> None:
    """What every deployment of the route must have is part of the answer."""
    assert plan("--route", "kept")["require"] == ["tools"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--route", "anwer"], "did you mean 'answer'?"),
        (["--file", "nope.yaml"], "cannot be read"),
        (["--tag", "tier"], "write --tag name=value"),
    ],
)
def test_a_mistake_is_one_screen_and_exit_code_2(arguments: list[str], says: str) -> None:
    """An unknown route, a missing file and half a tag say what is wrong."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.output
