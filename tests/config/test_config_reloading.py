"""When a changed file is taken, with real files and a clock that the test moves."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kinds import ENVIRON, find

from orchestrator.config import Config, Watcher, load_file
from orchestrator.errors import ConfigError

FIRST = "version: 1\nroutes: {a: openai/one}\n"
SECOND = "version: 1\nroutes: {a: openai/two}\n"
BAD = "version: 1\nroutes: {a: opnai/two}\n"


class Bench:
    """A file, its watcher, and a clock in seconds."""

    def __init__(self, directory: Path, text: str = FIRST) -> None:
        self.file = directory / "o.yaml"
        self.file.write_text(text)
        self.now = 0.0
        self.loads = 0
        config = self.load()
        self.watcher = Watcher(config.files, self.load, content_hash=config.content_hash, monotonic=lambda: self.now)

    def load(self) -> Config:
        """Load for real, and count it."""
        self.loads += 1
        return load_file(self.file, find=find, environ=ENVIRON)

    def replace(self, text: str) -> None:
        """Put another file in the place of this one, as careful writers do."""
        other = self.file.with_suffix(".new")
        other.write_text(text)
        other.rename(self.file)

    def poll(self, seconds: float = 1.0) -> Config | ConfigError | None:
        """Let time pass, and look."""
        self.now += seconds
        return self.watcher.poll()

    def polls(self, times: int) -> list[Config | ConfigError]:
        """What so many looks, a second apart, gave."""
        return [found for _ in range(times) if (found := self.poll()) is not None]


def picks(config: Config | ConfigError | None) -> str:
    """The one deployment of the configuration."""
    assert isinstance(config, Config), config
    return config.routes["a"].pick.names[0]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A watched file that was loaded once."""
    return Bench(tmp_path)


def test_an_unchanged_file_is_never_loaded_again(bench: Bench) -> None:
    """Looks at a file that stays as it is give nothing and load nothing, also after it was touched."""
    assert bench.polls(5) == []
    os.utime(bench.file)
    assert bench.polls(5) == []
    assert bench.loads == 1


def test_a_change_is_taken_at_the_second_look(bench: Bench) -> None:
    """The first look after a change only notes it; when the second sees the same, it is loaded, once."""
    bench.polls(3)
    bench.replace(SECOND)
    assert bench.poll() is None
    assert picks(bench.poll()) == "openai/two"
    assert bench.polls(5) == []
    assert bench.loads == 2


def test_at_most_one_look_a_second(bench: Bench) -> None:
    """Between looks the files are not touched, however often a call comes by."""
    bench.polls(3)
    bench.replace(SECOND)
    assert [bench.poll(0.01) for _ in range(99)] == [None] * 99
    assert bench.poll(0.02) is None
    assert [bench.poll(0.01) for _ in range(99)] == [None] * 99
    assert picks(bench.poll(0.02)) == "openai/two"


def test_a_change_before_the_first_look_is_seen(tmp_path: Path) -> None:
    """A file that changed between its reading and the making of the watcher is loaded."""
    file = tmp_path / "o.yaml"
    file.write_text(FIRST)
    config = load_file(file, find=find, environ=ENVIRON)
    file.write_text(SECOND)
    clock = iter(range(100))
    watcher = Watcher(
        config.files,
        lambda: load_file(file, find=find, environ=ENVIRON),
        content_hash=config.content_hash,
        monotonic=lambda: float(next(clock)),
    )
    assert picks(next(found for _ in range(5) if (found := watcher.poll()) is not None)) == "openai/two"


def test_a_file_still_being_written_is_left_alone(bench: Bench) -> None:
    """While each look sees another file, nothing is loaded; once it rests, the whole is."""
    bench.polls(3)
    lines = SECOND.splitlines(keepends=True)
    bench.file.write_text(lines[0])
    assert bench.poll() is None
    bench.file.write_text(lines[0] + lines[1])
    assert bench.poll() is None
    assert picks(bench.poll()) == "openai/two"
    assert bench.loads == 2


def test_a_bad_file_is_one_error_per_content(bench: Bench) -> None:
    """The error comes once, again only for other content, and a mended file is taken."""
    bench.polls(3)
    bench.replace(BAD)
    (error,) = bench.polls(6)
    assert isinstance(error, ConfigError)
    assert (error.line, error.file) == (2, str(bench.file))
    os.utime(bench.file)
    assert bench.polls(4) == []
    bench.replace(BAD.replace("two", "three"))
    assert len(bench.polls(4)) == 1
    bench.replace(FIRST)
    assert picks(bench.polls(4)[0]) == "openai/one"


def test_a_removed_file_is_one_error(bench: Bench) -> None:
    """A file that goes away is said once; when it comes back it is taken."""
    bench.polls(3)
    bench.file.unlink()
    (error,) = bench.polls(6)
    assert "No such file" in str(error)
    bench.file.write_text(SECOND)
    assert picks(bench.polls(4)[0]) == "openai/two"


def test_a_file_without_final_newline_is_an_error_after_five_seconds(bench: Bench) -> None:
    """It may be half of a file, so it is never loaded; that it stays so is said once."""
    bench.polls(3)
    bench.replace(SECOND.rstrip("\n"))
    assert bench.polls(5) == []
    (error,) = bench.polls(5)
    assert isinstance(error, ConfigError)
    assert "does not end in a newline" in str(error)
    assert bench.loads == 1
    bench.replace(SECOND)
    assert picks(bench.polls(3)[0]) == "openai/two"


def test_base_files_are_watched_too(tmp_path: Path) -> None:
    """A change of the base is a change, a new base is watched from then on, and the old one no longer."""
    (tmp_path / "base.yaml").write_text(FIRST)
    bench = Bench(tmp_path, "extends: base.yaml\n")
    bench.polls(3)
    (tmp_path / "base.yaml").write_text(SECOND)
    assert picks(bench.polls(3)[0]) == "openai/two"
    (tmp_path / "other.yaml").write_text(FIRST)
    bench.replace("extends: other.yaml\n")
    assert picks(bench.polls(3)[0]) == "openai/one"
    (tmp_path / "base.yaml").write_text(BAD)
    assert bench.polls(4) == []
    (tmp_path / "other.yaml").write_text(SECOND)
    assert picks(bench.polls(5)[0]) == "openai/two"


def test_a_base_that_comes_later_mends_the_error(bench: Bench) -> None:
    """A base that does not exist yet is one error, and is taken as soon as it is there."""
    bench.polls(3)
    bench.replace("extends: late.yaml\n")
    (error,) = bench.polls(8)
    assert "late.yaml: cannot be read" in str(error)
    bench.file.with_name("late.yaml").write_text(SECOND)
    assert picks(bench.polls(5)[0]) == "openai/two"


def test_a_swapped_link_is_a_change(tmp_path: Path) -> None:
    """Mounted configurations change by swapping a link to a directory, with times and sizes equal."""
    for name, text in (("v1", FIRST), ("v2", SECOND)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "o.yaml").write_text(text)
        os.utime(tmp_path / name / "o.yaml", (1, 1))
    (tmp_path / "now").symlink_to("v1")
    file, times = tmp_path / "now" / "o.yaml", iter(range(100))
    watcher = Watcher([file], lambda: load_file(file, find=find, environ=ENVIRON), monotonic=lambda: float(next(times)))
    assert [watcher.poll() for _ in range(4)] == [None] * 4
    (tmp_path / "next").symlink_to("v2")
    (tmp_path / "next").rename(tmp_path / "now")
    assert picks(next(found for _ in range(5) if (found := watcher.poll()) is not None)) == "openai/two"


def test_a_change_during_the_load_is_not_taken_half(bench: Bench) -> None:
    """When the files change between the look and the load, the load is thrown away until they rest."""
    bench.polls(3)
    bench.replace(SECOND)
    real, bench.watcher._load = bench.load, lambda: (bench.replace(FIRST.replace("one", "three")), bench.load())[1]
    assert bench.polls(2) == []
    bench.watcher._load = real
    assert picks(bench.polls(3)[0]) == "openai/three"


def test_one_of_many_threads_gets_the_change(bench: Bench) -> None:
    """When many calls poll at once, one gets the new configuration and none waits for another's load."""
    bench.polls(3)
    bench.replace(SECOND)
    bench.poll()
    bench.now += 1
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(bench.watcher.poll())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(item) for item in found if item is not None] == [Config]


def test_a_fork_during_a_look_does_not_stop_the_child() -> None:
    """The child of a process forked while another thread held the lock looks again."""
    code_r, code_w = os.pipe()
    watcher = Watcher([], lambda: pytest.fail("nothing changed"))
    held = watcher._lock
    held.acquire()
    pid = os.fork()
    if pid == 0:
        watcher._due = 0.0
        watcher.poll()
        os.write(code_w, b"1" if watcher._due > 0 else b"0")
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(code_r, 1) == b"1"
    held.release()
    os.close(code_r)
    os.close(code_w)


LONG = """\
version: 1
providers: {openai: {kind: openai, api_key: {env: OPENAI_API_KEY}}}
deployments:
  mini: {provider: openai, model: gpt-4o-mini}
routes:
  a:
    task: chat
    pick: [openai/one, mini]
    deadline: 30s
log: {to: stdout}
"""


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(min_value=0, max_value=len(LONG) - 1))
def test_half_a_file_is_refused_or_ends_a_line(tmp_path: Path, cut: int) -> None:
    """Of a good file's prefixes, one that ends inside a line is never loaded, any other is an error or a whole file."""
    bench = Bench(tmp_path)
    bench.polls(3)
    part = LONG[:cut]
    bench.file.write_text(part)
    (found,) = bench.polls(8)
    ends_a_line = part == "" or part.endswith("\n")
    assert bench.loads == (2 if ends_a_line else 1)
    assert isinstance(found, ConfigError) or (ends_a_line and "pick:" in part)


def test_a_look_at_the_clock_is_cheap() -> None:
    """A poll that is not due costs next to nothing: no look at the files."""
    watcher = Watcher([], lambda: pytest.fail("nothing changed"))
    watcher._due = float("inf")
    poll, rounds = watcher.poll, 20_000
    best = min(_timed(poll, rounds) for _ in range(5))
    assert best / rounds < 1e-5


def _timed(call: object, rounds: int) -> float:
    assert callable(call)
    start = time.perf_counter()
    for _ in range(rounds):
        call()
    return time.perf_counter() - start
