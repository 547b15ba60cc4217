"""What loading litellm does to a process, each claim in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import ConfigError
from orchestrator.registry import find
from orchestrator.spec.provider import EngineFactory
from orchestrator_providers.litellm.loading import require

HERE = Path(__file__).parent
PROMPT = "PROMPT-SENTINEL-the-quick-brown-fox"
KEY = "sk-sentinel-0123456789abcdef"


def run_python(code: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter that has our packages and these tests' helpers."""
    paths = [str(HERE), *(path for path in sys.path if path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(
        [sys.executable, *flags, "-c", code], capture_output=True, text=True, env=environment, timeout=120, check=False
    )


def test_importing_the_provider_does_not_import_litellm() -> None:
    """The registry finds the kind without loading litellm, openai or an HTTP client."""
    code = """
import sys
from orchestrator.registry import find
from orchestrator_providers.litellm import ENGINE
assert find("litellm") is ENGINE
heavy = {"litellm", "openai", "httpx", "aiohttp", "botocore", "pydantic"} & set(sys.modules)
assert not heavy, heavy
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr


def test_the_registry_gives_an_engine() -> None:
    """The kind `litellm` is an engine for all three tasks, without a required key."""
    engine = find("litellm")
    assert isinstance(engine, EngineFactory)
    assert engine.profile.tasks == {"chat", "embed", "rerank"}
    assert not engine.profile.key_required


def test_a_missing_package_gives_the_install_command() -> None:
    """Without litellm the error says what to install."""
    with pytest.raises(ConfigError, match=r'pip install "model-orchestrator\[litellm\]"'):
        require(find=lambda name: None)


@pytest.mark.parametrize("version", ["1.82.7", "1.82.8"])
def test_releases_with_malware_are_refused(version: str) -> None:
    """The two releases that carried a credential stealer are never imported."""
    with pytest.raises(ConfigError, match="malware"):
        require(find=lambda name: object(), version=lambda: version)


def test_loading_leaves_the_process_as_it_was() -> None:
    """Environment, warning filters, and the application's loggers are untouched by the import, under `-W error` too."""
    code = """
import logging, os, threading, warnings
os.environ["LITELLM_LOG"] = "DEBUG"
logging.getLogger("httpx").setLevel(logging.INFO)
def state():
    loggers = [logging.root] + [logging.getLogger(n) for n in ("httpx", "asyncio", "uvicorn.error", "openai")]
    return dict(os.environ), list(warnings.filters), [(l.level, list(l.handlers), l.propagate) for l in loggers]
from orchestrator_providers.litellm.loading import load
before = state()
threads = [threading.Thread(target=load) for _ in range(3)]
[t.start() for t in threads]; [t.join() for t in threads]
after = state()
assert after == before, (before, after)
import litellm
assert load() is litellm
assert litellm.suppress_debug_info and litellm.turn_off_message_logging and not litellm.callbacks
"""
    done = run_python(code, "-W", "error")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


CALLS = """
import asyncio, logging, socket, sys
outside = []
def audit(event, args):
    if event == "socket.getaddrinfo" and args[0] not in ("127.0.0.1", b"127.0.0.1", "localhost", None):
        outside.append(args[0])
    if event == "socket.connect" and isinstance(args[1], tuple) and args[1][0] not in ("127.0.0.1", "::1"):
        outside.append(args[1])
sys.addaudithook(audit)
records = []
class Keep(logging.Handler):
    def emit(self, record):
        records.append(f"{record.name} {record.getMessage()} {record.exc_info}")
logging.root.addHandler(Keep())
logging.root.setLevel(logging.DEBUG)
from litellm_loopback import Answer, vendor, sse
from orchestrator.errors import OrchestratorError
from orchestrator.spec.auth import Secret
from orchestrator.spec.provider import Target
from orchestrator.types import *
from orchestrator_providers.litellm.engine import open_engine
from orchestrator_providers.litellm.profile import PROFILE
PROMPT, KEY = sys.argv[1:]
def engine(model, url):
    return open_engine(Target(profile=PROFILE, provider="p", deployment="d", model=model, base_url=url,
                              secret=Secret(lambda: KEY, source="test")))
ask = ChatRequest(messages=(Message("user", (Text(PROMPT),)),), tools=(Tool(name="t"),))
def whole(text):
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}
chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
         "choices": [{"index": 0, "delta": {"content": PROMPT}, "finish_reason": "stop"}]}
vector = {"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": "AAAAPwAAgD4="}]}
bad = {"error": {"message": "no", "type": "t", "code": "c"}}
async def work(v):
    for model, url in (("openai/gpt-4o", v.url + "/v1"), ("anthropic/claude-haiku-4-5", v.url)):
        for answer in (Answer(body=whole(PROMPT)), Answer(events=sse(chunk)), Answer(status=500, body=bad),
                       Answer(body="<html>" + PROMPT)):
            v.script.clear(); v.will(answer)
            try:
                if answer.events is None: await engine(model, url).chat(ask, timeout_s=20)
                else: [e async for e in engine(model, url).stream(ask, timeout_s=20)]
            except OrchestratorError: pass
    v.script.clear(); v.will(Answer(body=vector))
    request = EmbedRequest(texts=(PROMPT,))
    await engine("openai/text-embedding-3-small", v.url + "/v1").embed(request, timeout_s=20)
    v.script.clear(); v.will(Answer(body={"id": "r", "results": [{"index": 0, "relevance_score": 1.0}]}))
    await engine("cohere/rerank-v3.5", v.url).rerank(RerankRequest(query=PROMPT, documents=(PROMPT,)), timeout_s=20)
    assert len(v.received) == 10, len(v.received)
    await asyncio.sleep(0.3)  # litellm's own workers have their say
with vendor() as v:
    asyncio.run(work(v))
assert not outside, outside
leaks = [r for r in records if PROMPT in r or KEY in r]
assert not leaks, leaks
print(len(records))
"""


def test_calls_look_nothing_up_and_write_nothing_down() -> None:
    """Ten calls, good and bad: no address but loopback, no prompt or key in a record, on stdout or on stderr."""
    paths = [str(HERE), *(path for path in sys.path if path)]
    environment: dict[str, Any] = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, "-c", CALLS, PROMPT, KEY],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert PROMPT not in done.stderr + done.stdout
    assert KEY not in done.stderr + done.stdout
    assert done.stderr == ""
