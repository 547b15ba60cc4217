"""A package of somebody else's: built from the README's own blocks, installed, and found by its entry point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from readme_blocks import README, blocks

import orchestrator
import orchestrator_providers
from orchestrator import registry
from orchestrator.errors import ConfigError

pytest.importorskip("hatchling")
pytest.importorskip("pip")
pytestmark = pytest.mark.skipif(not README.is_file(), reason="the sources are not part of this installation")

KEY = "acme-key-0123456789"
_TOKENS = {"in": 1_000_000, "out": 1_000_000}
_PACKAGE = ("pyproject.toml", "acme_models/__init__.py")


class _Acme(BaseHTTPRequestHandler):
    """A vendor that speaks the README's protocol."""

    received: list[tuple[str, str | None, dict[str, Any]]]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        return

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.received.append((self.path, self.headers["authorization"], body))
        end = {"why": "done", "tokens": _TOKENS}
        if body["stream"]:
            events = [{"piece": "Hello "}, {"piece": "streamed."}, end]
            data = b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events)
        else:
            data = json.dumps({"text": "Hello whole.", **end}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@contextmanager
def _vendor() -> Iterator[tuple[str, list[tuple[str, str | None, dict[str, Any]]]]]:
    received: list[tuple[str, str | None, dict[str, Any]]] = []
    handler = type("Handler", (_Acme,), {"received": received})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _run(*command: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("ACME_URL", "ACME_API_KEY")}
    return subprocess.run(
        [sys.executable, *command], cwd=cwd, env=kept | env, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's wheel, built and installed into a folder of its own."""
    root = tmp_path_factory.mktemp("acme")
    for name in _PACKAGE:
        (root / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "source" / name).write_text(blocks()[name])
    quiet = ("--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
    built = _run("-m", "pip", "wheel", *quiet, "--no-build-isolation", "-w", "dist", "./source", cwd=root)
    assert built.returncode == 0, built.stderr
    (wheel,) = (root / "dist").glob("*.whl")
    done = _run("-m", "pip", "install", *quiet, "--target", "site", str(wheel), cwd=root)
    assert done.returncode == 0, done.stderr
    return root / "site"


def _path(site: Path) -> str:
    ours = {Path(next(iter(package.__path__))).parent for package in (orchestrator, orchestrator_providers)}
    return os.pathsep.join([str(site), *map(str, ours)])


def test_a_kind_of_another_package_is_called_by_its_name(installed: Path, tmp_path: Path) -> None:
    """`kind: acme` in the file reaches the package's wire: whole and streamed, signed, priced and logged."""
    for name in ("orchestrator.yaml", "app.py"):
        (tmp_path / name).write_text(blocks()[name])
    with _vendor() as (url, received):
        env = {"PYTHONPATH": _path(installed), "ACME_URL": url, "ACME_API_KEY": KEY}
        done = _run("-W", "error", "app.py", cwd=tmp_path, **env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["Hello whole. 3.000000", "Hello streamed."]
    turns = [{"by": "user", "text": "Hello"}]
    assert [(path, key, body["turns"]) for path, key, body in received] == [("/talk", f"Bearer {KEY}", turns)] * 2
    assert [body["stream"] for _, _, body in received] == [False, True]
    lines = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    calls = [line for line in lines if line["event"] == "llm.call"]
    assert [(line["provider"], line["status"], line["input_tokens"]) for line in calls] == [
        ("acme", "ok", 1_000_000)
    ] * 2


def test_without_the_package_the_kind_is_unknown(tmp_path: Path) -> None:
    """A file that names a kind nobody installed is refused, with the file, the line and the known kinds."""
    for name in ("orchestrator.yaml", "app.py"):
        (tmp_path / name).write_text(blocks()[name])
    done = _run("app.py", cwd=tmp_path, PYTHONPATH=_path(tmp_path), ACME_API_KEY=KEY)
    assert done.returncode != 0
    assert "unknown provider kind 'acme'" in done.stderr
    assert "orchestrator.yaml:" in done.stderr


@pytest.mark.parametrize(("wrong", "right"), [("antropic", "anthropic"), ("bedrok", "bedrock")])
def test_an_unknown_kind_names_the_nearest(wrong: str, right: str) -> None:
    """A mistyped kind is an error that names the nearest one."""
    with pytest.raises(ConfigError, match=f"unknown provider kind '{wrong}'; did you mean '{right}'"):
        registry.find(wrong)
