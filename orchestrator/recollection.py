"""What was spent before this process began, read from its own log: a budget does not start anew with each restart."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import Any

import orjson

from orchestrator.policies.budgets import Budgets
from orchestrator.spec.budgets import BudgetStore, nano_dollars
from orchestrator.spec.clock import Clock
from orchestrator.spec.events import CallContext

__all__ = ["Recollection", "log_files"]

_PLACEHOLDER = re.compile(r"\\\{(?:pid|host)\\\}")
_TIME = slice(7, 31)
"""Where the time stands in a line, as text that sorts like the time itself: `{"ts":"2026-11-23T10:00:00.000Z"`."""

_report = logging.getLogger("orchestrator")


class Recollection:
    """Reads the log once, when money is first asked for, in a thread: calls wait for it inside their deadlines.

    A line that is torn or of another program is passed over, and counted to the operator. A file that cannot be
    read is told to the operator too, and the others count.
    """

    def __init__(self, path: Path, budgets: Budgets, store: BudgetStore, clock: Clock) -> None:
        self._path = path
        self._budgets = budgets
        self._store = store
        self._clock = clock
        self._lock = Lock()
        self.done = False

    async def ready(self) -> None:
        """Return when all that the log tells is counted."""
        await asyncio.to_thread(self._recall)

    def _recall(self) -> None:
        with self._lock:
            if self.done:
                return
            self._read()
            self.done = True

    def _read(self) -> None:
        now = self._clock.time()
        since = self._budgets.earliest(now)
        unread = 0
        try:
            for file in log_files(self._path, since):
                unread += self._unread(file, since, now)
        except OSError as error:
            _cannot(error)
        if unread:
            _report.warning("%d lines of the call log could not be read for the budgets", unread)

    def _unread(self, file: Path, since: float, now: float) -> int:
        """Count a file; how many of its lines could not be understood. What others tell counts without this one."""
        unread = 0
        try:
            for line in _lines(file, since):
                unread += not self._count(line, now)
        except FileNotFoundError:
            pass  # rotation has thrown it away just now
        except OSError as error:
            _cannot(error)
        return unread

    def _count(self, line: bytes, now: float) -> bool:
        """Count one line; False if it says nothing that can be understood."""
        try:
            said = orjson.loads(line)
            if said["event"] != "llm.call":
                return True
            at = datetime.fromisoformat(said["ts"]).timestamp()
            context = CallContext(tenant=said["tenant"], user=said["user"], tags=said["tags"] or {})
            for provider, usd in _spent(said):
                charges = self._budgets.past(context, said["route"], provider, at=at, now=now)
                self._store.restore(charges, nano_dollars(Decimal(repr(usd))))
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError, ArithmeticError):
            return False
        return True


def _cannot(error: OSError) -> None:
    _report.error("the call log could not be read for the budgets: %s", error.strerror)


def _spent(said: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Provider and dollars of each attempt whose price was known."""
    attempts: Iterable[Mapping[str, Any]] = said.get("attempts") or (said,)
    for attempt in attempts:
        if attempt["cost_usd"]:
            yield attempt["provider"], attempt["cost_usd"]


def log_files(path: Path, since: float) -> list[Path]:
    """The log and those put aside by rotation or written by other processes, written to after a Unix time; by name."""
    stem, suffix = (_PLACEHOLDER.sub(".*", re.escape(part)) for part in (path.stem, path.suffix))
    ours = re.compile(rf"{stem}(?:-\d{{4}}-\d\d-\d\d\.\d+)?{suffix}")
    try:
        found = [file for file in path.parent.iterdir() if ours.fullmatch(file.name)]
    except FileNotFoundError:
        return []  # nothing has been written yet
    return sorted(file for file in found if _written_at(file) >= since)


def _written_at(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return 0.0  # another process has put it aside or thrown it away just now


def _lines(file: Path, since: float) -> Iterator[bytes]:
    """Lines not written before that time. Older ones are told by their first bytes, without reading them."""
    begin = datetime.fromtimestamp(since, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
    with file.open("rb") as lines:
        yield from (line for line in lines if line[_TIME] >= begin and line.strip())
