"""`orchestrator check`: mistakes on one screen, oddities as warnings, and what deployments answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli.app import app

GOOD = """\
version: 1
providers:
  openai: {kind: openai, api_key: {env: NO_SUCH_KEY}}
  own: {kind: openai_compatible, base_url: http://127.0.0.1:9/v1}
  spare: {kind: ollama}
deployments:
  mini: {provider: openai, model: gpt-4o-mini}
  house: {provider: own, model: house-7b}
routes:
  answer: {task: chat, pick: mini, then: [house]}
"""
WRONG = """\
version: 1
providers:
  openai: {kind: openai, api_key: hunter2hunter2, region: us}
routes:
  answer:
    task: chat
    pik: openai/gpt-4o
    deadline: 30 sec
"""
WRONG_SCREEN = """\
error: providers.openai.api_key: a literal secret is refused; use {env: NAME} or
{file: path}
 --> o.yaml:3:26
3 |   openai: {kind: openai, api_key: …, region: us}
  |                          ^^^^^^^

error: routes.answer.pick: this key is missing; write pick: vendor/model, or a
deployment's name
 --> o.yaml:5:3
5 |   answer:
  |   ^^^^^^

error: routes.answer.pik: unknown key 'pik'; did you mean 'pick'?
 --> o.yaml:7:5
7 |     pik: openai/gpt-4o
  |     ^^^

error: routes.answer.deadline: expected a duration such as 30s, 1m30s or 500ms,
found '30 sec'
 --> o.yaml:8:5
8 |     deadline: 30 sec
  |     ^^^^^^^^

o.yaml is wrong; 4 errors
"""


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(text: str, *arguments: str, width: int = 80) -> Result:
    Path("o.yaml").write_text(text)
    return CliRunner().invoke(app, ["check", "o.yaml", *arguments], env={"COLUMNS": str(width)})


def plain(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.split("\n"))


def test_every_mistake_is_shown_with_its_line_and_a_mark_under_the_key() -> None:
    """A wrong file is one screen: what, where, the line with a caret, and no part of a literal secret."""
    result = check(WRONG)
    assert plain(result.output) == WRONG_SCREEN
    assert result.exit_code == 1
    assert "hunter" not in result.output


@pytest.mark.parametrize(
    "line",
    [
        "  openai: {kind: openai, api_key: hunter2, regoin: us}",
        '  openai: {kind: openai, "api_key": "hunter2, and more", regoin: us}',
        "  openai: {kind: openai, base_url: 'https://me:hunter2@example.com', regoin: us}",
        "  openai: {kind: openai, headers: {authorization: Bearer hunter2}, regoin: us}",
        "  openai: {kind: openai, headers: {x-api-key: hunter2}, regoin: us}",
        "  openai: {kind: openai, regoin: sk-hunter2}",
    ],
)
def test_no_shown_line_holds_a_secret(line: str) -> None:
    """What may be a credential is left out of the line, whichever key of it is the mistake."""
    result = check(f"version: 1\nproviders:\n{line}\nroutes: {{answer: openai/gpt-4o}}\n")
    assert result.exit_code == 1
    assert "regoin" in result.output
    assert "hunter2" not in result.output


def test_a_mark_stays_under_its_key_on_a_long_line() -> None:
    """A line wider than the terminal is cut so that the mistake and its mark are seen, one under the other."""
    head = (
        "  openai: {kind: openai, api_key: {env: SOME_VARIABLE_WITH_A_LONG_NAME_OF_ITS_OWN}, retention: a long time, "
    )
    result = check(f"version: 1\nproviders:\n{head}regoin: us}}\nroutes: {{answer: openai/gpt-4o}}\n", "--no-secrets")
    shown, mark = next(
        (line, after)
        for line, after in zip(result.output.splitlines(), result.output.splitlines()[1:], strict=False)
        if line.startswith("3 |")
    )
    assert len(shown) <= 80
    assert shown[mark.index("^") : mark.rindex("^") + 1] == "regoin"


def test_oddities_are_warnings_and_strict_makes_them_errors() -> None:
    """Unused and unpriced definitions are warned of with their places; --strict fails for them."""
    result = check(GOOD, "--no-secrets")
    assert result.exit_code == 0
    assert "warning: providers.spare: no route uses it\n --> o.yaml:5:3" in result.output
    assert "warning: deployments.house: its calls have no price" in result.output
    assert "o.yaml is right: 1 route, 2 deployments; 2 warnings" in result.output
    strict = check(GOOD, "--no-secrets", "--strict")
    assert strict.exit_code == 1
    assert "warning" not in strict.output


def test_a_missing_secret_is_a_mistake_unless_ci_has_none() -> None:
    """Without --no-secrets the variable must be set, and the mistake names it."""
    result = check(GOOD)
    assert result.exit_code == 1
    assert "environment variable NO_SUCH_KEY is not set" in result.output


def test_a_retired_model_is_warned_of_at_its_line() -> None:
    """A model that its vendor retired is a warning with the line and the column of `model`."""
    text = GOOD.replace("model: gpt-4o-mini", "model: gpt-4o-mini, profile: {retires_on: 2025-01-01}")
    result = check(text, "--no-secrets", "--json")
    found = json.loads(result.output)["findings"]
    retired = next(one for one in found if "retired" in one["message"])
    assert (retired["line"], retired["column"], retired["key"]) == (7, 28, "deployments.mini.model")


def test_json_carries_every_finding_with_its_place() -> None:
    """--json is one object for machines: file, line, column, key and message of each finding."""
    result = check(WRONG, "--json")
    found = json.loads(result.output)
    assert result.exit_code == 1
    assert not found["ok"]
    assert [(one["line"], one["column"]) for one in found["findings"]] == [(3, 26), (5, 3), (7, 5), (8, 5)]
    assert found["findings"][2]["message"] == "unknown key 'pik'; did you mean 'pick'?"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version: 1\nroutes: {a: [}\n", "another bracket is open"),
        ("", "the file is empty"),
        ("version: 1\n\troutes: 3\n", "a tab"),
    ],
)
def test_what_is_no_yaml_is_one_screen_too(text: str, says: str) -> None:
    """A file that cannot be parsed gives its place and no traceback."""
    result = check(text)
    assert result.exit_code == 1
    assert says in result.output
    assert "Traceback" not in result.output


def test_a_file_that_is_not_there_is_exit_code_2() -> None:
    """A path that cannot be read is another code than a wrong file."""
    result = CliRunner().invoke(app, ["check", "nope.yaml"])
    assert result.exit_code == 2
    assert "nope.yaml cannot be read" in result.output


@pytest.mark.parametrize(
    ("budget", "cap", "output", "warned"),
    [
        ("{usd: 5, window: day}", "", 2, True),
        ("{usd: 5, window: day}", "", 0, False),
        ("{usd: 5, window: day, for: {provider: spare}}", "", 2, False),
        ("{usd: 5, window: day, for: {route: other}}", "", 2, False),
        ("{usd: 5, window: day, on_exceed: warn}", "", 2, False),
        ("{usd: 5, window: day}", ", defaults: {max_output_tokens: 100}", 2, False),
    ],
)
def test_answers_without_a_bound_under_a_budget(tmp_path, budget, cap, output, warned):
    """A budget that would refuse a route's calls because nothing bounds the answer is told before they are made."""
    file = tmp_path / "o.yaml"
    file.write_text(f"""\
version: 1
providers:
  own: {{kind: vllm, base_url: "http://127.0.0.1:9/v1"}}
  spare: {{kind: ollama}}
deployments:
  house: {{provider: own, model: house-7b, price: {{input: {output}, output: {output}}}}}
  vectors: {{provider: spare, model: nomic-embed-text}}
routes:
  answer: {{task: chat, pick: house{cap}}}
  other: {{task: embed, pick: vectors}}
budgets:
  - {budget}
""")
    shown = " ".join(CliRunner().invoke(app, ["check", str(file)]).output.split())
    assert ("refuses calls of house that give no max_output_tokens" in shown) is warned


@pytest.mark.parametrize(
    ("budget", "defaults", "warned"),
    [
        ("{usd: 0.001, window: day}", "", True),
        ("{usd: 5, window: day}", "", False),
        ("{usd: 0.001, window: day, on_exceed: warn}", "", False),
        ("{usd: 0.001, window: day}", ", defaults: {max_output_tokens: 100}", False),
    ],
)
def test_answers_that_cost_more_than_a_budget(tmp_path, monkeypatch, budget, defaults, warned):
    """A budget into which the longest answer never fits is told before its first call is refused."""
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-key")
    file = tmp_path / "o.yaml"
    file.write_text(f"""\
version: 1
routes:
  answer: {{task: chat, pick: openai/gpt-4o-mini{defaults}}}
budgets:
  - {budget}
""")
    shown = " ".join(CliRunner().invoke(app, ["check", str(file)]).output.split())
    told = "$0.001 refuses calls of openai/gpt-4o-mini that give no lower max_output_tokens: an answer of 16,384 could"
    assert (told in shown) is warned
