"""A conversation and completion as a person meets them: in a terminal of their own, typed at and read."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from orchestrator.testing import Simulator, Vendor

FILE = """\
version: 1
providers:
  fast: {{kind: openai, base_url: {fast}/v1, api_key: {{env: TEST_KEY}}, priced_as: openai}}
  slow: {{kind: openai, base_url: {slow}/v1, api_key: {{env: TEST_KEY}}, priced_as: openai}}
deployments:
  small: {{provider: fast, model: gpt-4o-mini}}
  drip: {{provider: slow, model: gpt-4o-mini}}
routes:
  answer: {{task: chat, pick: small}}
  slowly: {{task: chat, pick: drip}}
  search: {{task: embed, pick: openai/text-embedding-3-small}}
"""
MAIN = """\
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from orchestrator.cli import main
main()
"""


@pytest.fixture
def sim() -> Iterator[Simulator]:
    vendors = [
        Vendor(name="fast", answer="The Team plan."),
        Vendor(name="slow", answer="word " * 400, tokens_per_s=20),
    ]
    with Simulator(vendors) as sim:
        yield sim


@pytest.fixture
def folder(sim: Simulator, tmp_path: Path) -> Path:
    text = FILE.format(fast=sim.url("fast"), slow=sim.url("slow"))
    (tmp_path / "orchestrator.yaml").write_text(text)
    return tmp_path


class Terminal:
    """A command in a terminal of 100 columns."""

    def __init__(self, folder: Path, command: list[str], term: str = "xterm-256color") -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        paths = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
        keys = {"TEST_KEY": "none", "OPENAI_API_KEY": "none"}
        environment = {**os.environ, **keys, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": term, "PATH": paths}
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self._read = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def expect(self, text: str) -> str:
        """What came up to this text. AssertionError after 20 seconds without it."""
        assert self._comes(text, within_s=20), self._read
        before, _, self._read = self._read.partition(text)
        return before + text

    def interrupt(self, text: str) -> None:
        """Press Ctrl-C until this text comes: one that is pressed just before the line is read may be lost."""
        for _ in range(10):
            self.type("\x03")
            if self._comes(text, within_s=2):
                return
        self.expect(text)

    def _comes(self, text: str, within_s: float) -> bool:
        end = time.monotonic() + within_s
        while text not in self._read and time.monotonic() < end:
            if select.select([self._ours], [], [], 0.1)[0]:
                self._read += os.read(self._ours, 10_000).decode(errors="replace")
        return text in self._read

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self) -> int:
        """Type Ctrl-D; the exit code."""
        self.type("\x04")
        return self._process.wait(timeout=30)


def talk(folder: Path, term: str = "xterm-256color") -> Terminal:
    return Terminal(folder, [sys.executable, "-W", "error", "-c", MAIN, "chat", "answer"], term)


def test_a_conversation_at_a_terminal(folder: Path, sim: Simulator) -> None:
    """Arrow keys, Tab, several pasted lines, Ctrl-C in an answer, and Ctrl-D do as one expects."""
    with talk(folder) as terminal:
        terminal.expect("Ctrl-D ends")
        terminal.expect("answer> ")
        terminal.type("\x1b[200~line one\nline two\x1b[201~\r")
        terminal.expect("The Team plan.")
        terminal.expect("answer> ")
        terminal.type("/route sl\t\r")
        terminal.expect("slowly from now on")
        terminal.expect("slowly> ")
        terminal.type("at length\r")
        terminal.expect("word word")
        terminal.interrupt("stopped, about ")
        terminal.expect("stopped, about ")
        terminal.expect("slowly> ")
        terminal.type("/route answer\r")
        terminal.expect("answer> ")
        terminal.type("\x1b[A\x1b[A\r")
        terminal.expect("The Team plan.")
        terminal.expect("answer> ")
        assert terminal.end() == 0
    asked = [request.body["messages"][-1]["content"] for request in sim["fast"].received]
    assert asked == ["line one\nline two", "at length"]


def test_a_dumb_terminal_gets_no_control_sequences(folder: Path) -> None:
    """With TERM=dumb a conversation works, and writes text alone."""
    with talk(folder, term="dumb") as terminal:
        shown = terminal.expect("answer> ")
        terminal.type("hello\r")
        shown += terminal.expect("The Team plan.") + terminal.expect("answer> ")
        assert terminal.end() == 0
    assert "\x1b" not in shown


def test_bash_completes_commands_routes_and_files(folder: Path) -> None:
    """Tab in a real bash completes a command, then the routes of its task, deployments, and names of files."""
    command = folder / "orchestrator"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m orchestrator "$@"\n')
    command.chmod(0o755)
    (folder / "other.yaml").write_text("version: 1\nroutes: {elsewhere: openai/gpt-4o}\n")
    with Terminal(folder, ["bash", "--norc", "--noprofile", "-i"]) as terminal:
        terminal.type('PS1="$ "; eval "$(_ORCHESTRATOR_COMPLETE=source_bash orchestrator)"; echo rea""dy\r')
        terminal.expect("ready")
        for typed, completed in (
            ("orchestrator rou\t", "tes "),
            ("orchestrator chat slo\t", "wly "),
            ("orchestrator embed s\t", "earch "),
            ("orchestrator diff sm\t", "all "),
            ("orchestrator check oth\t", "er.yaml "),
            ("orchestrator chat -f other.yaml else\t", "where "),
        ):
            terminal.type(typed)
            terminal.expect(typed.rstrip("\t") + completed)
            terminal.type("\x15\r")  # throws the line away
            terminal.expect("$ ")
