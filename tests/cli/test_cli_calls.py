"""`orchestrator chat`, `embed` and `rerank`, run as a user runs them, against simulated vendors."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from orchestrator.cli.app import app
from orchestrator.testing import Simulator, Vendor

Run = Callable[..., Result]

FILE = """\
version: 1
providers:
  openai: {{kind: openai, base_url: {openai}/v1, api_key: {{env: TEST_KEY}}, priced_as: openai}}
  cohere: {{kind: cohere, base_url: {cohere}, api_key: {{env: TEST_KEY}}, priced_as: cohere}}
  slow: {{kind: openai, base_url: {slow}/v1, api_key: {{env: TEST_KEY}}, priced_as: openai}}
deployments:
  small: {{provider: openai, model: gpt-4o-mini}}
  large: {{provider: openai, model: gpt-4o}}
  drip: {{provider: slow, model: gpt-4o-mini}}
  te3: {{provider: openai, model: text-embedding-3-small}}
  ranker: {{provider: cohere, model: rerank-v3.5}}
routes:
  answer: {{task: chat, pick: small}}
  big: {{task: chat, pick: large, then: small}}
  slowly: {{task: chat, pick: drip}}
  search: {{task: embed, pick: te3}}
  rank: {{task: rerank, pick: ranker}}
log: {{path: calls.jsonl}}
"""


@pytest.fixture
def sim() -> Iterator[Simulator]:
    vendors = [
        Vendor(name="openai", answer="The Team plan."),
        Vendor(name="cohere", wire="cohere"),
        Vendor(name="slow", answer="word " * 400, tokens_per_s=20),
    ]
    with Simulator(vendors) as sim:
        yield sim


@pytest.fixture
def file(sim: Simulator, tmp_path: Path) -> Path:
    path = tmp_path / "orchestrator.yaml"
    path.write_text(FILE.format(**{name: sim.url(name) for name in ("openai", "cohere", "slow")}))
    return path


@pytest.fixture
def run(file: Path) -> Run:
    def run(*arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, [*arguments, "--file", str(file)], input=stdin)

    return run


def test_chat_streams_the_answer_and_tells_its_cost_beside_it(run: Run, sim: Simulator) -> None:
    """Standard output has the answer and nothing else; who answered, tokens and dollars are on standard error."""
    done = run("chat", "answer", "Which plan includes SSO?", "--system", "Be brief.")
    assert (done.exit_code, done.stdout) == (0, "The Team plan.\n")
    assert done.stderr.startswith("small (gpt-4o-mini), ")
    assert re.search(r" \d+ tokens in, \d+ out, \$0\.0000\d+, \d\.\d s\n", done.stderr)
    sent = sim["openai"].received[-1].body
    assert sent["stream"] is True
    assert [turn["content"] for turn in sent["messages"]] == ["Be brief.", "Which plan includes SSO?"]


@pytest.mark.parametrize("prompt", [("-",), ()])
def test_chat_reads_its_prompt_from_a_pipe(run: Run, sim: Simulator, prompt: tuple[str, ...]) -> None:
    """With `-`, or without a prompt, what is piped in is asked, without streaming if so wanted."""
    done = run("chat", "answer", *prompt, "--no-stream", stdin="Which plan?\nAnd why?\n")
    assert (done.exit_code, done.stdout) == (0, "The Team plan.\n")
    sent = sim["openai"].received[-1].body
    assert not sent.get("stream")
    assert sent["messages"][-1]["content"] == "Which plan?\nAnd why?"


def test_chat_json_is_one_object_with_exact_money(run: Run) -> None:
    """`--json` prints one line with the text, who answered, tokens and dollars, and nothing on standard error."""
    done = run("chat", "answer", "hi", "--json")
    told = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert (told["text"], told["deployment"], told["finish_reason"]) == ("The Team plan.", "small", "stop")
    assert told["cost_usd"] > 0
    assert done.stderr == ""


def test_chat_sends_files_along(run: Run, sim: Simulator, tmp_path: Path) -> None:
    """`--attach` sends a picture as a picture and a text as text, before the prompt."""
    (tmp_path / "plans.md").write_text("Team: SSO")
    (tmp_path / "plans.png").write_bytes(b"\x89PNG")
    files = ["--attach", str(tmp_path / "plans.md"), "--attach", str(tmp_path / "plans.png")]
    assert run("chat", "answer", "Which?", *files).exit_code == 0
    parts = sim["openai"].received[-1].body["messages"][-1]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url", "text"]
    assert parts[0]["text"] == "plans.md:\n\nTeam: SSO"
    assert parts[1]["image_url"]["url"].startswith("data:image/png;base64,")


def test_chat_refuses_a_file_that_is_nothing_it_knows(run: Run, sim: Simulator, tmp_path: Path) -> None:
    """A file that is neither text nor known by its name is refused before anything is sent."""
    (tmp_path / "plans.bin").write_bytes(b"\xff\xfe\x00")
    done = run("chat", "answer", "Which?", "--attach", str(tmp_path / "plans.bin"))
    assert done.exit_code == 2
    assert "neither text" in done.stderr
    assert sim["openai"].received == []


def test_chat_tells_what_was_tried(run: Run, sim: Simulator) -> None:
    """A failed call is one screen: the error, one line per attempt, and exit code 1."""
    sim["openai"].fail(503)
    done = run("chat", "big", "hi")
    assert (done.exit_code, done.stdout) == (1, "")
    first, *tried = done.stderr.splitlines()
    assert first.startswith("Overloaded: ")
    assert {line.split()[1] for line in tried} == {"large:", "small:"}
    assert len(tried) <= 10


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["chat", "anser", "hi"], 1, "did you mean 'answer'?"),
        (["chat", "search", "hi"], 1, "is for embed, not for chat"),
        (["chat", "answer", " "], 2, "the prompt is empty"),
        (["embed", "search", " "], 2, "there is no text"),
        (["embed", "search", "a", "--json", "--csv"], 2, "not both"),
        (["chat", "answer", "-i", "--json"], 2, "goes with neither"),
    ],
)
def test_mistakes_are_told_in_a_few_lines(run: Run, arguments: list[str], code: int, told: str) -> None:
    """A mistake of the user is told with what would be right, without a traceback, and with its exit code."""
    done = run(*arguments)
    assert done.exit_code == code
    assert told in " ".join(done.stderr.split())
    assert len(done.stderr.splitlines()) < 10


def test_a_missing_file_is_a_wrong_configuration(tmp_path: Path) -> None:
    """Without a configuration the exit code is 2 and the file is named."""
    done = CliRunner().invoke(app, ["chat", "answer", "hi", "--file", str(tmp_path / "nope.yaml")])
    assert done.exit_code == 2
    assert "nope.yaml" in done.stderr


def test_model_info_asks_nobody(run: Run, sim: Simulator) -> None:
    """`--model-info` shows the deployments of a route in its order with known facts, and sends nothing."""
    done = run("chat", "big", "--model-info")
    assert [line for line in done.stdout.splitlines() if not line.startswith(" ")] == [
        "large: gpt-4o at openai (openai)",
        "small: gpt-4o-mini at openai (openai)",
    ]
    assert "context tokens         128,000" in done.stdout
    told = json.loads(run("chat", "big", "--model-info", "--json").stdout)
    assert told["large"]["tools"] is True
    assert sim["openai"].received == []


def test_a_conversation_keeps_its_history_across_routes(run: Run, sim: Simulator) -> None:
    """What was said goes along to another route, /reset forgets it, and /cost adds up all of it."""
    typed = "one\n/route big\ntwo\n/reset\n//three\n/cost\n/help\n/what\n/rout\n/route\n/route bg\n/exit\nnever\n"
    done = run("chat", "answer", "-i", "--system", "Be brief.", stdin=typed)
    assert (done.exit_code, done.stdout) == (0, "The Team plan.\n" * 3)
    asked = [[turn["content"] for turn in request.body["messages"]] for request in sim["openai"].received]
    assert asked == [
        ["Be brief.", "one"],
        ["Be brief.", "one", "The Team plan.", "two"],
        ["Be brief.", "/three"],
    ]
    assert [request.body["model"] for request in sim["openai"].received] == ["gpt-4o-mini", "gpt-4o", "gpt-4o"]
    assert "\n3 calls, " in done.stderr
    assert "/reset        forget" in done.stderr
    assert "there is no /what; /help lists the commands\nthere is no /rout; did you mean /route?\n" in done.stderr
    assert "big answers; /route NAME asks another: answer, big, slowly\n" in done.stderr
    assert "did you mean 'big'?" in done.stderr


def test_an_error_does_not_end_a_conversation(run: Run, sim: Simulator) -> None:
    """After an error the next question is asked, without the one that nobody answered."""
    sim["openai"].fail(400, count=1)
    done = run("chat", "answer", "-i", stdin="one\ntwo\n")
    assert (done.exit_code, done.stdout) == (0, "The Team plan.\n")
    assert "InvalidRequest: " in done.stderr
    assert [turn["content"] for turn in sim["openai"].received[-1].body["messages"]] == ["two"]


def test_an_answer_that_breaks_off_is_told_with_what_it_cost(run: Run, sim: Simulator) -> None:
    """What had come is shown and paid for, the break is an error and exit code 1; a conversation goes on from there."""
    sim["openai"].cut(after_events=3, count=1)
    done = run("chat", "answer", "hi")
    assert done.exit_code == 1
    assert "The Team plan.".startswith(done.stdout.strip())
    assert done.stdout.endswith("\n")
    assert "StreamInterrupted: " in done.stderr
    assert "small (gpt-4o-mini), broken off, about " in done.stderr
    sim["openai"].cut(after_events=3, count=1)
    done = run("chat", "answer", "-i", stdin="one\nGo on.\n/cost\n")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "The Team plan.")
    history = [turn["content"] for turn in sim["openai"].received[-1].body["messages"]]
    assert (history[0], history[2]) == ("one", "Go on.")
    assert "\n2 calls, " in done.stderr


def test_lines_between_quotes_are_one_message(run: Run, sim: Simulator) -> None:
    """Three quotes begin a message of several lines, and end it; also on one line."""
    run("chat", "answer", "-i", stdin='"""one\n\ntwo"""\n"""three"""\n"""\nnever sent')
    asked = [request.body["messages"][-1]["content"] for request in sim["openai"].received]
    assert asked == ["one\n\ntwo", "three"]


def test_a_conversation_follows_the_file(file: Path, sim: Simulator) -> None:
    """An edit is in force for the next message and said; a wrong one is shown, and the old one answers on."""
    with start(file, "chat", "answer", "-i") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        text = file.read_text()
        for change in (("pick: small", "pick: large"), ("pick: small", "pik: small")):
            process.stdin.write("hello\n")
            process.stdin.flush()
            process.stdout.readline()
            file.write_text(text.replace(*change))
        _, err = process.communicate("hello\n", timeout=30)
    assert process.returncode == 0, err
    assert [request.body["model"] for request in sim["openai"].received] == ["gpt-4o-mini", "gpt-4o", "gpt-4o"]
    assert "has changed, and is in force" in err
    assert "unknown key 'pik'; did you mean 'pick'?" in err
    assert "the old one stays in force" in err


def test_a_model_cannot_steer_the_terminal(file: Path, run: Run, sim: Simulator) -> None:
    """Control sequences in an answer are left out on a terminal; into a pipe goes exactly what the model wrote."""
    sim["openai"].answer("a\x1b[31mb\u009b2J")
    assert run("chat", "answer", "hi").stdout == "a\x1b[31mb\u009b2J\n"
    ours, theirs = pty.openpty()
    with start(file, "chat", "answer", "hi", stdout=theirs) as process:
        process.communicate(timeout=30)
    os.close(theirs)
    shown = os.read(ours, 1000)
    os.close(ours)
    assert shown == b"a[31mb2J\r\n"


def test_embed_shows_beginnings_rows_or_json(run: Run, sim: Simulator) -> None:
    """Vectors come as a preview, as rows of numbers, or as JSON with the name of their space."""
    preview = run("embed", "search", "first", "second")
    assert [line.split()[-1] for line in preview.stdout.splitlines()] == ["first", "second"]
    assert "2 vectors of 1,536 numbers, " in preview.stderr
    assert "space text-embedding-3-small@1536" in preview.stderr
    rows = run("embed", "search", "--csv", "--dimensions", "3", stdin="first\n\nsecond\n").stdout.splitlines()
    assert [len(row.split(",")) for row in rows] == [3, 3]
    assert sim["openai"].received[-1].body["input"] == ["first", "second"]
    told = json.loads(run("embed", "search", "first", "--dimensions", "3", "--json").stdout)
    assert [str(number) for number in told["vectors"][0]] == rows[0].split(",")
    assert (told["space"], told["dimensions"]) == ("text-embedding-3-small@3", 3)


def test_rerank_prints_the_best_first(run: Run) -> None:
    """Documents come back best first, with score and place, as columns or as JSON."""
    documents = "billing\nsingle sign-on\nprices\n"
    done = run("rerank", "rank", "-", "--query", "sign-on", "--top-n", "2", stdin=documents)
    score, place, text = done.stdout.splitlines()[0].split("\t")
    assert (place, text) == ("1", "single sign-on")
    assert float(score) > 0
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr.startswith("ranker (rerank-v3.5), $0.002, ")
    told = json.loads(run("rerank", "rank", "--query", "sign-on", "--json", stdin=documents).stdout)
    assert told["results"][0]["document"] == "single sign-on"


def start(file: Path, *arguments: str, stdout: int = subprocess.PIPE, **more: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1", **more}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "orchestrator", *arguments, "--file", str(file)],
        env=environment, stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_ctrl_c_ends_the_answer_and_not_the_conversation(file: Path, sim: Simulator) -> None:
    """Ctrl-C stops a long answer; what had come is paid for, stays in the history, and the next question is asked."""
    with start(file, "chat", "slowly", "-i") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("Tell me all.\n")
        process.stdin.flush()
        process.stdout.read(10)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate("/cost\n/route answer\nShorter.\n", timeout=30)
    assert process.returncode == 0, err
    assert out.endswith("\nThe Team plan.\n")
    assert "drip (gpt-4o-mini), stopped, about " in err
    assert "1 call, " in err
    history = [turn["content"] for turn in sim["openai"].received[-1].body["messages"]]
    assert (history[0], history[2]) == ("Tell me all.", "Shorter.")
    assert 2 <= history[1].split().count("word") < 100
    logged = [json.loads(line)["status"] for line in (file.parent / "calls.jsonl").read_text().splitlines()]
    assert logged == ["cancelled", "ok"]


def test_ctrl_c_ends_a_single_answer_with_130(file: Path) -> None:
    """Ctrl-C in a command that asks once ends it as the shell expects, without a traceback, and the cost is told."""
    with start(file, "chat", "slowly", "Tell me all.") as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "stopped" in err


def test_a_pipe_in_ascii_gets_what_it_can_hold(file: Path, sim: Simulator) -> None:
    """Where the output has no more than ASCII nothing fails: look-alikes, numbers of characters, and JSON's escapes."""
    sim["openai"].answer("Grüße… 你 🙂")
    with start(file, "chat", "answer", "hi", PYTHONIOENCODING="ascii") as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "Gr\\xfc\\xdfe... \\u4f60 \\U0001f642\n"), err
    with start(file, "chat", "answer", "hi", "--json", PYTHONIOENCODING="ascii") as process:
        out, err = process.communicate(timeout=30)
    assert out.isascii()
    assert json.loads(out)["text"] == "Grüße… 你 🙂"
    with start(file, "routes", "--route", "nope…", PYTHONIOENCODING="ascii") as process:
        _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "no route 'nope...'" in err


def test_log_lines_do_not_mix_with_answers(file: Path) -> None:
    """Where the file sends log lines to standard output, they go to standard error here."""
    file.write_text(file.read_text().replace("log: {path: calls.jsonl}", "log: {to: stdout}"))
    with start(file, "chat", "answer", "hi") as process:
        out, err = process.communicate(timeout=30)
    assert out == "The Team plan.\n"
    assert '"event":"llm.call"' in err


@pytest.mark.parametrize(
    "command",
    [["chat", "answer", "hi"], ["embed", "search", "a text"], ["rerank", "rank", "--query", "q", "a document"]],
    ids=["chat", "embed", "rerank"],
)
def test_calls_are_made_in_somebodys_name(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """Tenant, user and tags given on the command line are the call's: its line has them, and budgets count by them."""
    monkeypatch.chdir(tmp_path)
    whose = ["--tenant", "acme", "--user", "ann", "--tag", "team=search", "--tag", "env=dev"]
    assert run(*command, *whose).exit_code == 0
    line = json.loads((tmp_path / "calls.jsonl").read_text())
    assert (line["tenant"], line["user"], line["tags"]) == ("acme", "ann", {"team": "search", "env": "dev"})
    wrong = run(*command, "--tag", "search")
    assert wrong.exit_code == 2
    assert "write --tag name=value" in " ".join(wrong.output.split())
