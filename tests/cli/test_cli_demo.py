"""The `orchestrator` command and its demo, run as a user runs them; and the demo's own bookkeeping."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.demo.audit import audit
from orchestrator.cli.demo.questions import questions
from orchestrator.cli.demo.stage import DemoError, open_folder
from orchestrator.cli.demo.sums import by_model, detours
from orchestrator.testing import LedgerEntry

COMMAND = [sys.executable, "-W", "error", "-m", "orchestrator"]
Run = subprocess.CompletedProcess[str]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "80"}


def orchestrator(*arguments: str, cwd: Path) -> Run:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def played(folder: Path) -> Run:
    return orchestrator("demo", "--fast", cwd=folder)


@pytest.fixture
def lines(played: Run, folder: Path) -> list[dict[str, Any]]:
    text = (folder / "orchestrator-demo" / "calls.jsonl").read_text()
    return [json.loads(line, parse_float=Decimal) for line in text.splitlines()]


def test_demo_succeeds_and_says_what_is_simulated(played: Run) -> None:
    """The demo ends with 0, prints no error, and says at once that vendors and answers are not real."""
    assert (played.returncode, played.stderr) == (0, "")
    opening = " ".join(played.stdout[:600].split())
    assert "vendors are simulated on this machine, and their answers are made up" in opening


def test_demo_tells_its_story_in_order(played: Run) -> None:
    """Rate limit, crash, return and change of model are told in that order, each with what the client made of it."""
    milestones = [
        "alpha begins to answer 429",
        "alpha answered 429; steady (beta) answered that call",
        "alpha dies, with ",
        "alpha broke off a call in mid-flight; ",
        "alpha is back",
        "gpt-4o-mini becomes gpt-4.1-mini",
        "took the new file over",
        "first answer by gpt-4.1-mini",
    ]
    places = [played.stdout.find(text) for text in milestones]
    assert -1 not in places
    assert places == sorted(places)


def test_demo_without_terminal_is_plain(played: Run) -> None:
    """Into a pipe go lines without any control sequence, and tables that keep to the width."""
    assert "\x1b" not in played.stdout
    assert "\r" not in played.stdout
    assert max(len(line) for line in played.stdout.splitlines() if "─" in line) <= 80


def test_demo_loses_no_question(played: Run, lines: list[dict[str, Any]]) -> None:
    """Every question is answered, and each call is one line of the log."""
    found = re.search(r"(\d+) questions asked, (\d+) answered, 0 lost", played.stdout)
    again = re.search(r"(\d+) streams? broke off in mid-answer", played.stdout)
    assert found
    assert again
    asked, answered = map(int, found.groups())
    calls = [line for line in lines if line["event"] == "llm.call"]
    assert asked == answered > 150
    assert len(calls) == 1 + asked + int(again[1])  # the first call is shown by itself
    assert sum(call["status"] == "ok" for call in calls) == 1 + asked
    assert len({call["call_id"] for call in calls}) == len(calls)


def test_demo_checks_the_ledger(played: Run, lines: list[dict[str, Any]]) -> None:
    """The report says that the log agrees with the vendors' ledger, and its token sums are those of the log."""
    answered = [line for line in lines if line["event"] == "llm.call" and line["status"] == "ok"]
    found = re.search(r"Check: tokens in the log equal the vendors' own ledger: ([\d,]+) input tokens", played.stdout)
    assert found
    assert int(found[1].replace(",", "")) == sum(line["input_tokens"] or 0 for line in answered)


def test_demo_prices_every_call(played: Run, lines: list[dict[str, Any]]) -> None:
    """Each answered call has an exact cost by a row of the price book, and the bill is their sum."""
    calls = [line for line in lines if line["event"] == "llm.call"]
    total = sum((call["cost_usd"] for call in calls), Decimal(0))
    assert all(call["price_row"] for call in calls if call["status"] == "ok")
    assert {"openai/gpt-4o-mini", "openai/gpt-4.1-mini", "cohere/rerank-v3.5"} <= {call["price_row"] for call in calls}
    assert played.stdout.count(f"{total:.6f}") == 1


def test_demo_gives_commands_that_work(played: Run, lines: list[dict[str, Any]], folder: Path) -> None:
    """The commands at the end run as they are printed, and the first adds up the log to the last digit."""
    commands = [line.split() for line in played.stdout.splitlines() if line.startswith("  orchestrator ")]
    assert [command[1] for command in commands] == ["costs", "dashboard", "routes", "init"]
    for command in commands[:3]:
        run = orchestrator(*command[1:], cwd=folder)
        assert run.returncode == 0, run.stderr
    (folder / "orchestrator-demo" / "report.html").unlink()
    found = json.loads(orchestrator(*commands[0][1:], "--format", "json", cwd=folder).stdout)
    total = sum((line.get("cost_usd") or 0 for line in lines), Decimal(0))
    assert Decimal(found["total"]["cost_usd"]) == total
    assert {row["tenant"] for row in found["rows"]} == {"acme", "globex", "initech"}


def test_demo_swaps_under_one_client(lines: list[dict[str, Any]]) -> None:
    """The edit is taken over once, and no call made under the new file goes to the old model."""
    (reload,) = [line for line in lines if line["event"] == "llm.config.reloaded"]
    hashes = {
        model: {line["config_hash"] for line in lines if line.get("request_model") == model}
        for model in ("gpt-4o-mini", "gpt-4.1-mini")
    }
    assert hashes["gpt-4.1-mini"] == {reload["config_hash"]}
    assert reload["config_hash"] not in hashes["gpt-4o-mini"]


def test_demo_leaves_no_key_behind(played: Run, folder: Path) -> None:
    """The file names variables; neither file nor log nor output hold a credential."""
    made = folder / "orchestrator-demo"
    text = (made / "orchestrator.yaml").read_text()
    assert sorted(path.name for path in made.iterdir()) == ["calls.jsonl", "orchestrator.yaml"]
    assert re.findall(r"api_key: (.*?)  ", text + "  ")[0] == "{env: DEMO_ALPHA_KEY}"
    assert text.count("api_key: {env: DEMO_") == 3
    assert "Bearer" not in text + (made / "calls.jsonl").read_text() + played.stdout


def test_interrupted_demo_cleans_up(tmp_path: Path) -> None:
    """Ctrl-C in the middle ends the demo at once, without a traceback, with the shell's exit code for it."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # a shell's `&` ignores it
        "from orchestrator.cli import main; main()"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, "demo", "--dir", str(tmp_path)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        while "alpha begins to answer 429" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert errors == "orchestrator demo: stopped; the vendors are gone, file and log stay\n"


def test_demo_overwrites_nothing(tmp_path: Path) -> None:
    """A folder that holds a configuration is refused in one line, and left as it is."""
    (tmp_path / "orchestrator.yaml").write_text("mine\n")
    run = orchestrator("demo", "--fast", "--dir", str(tmp_path), cwd=tmp_path)
    assert run.returncode == 1
    assert "is there already and is left alone" in run.stderr
    assert "Traceback" not in run.stderr
    assert (tmp_path / "orchestrator.yaml").read_text() == "mine\n"


def test_demo_takes_the_next_free_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each demo without `--dir` works in a new folder."""
    monkeypatch.chdir(tmp_path)
    assert [open_folder(None).name for _ in range(3)] == [
        "orchestrator-demo",
        "orchestrator-demo-2",
        "orchestrator-demo-3",
    ]


def test_demo_refuses_a_folder_that_is_a_file(tmp_path: Path) -> None:
    """A path that cannot be a folder is an error that names it."""
    (tmp_path / "taken").write_text("")
    with pytest.raises(DemoError, match=r"cannot write into .*taken"):
        open_folder(tmp_path / "taken")


def test_version(tmp_path: Path) -> None:
    """`--version` prints name and version."""
    run = orchestrator("--version", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert re.fullmatch(r"orchestrator \d+\.\d+\.\d+\n", run.stdout)


def test_unknown_command(tmp_path: Path) -> None:
    """A mistyped command ends with 2 and names the nearest one."""
    run = orchestrator("dmeo", cwd=tmp_path)
    assert run.returncode == 2
    assert "No such command 'dmeo'" in run.stderr
    assert "demo" in run.stderr
    assert "Traceback" not in run.stderr


def test_importing_the_command_line_is_light() -> None:
    """Both typer and rich load when a command runs, not when `orchestrator.cli` is imported."""
    code = "import sys, orchestrator.cli; print([name for name in ('typer', 'rich', 'aiohttp') if name in sys.modules])"
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, timeout=60, check=True
    )
    assert run.stdout == "[]\n"


def test_questions_repeat_by_seed() -> None:
    """The same seed asks the same, another seed does not, and all kinds of call are among the first fifty."""
    first, again, other = ([next(made) for made in [questions(seed)] * 50] for seed in (1, 1, 2))
    assert first == again != other
    assert {question.kind for question in first} == {"chat", "stream", "embed", "rerank"}


def call(**changes: Any) -> dict[str, Any]:
    """A log line of a chat that alpha answered at the first attempt."""
    return {
        "deployment": "small",
        "provider": "alpha",
        "request_model": "m",
        "error_type": None,
        "request_id": "req_1",
        "input_tokens": 10,
        "output_tokens": 5,
        "search_units": None,
        "usage_source": "vendor",
        "cost_usd": Decimal("0.001"),
        "attempts": None,
    } | changes


def entry(**changes: Any) -> LedgerEntry:
    """What alpha's ledger says of that chat."""
    values: dict[str, Any] = {
        "request_id": "req_1",
        "response_id": None,
        "time": 0.0,
        "vendor": "alpha",
        "wire": "openai",
        "model": "m",
        "task": "chat",
        "input_tokens": 10,
        "output_tokens": 5,
    }
    return LedgerEntry(**values | changes)


def broken_off(**changes: Any) -> dict[str, Any]:
    """A log line of a chat that alpha broke off and beta answered."""
    lost = {
        "deployment": "small",
        "provider": "alpha",
        "model": "m",
        "error": "ConnectionFailed",
        "request_id": None,
        "input_tokens": 9,
        "output_tokens": 0,
        "usage_source": "estimate",
        "cost_usd": Decimal("0.001"),
    }
    answer = lost | {
        "deployment": "steady",
        "provider": "beta",
        "error": None,
        "request_id": "req_2",
        "input_tokens": 10,
        "output_tokens": 5,
        "usage_source": "vendor",
        "cost_usd": Decimal("0.004"),
    }
    return call(deployment="steady", provider="beta", request_id="req_2", attempts=[lost, answer], **changes)


def test_audit_agrees() -> None:
    """Equal books agree, and the sums are of both."""
    found = audit([call()], [entry()])
    assert found.agrees
    assert (
        found.log
        == found.ledger
        == {
            ("alpha", "input tokens"): 10,
            ("alpha", "output tokens"): 5,
            ("alpha", "search units"): 0,
        }
    )


@pytest.mark.parametrize(
    ("lines", "ledger", "why"),
    [
        pytest.param([call()], [entry(output_tokens=6)], "log (10, 5, None), ledger (10, 6, 0)", id="tokens"),
        pytest.param([call()], [], "its ledger has not", id="not in the ledger"),
        pytest.param([], [entry()], "the log has not", id="not in the log"),
        pytest.param([call(), call()], [entry()], "its ledger has not", id="twice in the log"),
        pytest.param(
            [call(request_id="req_1"), call(request_id="req_2", input_tokens=11)],
            [entry(input_tokens=11), entry(request_id="req_2")],
            "ledger",
            id="equal sums of different requests",
        ),
    ],
)
def test_audit_finds_differences(lines: list[dict[str, Any]], ledger: list[LedgerEntry], why: str) -> None:
    """Whatever differs between log and ledger is found and named, even where the sums are equal."""
    found = audit(lines, ledger)
    assert not found.agrees
    assert why in found.wrong[0]


def test_audit_keeps_broken_requests_apart() -> None:
    """A request that never got its answer is neither in the sums nor an error, however far the vendor came."""
    beta = entry(request_id="req_2", vendor="beta")
    for completed in (False, True):
        found = audit([broken_off()], [entry(completed=completed), beta])
        assert found.agrees
        assert (found.unfinished, found.estimated) == (1, 1)
        assert set(found.ledger) == {("beta", name) for name in ("input tokens", "output tokens", "search units")}
    second = entry(request_id="req_3")
    assert not audit([broken_off()], [entry(), second, beta]).agrees


def test_rerank_is_billed_in_units() -> None:
    """A rerank's tokens are on no bill; its search units are compared."""
    line = call(input_tokens=None, output_tokens=None, search_units=1.0)
    reranked = {"task": "rerank", "input_tokens": 80, "output_tokens": 0}
    assert audit([line], [entry(search_units=1, **reranked)]).agrees
    assert not audit([line], [entry(search_units=2, **reranked)]).agrees


def test_costs_by_model_group_by_attempt() -> None:
    """A call that two vendors were paid for costs something at both, and is one answer, of the second."""
    shares = by_model([broken_off()])
    assert {name: (share.calls, share.cost_usd) for name, share in shares.items()} == {
        "alpha m": (0, Decimal("0.001")),
        "beta m": (1, Decimal("0.004")),
    }
    assert detours([broken_off(), call()]) == (1, 0)
