"""Files made to hurt: each is a typed error, quickly."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import ENVIRON, find

from orchestrator.config import load_file, load_mapping
from orchestrator.config.yaml import MAX_BYTES, parse_yaml
from orchestrator.errors import ConfigError

GOOD = b"version: 1\nroutes: {a: openai/m}\n"
LEVELS = "\n".join(f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 10)}]" for i in range(9))
BOMB = f"a: &a [x, x]\n{LEVELS}\n".encode()

HOSTILE: list[tuple[str, bytes, str]] = [
    ("alias bomb", BOMB, r":1: a: anchors \(&\) are not supported"),
    ("nested lists", b"a: " + b"[" * 100_000, "nested deeper than 32 levels"),
    ("nested mappings", b"{a: " * 100_000, "nested deeper than 32 levels"),
    ("nested blocks", b"".join(b" " * i + b"a:\n" for i in range(1000)), "nested deeper than 32 levels"),
    (
        "merge key",
        b"version: 1\nroutes: {a: openai/m, <<: {b: 1}}\n",
        r":2: routes.<<: merge keys \(<<\) are not supported",
    ),
    ("duplicate keys", b"version: 1\nroutes: {a: openai/m, a: openai/n}\n", ":2: routes.a: duplicate key"),
    ("duplicates spelt apart", b'version: 1\nroutes: {a: openai/m, "\\x61": openai/n}\n', "routes.a: duplicate key"),
    ("NUL", GOOD + b"x: \x00\n", ":3: control character 0x00"),
    ("escape", GOOD + b"x: \x1b[31m\n", ":3: control character 0x1b"),
    ("invalid UTF-8", GOOD + b"x: \xff\xfe\n", ":3: the file is not UTF-8"),
    ("UTF-16", GOOD.decode().encode("utf-16"), "UTF-16; save it as UTF-8"),
    ("half a flow mapping", b"version: 1\nroutes: {a: openai/m\n", ":2: '{' is not closed"),
    ("half a character", GOOD + b'x: "\\ud83d"\n', "half of a character|not YAML"),
    ("unknown keys", GOOD + b"".join(b"k%d: 1\n" % i for i in range(90_000)), "there may be more"),
    ("duplicates", GOOD + b"a: 1\n" * 90_000, "there may be more"),
    (
        "unknown names",
        b"version: 1\nroutes: {a: {task: chat, pick: [" + b", ".join(b"n%d" % i for i in range(90_000)) + b"]}}\n",
        "there may be more",
    ),
    (
        "cases",
        b"version: 1\nroutes: {\n"
        + b"".join(
            b"r%d: {task: chat, pick: openai/m, when: [%s]},\n"
            % (route, b", ".join(b"{tenant: t%d, pick: a}" % case for case in range(256)))
            for route in range(150)
        )
        + b"}\n",
        "no deployment 'a'.*\n(.*\n)*there may be more",
    ),
    ("tab", b"version: 1\n\troutes: 1\n", ":2: a tab"),
    ("python object", b"a: !!python/object/apply:os.system [id]\n", r"tags \(!\) are not supported"),
    ("large", b"# " + b"x" * MAX_BYTES + b"\n" + GOOD, "larger than 1 MiB"),
    ("only a comment", b"# version: 1\n", "empty"),
    ("percent", b"%YAML 9.9\n---\na: 1\n", "not YAML|cannot begin with"),
    ("quoted newline in a key", GOOD + b'"a\\nb\\x1b": 1\n', r":3: 'a\\nb\\x1b': unknown key"),
    (
        "numbers as text",
        b"version: 1\nroutes: {a: 1e3}\n",
        "routes.a: expected a mapping or vendor/model, found 1000.0",
    ),
    ("lone alias", b"a: *b\n", r"aliases \(\*\) are not supported"),
]


@pytest.mark.parametrize(("data", "words"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_a_hostile_file_is_a_typed_error_quickly(tmp_path: Path, data: bytes, words: str) -> None:
    """Whatever the bytes, the answer is a `ConfigError` within a few seconds of CPU."""
    file = tmp_path / "o.yaml"
    file.write_bytes(data)
    start = time.process_time()
    with pytest.raises(ConfigError, match=words):
        load_file(file, find=find, environ=ENVIRON)
    assert time.process_time() - start < 20.0


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """A path that is no regular file is refused at once, since reading it may never end."""
    os.mkfifo(tmp_path / "o.yaml")
    with pytest.raises(ConfigError, match="not a regular file"):
        load_file(tmp_path / "o.yaml", find=find)


def test_a_byte_order_mark_is_fine(tmp_path: Path) -> None:
    """Editors that write one make no other file of it."""
    file = tmp_path / "o.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace(b"\n", b"\r\n"))
    assert list(load_file(file, find=find, environ=ENVIRON).routes) == ["a"]


def test_a_mapping_that_holds_itself_is_refused() -> None:
    """A cycle in a mapping made in code ends at the depth limit."""
    cyclic: dict[str, object] = {"version": 1}
    cyclic["routes"] = cyclic
    with pytest.raises(ConfigError, match="nested deeper than 32 levels"):
        load_mapping(cyclic, find=find)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_parse_or_fail_typed(data: bytes) -> None:
    """The reader gives plain values or a `ConfigError`, never another exception."""
    with contextlib.suppress(ConfigError):
        assert parse_yaml(data, "x").problems is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
BAD_CASE = ["breaker", "redis", "retry", "sticky", "store", "tenant", "tags", "timeouts", "url", "when"]
KEYS = st.sampled_from(
    ["version", "routes", "providers", "deployments", "log", "deadline", "extends", "unsupported", *BAD_CASE]
)
NAMES = st.sampled_from(
    ["a", "b", "openai/m", "pick", "task", "then", "kind", "provider", "model", "headers", "limits", *BAD_CASE]
)
MAPPINGS = st.dictionaries(NAMES, JSON | st.dictionaries(NAMES, JSON, max_size=4), max_size=4)


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(KEYS, JSON | MAPPINGS, max_size=6))
def test_any_mapping_loads_or_fails_typed(value: dict[str, object]) -> None:
    """Values of any shape in any place end in a configuration or a `ConfigError`."""
    with contextlib.suppress(ConfigError):
        assert load_mapping({"version": 1, **value}, find=find, environ={}).routes
