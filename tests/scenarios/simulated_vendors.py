"""Vendors of the simulation: a transport whose far side changes its mood, and a ledger of what happened there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson

from orchestrator.errors import ConnectionFailed
from orchestrator.pricing.estimates import estimate_tokens
from orchestrator.spec.clock import Clock
from orchestrator.spec.transport import Endpoint, HttpReply, HttpRequest

__all__ = ["MOODS", "REPLY_MARKER", "Arrival", "Mood", "Vendors"]

REPLY_MARKER = "reply-marker"
_FOREVER_S = 1e6

Piece = bytes | float | Exception
"""Of a body: bytes, seconds to wait, or how it breaks."""


@dataclass(slots=True)
class Arrival:
    """One request as the vendor saw it. Times are monotonic seconds.

    `told`: input and output tokens of the usage that was sent back; None while it was not.
    """

    deployment: str
    account: str
    request_id: str
    at: float
    stream: bool
    mood: str
    input_tokens: int
    key: str
    output_tokens: int = 0
    told: tuple[int, int] | None = None
    ended: float | None = None


@dataclass(slots=True)
class _Script:
    """What the vendor does: waits, sends a head, then a body piece by piece. `usage` is told with the last piece."""

    delay_s: float = 0.1
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)
    breaks: Exception | None = None
    usage: tuple[int, int] | None = None


Mood = Callable[[Random, Arrival], _Script]


class Vendors:
    """A `Transport`. Requests name the deployment in `model` and the account in the host."""

    def __init__(self, clock: Clock, random: Random, moods: dict[str, list[tuple[float, str]]]) -> None:
        self._clock = clock
        self._random = random
        self._moods = moods
        self.ledger: list[Arrival] = []
        self.busiest: dict[str, int] = {}
        """The most requests that were under way at once, per deployment and per account."""
        self._under_way: dict[str, int] = {}

    def _arrive(self, request: HttpRequest) -> tuple[Arrival, _Script]:
        body = orjson.loads(request.body)
        now = self._clock.monotonic()
        arrival = Arrival(
            deployment=body["model"],
            account=request.url.split("/")[2].partition(".")[0],
            request_id=f"r{len(self.ledger)}",
            at=now,
            stream=bool(body.get("stream")),
            mood=next(mood for until, mood in self._moods[body["model"]] if now < until),
            input_tokens=estimate_tokens(body["messages"][0]["content"]),
            key=request.headers["authorization"].removeprefix("Bearer "),
        )
        self.ledger.append(arrival)
        for name in (arrival.deployment, f"account {arrival.account}"):
            self._under_way[name] = self._under_way.get(name, 0) + 1
            self.busiest[name] = max(self.busiest.get(name, 0), self._under_way[name])
        return arrival, MOODS[arrival.mood](self._random, arrival)

    def leave(self, arrival: Arrival) -> None:
        """The exchange is over, one way or the other."""
        if arrival.ended is None:
            arrival.ended = self._clock.monotonic()
            self._under_way[arrival.deployment] -= 1
            self._under_way[f"account {arrival.account}"] -= 1

    @property
    def under_way(self) -> int:
        """Exchanges that nobody has ended."""
        return sum(arrival.ended is None for arrival in self.ledger)

    async def send(self, request: HttpRequest, endpoint: Endpoint) -> HttpReply:
        """See `Transport.send`."""
        stream = await self.open(request, endpoint)
        try:
            return await stream.read_all()
        finally:
            stream.close()

    async def open(self, request: HttpRequest, endpoint: Endpoint) -> _Body:
        """See `Transport.open`."""
        arrival, script = self._arrive(request)
        try:
            await asyncio.sleep(script.delay_s)
            if script.breaks is not None:
                raise script.breaks
        except BaseException:
            self.leave(arrival)
            raise
        return _Body(self, arrival, script)

    async def close(self) -> None:
        """See `Transport.close`."""


class _Body:
    def __init__(self, vendors: Vendors, arrival: Arrival, script: _Script) -> None:
        self.status = script.status
        self.headers = {"x-request-id": arrival.request_id, **script.headers}
        self._vendors = vendors
        self._arrival = arrival
        self._pieces = script.pieces
        self._usage = script.usage

    async def read(self) -> bytes:
        while self._pieces:
            if self._arrival.ended is not None:
                raise ConnectionFailed("read after close", maybe_billed=True)
            piece = self._pieces.pop(0)
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            elif isinstance(piece, Exception):
                raise piece
            else:
                self._deliver(piece)
                return piece
        return b""

    def _deliver(self, piece: bytes) -> None:
        arrival = self._arrival
        if arrival.stream and REPLY_MARKER.encode() in piece:
            arrival.output_tokens += 1
        if b'"usage"' in piece and self._usage is not None and not self._pieces_with_usage():
            arrival.told = self._usage
            arrival.output_tokens = self._usage[1]

    def _pieces_with_usage(self) -> bool:
        return any(isinstance(piece, bytes) and b'"usage"' in piece for piece in self._pieces)

    async def read_all(self) -> HttpReply:
        parts = []
        while part := await self.read():
            parts.append(part)
        return HttpReply(self.status, self.headers, b"".join(parts))

    def close(self) -> None:
        self._vendors.leave(self._arrival)


def _answer(random: Random, arrival: Arrival, *, usage: bool = True) -> _Script:
    words = [f" {REPLY_MARKER} {i}" for i in range(random.randint(1, 5))]
    counts = (arrival.input_tokens, 2 * len(words)) if usage else None
    told = {"usage": {"prompt_tokens": counts[0], "completion_tokens": counts[1]}} if counts else {}
    if not arrival.stream:
        message = {"role": "assistant", "content": "".join(words)}
        body = {"id": arrival.request_id, "model": arrival.deployment} | told
        body["choices"] = [{"index": 0, "message": message, "finish_reason": "stop"}]
        pieces: list[Piece] = [orjson.dumps(body)]
    else:
        pieces = []
        for word in words:
            pieces += [_event(_chunk(word)), random.choice([0.0, 0.05, 1.0])]
        pieces += [_event(_chunk(None, "stop"))]
        if counts:
            pieces += [_event({"choices": []} | told)]
        pieces += [b"data: [DONE]\n\n"]
    return _Script(random.uniform(0.05, 0.5), pieces=pieces, usage=counts)


def _chunk(text: str | None, reason: str | None = None) -> dict[str, Any]:
    delta = {} if text is None else {"content": text}
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def _event(value: Any) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def _slow(random: Random, arrival: Arrival) -> _Script:
    script = _answer(random, arrival)
    script.delay_s = random.uniform(5.0, 40.0)
    return script


def _failing(status: int, code: str | None = None, **headers: Callable[[Random], str]) -> Mood:
    def mood(random: Random, arrival: Arrival) -> _Script:
        message = f"refused; your key is {arrival.key}"
        body = orjson.dumps({"error": {"message": message, "type": "error", "code": code}})
        drawn = {name.replace("_", "-"): draw(random) for name, draw in headers.items()}
        return _Script(random.uniform(0.01, 0.3), status, drawn, [body])

    return mood


def _broken(error: Callable[[], Exception], *, late: bool) -> Mood:
    return lambda random, _arrival: _Script(random.uniform(0.5, 3.0) if late else 0.01, breaks=error())


def _cut(random: Random, arrival: Arrival) -> _Script:
    script = _answer(random, arrival)
    kept = random.randint(0, len(script.pieces) - 3) if arrival.stream else 0
    pieces = script.pieces[:kept]
    if not arrival.stream:
        whole = script.pieces[0]
        assert isinstance(whole, bytes)
        pieces = [whole[: len(whole) // 3]]
    if random.random() < 0.5:
        pieces.append(ConnectionFailed("reset in the body", maybe_billed=True))
    return _Script(script.delay_s, pieces=pieces)


def _stalled(random: Random, arrival: Arrival) -> _Script:
    script = _cut(random, arrival)
    script.pieces = [piece for piece in script.pieces if not isinstance(piece, Exception)]
    for _ in range(200):
        script.pieces += [b": ping\n\n" if arrival.stream else b" ", 5.0]
    script.pieces.append(_FOREVER_S)
    return script


def _whole(body: bytes) -> Mood:
    return lambda random, _arrival: _Script(random.uniform(0.01, 0.3), pieces=[body])


MOODS: dict[str, Mood] = {
    "ok": _answer,
    "slow": _slow,
    "uncounted": lambda random, arrival: _answer(random, arrival, usage=False),
    "limited": _failing(429, "rate_limit_exceeded"),
    "limited with hint": _failing(429, retry_after=lambda random: f"{random.choice([0.5, 2, 10, 45, 600])}"),
    "failing": _failing(500),
    "overloaded": _failing(503),
    "quota": _failing(429, "insufficient_quota"),
    "wrong key": _failing(401, "invalid_api_key"),
    "unknown model": _failing(404, "model_not_found"),
    "hanging": lambda _random, _arrival: _Script(_FOREVER_S),
    "refusing": _broken(lambda: ConnectionFailed("refused"), late=False),
    "resetting": _broken(lambda: ConnectionFailed("reset", maybe_billed=True), late=True),
    "cutting": _cut,
    "stalling": _stalled,
    "garbage": _whole(b"<html>busy</html>"),
    "empty": _whole(b'{"choices": []}'),
    "error in 200": _whole(b'{"error": {"message": "x", "code": "server_error"}}'),
}
