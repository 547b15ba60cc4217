"""Where credentials come from, and what is refused without repeating it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.config import SecretRef
from orchestrator.config.secrets import MAX_SECRET_BYTES
from orchestrator.errors import ConfigError

BAD = ["", " ", "\n", "a\nb", "a\r\n\n", "a\0b", "a\tb", "clé", "a ", " a", "x" * (MAX_SECRET_BYTES + 1)]


def test_a_variable_is_read_when_opened() -> None:
    """The value is that of the moment, and `refresh` reads it again and says whether it changed."""
    environ = {"K": "one"}
    secret = SecretRef("env", "K").open(environ)
    assert secret.reveal() == "one"
    environ["K"] = "two"
    assert (secret.refresh(), secret.reveal(), secret.refresh()) == (True, "two", False)


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_file_loses_one_line_end(tmp_path: Path, end: str) -> None:
    """What editors and `echo` add is no part of the credential; a path is relative to the directory."""
    (tmp_path / "key").write_bytes(f"sk-1{end}".encode())
    assert SecretRef("file", "key", directory=str(tmp_path)).open().reveal() == "sk-1"


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    """A rotated credential is there after `refresh`, also when it came by rename."""
    (tmp_path / "key").write_text("old\n")
    secret = SecretRef("file", str(tmp_path / "key")).open()
    (tmp_path / "new").write_text("new\n")
    (tmp_path / "new").rename(tmp_path / "key")
    assert (secret.refresh(), secret.reveal()) == (True, "new")


@pytest.mark.parametrize("value", BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("kind", ["env", "file"])
def test_what_no_header_can_carry_is_refused(tmp_path: Path, kind: str, value: str) -> None:
    """Empty, spaced, controlled, non-ASCII and huge values are errors that name the place and not the value."""
    (tmp_path / "key").write_bytes(value.encode())
    reference = SecretRef("env", "K") if kind == "env" else SecretRef("file", "key", directory=str(tmp_path))
    with pytest.raises(ConfigError) as caught:
        reference.open({"K": value})
    text = str(caught.value)
    assert ("variable K" if kind == "env" else "file key") in text
    assert len(value.strip()) < 2 or value.strip() not in text


def test_a_missing_secret_names_its_place(tmp_path: Path) -> None:
    """A variable that is not set and a file that is not there, or is no file, are named."""
    with pytest.raises(ConfigError, match="environment variable NO_SUCH is not set"):
        SecretRef("env", "NO_SUCH").open({})
    with pytest.raises(ConfigError, match="secret file none is missing"):
        SecretRef("file", "none", directory=str(tmp_path)).open()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="not a regular file"):
        SecretRef("file", str(tmp_path / "pipe")).open()


def test_references_are_equal_by_what_they_name() -> None:
    """Two references to one variable or file are the same reference, wherever the configuration lies."""
    assert SecretRef("file", "k", directory="/a") == SecretRef("file", "k", directory="/b")
    assert repr(SecretRef("env", "K")) == "SecretRef(kind='env', name='K')"
