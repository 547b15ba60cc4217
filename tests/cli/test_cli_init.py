"""`orchestrator init`: a file of what this machine has, which loads as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestrator import registry
from orchestrator.cli.app import app
from orchestrator.cli.init.finding import Door, Key, Server, find_keys, find_servers
from orchestrator.cli.init.writing import MODELS, starting_file
from orchestrator.config import load_file
from orchestrator.pricing import bundled
from orchestrator.types.usage import Usage

ALL = {name: "x" for kind in registry.kinds() for name in registry.find(kind).profile.api_key_env}


@contextmanager
def server(answers: dict[str, Any]) -> Iterator[int]:
    """A server on loopback with these answers, by path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = Thread(target=listening.serve_forever)
        thread.start()
        yield listening.server_port
        listening.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "environ",
    [{}, {"OPENAI_API_KEY": "x"}, {"ANTHROPIC_API_KEY": "x", "VOYAGE_API_KEY": "y", "VENICE_API_KEY": "z"}, ALL],
    ids=["nothing", "one", "some", "all"],
)
@pytest.mark.parametrize(
    "servers",
    [
        (),
        (
            Server("ollama", "http://127.0.0.1:11434", ("llama3.2:latest", "nomic-embed-text")),
            Server("vllm", "http://127.0.0.1:8000/v1", ("org/a model: {with} #signs",)),
            Server("tei", "http://127.0.0.1:8080", ("BAAI/bge-m3",)),
            Server("lmstudio", "http://127.0.0.1:1234/v1", ()),
        ),
    ],
    ids=["no servers", "servers"],
)
def test_the_file_loads_as_it_is(environ: dict[str, str], servers: tuple[Server, ...], tmp_path: Path) -> None:
    """Whatever is found, the file has no mistake and warns of nothing unused."""
    path = tmp_path / "orchestrator.yaml"
    text, missing = starting_file(find_keys(environ), servers, "x.json")
    path.write_text(text)
    config = load_file(path, environ=environ | ({missing: "x"} if missing else {}))
    assert config.routes
    assert not [line for line in config.warnings if "no route uses it" in line]
    assert text.startswith("# yaml-language-server: $schema=x.json\n")


def test_keys_are_found_by_name_and_their_values_are_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command names variables, never what they hold, and neither does the file."""
    for name in ALL:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "hunter2")
    monkeypatch.setenv("GROQ_API_KEY", " ")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["init", "--no-probe", "--schema"])
    assert result.exit_code == 0
    assert "found OPENAI_API_KEY (openai)" in result.output
    assert "GROQ" not in result.output
    assert "next: orchestrator check orchestrator.yaml --live" in result.output
    assert "hunter2" not in result.output + Path("orchestrator.yaml").read_text()
    assert "$schema=orchestrator.schema.json" in Path("orchestrator.yaml").read_text()
    assert json.loads(Path("orchestrator.schema.json").read_text())["title"] == "orchestrator.yaml"
    assert CliRunner().invoke(app, ["check"]).exit_code == 0


def test_without_a_key_the_model_in_this_process_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra `local` and nothing else, the file works at once, and shows how a chat would stand in it."""
    pytest.importorskip("wordllama")
    for name in ALL:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, ["init", "--no-probe"]).exit_code == 0
    checked = CliRunner().invoke(app, ["check"])
    assert checked.exit_code == 0, checked.output
    assert "# answer: openai/gpt-4o-mini" in Path("orchestrator.yaml").read_text()


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    """Without --force nothing is written over, and the exit code is 2."""
    path = tmp_path / "o.yaml"
    path.write_text("mine")
    assert CliRunner().invoke(app, ["init", "--no-probe", "-o", str(path)]).exit_code == 2
    assert path.read_text() == "mine"
    assert CliRunner().invoke(app, ["init", "--no-probe", "-o", str(path), "--force"]).exit_code == 0
    assert path.read_text() != "mine"


def test_servers_are_found_with_their_models() -> None:
    """Each form in which servers list models is read; strangers, silence and closed ports are nobody."""
    answers = {
        "/api/tags": {"models": [{"name": "llama3.2"}, {"name": "bad\nname"}, 3]},
        "/v1/models": {"data": [{"id": "m"}]},
        "/info": {"model_id": "BAAI/bge-m3"},
        "/other": [1],
        "/junk": b"\xff<html>",
    }
    with server(answers) as port:
        doors = [Door("k", port, path) for path in (*answers, "/gone")]
        found = find_servers([*doors, Door("k", 9, "/info")])
    assert [one.models for one in found] == [("llama3.2",), ("m",), ("BAAI/bge-m3",)]
    assert [one.base_url.endswith("/v1") for one in found] == [False, True, False]


def test_every_suggested_model_has_a_price_and_a_task() -> None:
    """The models that a new file names are those of the price book, at kinds that can do their task."""
    for kind, models in MODELS.items():
        profile = registry.find(kind).profile
        assert models.keys() <= profile.tasks
        assert find_keys({profile.api_key_env[0]: "x"})[0] == Key(kind, profile.api_key_env[0])
        for task, model in models.items():
            row = bundled().find(str(profile.prices), model)
            assert row is not None, f"{kind}/{model}"
            usage = Usage(search_units=1) if task == "rerank" else Usage(input_tokens=10, output_tokens=0)
            assert row.cost(usage, at=datetime.now(UTC)).total is not None or task == "rerank", f"{kind}/{model}"
