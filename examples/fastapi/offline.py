"""Runs the service with a simulated vendor and asks it: all well, a broken answer, a rate limit."""

import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager

import httpx
import uvicorn
from app import app

from orchestrator.testing import Simulator, Vendor


@contextmanager
def serving() -> Generator[str]:
    """The service on a free port, as `uvicorn app:app` would serve it; its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()
    yield f"http://{host}:{port}"
    server.should_exit = True
    thread.join()


def ask(url: str) -> None:
    question = {"text": "Which plan includes SSO?", "tenant": "acme"}
    try:
        with httpx.stream("POST", url + "/answer", json=question) as reply:
            print(reply.status_code, f"retry-after: {reply.headers.get('retry-after')}", "|".join(reply.iter_text()))
    except httpx.RemoteProtocolError:
        print("the answer broke off")


if __name__ == "__main__":
    with Simulator([Vendor(name="openai", answer="The Team plan.", tokens_per_s=20)]) as sim:
        vendor = sim["openai"]
        os.environ.update(OPENAI_BASE_URL=sim.url("openai") + "/v1", OPENAI_API_KEY="not-a-real-key")
        with serving() as url:
            ask(url)
            vendor.cut(after_events=3)
            ask(url)
            vendor.heal()
            vendor.fail(429, retry_after=40)
            ask(url)
