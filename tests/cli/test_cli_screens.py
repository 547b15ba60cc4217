"""What every command shows, at 80 and 140 columns, as whole screens beside this file.

After a change that is meant: UPDATE_SCREENS=1 pytest tests/cli/test_cli_screens.py, and read what has changed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from orchestrator.cli.app import app
from orchestrator.cli.check.inspecting import inspect
from orchestrator.cli.check.live import Answered
from orchestrator.cli.check.show import show_report
from orchestrator.testing import Simulator, Vendor

SCREENS = Path(__file__).parent / "screens"
GOOD = """\
version: 1
providers:
  vendor: {{kind: openai, base_url: {url}/v1, api_key: {{env: TEST_KEY}}, limits: {{tpm: 2M}}}}
  other: {{kind: openai_compatible, base_url: {url}/v1, region: eu, retention: 30 days, trains: false}}
deployments:
  small:
    provider: vendor
    model: house-mini-2026
    limits: {{rpm: 500}}
    price: {{input: 0.15, output: 0.6}}
    profile: {{context_tokens: 128k, tools: true}}
  large-with-a-long-name-of-its-own:
    provider: other
    model: some-publisher/house-large-instruct-2026
    price: {{input: 3, output: 15, cache_read: 0.3}}
    profile: {{context_tokens: 200k, tools: true, json_schema: true}}
  vectors: {{provider: vendor, model: house-embed, price: {{input: 0.02}}, dimensions: 256}}
  free: {{provider: other, model: unpriced-model}}
routes:
  answer:
    task: chat
    pick: {{weighted: {{small: 9, large-with-a-long-name-of-its-own: 1}}}}
    then: [free]
    when: [{{tenant: acme, pick: large-with-a-long-name-of-its-own}}]
  extract:
    task: chat
    pick: {{cheapest: [large-with-a-long-name-of-its-own, small]}}
    require: [tools]
    defaults: {{max_output_tokens: 800}}
  search: {{task: embed, pick: vectors}}
budgets: {{per: tenant, usd: 5, window: day}}
"""
BAD = """\
version: 1
providers:
  openai: {kind: openai, api_key: hunter2hunter2, regoin: us}
routes:
  answer: {task: chat, pick: opnai/gpt-4o, deadline: 30 sec}
"""
LITELLM = """\
model_list:
  - model_name: gpt
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/K, max_budget: 10, budget_duration: 1d, tags: [a]}
litellm_settings: {max_budget: 100, budget_duration: 30d, success_callback: [langfuse]}
general_settings: {master_key: sk-1234}
"""
ALIVE = {"deployment": "small", "task": "chat", "model": "house-mini-2026", "context_tokens": 128_000}
LIVE = (
    Answered(**ALIVE, can=("tools", "schema", "images", "PDF", "reasoning"), served="house-mini-2026-01",
             duration_ms=212.4, input_tokens=6, output_tokens=9, cost_usd=Decimal("0.0000063")),
    Answered(**ALIVE | {"deployment": "large-with-a-long-name-of-its-own", "context_tokens": 1_047_576},
             error="ConnectionFailed: cannot connect to 127.0.0.1:9: Connection refused (deployment=large)",
             advice="see whether provider 'other' can be reached, and its base_url if it has one"),
    Answered(**ALIVE | {"deployment": "vectors", "task": "embed", "context_tokens": 8191}, served="house-embed",
             duration_ms=1085.0, input_tokens=1, cost_usd=Decimal("0.00000002"), note="256 numbers per vector"),
    Answered(**ALIVE | {"deployment": "free", "context_tokens": None}, served="unpriced-model", duration_ms=98.0,
             input_tokens=6, output_tokens=16, cost_unknown="base_url is not the vendor's own: set priced_as or price"),
)  # fmt: skip
COMMANDS: dict[str, list[str]] = {
    "help": ["--help"],
    "help-chat": ["chat", "--help"],
    "help-check": ["check", "--help"],
    "help-embed": ["embed", "--help"],
    "help-rerank": ["rerank", "--help"],
    "help-routes": ["routes", "--help"],
    "help-init": ["init", "--help"],
    "help-demo": ["demo", "--help"],
    "help-diff": ["diff", "--help"],
    "help-import-litellm": ["import-litellm", "--help"],
    "help-schema": ["schema", "--help"],
    "check": ["check", "--no-secrets"],
    "check-strict": ["check", "--no-secrets", "--strict"],
    "check-bad": ["check", "bad.yaml"],
    "check-missing": ["check", "nowhere.yaml"],
    "routes": ["routes"],
    "routes-one": ["routes", "--route", "answer", "--tenant", "acme"],
    "price": ["price", "answer", "--input-tokens", "1000", "--output-tokens", "300", "--calls", "100000"],
    "diff": ["diff", "small", "large-with-a-long-name-of-its-own", "--route", "extract"],
    "chat": ["chat", "extract", "Which plan?", "--no-stream"],
    "chat-unknown": ["chat", "anwser", "Which plan?"],
    "chat-model-info": ["chat", "extract", "--model-info"],
    "embed": ["embed", "search", "Which plan includes single sign-on?", "A second text that is a good deal longer"],
    "import-litellm": ["import-litellm", "litellm.yaml"],
    "init": ["init", "--no-probe", "-o", "first.yaml"],
    "usage": ["chek"],
}
UNBROKEN = {"chat", "chat-model-info", "chat-unknown", "embed", "import-litellm", "usage"}


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator([Vendor(name="vendor", answer="The Team plan.", dimensions=256)]) as sim:
        yield sim


@pytest.fixture(autouse=True)
def at_home(sim: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.endswith(("_KEY", "_TOKEN"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TEST_KEY", "none")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    Path("orchestrator.yaml").write_text(GOOD.format(url=sim.url("vendor")))
    Path("bad.yaml").write_text(BAD)
    Path("litellm.yaml").write_text(LITELLM)


def compare(name: str, shown: str) -> None:
    """Hold a screen against its file, without what differs from run to run."""
    shown = re.sub(r"\d\.\d s", "0.1 s", re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d UTC", "2026-01-01 00:00 UTC", shown))
    shown = re.sub(r"(?<=127\.0\.0\.1:)\d{5}", "55555", shown)
    shown = "".join(f"{line.rstrip()}\n" for line in shown.rstrip().split("\n"))
    path = SCREENS / f"{name}.txt"
    if os.environ.get("UPDATE_SCREENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown)
    assert shown == path.read_text(), f"UPDATE_SCREENS=1 writes {path.name} anew"


def screen(arguments: list[str], width: int) -> str:
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": str(width), "LINES": "50"}, catch_exceptions=False)
    said = result.stdout + (f"\n[stderr]\n{result.stderr}" if result.stderr else "")
    return f"$ orchestrator {' '.join(arguments)}\n{said}\n[exit code {result.exit_code}]"


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_what_it_did(name: str, width: int) -> None:
    """The whole screen of a command is as it was looked at last, and keeps to the terminal's width."""
    shown = screen(COMMANDS[name], width)
    too_long = [line for line in shown.split("\n")[1:] if len(line) > width]
    # What is for a pipe or to be copied is not broken: the file that was made, and one answer per line.
    assert not too_long or name in UNBROKEN, too_long
    compare(f"{name}-{width}", shown)


@pytest.mark.parametrize("width", [80, 140])
def test_live_answers_read_well(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Latency, tokens, cost and what models can; an error is one line with what to do, and the sum is told."""
    report = inspect(Path("orchestrator.yaml"), secrets=False).answered(LIVE)
    show_report(report, strict=False, console=Console(width=width, highlight=False))
    compare(f"check-live-{width}", capsys.readouterr().out)


@pytest.mark.parametrize("name", ["check", "check-bad", "routes", "routes-one", "price", "diff", "import-litellm"])
def test_no_screen_depends_on_a_background(name: str) -> None:
    """Only the terminal's own colours are used, never white, black or a background: light themes hold as well."""
    environment = {"COLUMNS": "80", "FORCE_COLOR": "1", "TERM": "xterm", "NO_COLOR": None, "COLORTERM": None}
    result = CliRunner().invoke(app, COMMANDS[name], env=environment, color=True)
    codes = {code for group in re.findall(r"\x1b\[([\d;]*)m", result.output) for code in group.split(";")}
    assert codes - {"0"}, "nothing is coloured"
    assert codes <= {"0", "1", "2", "22", "31", "32", "33", "34", "35", "36"}
