"""Turns a right answer into a broken one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.testing.simulator.behaviour import Fault
from orchestrator.testing.simulator.http import Ending, Step

__all__ = ["HTML", "Broken", "break_body", "break_stream"]

HTML = b"<!DOCTYPE html>\n<html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>\n"


@dataclass(frozen=True, slots=True)
class Broken:
    """What is left of an answer. `length` is the body's announced length, None if it is what is sent."""

    steps: Sequence[Step]
    ending: Ending = Ending.COMPLETE
    length: int | None = None


def break_body(body: Step, fault: Fault) -> Broken:
    """Break an answer that is not a stream."""
    data = body.data
    match fault.kind:
        case "cut" | "stall":
            half = Step(data[: len(data) // 2], body.tokens, body.delay_s)
            return Broken([half], _ending(fault), len(data))
        case "truncated_json":
            return Broken([Step(data[: len(data) // 2], body.tokens, body.delay_s)])
        case "invalid_utf8":
            return Broken([Step(_spoilt(data), body.tokens, body.delay_s)])
        case _:
            return Broken([body])


def break_stream(steps: Sequence[Step], fault: Fault, error_event: bytes) -> Broken:
    """Break a stream after `fault.after_events` events."""
    before, after = list(steps[: fault.after_events]), list(steps[fault.after_events :])
    if fault.kind in ("cut", "stall"):
        return Broken(before, _ending(fault))
    if fault.kind == "stream_error":
        return Broken([*before, Step(error_event)])
    if after and fault.kind in ("truncated_json", "invalid_utf8"):
        first = after[0]
        lines = first.data[:-2]
        spoilt = _spoilt(lines) if fault.kind == "invalid_utf8" else lines[: len(lines) * 3 // 4]
        after[0] = Step(spoilt + b"\n\n", first.tokens, first.delay_s)
    return Broken([*before, *after])


def _ending(fault: Fault) -> Ending:
    if fault.kind == "stall":
        return Ending.SILENT
    return Ending.RESET if fault.ending == "reset" else Ending.CLEAN


def _spoilt(data: bytes) -> bytes:
    """The same with a byte in it that UTF-8 does not have, inside the JSON."""
    middle = data.find(b"{") + (len(data) - data.find(b"{")) // 2
    return data[:middle] + b"\xff" + data[middle + 1 :]
