"""Rotation: no line lost, torn or doubled, with one process or several, by size and by day."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from log_events import call, read

from orchestrator.telemetry.destinations import FileDestination
from orchestrator.telemetry.jsonl import LogWriter
from orchestrator.telemetry.rotation import RotatingFile, Rotation

DAY = 86_400.0
TODAY = datetime.now(UTC).date().isoformat()

SCRIPT = """
import sys, os
sys.path[:0] = {paths!r}
from pathlib import Path
from log_events import call
from orchestrator.telemetry.jsonl import LogWriter
from orchestrator.telemetry.rotation import RotatingFile, Rotation
writer = LogWriter(RotatingFile(Path(sys.argv[1]), Rotation(size=64_000, daily=True)))
"""


def script(body, *arguments):
    paths = [os.path.dirname(__file__), *(path for path in sys.path if path)]
    return [sys.executable, "-W", "error", "-c", SCRIPT.format(paths=paths) + body, *map(str, arguments)]


def files(folder):
    """Log files in the order of their names."""
    return sorted(folder.glob("*.jsonl"))


def lines(count, size=100):
    """Lines of that many bytes each, newline included."""
    return [json.dumps({"n": number}).encode().ljust(size - 1) for number in range(count)]


def numbers(folder):
    return [json.loads(line)["n"] for path in files(folder) for line in path.read_text().splitlines()]


def test_by_size(tmp_path):
    """A file is put aside before it would be larger than its bound, in the middle of a batch too; names sort by age."""
    destination = RotatingFile(tmp_path / "calls.jsonl", Rotation(size=1_000))
    assert destination.write(lines(35)) == 35
    destination.close()
    assert [path.name for path in files(tmp_path)] == [
        *(f"calls-{TODAY}.{number:06d}.jsonl" for number in (1, 2, 3)),
        "calls.jsonl",
    ]
    assert [path.stat().st_size for path in files(tmp_path)] == [1_000, 1_000, 1_000, 500]
    assert numbers(tmp_path) == list(range(35))


def test_a_line_larger_than_the_bound(tmp_path):
    """A line that no file has room for gets a file of its own, whole."""
    destination = RotatingFile(tmp_path / "calls.jsonl", Rotation(size=50))
    destination.write(lines(3))
    destination.close()
    assert [path.stat().st_size for path in files(tmp_path)] == [100, 100, 100]


def test_by_day(tmp_path):
    """The first line of a day opens a new file; the old one is named by the day it was last written."""
    now = [time.time()]
    destination = RotatingFile(tmp_path / "calls.jsonl", Rotation(daily=True), clock=lambda: now[0])
    destination.write(lines(2))
    now[0] += DAY
    destination.write(lines(1))
    destination.close()
    assert [path.name for path in files(tmp_path)] == [f"calls-{TODAY}.000001.jsonl", "calls.jsonl"]
    assert numbers(tmp_path) == [0, 1, 0]


def test_keep(tmp_path):
    """Only so many files put aside are kept, the newest, and no file of another name is touched."""
    (tmp_path / "calls-other.jsonl").write_text("")
    destination = RotatingFile(tmp_path / "calls.jsonl", Rotation(size=100, keep=2))
    destination.write(lines(6))
    destination.close()
    assert numbers(tmp_path) == [3, 4, 5]
    assert (tmp_path / "calls-other.jsonl").exists()


def test_one_file_per_process(tmp_path):
    """`{pid}` in the name gives each process a file of its own, a forked child too."""
    destination = FileDestination(tmp_path / "calls-{pid}.jsonl")
    destination.write([b"1"])
    assert [path.name for path in files(tmp_path)] == [f"calls-{os.getpid()}.jsonl"]
    body = """
from orchestrator.telemetry.destinations import FileDestination
writer = LogWriter(FileDestination(Path(sys.argv[1])))
writer.emit(call("parent")); writer.flush()
child = os.fork()
if child == 0:
    writer.emit(call("child")); writer.close(); os._exit(0)
os.waitpid(child, 0)
print(os.getpid(), child)
"""
    done = subprocess.run(script(body, tmp_path / "{host}-{pid}.jsonl"), check=True, timeout=30, capture_output=True)
    parent, child = done.stdout.decode().split()
    assert read(next(tmp_path.glob(f"*-{parent}.jsonl"))) == ["parent"]
    assert read(next(tmp_path.glob(f"*-{child}.jsonl"))) == ["child"]
    destination.close()


def test_a_lock_that_is_never_given_back(tmp_path):
    """While another process hangs with the lock, lines are written whole all the same, and rotation waits."""
    destination = RotatingFile(tmp_path / "calls.jsonl", Rotation(size=100))
    with (tmp_path / "calls.jsonl.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert destination.write(lines(3)) == 3
    assert [path.name for path in files(tmp_path)] == ["calls.jsonl"]
    destination.write(lines(1))
    destination.close()
    assert numbers(tmp_path) == [0, 1, 2, 0]
    assert len(files(tmp_path)) == 2


def test_four_processes_rotating(tmp_path):
    """Four processes on one file of at most 64 kB: every call is there exactly once, no file is over its bound."""
    body = (
        "for n in range(400):\n    writer.emit(call(sys.argv[2] + '-' + str(n)))\n    if n % 7 == 0: writer.flush()\n"
    )
    running = [subprocess.Popen(script(body, tmp_path / "calls.jsonl", name)) for name in "abcd"]
    assert [process.wait(60) for process in running] == [0, 0, 0, 0]
    found = [name for path in files(tmp_path) for name in read(path)]
    assert len(files(tmp_path)) > 10
    assert sorted(found) == sorted(f"{name}-{number}" for name in "abcd" for number in range(400))
    assert max(path.stat().st_size for path in files(tmp_path)) <= 64_000
    for name in "abcd":  # the order of names is the order of lines
        assert [one for one in found if one[0] == name] == [f"{name}-{number}" for number in range(400)]


def test_killed(tmp_path):
    """After kill -9 only calls of the last moments are missing: those younger than one flush, and no line is torn."""
    body = (
        "import time\n"
        "n = 0\n"
        "while True:\n"
        "    writer.emit(call(str(n)))\n"
        "    print(n, time.time(), flush=True)\n"
        "    n += 1\n"
        "    time.sleep(0.001)\n"
    )
    path = tmp_path / "calls.jsonl"
    process = subprocess.Popen(script(body, path), stdout=subprocess.PIPE)
    time.sleep(1.5)
    process.kill()
    killed = time.time()
    said = dict(line.split() for line in process.communicate()[0].decode().splitlines() if line.count(" ") == 1)
    found = {name for one in files(tmp_path) for name in read(one)}
    missing = said.keys() - found
    assert len(found) > 100
    assert max([killed - float(said[name]) for name in missing], default=0) < 0.5  # 0.2 s, and a slow machine
    assert sorted(map(int, missing)) == list(range(len(found), len(said)))


@pytest.mark.parametrize("room", [1, 950, 20_000])
def test_disk_full(tmp_path, room):
    """Where a file cannot grow, lines are kept; once it can, all are there, once and whole, over the rotation."""
    body = f"""
import resource, time
writer.emit(call("0")); writer.flush()
room = os.path.getsize(sys.argv[1]) + {room}
resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
for n in range(1, 100): writer.emit(call(str(n)))
writer.flush(); writer.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
    subprocess.run(script(body, tmp_path / "calls.jsonl"), check=True, timeout=30, capture_output=True)
    found = []
    for path in files(tmp_path):
        for line in path.read_text().splitlines():
            try:
                found.append(json.loads(line)["call_id"])
            except json.JSONDecodeError:
                assert not line.endswith("}")  # the one line that the full disk cut
    assert found == [str(number) for number in range(100)]


def test_rotating_under_a_writer(tmp_path):
    """What the background writer hands over in batches is spread over files in order."""
    writer = LogWriter(RotatingFile(tmp_path / "calls.jsonl", Rotation(size=5_000)))
    for number in range(50):
        writer.emit(call(str(number)))
    writer.close()
    assert [name for path in files(tmp_path) for name in read(path)] == [str(number) for number in range(50)]
    assert len(files(tmp_path)) > 5
