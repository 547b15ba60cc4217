"""Where log lines go: a file, stdout, stderr, the application's logger, or a user's own `Destination`."""

from __future__ import annotations

import logging
import os
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

__all__ = ["CALL_LOGGER", "Destination", "FileDestination", "LoggerDestination", "StreamDestination"]

CALL_LOGGER = "orchestrator.calls"

_WRITING_S = 0.05


class Destination(Protocol):
    """Where rendered lines go. Used by one thread at a time."""

    def write(self, lines: Sequence[Any]) -> int:
        """Write the lines, bytes as a rule, each without its newline; returns how many are written whole, if not all.

        Raises:
            Exception: none could be written, `OSError` as a rule. They are kept and come again.
        """
        ...

    def close(self) -> None:
        """Let go of the file, if there is one."""
        ...


class FileDestination:
    """Appends to a file, made with its directory when the first line comes; opened again if it was moved away.

    `{pid}` and `{host}` in the file's name are the process and the machine: one file each.
    """

    def __init__(self, path: Path) -> None:
        self._named = path
        self._fd: int | None = None
        self._torn = False

    @property
    def path(self) -> Path:
        """The file that this process writes."""
        name = self._named.name
        if "{" not in name:
            return self._named
        return self._named.with_name(name.replace("{pid}", str(os.getpid())).replace("{host}", socket.gethostname()))

    def write(self, lines: Sequence[bytes]) -> int:
        """See `Destination.write`."""
        fd = self._current()
        lead = b"\n" if self._torn else b""
        data = lead + b"\n".join(lines) + b"\n"
        written = os.write(fd, data)
        if written == len(data):
            self._torn = False
            return len(lines)
        if written:
            self._torn = not data[:written].endswith(b"\n")
        return data.count(b"\n", len(lead), written)

    def prove(self) -> None:
        """Raise `OSError` if the file cannot be opened."""
        self._current()

    def _current(self) -> int:
        if self._fd is not None and self._is_current(self._fd):
            return self._fd
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._torn = self._ends_torn()
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        return self._fd

    def _is_current(self, fd: int) -> bool:
        try:
            there, ours = os.stat(self.path), os.fstat(fd)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)

    def _ends_torn(self) -> bool:
        """A full disk or a killed process left half a line, which must not swallow the next one."""
        size = self._torn_at()
        if size is None:
            return False
        time.sleep(_WRITING_S)  # it may be another process's line that is being written just now
        return self._torn_at() == size

    def _torn_at(self) -> int | None:
        try:
            if not self.path.is_file() or not self.path.stat().st_size:
                return None
            with self.path.open("rb") as file:
                end = file.seek(-1, os.SEEK_END)
                return end if file.read(1) != b"\n" else None
        except OSError:  # may be written but not read
            return None

    def close(self) -> None:
        """See `Destination.close`."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class StreamDestination:
    """Writes to stdout or stderr, looked up at each write so that redirection works. Always UTF-8."""

    def __init__(self, name: str) -> None:
        self._name = name

    def write(self, lines: Sequence[bytes]) -> int:
        """See `Destination.write`."""
        stream = getattr(sys, self._name)
        if stream is None:
            raise OSError(f"this process has no {self._name}")
        data = b"\n".join(lines) + b"\n"
        buffer = getattr(stream, "buffer", None)
        if buffer is None:  # a notebook's, for example
            stream.write(data.decode())
        else:
            stream.flush()
            buffer.write(data)
        stream.flush()
        return len(lines)

    def close(self) -> None:
        """See `Destination.close`."""


class LoggerDestination:
    """Hands each line to the application's logger `orchestrator.calls`, as the message, at level INFO."""

    def write(self, lines: Sequence[bytes]) -> int:
        """See `Destination.write`."""
        logger = logging.getLogger(CALL_LOGGER)
        for one in lines:
            logger.info("%s", one.decode())
        return len(lines)

    def close(self) -> None:
        """See `Destination.close`."""
