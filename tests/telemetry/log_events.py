"""Events to log, and destinations that fail when told."""

from __future__ import annotations

import json
import time
from decimal import Decimal

from orchestrator.spec.events import CallContext, CallEvent
from orchestrator.types.call import Timings
from orchestrator.types.usage import Cost


def call(name="c", **more):
    """A call that ended well at second 1,700,000,000.25."""
    values = {
        "time": 1_700_000_000.25,
        "call_id": name,
        "config_hash": "h",
        "route": "answer",
        "task": "chat",
        "context": CallContext(),
        "stream": False,
        "timings": Timings(duration_ms=12.3456),
        "attempts": (),
        "usage": None,
        "cost": Cost(total=Decimal(0)),
    }
    return CallEvent(**(values | more))


def read(path):
    """The call ids in a log file, all lines whole."""
    return [json.loads(line)["call_id"] for line in path.read_text().splitlines()]


class Flaky:
    """Keeps what it is given; raises `error` while there is one; takes `bytes_left` before the disk is full."""

    def __init__(self):
        self.lines, self.error, self.closed, self.batches = [], None, 0, 0

    def write(self, lines):
        if self.error is not None:
            raise self.error
        self.batches += 1
        self.lines += [json.loads(line) for line in lines]
        return len(lines)

    def close(self):
        self.closed += 1

    @property
    def ids(self):
        return [line.get("call_id") for line in self.lines]


def until(condition, seconds=3.0):
    """Wait for the background; False if it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
