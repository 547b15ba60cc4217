"""The stage: three simulated vendors, and the file through which the application reaches them."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path

from orchestrator.cli.demo.pace import Pace
from orchestrator.testing import Simulator, Vendor, WireName

__all__ = ["CHATTING", "FAILING", "NEW_MODEL", "OLD_MODEL", "VENDORS", "DemoError", "Stage", "open_folder", "staged"]

FAILING = "alpha"
OLD_MODEL = "gpt-4o-mini"
NEW_MODEL = "gpt-4.1-mini"
CHATTING = ("small", "steady", "reserve")
"""Who answers `answer`, in order; the first is a model of the failing vendor."""

VENDORS: Mapping[str, WireName] = {"alpha": "openai", "beta": "anthropic", "gamma": "cohere"}

_FILE = """\
# Written by `orchestrator demo`. The application calls `answer`, `search` and `rank`. Which model that is, at
# which vendor, under which limits and at what price, is said here and nowhere else. A running process takes
# over an edit of this file by itself.
version: 1

# Accounts at vendors. The demo simulates all three on this machine, while it runs. To call a real one, take out
# base_url and priced_as, and set the variable.
providers:
  alpha:
    kind: openai                              # whose API it speaks
    base_url: {alpha}/v1
    api_key: {{env: {alpha_key}}}            # a reference; a key written here is refused
    priced_as: openai                         # another address has no price, unless you say whose
  beta:
    kind: anthropic
    base_url: {beta}
    api_key: {{env: {beta_key}}}
    priced_as: anthropic
  gamma:
    kind: cohere
    base_url: {gamma}
    api_key: {{env: {gamma_key}}}
    priced_as: cohere

# Models at those vendors, under names of your own.
deployments:
  small:   {{provider: alpha, model: {model}, limits: {{rpm: 6000, tpm: 4M}}}}
  steady:  {{provider: beta, model: claude-haiku-4-5, limits: {{concurrency: 12}}}}   # the 13th call goes elsewhere
  reserve: {{provider: gamma, model: command-r-08-2024}}
  vectors: {{provider: gamma, model: embed-v4.0, dimensions: 256}}
  ranker:  {{provider: gamma, model: rerank-v3.5}}

# What the application asks for.
routes:
  answer:
    task: chat
    pick: small                               # who answers on a good day
    then: [steady, reserve]                   # who answers otherwise, in this order
    deadline: 15s                             # for all of it: queueing, retries, the stream
    defaults: {{temperature: 0.2, max_output_tokens: 200}}
  search: {{task: embed, pick: vectors, defaults: {{input_type: query}}}}
  rank: {{task: rerank, pick: ranker, defaults: {{top_n: 3}}}}

# A deployment that keeps failing is left alone, then tried with one call at a time. In real life that takes seconds to
# minutes (leave this line out); the demo is in a hurry.
breaker: {{open: 400ms, longest: 400ms, probes: 1, ramp: 400ms}}

# One JSON line per call, with its exact cost.
log: {{path: calls.jsonl}}
"""


class DemoError(Exception):
    """The demo cannot run or go on; the message says why, for the user."""


class Stage:
    """Vendors that run, and the file."""

    def __init__(self, simulator: Simulator, folder: Path) -> None:
        self.simulator = simulator
        self.file = folder / "orchestrator.yaml"
        self.log = folder / "calls.jsonl"

    def write(self, model: str) -> None:
        """Put the file in place in one piece, with this model as the first choice of `answer`."""
        urls = {name: self.simulator.url(name) for name in VENDORS}
        keys = {f"{name}_key": _variable(name) for name in VENDORS}
        unfinished = self.file.with_suffix(".tmp")
        unfinished.write_text(_FILE.format(model=model, **urls, **keys), encoding="utf-8")
        unfinished.replace(self.file)  # a reader sees the old file or the new one, never half of one


def open_folder(given: Path | None) -> Path:
    """The folder to work in; without one given a new one here, or a temporary one where nothing may be written.

    Raises:
        DemoError: the given folder cannot be used, or holds a configuration already.
    """
    if given is None:
        return _new_folder()
    try:
        given.mkdir(parents=True, exist_ok=True)
        taken = next((name for name in ("orchestrator.yaml", "calls.jsonl") if (given / name).exists()), None)
        if taken is None:
            with tempfile.TemporaryFile(dir=given):
                return given
    except OSError as error:
        raise DemoError(f"cannot write into {given}: {error.strerror or error}") from error
    raise DemoError(f"{given / taken} is there already and is left alone; give another --dir")


def _new_folder() -> Path:
    for number in count(1):
        folder = Path("orchestrator-demo" if number == 1 else f"orchestrator-demo-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError:
            break
        return folder
    return Path(tempfile.mkdtemp(prefix="orchestrator-demo-"))


@contextlib.contextmanager
def staged(folder: Path, pace: Pace, seed: int) -> Iterator[Stage]:
    """Vendors up, keys in this process's environment, file written; afterwards the first two are gone again."""
    keys = {name: secrets.token_urlsafe(24) for name in VENDORS}
    vendors = [
        Vendor(
            name=name,
            wire=wire,
            api_key=keys[name],
            latency_s=pace.latency_s,
            first_token_s=pace.first_token_s,
            tokens_per_s=pace.tokens_per_s,
            jitter=0.3,
            seed=seed,
        )
        for name, wire in VENDORS.items()
    ]
    with _environment({_variable(name): key for name, key in keys.items()}), Simulator(vendors) as simulator:
        stage = Stage(simulator, folder)
        stage.write(OLD_MODEL)
        yield stage


def _variable(vendor: str) -> str:
    return f"DEMO_{vendor.upper()}_KEY"


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
