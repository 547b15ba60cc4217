"""What is compared: works, how many calls of each, and which libraries take part."""

from __future__ import annotations

from dataclasses import dataclass

from speed.peers import MODULES

__all__ = ["WORKS", "Work"]

_SHARE = {"litellm": 8, "openai": 3, "anthropic": 3, "httpx": 2, "pydantic-ai": 4, "langchain": 4}
"""Of the calls, the dear ones make a part: enough for a median, and the whole does not take hours."""

_NEVER_ENDING = frozenset(MODULES) - {"orchestrator", "aiohttp"}
"""What is left out with ten thousand in flight: httpx's pool looks at all of them whenever one ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One row of the table. `task` is a task of `Peer`, or `import` or `first` of `starting.py`."""

    name: str
    title: str
    task: str
    calls: int = 0
    in_flight: int = 1
    way: str = ""
    tls: bool = False
    target: float | None = None
    """Times bare aiohttp, or milliseconds of CPU where `starts`, at the most."""
    without: frozenset[str] = frozenset()

    @property
    def starts(self) -> bool:
        """Whether it is a matter of one process starting, in milliseconds, rather than of calls."""
        return self.task in {"import", "first"}

    @property
    def key(self) -> str:
        """What is measured."""
        return "cpu_ms" if self.starts else "cpu_us"

    def compares(self, peer: str) -> bool:
        """Whether this library takes part."""
        return peer not in self.without

    def command(self, base: str, peer: str) -> list[str]:
        """The module and its arguments."""
        if self.task == "import":
            return ["speed.starting", "import", MODULES[peer]]
        if self.task == "first":
            return ["speed.starting", "first", base, peer]
        calls = max(self.calls // _SHARE.get(peer, 1), self.in_flight)
        return ["speed.measuring", base, peer, self.task, str(calls), str(self.in_flight)]


WORKS = (
    Work(name="chat", title="chat, 50 in flight", task="chat", calls=3000, in_flight=50, target=1.5),
    Work(name="chat-alone", title="chat, one at a time", task="chat", calls=1500, target=1.5),
    Work(
        name="stream",
        title="stream of 42 events in one write, 20 in flight",
        task="stream",
        calls=1000,
        in_flight=20,
        target=1.0,
    ),
    Work(
        name="stream-pieces",
        title="the same, one write per event, 2 ms apart",
        task="stream",
        calls=400,
        in_flight=20,
        way="chunk2/",
        target=1.2,
    ),
    Work(name="embed", title="embed 32 x 1536 floats, 10 in flight", task="embed", calls=200, in_flight=10, target=0.4),
    Work(name="chat-tls", title="chat under TLS, 50 in flight", task="chat", calls=3000, in_flight=50, tls=True),
    Work(
        name="chat-10000",
        title="chat, 10,000 in flight, answered after 2 s",
        task="chat",
        calls=10_000,
        in_flight=10_000,
        way="delay2000/",
        without=_NEVER_ENDING,
    ),
    Work(name="import", title="import", task="import", target=75),
    Work(name="first", title="import, build, first answer", task="first", target=500),
)
