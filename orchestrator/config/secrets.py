"""References to credentials. The file holds the reference, never the credential."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from orchestrator.errors import ConfigError
from orchestrator.spec.auth import Secret

__all__ = ["MAX_SECRET_BYTES", "SecretRef"]

MAX_SECRET_BYTES = 64 * 1024

_VISIBLE = re.compile(rb"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_LINE_END = re.compile(rb"\r?\n\Z")


_COPIED = (
    (re.compile(r"\"[^\"]*\"|'[^']*'"), "is in quotes, which are part of it; take them away"),
    (re.compile(r"<[^<>]*>"), "is a placeholder; set the credential itself"),
    (re.compile(r"\$\{\w+\}|\$[A-Z][A-Z0-9_]+|\$\(.*\)"), "is a reference that nobody has filled in"),
)
"""What is written beside a credential, or in its place, and is none."""


def _invisible(raw: bytes) -> str:
    if raw.endswith((b"\n", b"\r")):
        return "ends with a line end; set it without (`$(cat FILE)` leaves it away)"
    if raw != raw.strip():
        return "begins or ends with a space; set it without"
    kind = "control characters" if raw.isascii() else "non-ASCII characters, such as a dash or quotes of a text editor"
    return f"holds {kind}; copy it again"


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a credential is found: an environment variable or a file.

    `name` is the variable, or the path as written; `directory` is what a relative path is relative to.
    """

    kind: Literal["env", "file"]
    name: str
    directory: str = field(default="", compare=False, repr=False)

    def open(self, environ: Mapping[str, str] | None = None) -> Secret:
        """Read it. The result reads the same place again on `refresh`.

        Raises:
            ConfigError: missing, unreadable, empty, larger than 64 KiB, or with characters that no header can carry.
                Names the variable or file, never the value.
        """
        source = os.environ if environ is None else environ
        return Secret(lambda: self._read(source), source=f"{self.kind}: {self.name}")

    @property
    def path(self) -> Path:
        """The file, for a reference to one."""
        return Path(self.directory, self.name)

    def _read(self, environ: Mapping[str, str]) -> str:
        raw = self._from_env(environ) if self.kind == "env" else self._from_file()
        if not raw or raw.isspace():
            raise ConfigError(f"{self.described()} is empty")
        if len(raw) > MAX_SECRET_BYTES:
            raise ConfigError(f"{self.described()} is larger than 64 KiB")
        if not _VISIBLE.fullmatch(raw):
            raise ConfigError(f"{self.described()} {_invisible(raw)}")
        found = raw.decode("ascii")
        copied = next((words for pattern, words in _COPIED if pattern.fullmatch(found)), None)
        if copied is not None or found.startswith(f"{self.name}="):
            raise ConfigError(f"{self.described()} {copied or 'begins with its own name; set what follows the ='}")
        return found

    def described(self) -> str:
        """The place, in words; for messages."""
        return f"the secret in {'variable' if self.kind == 'env' else 'file'} {self.name}"

    def _from_env(self, environ: Mapping[str, str]) -> bytes:
        value = environ.get(self.name)
        if value is None:
            raise ConfigError(f"environment variable {self.name} is not set")
        return value.encode("utf-8", "surrogateescape")

    def _from_file(self) -> bytes:
        try:
            if not self.path.is_file():
                home = "; ~ is not filled in" if self.name.startswith("~") else ""
                raise ConfigError(f"secret file {self.name} is missing or not a regular file{home}")
            with self.path.open("rb") as handle:
                raw = handle.read(MAX_SECRET_BYTES + 3)
        except OSError as error:
            raise ConfigError(f"secret file {self.name} cannot be read: {error.strerror}") from None
        # Editors and `echo` leave one line end; more than one is not a habit but a mistake.
        return _LINE_END.sub(b"", raw)
