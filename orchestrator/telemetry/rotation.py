"""A log file that is put aside when it is large or a day old, with several processes writing it.

The file in use keeps its name; those put aside sort before it: `calls-2026-11-23.000001.jsonl`, `…000002.jsonl`,
`calls.jsonl`. The day is that of the file's last line, in UTC as the lines' own time. A process holds the lock
(`calls.jsonl.lock`) while it looks, puts aside and writes, so that no line is written to a file put aside.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from orchestrator.telemetry.destinations import FileDestination

__all__ = ["RotatingFile", "Rotation", "put_aside"]

_LOCK_S = 1.0
"""Who holds the lock for longer hangs or was stopped: lines are then written whole all the same, and stay in place."""

_LOOK_S = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """When a file is put aside, and how many of those are kept (None: all). `size` is in bytes."""

    size: int | None = None
    daily: bool = False
    keep: int | None = None


class RotatingFile(FileDestination):
    """A `FileDestination` that rotates. `clock` gives Unix seconds, for tests."""

    def __init__(self, path: Path, rotation: Rotation, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(path)
        self._rotation = rotation
        self._clock = clock

    def write(self, lines: Sequence[bytes]) -> int:
        """See `Destination.write`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self.path.with_name(f"{self.path.name}.lock")) as alone:
            return self._write(lines) if alone else super().write(lines)

    def _write(self, lines: Sequence[bytes]) -> int:
        done = 0
        while done < len(lines):
            piece = self._fitting(lines[done:])
            try:
                written = super().write(piece)
            except OSError:
                if done:
                    return done  # what was written must not come again; the rest does, and raises then
                raise
            done += written
            if written < len(piece):
                break
        return done

    def _fitting(self, lines: Sequence[bytes]) -> Sequence[bytes]:
        """As many lines as the file has room for, at least one: it is put aside first if it has none."""
        size = self._size_after_rotation(len(lines[0]) + 1)
        if self._rotation.size is None:
            return lines
        for count, line in enumerate(lines):
            size += len(line) + 1
            if size > self._rotation.size:
                return lines[: max(count, 1)]
        return lines

    def _size_after_rotation(self, coming: int) -> int:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return 0
        if not found.st_size:
            return 0
        day, most = _day(found.st_mtime), self._rotation.size
        if (most is not None and found.st_size + coming > most) or (self._rotation.daily and day < _day(self._clock())):
            self._put_aside(day)
            return 0
        return found.st_size

    def _put_aside(self, day: str) -> None:
        self.close()
        there = put_aside(self.path)
        last = max([number for number, name in there if f"-{day}." in name.name], default=0)
        self.path.rename(self.path.with_name(f"{self.path.stem}-{day}.{last + 1:06d}{self.path.suffix}"))
        if self._rotation.keep is not None:
            for _, old in put_aside(self.path)[: -self._rotation.keep]:
                with suppress(OSError):  # somebody else's to remove; tried again next time
                    old.unlink()


def put_aside(path: Path) -> list[tuple[int, Path]]:
    """The files put aside under this name with their number of the day, oldest first."""
    pattern = re.compile(re.escape(path.stem) + r"-(\d{4}-\d\d-\d\d)\.(\d{6,})" + re.escape(path.suffix))
    found = [(match, one) for one in path.parent.iterdir() if (match := pattern.fullmatch(one.name))]
    return [(int(match[2]), one) for match, one in sorted(found, key=lambda pair: (pair[0][1], int(pair[0][2])))]


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Whether the lock could be had."""
    import fcntl  # noqa: PLC0415 - Windows has none: there a log is not rotated, but everything else is to work

    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        yield (held := _lock(lambda: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)))
        if held:
            fcntl.flock(fd, fcntl.LOCK_UN)  # said, not left to close: a fork in between would keep it
    finally:
        os.close(fd)


def _lock(take: Callable[[], None]) -> bool:
    until = time.monotonic() + _LOCK_S
    while True:
        try:
            take()
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(_LOOK_S)
        else:
            return True
