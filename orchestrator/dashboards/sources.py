"""Where lines are: files, globs, directories, stdin, compressed or not."""

from __future__ import annotations

import glob
import gzip
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from orchestrator.errors import ConfigError

__all__ = ["STDIN", "expand", "lines_of"]

STDIN = "-"

_ENDINGS = (".jsonl", ".jsonl.gz", ".jsonl.zst")
_CHUNK = 1 << 20


def expand(sources: Sequence[str]) -> list[str]:
    """The files meant, each once, in order of name: a directory means the `.jsonl` files in it, compressed or not.

    Raises:
        ConfigError: a name that is no file, directory or pattern that fits any.
    """
    found: dict[str, str] = {}
    for source in sources:
        for name in _named(source):
            found.setdefault(name if name == STDIN else str(Path(name).resolve()), name)
    names = sorted(found.values())
    plain = set(names)
    # A log is rotated, then compressed: while that goes on, both are there.
    return [name for name in names if not (name.endswith((".gz", ".zst")) and name.rpartition(".")[0] in plain)]


def _named(source: str) -> list[str]:
    path = Path(source)
    if source == STDIN or path.is_file() or path.is_fifo():
        return [source]
    if path.is_dir():
        return [str(one) for one in path.iterdir() if one.name.endswith(_ENDINGS)]
    names = [name for name in glob.glob(source, recursive=True) if Path(name).is_file()]
    if not names:
        raise ConfigError("no such log file", file=source)
    return names


def lines_of(name: str) -> Iterator[bytes]:
    """The lines of a file, without their ends, blank ones left out.

    Raises:
        ConfigError: it cannot be read, or not be decompressed here.
    """
    try:
        with _opened(name) as file:
            for line in file:
                stripped = line.strip()
                if stripped:
                    yield stripped
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "is cut off or damaged"
        raise ConfigError(f"the log cannot be read: {reason}", file=name) from error


def _opened(name: str) -> IO[bytes] | Any:
    if name == STDIN:
        return open(sys.stdin.fileno(), "rb", _CHUNK, closefd=False)
    if name.endswith(".gz"):
        return gzip.open(name, "rb")
    if name.endswith(".zst"):
        return _opened_zst(name)
    return open(name, "rb", _CHUNK)


def _opened_zst(name: str) -> Any:
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415 - 3.14 and later
    except ImportError:
        raise ConfigError(
            ".zst is read by Python 3.14, or with DuckDB: pip install 'model-orchestrator[duckdb]'", file=name
        ) from None
    return zstd.open(name, "rb")
