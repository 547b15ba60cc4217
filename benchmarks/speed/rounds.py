"""Runs works in processes of their own, library by library and round by round.

Rounds interleave the libraries, so that a machine which slows down slows all of them: ratios hold where times do not.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import ssl
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speed import canned
from speed.honest import KEY_VARIABLE
from speed.works import Work

__all__ = ["ROOT", "Result", "Server", "environment", "failure", "run_work", "served"]

ROOT = Path(__file__).parents[2]
_TIMEOUT_S = 600.0
_PROFILED_AT_ONCE = 1000
"""More calls at once than this take minutes under the profiler."""
_RETRIED = 1.02
"""More requests than this per call, and the library was measured failing."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running vendor."""

    port: int
    certificate: str | None

    def url(self, way: str) -> str:
        """A base URL; `way` as in `server.py`, with its slash."""
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}/{way}v1"

    def counted(self) -> int:
        """Requests since it was last asked."""
        if self.certificate:
            trust = ssl.create_default_context(cafile=self.certificate)
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, timeout=10, context=trust
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/count")
            return int(connection.getresponse().read())


@dataclass(slots=True)
class Result:
    """What the rounds of one library at one work gave."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    skipped: str | None = None
    profile: str | None = None

    def median(self, key: str) -> float | None:
        """None if it did not run."""
        return statistics.median(row[key] for row in self.rows) if self.rows else None


@contextlib.contextmanager
def served(*, tls: bool) -> Iterator[Server]:
    """A vendor in a process of its own, for as long as this runs."""
    with tempfile.TemporaryDirectory() as folder:
        files = _certificate(Path(folder)) if tls else None
        command = [sys.executable, "-m", "speed.server", *(["--tls", *files] if files else [])]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(folder), text=True)
        try:
            assert process.stdout is not None
            yield Server(int(process.stdout.readline()), files[0] if files else None)
        finally:
            process.terminate()
            process.wait()


def _certificate(folder: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-out", str(certificate), "-keyout", str(key)]
    subprocess.run(["openssl", "req", *kind, *names, *files], check=True, capture_output=True)
    return str(certificate), str(key)


def environment(folder: str, certificate: str | None = None) -> dict[str, str]:
    """Of a process that is measured: bytecode is kept, as with installed packages; no look at the network."""
    places = [str(ROOT / "benchmarks"), str(ROOT), str(ROOT / "providers")]
    known = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    mine = {"PYTHONPATH": os.pathsep.join(places), "TMPDIR": folder, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    mine |= {KEY_VARIABLE: canned.KEY, "OPENAI_API_KEY": canned.KEY}
    return known | mine | ({"SSL_CERT_FILE": certificate} if certificate else {})


def run_work(work: Work, server: Server, peers: Sequence[str], rounds: int, *, profile: int = 0) -> dict[str, Result]:
    """One work, by peer. With `profile`, one more run of this project under the profiler, of so many lines."""
    results = {peer: Result() for peer in peers if work.compares(peer)}
    if work.starts:
        for peer in results:
            _one(work, server, peer)  # so that bytecode is there
    for _ in range(rounds):
        for peer, result in results.items():
            if result.skipped is None:
                _add(result, _one(work, server, peer))
    if profile and work.in_flight <= _PROFILED_AT_ONCE and not work.starts and "orchestrator" in results:
        row = _one(work, server, "orchestrator", "--profile", str(profile))
        results["orchestrator"].profile = row.get("profile")
    return results


def _add(result: Result, row: dict[str, Any]) -> None:
    if "skipped" in row:
        result.skipped = row["skipped"]
        result.rows.clear()
    else:
        result.rows.append(row)


def _one(work: Work, server: Server, peer: str, *more: str) -> dict[str, Any]:
    server.counted()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", *work.command(server.url(work.way), peer), *more]
        known = environment(folder, server.certificate)
        try:
            done = subprocess.run(command, env=known, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired:
            return {"skipped": f"not done after {_TIMEOUT_S:.0f} s"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        return {"skipped": failure(done.stderr)}
    row: dict[str, Any] = json.loads(lines[-1])
    sent, calls = server.counted(), row.get("calls", 0)
    if calls and not calls <= sent <= calls * _RETRIED:
        return {"skipped": f"{sent} requests for {calls} calls"}
    return row


def failure(stderr: str) -> str:
    """The last line of a traceback."""
    lines = stderr.strip().splitlines()
    return lines[-1][:300] if lines else "ended without a word"
