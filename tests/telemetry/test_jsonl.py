"""The writer: in the background, in order, every line whole and once, whatever happens to file, process or client."""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
import threading
import time
from decimal import Decimal
from threading import Thread

import orjson
import pytest
import structlog
from log_events import Flaky, call, read, until

from orchestrator.spec.events import CallContext
from orchestrator.telemetry import destinations, jsonl
from orchestrator.telemetry.destinations import FileDestination, LoggerDestination, StreamDestination
from orchestrator.telemetry.jsonl import LogWriter

REPORTS = "orchestrator"


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "orchestrator-log"]


@pytest.fixture
def flaky():
    return Flaky()


@pytest.fixture
def writer(flaky):
    made = LogWriter(flaky)
    yield made
    flaky.error = None
    made.close()


def test_written_in_the_background(writer, flaky):
    """A line is written by itself within a third of a second, and a burst of lines in few pieces, in order."""
    writer.emit(call("first"))
    begin = time.monotonic()
    assert until(lambda: flaky.ids == ["first"])
    assert time.monotonic() - begin < 0.5
    for number in range(500):
        writer.emit(call(str(number)))
    assert until(lambda: len(flaky.ids) == 501)
    assert flaky.ids[1:] == [str(number) for number in range(500)]
    assert flaky.batches < 10


def test_idle_then_busy_again(writer, flaky):
    """After a pause the next line is written just the same."""
    for name in "abc":
        writer.emit(call(name))
        assert until(lambda name=name: flaky.ids[-1:] == [name])
        time.sleep(0.45)
    assert flaky.ids == ["a", "b", "c"]


def test_close_writes_at_once_and_ends_the_thread(flaky):
    """Closing writes everything without waiting and ends the thread; closing again does nothing."""
    writer, before = LogWriter(flaky), len(threads())
    writer.emit(call("a"))
    begin = time.monotonic()
    writer.close()
    assert flaky.ids == ["a"]
    assert time.monotonic() - begin < 0.15
    assert until(lambda: len(threads()) <= before)
    writer.close()
    assert flaky.ids == ["a"]


def test_starts_over_after_close(flaky):
    """A writer that was closed takes lines again, also when a finalizer came first."""
    writer, done = LogWriter(flaky), []
    writer.emit(call("a"))
    writer.close()
    writer.defer(lambda: done.append(1))
    writer.emit(call("b"))
    assert until(lambda: flaky.ids == ["a", "b"])
    assert done == [1]
    writer.close()


def test_no_destination_no_thread():
    """Where nothing is logged, events cost nothing and start nothing."""
    before = set(threads())
    writer = LogWriter(None)
    writer.emit(call())
    assert writer.flush() is False
    assert set(threads()) <= before
    writer.close()


def test_forgotten_writers_write_and_go(tmp_path):
    """A thousand writers made, used and dropped without closing: every line is there, no thread or file stays open."""
    before, files = len(threads()), len(os.listdir("/proc/self/fd"))
    for number in range(1_000):
        writer = LogWriter(FileDestination(tmp_path / f"{number % 7}.jsonl"))
        if number % 10 == 0:
            writer.emit(call(str(number)))
        del writer
    gc.collect()
    assert until(lambda: len(threads()) <= before, 10)
    assert len(os.listdir("/proc/self/fd")) <= files + 1
    found = [one for path in tmp_path.iterdir() for one in read(path)]
    assert sorted(found, key=int) == [str(number) for number in range(0, 1_000, 10)]


def test_deferred_actions(writer, flaky):
    """What a finalizer left to do is done on the writer's thread; its failure is reported and stops nothing."""
    done = []
    writer.start()
    writer.defer(lambda: done.append(threading.current_thread().name))
    writer.defer(lambda: done.append(1 / 0))
    writer.defer(lambda: writer.emit(call("settled")))
    assert until(lambda: flaky.ids == ["settled"])
    assert done == ["orchestrator-log"]


def test_streams_forgotten_where_nothing_is_logged():
    """Without a log, what finalizers left to do is done all the same, by one thread however often it is started."""
    before, done, writer = set(threads()), [], LogWriter(None)
    for _ in range(3):
        writer.start()
    assert len(set(threads()) - before) == 1
    for number in range(3):
        writer.defer(lambda number=number: done.append(number))
    assert until(lambda: done == [0, 1, 2])
    writer.close()


def test_what_comes_at_the_last_moment_is_not_slept_over(writer, flaky):
    """A line that comes between the thread's last look and its rest keeps it awake."""
    log = writer._log
    log._running = True  # no thread but this one
    log._idle = False
    writer.emit(call("late"))
    assert log.rest() is False
    log.flush()
    assert log.rest() is True
    log._running = False
    assert flaky.ids == ["late"]


def test_a_finalizer_may_emit_while_the_lock_is_held(flaky):
    """A finalizer that fires while its own thread is starting or writing the log does not deadlock."""
    writer, caught = LogWriter(flaky), []

    class Forgotten:
        def __init__(self, name):
            self.name, self.itself = name, self

        def __del__(self):
            writer.emit(call(self.name))
            writer.defer(lambda: caught.append(self.name))

    def collecting(logger, name, values):
        if values["call_id"] == "first":
            Forgotten("while writing")
            gc.collect()
        return values

    writer._log._render_event.processors = (collecting,)
    with writer._log._starting:
        Forgotten("while starting")
        gc.collect()
    writer.emit(call("first"))
    closing = Thread(target=writer.close, daemon=True)
    closing.start()
    closing.join(5)
    assert not closing.is_alive()
    assert sorted(flaky.ids) == ["first", "while starting", "while writing"]
    assert sorted(caught) == ["while starting", "while writing"]


# processors


def test_processors_change_drop_and_raise(flaky, caplog):
    """Processors see each line in turn: they may change or drop it; one that fails costs its line and is reported."""

    def shorten(logger, name, values):
        return values | {"tenant": "x", "extra": Decimal("1.50"), "odd": {1, 2} and object}

    def choose(logger, name, values):
        if values.get("call_id") == "drop":
            raise structlog.DropEvent
        if values.get("call_id") == "bad":
            raise KeyError("no")
        return values

    writer = LogWriter(flaky, processors=[shorten, choose])
    with caplog.at_level(logging.WARNING, REPORTS):
        for name in ("a", "drop", "bad", "bad", "b"):
            writer.emit(call(name))
        writer.close()
    assert flaky.ids == ["a", "b", None]
    assert flaky.lines[0]["tenant"] == "x"
    assert flaky.lines[0]["extra"] == 1.5
    assert flaky.lines[0]["odd"] == "<class 'object'>"
    assert (flaky.lines[2]["event"], flaky.lines[2]["lines"]) == ("llm.log.dropped", 2)
    assert [record.getMessage() for record in caplog.records] == ["a call's log line could not be rendered"]


def test_odd_values_do_not_lose_the_line(writer, flaky):
    """Half a surrogate pair, huge numbers and keys that are no text are written as well as JSON can."""
    tags = {"\ud800": "a\udfffb", "n": 10**30, 5: [10**30, ("x",)], "f": 1.5}
    writer.emit(call("odd", context=CallContext(tenant="\ud83d", tags=tags)))
    writer.flush()
    (found,) = flaky.lines
    assert found["tenant"] == "?"
    assert found["tags"] == {"?": "a?b", "n": "1" + "0" * 30, "5": ["1" + "0" * 30, ["x"]], "f": 1.5}
    assert found["cost_usd"] == 0


# trouble


def test_kept_while_it_cannot_be_written(writer, flaky, caplog):
    """While the log cannot be written, calls go on, it is reported once, and nothing is lost once it can be again."""
    flaky.error = OSError(28, "No space left on device")
    with caplog.at_level(logging.WARNING, REPORTS):
        writer.emit(call("a"))
        writer.flush()
        writer.emit(call("b"))
        for _ in range(3):
            writer.flush()
        flaky.error = None
        writer.flush()
    assert flaky.ids == ["a", "b"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "No space left on device" in caplog.records[0].getMessage()
    assert until(lambda: writer.flush() is False)


def test_lost_lines_are_counted(writer, flaky, caplog):
    """Beyond ten thousand lines the oldest are dropped, and a line in the log says how many."""
    flaky.error = OSError("full")
    with caplog.at_level(logging.CRITICAL, REPORTS):
        for number in range(10_025):
            writer.emit(call(str(number)))
        writer.flush()
        flaky.error = None
        writer.close()
    assert flaky.ids[:2] == ["25", "26"]
    assert len(flaky.ids) == 10_001
    assert (flaky.lines[-1]["event"], flaky.lines[-1]["lines"]) == ("llm.log.dropped", 25)


def test_any_error_of_a_destination_is_survived(writer, flaky, caplog):
    """A destination's own bug does not end the thread: lines are kept and written when it is mended."""
    flaky.error = AttributeError("bug")
    with caplog.at_level(logging.CRITICAL, REPORTS):
        writer.emit(call("a"))
        time.sleep(0.5)
        writer.emit(call("b"))
        flaky.error = None
        assert until(lambda: flaky.ids == ["a", "b"])


class Hanging(Flaky):
    def __init__(self):
        super().__init__()
        self.gate = threading.Event()

    def write(self, lines):
        self.gate.wait(10)
        return super().write(lines)


def test_a_hanging_destination_bounds_memory():
    """When writing hangs, events are taken in up to a bound; those beyond are counted, and calls never wait."""
    hanging, event = Hanging(), call("x")
    writer = LogWriter(hanging)
    writer.emit(event)
    assert until(lambda: not writer._log._events)
    begin = time.monotonic()
    for _ in range(100_010):
        writer.emit(event)
    assert time.monotonic() - begin < 5
    assert len(writer._log._events) == 100_000
    assert writer._log._dropped == 10
    writer._log._events.clear()
    hanging.gate.set()
    writer.close()
    assert (hanging.lines[-1]["event"], hanging.lines[-1]["lines"]) == ("llm.log.dropped", 10)


def test_no_thread_to_be_had(flaky, caplog, monkeypatch):
    """If no thread can be started, calls go on, it is said once, and closing writes the lines."""

    class NoThread(Thread):
        def start(self):
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(jsonl, "Thread", NoThread)
    writer = LogWriter(flaky)
    with caplog.at_level(logging.WARNING, REPORTS):
        writer.emit(call("a"))
        writer.emit(call("b"))
    assert len(caplog.records) == 1
    writer.close()
    assert flaky.ids == ["a", "b"]


# files


def test_file_with_its_directory(tmp_path):
    """The file is made with its directories when the first line comes, readable by owner and group only."""
    path = tmp_path / "a" / "b" / "calls.jsonl"
    writer = LogWriter(FileDestination(path))
    assert not path.parent.exists()
    writer.emit(call("x"))
    writer.close()
    assert read(path) == ["x"]
    assert path.stat().st_mode & 0o137 == 0


def test_moved_away_is_opened_anew(tmp_path):
    """After logrotate moved or removed the file, lines go into a new one under the name."""
    path = tmp_path / "calls.jsonl"
    writer = LogWriter(FileDestination(path))
    for name, change in (("a", lambda: path.rename(tmp_path / "calls.1")), ("b", path.unlink), ("c", lambda: None)):
        writer.emit(call(name))
        writer.flush()
        change()
    writer.close()
    assert (read(tmp_path / "calls.1"), read(path)) == (["a"], ["c"])


def test_unwritable_then_writable(tmp_path, caplog):
    """Where a file stands in the directory's place, lines are kept, and written once that is put right."""
    wrong = tmp_path / "logs"
    wrong.write_text("")
    writer = LogWriter(FileDestination(wrong / "calls.jsonl"))
    with caplog.at_level(logging.WARNING, REPORTS):
        writer.emit(call("a"))
        writer.flush()
        writer.emit(call("b"))
        writer.flush()
        wrong.unlink()
        writer.close()
    assert read(wrong / "calls.jsonl") == ["a", "b"]
    assert len(caplog.records) == 2


def test_full_disk_tears_one_line(tmp_path, monkeypatch):
    """A disk that fills up in the middle of a line: the half line is ended, no whole line is written twice or lost."""
    path, write, room = tmp_path / "calls.jsonl", os.write, [10**9]

    def limited(fd, data):
        if fd != writer._log._destination._fd:
            return write(fd, data)
        if not room[0]:
            raise OSError(28, "No space left on device")
        written = write(fd, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(destinations.os, "write", limited)
    writer = LogWriter(FileDestination(path))
    writer.emit(call("a"))
    writer.flush()
    size = path.stat().st_size
    for room_now in (0, size + 100, 0, 1, 0, 3 * size):
        room[0] = room_now
        if room_now > 1:
            for name in "bc":
                writer.emit(call(f"{name}{room_now}"))
        writer.flush()
    room[0] = 10**9
    writer.close()
    lines = path.read_bytes().split(b"\n")
    whole = [json.loads(one)["call_id"] for one in lines if one.endswith(b"}")]
    assert [name for name in whole if name] == ["a", f"b{size + 100}", f"c{size + 100}", f"b{3 * size}", f"c{3 * size}"]
    halves = [one for one in lines if one and not one.endswith(b"}")]
    assert len(halves) == 2
    assert all(any(one.startswith(half) for one in lines if one.endswith(b"}")) for half in halves)


def test_half_a_line_of_a_former_process(tmp_path):
    """A half line that a killed process left does not swallow the first new one."""
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b'{"call_id":"old"}\n{"call_')
    for name in "ab":
        writer = LogWriter(FileDestination(path))
        writer.emit(call(name))
        writer.close()
    lines = path.read_bytes().splitlines()
    assert lines[1] == b'{"call_'
    assert [json.loads(one)["call_id"] for one in (lines[0], *lines[2:])] == ["old", "a", "b"]


def test_special_files(tmp_path):
    """A path that is no plain file, or that may be written but not read, is written as it is."""
    writer = LogWriter(FileDestination(destinations.Path("/dev/null")))
    writer.emit(call())
    writer.close()
    assert FileDestination(tmp_path / "no" / "such")._ends_torn() is False


SCRIPT = """
import sys, os
sys.path[:0] = {paths!r}
from pathlib import Path
from log_events import call
from orchestrator.telemetry.destinations import FileDestination
from orchestrator.telemetry.jsonl import LogWriter
writer = LogWriter(FileDestination(Path(sys.argv[1])))
"""


def script(body, *arguments):
    paths = [os.path.dirname(__file__), *(path for path in sys.path if path)]
    return [sys.executable, "-W", "error", "-c", SCRIPT.format(paths=paths) + body, *map(str, arguments)]


def test_exit_without_close(tmp_path):
    """A program that ends without closing anything has written every line, also those taken in at the last moment."""
    path = tmp_path / "calls.jsonl"
    body = "for n in range(50): writer.emit(call(str(n)))\n"
    subprocess.run(script(body, path), check=True, timeout=30)
    assert read(path) == [str(number) for number in range(50)]


def test_several_processes_share_a_file(tmp_path):
    """Four processes on one file: all lines are there and whole, each process's own in order."""
    path = tmp_path / "calls.jsonl"
    body = (
        "import time\n"
        "for n in range(300):\n"
        "    writer.emit(call(sys.argv[2] + '-' + str(n) + 'x' * 3000))\n"
        "    if n % 20 == 0: writer.flush()\n"
    )
    running = [subprocess.Popen(script(body, path, name)) for name in "abcd"]
    assert [process.wait(30) for process in running] == [0, 0, 0, 0]
    found = [name.rstrip("x") for name in read(path)]
    assert len(found) == 1_200
    for name in "abcd":
        assert [one for one in found if one[0] == name] == [f"{name}-{number}" for number in range(300)]


def test_fork(tmp_path):
    """After a fork each side writes its own lines: what the parent had taken in is written once, by the parent."""
    path = tmp_path / "calls.jsonl"
    body = """
writer.emit(call("before"))
child = os.fork()
if child == 0:
    writer.emit(call("child"))
    writer.close()
    os._exit(0)
os.waitpid(child, 0)
writer.emit(call("after"))
"""
    subprocess.run(script(body, path), check=True, timeout=30)
    assert sorted(read(path)) == ["after", "before", "child"]


def test_fork_does_not_inherit_trouble(flaky):
    """A child begins with an empty, working writer even if the parent's was in the middle of writing."""
    writer = LogWriter(flaky)
    writer.emit(call("parent"))
    with writer._log._flushing:
        jsonl._after_fork_in_child()
    assert writer.flush() is False
    writer.emit(call("child"))
    assert until(lambda: flaky.ids == ["child"])
    writer.close()


# streams and loggers


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_streams(name, capsysbinary):
    """Lines go to the stream that is in place at that moment, as UTF-8, behind what was printed before."""
    writer = LogWriter(StreamDestination(name))
    print("before", file=getattr(sys, name))
    writer.emit(call("é"))
    writer.close()
    out = getattr(capsysbinary.readouterr(), name[3:])
    first, second = out.splitlines()
    assert first == b"before"
    assert orjson.loads(second)["call_id"] == "é"


def test_streams_without_bytes(monkeypatch):
    """A stream that takes text only, as a notebook's, gets text; a missing one is an OSError."""

    class Text:
        def __init__(self):
            self.text = ""

        def write(self, text):
            self.text += text

        def flush(self):
            self.text += "|"

    monkeypatch.setattr(sys, "stdout", Text())
    destination = StreamDestination("stdout")
    assert destination.write([b"a", b"b"]) == 2
    assert sys.stdout.text == "a\nb\n|"
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(OSError, match="no stdout"):
        destination.write([b"a"])


def test_application_logger(caplog):
    """With `to: logging` each line is a record of `orchestrator.calls`, the JSON being its message."""
    writer = LogWriter(LoggerDestination())
    with caplog.at_level(logging.INFO, "orchestrator.calls"):
        writer.emit(call("a"))
        writer.emit(call("b 100%"))
        writer.close()
    assert [json.loads(record.getMessage())["call_id"] for record in caplog.records] == ["a", "b 100%"]
    assert {record.name for record in caplog.records} == {"orchestrator.calls"}
