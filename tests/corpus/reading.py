"""Reads recorded exchanges from the directory that the environment variable WIRE_CORPUS names."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestrator.backends import frame_parser
from orchestrator.spec.provider import Frame, Framing
from orchestrator.spec.transport import HttpReply

__all__ = ["Exchange", "cases", "exchanges", "frames"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One recorded exchange. `outcome` is json, stream or error; `truth` is what the vendor's own SDK made of it."""

    id: str
    vendor: str
    kind: str
    dialect: str
    outcome: str
    status: int
    url: str
    model: str | None
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    truth: Mapping[str, Any] = field(repr=False)
    request: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def reply(self) -> HttpReply:
        """The answer as a codec gets it."""
        return HttpReply(self.status, self.headers, self.body)


def exchanges(*dialects: str) -> Iterator[Exchange]:
    """All exchanges of these dialects, in the order of the index; none when WIRE_CORPUS is unset."""
    root = os.environ.get("WIRE_CORPUS")
    if not root:
        return
    for row in json.loads(Path(root, "INDEX.json").read_bytes()):
        if row["dialect"] in dialects:
            yield _read(Path(root, row["file"]))


def _read(path: Path) -> Exchange:
    row = json.loads(path.read_bytes())
    text = row["response_body"]
    return Exchange(
        id=row["id"],
        vendor=row["vendor"],
        kind=row["kind"],
        dialect=row["dialect"],
        outcome=row["outcome"],
        status=row["status"],
        url=row["url"],
        model=row["model"],
        headers={name.lower(): value for name, value in row["response_headers"].items()},
        body=base64.b64decode(text) if row["response_body_encoding"] == "base64" else text.encode(),
        truth=row["truth"] or {},
        request=row["request_body"] if isinstance(row["request_body"], dict) else None,
    )


def cases(*dialects: str, outcome: str | None = None) -> list[Any]:
    """Arguments for `pytest.mark.parametrize("exchange", ...)`; one skipped case when WIRE_CORPUS is unset."""
    if not os.environ.get("WIRE_CORPUS"):
        return [pytest.param(None, marks=pytest.mark.skip(reason="WIRE_CORPUS is unset"))]
    found = [e for e in exchanges(*dialects) if outcome in (None, e.outcome)]
    return [pytest.param(exchange, id=exchange.id) for exchange in found]


def frames(body: bytes, framing: Framing = "sse") -> list[Frame]:
    """Cut a whole stream's body into frames, an unfinished last one included."""
    parser = frame_parser(framing)
    return [*parser.feed(body), *parser.end()]
