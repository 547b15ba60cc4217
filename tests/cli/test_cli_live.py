"""`orchestrator check --live`: what each deployment answers, for what was said beforehand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli.app import app
from orchestrator.testing import Simulator, Vendor


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def check(text: str, *arguments: str, width: int = 80) -> Result:
    Path("o.yaml").write_text(text)
    return CliRunner().invoke(app, ["check", "o.yaml", *arguments], env={"COLUMNS": str(width)})


def test_live_sends_one_call_to_each_deployment() -> None:
    """--live asks each deployment once, tells tokens, cost and latency, and fails if one does not answer."""
    with Simulator([Vendor(name="openai")]) as vendors:
        text = f"""\
version: 1
providers:
  up: {{kind: openai, base_url: "{vendors.url("openai")}/v1", api_key: {{env: PATH}}, priced_as: openai}}
  down: {{kind: openai, base_url: "http://127.0.0.1:9", api_key: {{env: PATH}}, priced_as: openai}}
deployments:
  mini: {{provider: up, model: gpt-4o-mini, limits: {{rpm: 100}}}}
  te3: {{provider: up, model: text-embedding-3-small}}
  gone: {{provider: down, model: gpt-4o-mini}}
routes:
  answer: {{task: chat, pick: mini, require: [tools]}}
  again: {{task: chat, pick: [mini]}}
  search: {{task: embed, pick: te3}}
"""
        result = check(text, "--live", "--json")
        assert result.exit_code == 0, result.output
        assert result.stderr.startswith("sending 2 calls, for $0.0000")
        live = {one["deployment"]: one for one in json.loads(result.stdout)["live"]}
        assert live.keys() == {"mini", "te3"}
        assert live["mini"]["cost_usd"] > 0
        assert live["mini"]["output_tokens"] is not None
        assert live["mini"]["can"] == ["tools", "schema", "images", "PDF"]
        assert live["te3"]["note"] == "1,536 numbers per vector"
        assert len(vendors.ledger) == 2
        failing = check(text.replace("pick: mini,", "pick: mini, then: [gone],"), "--live", width=120)
        sent = len(vendors.ledger)
        dear = check(text, "--live", "--at-most", "0.000001")
        assert len(vendors.ledger) == sent
    assert failing.exit_code == 1
    assert "gone: ConnectionFailed" in failing.output
    assert "see whether provider 'down' can be reached, and its base_url if it has one" in failing.output
    assert "is right, but not every deployment answers" in failing.output
    assert dear.exit_code == 2
    assert "more than --at-most $0.000001: nothing was sent" in dear.stderr


def test_live_sends_no_more_than_it_said() -> None:
    """Each deployment is asked once, with a cap on what it writes; one without a price is asked and told of."""
    with Simulator([Vendor(name="openai", answer="word " * 500)]) as vendors:
        text = f"""\
version: 1
providers: {{up: {{kind: openai, base_url: "{vendors.url("openai")}/v1", api_key: {{env: PATH}}}}}}
deployments:
  mini: {{provider: up, model: gpt-4o-mini, price: {{input: 1, output: 1000}}}}
  own: {{provider: up, model: house-7b}}
routes: {{answer: {{task: chat, pick: mini, then: [own], retry: {{attempts: 9}}}}}}
budgets: {{usd: 0.000001, window: day}}
log: {{path: calls.jsonl}}
"""
        result = check(text, "--live", "--json")
        spent = sum(one["cost_usd"] or 0 for one in json.loads(result.stdout)["live"])
        asked = [seen.body["max_completion_tokens"] for seen in vendors["openai"].received]
    assert result.stderr == "sending 2 calls, for $0.0162 at the most, and 1 of unknown price\n\n"
    assert asked == [16, 16]
    assert 0.01 < spent < 0.0162
    assert not Path("calls.jsonl").exists()
