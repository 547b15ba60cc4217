"""The code blocks of README.md and docs/*.md, and a folder with simulated vendors in which they run.

A comment on the line before a block says what is to be done with it, where the language alone does not:

- `<!-- file: NAME -->`: it is that file, for the blocks after it.
- `<!-- output -->`: it is what the block before it prints; `...` stands for anything.
- `<!-- not run: WHY -->`: it is only compiled.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from orchestrator.config import load_file
from orchestrator.testing import Simulator, Vendor

__all__ = ["PAGES", "ROOT", "Block", "Folder", "blocks"]

ROOT = Path(__file__).parents[2]
PAGES = tuple(page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if page.is_file())

_FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[^\n]*?) -->\n\n?)?(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_VARIABLE = re.compile(r"\benv\"?: \"?(\w+)|\$\{?([A-Z][A-Z_]+)\b")
_ONE_LINE = re.compile(r"\b(openai|anthropic|cohere)/([\w.-]+)")
_ADDRESSES = {"openai": "/v1", "openai_compatible": "/v1", "anthropic": "", "cohere": ""}
_KEY = {"env": "TEST_KEY"}


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: the page, the line of its first line of code (from 1), and what is said of it."""

    page: Path
    line: int
    language: str
    code: str
    mark: str

    @property
    def where(self) -> str:
        """For messages and tracebacks."""
        return f"{self.page.name}:{self.line}"

    @property
    def file(self) -> str | None:
        """The name that it is to be written under."""
        return self.mark.removeprefix("file: ") if self.mark.startswith("file: ") else None

    @property
    def runs(self) -> bool:
        """False where the page says why not."""
        return not self.mark.startswith("not run: ")


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, in order.

    Raises:
        AssertionError: a fence that is not closed, or a comment that is none of those above.
    """
    text = page.read_text()
    found = []
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start("code")) + 1
        code = re.sub(rf"^{match['indent']}", "", match["code"], flags=re.MULTILINE)
        found.append(Block(page, line, match["language"], code, match["mark"] or ""))
    assert len(re.findall(r"^ *```", text, re.MULTILINE)) == 2 * len(found), f"{page.name}: a fence that is not closed"
    for block in found:
        known = block.mark in {"", "output"} or re.match(r"file: \S+$|not run: \S", block.mark)
        assert known or block.mark.startswith("generated"), f"{block.where}: <!-- {block.mark} --> says nothing"
    return found


class Folder:
    """Runs the blocks of one page, in order, in a folder of their own, against simulated vendors on loopback.

    A configuration keeps its names, models, limits and prices; only the vendors' addresses and credentials are others.
    """

    def __init__(self, folder: Path, simulator: Simulator) -> None:
        self._folder = folder
        self._simulator = simulator
        self._names: dict[str, Any] = {"__name__": "page"}
        self._config: dict[str, Any] = {}
        self._printed = ""
        self._write_commands()

    @classmethod
    @contextlib.contextmanager
    def open(cls, folder: Path) -> Iterator[Folder]:
        """A folder with vendors that speak OpenAI's, Anthropic's and Cohere's protocols."""
        wires = ("openai", "anthropic", "cohere")
        with Simulator([Vendor(name=wire, wire=wire) for wire in wires]) as simulator:
            yield cls(folder, simulator)

    def run(self, block: Block) -> None:
        """Run it, or hold it against what the block before it printed.

        Raises:
            AssertionError, Exception: it does not do what the page says.
        """
        if block.mark == "output":
            expected = re.escape(block.code.strip()).replace(re.escape("..."), ".*?")
            assert re.fullmatch(expected, self._printed.strip(), re.DOTALL), f"{block.where}: {self._printed!r}"
            return
        does = {"python": self._python, "sh": self._shell, "yaml": self._yaml}.get(block.language, self._plain)
        does(block)

    def _plain(self, block: Block) -> None:
        known = block.file or block.language == "text" or not block.runs
        assert known, f"{block.where}: no way to run {block.language!r}"
        if block.file:
            self._write(block.file, block.code)

    def _python(self, block: Block) -> None:
        code = compile("\n" * (block.line - 1) + block.code, str(block.page), "exec")
        if block.file:
            self._write(block.file, block.code)
        elif block.runs:
            printed = io.StringIO()
            before = set(self._names)
            with contextlib.redirect_stdout(printed):
                exec(code, self._names)
                for name in [name for name in self._names if name.startswith("test_") and name not in before]:
                    self._names[name]()
            self._printed = printed.getvalue()

    def _shell(self, block: Block) -> None:
        options = "-euo" if block.runs else "-neuo"
        path = os.pathsep.join([str(self._folder / ".venv" / "bin"), os.environ["PATH"]])
        paths = os.pathsep.join(sys.path)
        done = subprocess.run(
            ["bash", options, "pipefail", "-c", block.code],
            cwd=self._folder, env={**os.environ, "PATH": path, "PYTHONPATH": paths, "COLUMNS": "200"},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{block.where}: {done.stdout}{done.stderr}"
        self._printed = done.stdout

    def _yaml(self, block: Block) -> None:
        value = yaml.safe_load(block.code)
        if block.file and "version" not in value:
            self._write(block.file, block.code)
            return
        if not block.runs:
            return
        if "version" in value:
            self._config = value
        whole = self._redirected(_merged(self._config, value))
        name = block.file or ("orchestrator.yaml" if "version" in value else "fragment.yaml")
        written = self._write(name, yaml.safe_dump(whole, sort_keys=False))
        load_file(written)

    def _redirected(self, config: dict[str, Any]) -> dict[str, Any]:
        text = yaml.safe_dump(config, sort_keys=False)
        one_line = sorted(set(_ONE_LINE.findall(text)))
        config = yaml.safe_load(_ONE_LINE.sub(r"\1-\2", text))
        providers = config.setdefault("providers", {})
        for vendor, model in one_line:
            providers.setdefault(f"the-{vendor}", {"kind": vendor, "api_key": dict(_KEY)})
            config.setdefault("deployments", {})[f"{vendor}-{model}"] = {"provider": f"the-{vendor}", "model": model}
        for provider in providers.values():
            self._redirect(provider)
        return config

    def _redirect(self, provider: dict[str, Any]) -> None:
        kind = provider["kind"]
        if "file" in provider.get("api_key", {}):
            provider["api_key"] = dict(_KEY)
        if kind in _ADDRESSES:
            simulated = "openai" if kind == "openai_compatible" else kind
            provider["base_url"] = self._simulator.url(simulated) + _ADDRESSES[kind]
            if kind != "openai_compatible":
                provider.setdefault("priced_as", kind)

    def _write(self, name: str, text: str) -> Path:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def _write_commands(self) -> None:
        for name, module in (
            ("orchestrator", "-m orchestrator "),
            ("python", ""),
            ("python3", ""),
            ("pytest", "-m pytest "),
        ):
            self._write(f".venv/bin/{name}", f'#!/bin/sh\nexec "{sys.executable}" {module}"$@"\n').chmod(0o755)


def variables(found: list[Block]) -> set[str]:
    """Environment variables that the blocks read."""
    return {one or other for block in found for one, other in _VARIABLE.findall(block.code)} - {"HOME", "PATH", "PWD"}


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {key: _merged(under[key], over[key]) for key in under.keys() & over.keys()
            if isinstance(under[key], dict) and isinstance(over[key], dict)}  # fmt: skip
    return {**under, **over, **both}
