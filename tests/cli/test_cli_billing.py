"""`price` and `check` say on what terms a deployment is billed: its tier, and where requests are processed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from orchestrator.cli.check import check
from orchestrator.cli.price import price

FILE = """\
version: 1
providers:
  eu: {kind: openai, api_key: {env: NO_SUCH_KEY}, base_url: "https://eu.api.openai.com/v1"}
  aws: {kind: bedrock, region: eu-west-2}
  claude: {kind: anthropic, api_key: {env: NO_SUCH_KEY}}
  gemini: {kind: google, api_key: {env: NO_SUCH_KEY}}
deployments:
  sol: {provider: eu, model: gpt-6-sol, defaults: {provider_options: {openai: {service_tier: flex}}}}
  four: {provider: eu, model: gpt-4o}
  london: {provider: aws, model: minimax.minimax-m2.5}
  latency:
    provider: aws
    model: minimax.minimax-m2.5
    defaults: {provider_options: {bedrock: {performanceConfig: {latency: optimized}}}}
  us: {provider: claude, model: claude-opus-5}
  painter: {provider: gemini, model: gemini-2.5-flash-image}
routes:
  answer: {task: chat, pick: [sol, four, london, latency]}
  draw: {task: chat, pick: painter}
  home: {task: chat, pick: us, defaults: {provider_options: {anthropic: {inference_geo: us, speed: fast}}}}
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "orchestrator.yaml"
    path.write_text(FILE)
    return str(path)


def answered(command: Any, *arguments: str) -> Any:
    app = typer.Typer()
    app.command()(command)
    return json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)


def test_price_is_by_tier_and_place(file: str) -> None:
    """Options of the deployment and the route, and the address, are in the price, and said."""
    found = answered(price, "answer", "--input-tokens", "1000", "--output-tokens", "100", "--file", file)
    quotes = {one["deployment"]: one for one in found["deployments"]}
    assert quotes["sol"]["terms"] == ["service tier flex", "tokens cost 1.1 times as much in eu"]
    assert quotes["sol"]["call"]["total_usd"] == "0.00165"  # (1000 * 1 + 100 * 5) * 1.1 per million
    assert quotes["four"]["terms"] == []
    assert quotes["london"]["terms"] == ["prices of eu-west-2"]
    assert quotes["latency"]["unknown"] == "no price for service tier speed-optimized"
    (us,) = answered(price, "home", "--input-tokens", "1000", "--output-tokens", "100", "--file", file)["deployments"]
    assert us["terms"] == ["speed fast", "inference geo us"]
    assert us["call"]["total_usd"] == "0.0165"  # (1000 * 10 + 100 * 50) * 1.1 per million


def test_a_model_that_draws_has_a_price_for_words(file: str) -> None:
    """A quote is for text: what a picture costs is known when it was made."""
    (one,) = answered(price, "draw", "--input-tokens", "1000", "--output-tokens", "100", "--file", file)["deployments"]
    assert one["call"]["total_usd"] == "0.00055"  # (1000 * 0.3 + 100 * 2.5) per million


def test_check_says_what_is_not_the_list_price(file: str) -> None:
    """Each deployment with a tier or a dearer place is named; a tier that is not sold is a warning."""
    found = answered(check, file, "--no-secrets")
    told = [(one["deployment"], one["terms"]) for one in found["terms"]]
    assert sorted(told) == [
        ("latency", "prices of eu-west-2"),
        ("latency", "speed optimized"),
        ("london", "prices of eu-west-2"),
        ("sol", "service tier flex"),
        ("sol", "tokens cost 1.1 times as much in eu"),
    ]
    warnings = [one["message"] for one in found["findings"] if "no price" in one["message"]]
    assert warnings == ["its calls have no price: no price for service tier speed-optimized"]
