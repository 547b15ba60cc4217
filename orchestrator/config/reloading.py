"""Notices that the configuration files have changed, on the path of a call and without a thread of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock
from typing import TypeAlias

from orchestrator.config.files import content_hash as hash_of
from orchestrator.config.files import read_bytes
from orchestrator.config.schema import Config
from orchestrator.errors import ConfigError

__all__ = ["Watcher"]

_LOOK_EVERY_S = 1.0
_UNFINISHED_AFTER_S = 5.0

_Look: TypeAlias = tuple[tuple[int, int, int] | None, ...]
"""Per file: mtime in ns, size and inode; None if it is not there."""


class Watcher:
    """Gives the new configuration once, after its files have changed and come to rest.

    A change is taken when two looks, at least a second apart, see the same files, and each ends in a newline. A writer
    that pauses longer than that within a file, at the end of a line, cannot be told from one that is done: only an
    atomic rename is proof against half-files.

    Args:
        files: the files that the configuration in use was read from (`Config.files`).
        load: reads and checks them.
        content_hash: that of the configuration in use (`Config.content_hash`), so that a change between reading it and
            making the watcher is not missed. By default the files are taken to be as they are now.
        monotonic: the clock, in seconds.
    """

    def __init__(
        self,
        files: Iterable[str | os.PathLike[str]],
        load: Callable[[], Config],
        *,
        content_hash: str | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._files = tuple(Path(file).absolute() for file in files)
        self._load = load
        self._monotonic = monotonic
        self._lock = Lock()
        self._pid = os.getpid()
        self._due = monotonic() + _LOOK_EVERY_S
        self._content = content_hash or hash_of([_content(file) for file in self._files])
        # Nothing was looked at yet: the first looks compare the contents, whatever the times say.
        self._done: _Look | None = None
        self._seen: _Look | None = None
        self._seen_at = 0.0
        self._told = ""

    def poll(self) -> Config | ConfigError | None:
        """A new configuration, or what is wrong with the changed files (once per content), or None.

        Costs a look at the clock while no look at the files is due. From several threads at once, one looks and the
        others get None. Never raises; the configuration in use stays until a new one is returned.
        """
        now = self._monotonic()
        if now < self._due or not self._acquired():
            return None
        try:
            if now < self._due:
                return None
            self._due = now + _LOOK_EVERY_S
            return self._look(now)
        finally:
            self._lock.release()

    def _acquired(self) -> bool:
        pid = os.getpid()
        if pid != self._pid:
            # A fork copies a lock that another thread held, and nobody is left to release the copy.
            self._lock, self._pid = Lock(), pid
        return self._lock.acquire(blocking=False)

    def _look(self, now: float) -> Config | ConfigError | None:
        look = tuple(_stat(file) for file in self._files)
        if look == self._done:
            self._seen = look
            return None
        if look != self._seen:
            self._seen, self._seen_at = look, now
            return None
        return self._at_rest(look, now)

    def _at_rest(self, look: _Look, now: float) -> Config | ConfigError | None:
        contents = [_content(file) for file in self._files]
        content = hash_of(contents)
        if content == self._content:
            self._done = look
            return None
        unfinished = [f for f, data in zip(self._files, contents, strict=True) if data and not data.endswith(b"\n")]
        if not unfinished:
            return self._reload(look, content)
        if now - self._seen_at < _UNFINISHED_AFTER_S:
            return None
        self._done, self._content = look, content
        return ConfigError("the file does not end in a newline, so it may be half-written", file=str(unfinished[0]))

    def _reload(self, look: _Look, content: str) -> Config | ConfigError | None:
        try:
            config = self._load()
        except ConfigError as error:
            return self._refused(error, look, content)
        if config.files == self._files and config.content_hash != content:
            # The files changed between the two readings: wait until they rest.
            self._seen = None
            return None
        self._done, self._content, self._told = look, content, ""
        if config.files:
            self._watch(config.files, config.content_hash)
        return config

    def _refused(self, error: ConfigError, look: _Look, content: str) -> ConfigError | None:
        told, self._told = self._told, ""
        self._done, self._content = look, content
        # The mistake may be mended in a file that was not watched, such as a base that does not exist yet.
        sought = tuple(Path(file) for file in error.files)
        if sought and self._watch(sought, content=""):
            self._told = str(error)
        return None if told == str(error) else error

    def _watch(self, files: tuple[Path, ...], content: str) -> bool:
        """Watch these files from now on; True if they are others. The next looks tell whether they hold `content`."""
        if files == self._files:
            return False
        self._files, self._content, self._done, self._seen = files, content, None, None
        return True


def _content(file: Path) -> bytes | None:
    try:
        return read_bytes(file)
    except OSError:
        return None


def _stat(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
