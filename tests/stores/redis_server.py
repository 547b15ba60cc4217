"""A real Redis server of the tests' own, to be stopped, paused, emptied and killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from random import Random, SystemRandom

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator.spec.stores import Limit
from orchestrator.stores.redis import RedisLimits

BINARY = shutil.which("redis-server")


def free_port():
    """Below the range that outgoing connections take theirs from: it must stay free until the server starts."""
    while True:
        port = SystemRandom().randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class RedisServer:
    """Nothing is kept on disk: a restart is a loss of all state."""

    def __init__(self, directory, *options):
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = None
        self._command = [BINARY, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
        self._command += options

    def start(self):
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + 10.0
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with self.client() as client:
                    return client.ping()
            except redis.RedisError:
                time.sleep(0.02)
        raise RuntimeError(f"redis-server does not start: {self.process.poll()}")

    def client(self):
        return redis.Redis(port=self.port, decode_responses=True, socket_timeout=5.0, retry=Retry(NoBackoff(), 0))

    def do(self, *command):
        with self.client() as client:
            return client.execute_command(*command)

    def pause(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def stop(self):
        if self.process is not None:
            self.resume()
            self.process.kill()
            self.process.wait()
            self.process = None


class SteppingClock:
    """The machine's clock, as seen by a client whose clock jumps."""

    def __init__(self):
        self.offset = 0.0

    def monotonic(self):
        return time.monotonic() + self.offset

    def time(self):
        return time.time() + self.offset


class Member:
    """One of several stores that share limits, and a thread that reserves from it as fast as it may."""

    def __init__(self, url, *limits, seed=0, **options):
        self.notices = []
        self.clock = SteppingClock()
        self.store = RedisLimits(
            url, clock=self.clock, notice=lambda name, message: self.notices.append(name), **options
        )
        self.slots = tuple([self.store.slot(limit) for limit in limits])
        self.taken = []
        self.slowest_s = 0.0
        self.errors = []
        self._random = Random(seed)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def take(self, *amounts):
        return self.store.reserve(self.slots, [float(amount) for amount in amounts], self.clock.monotonic())

    def settle(self, *changes, age_s=0.0):
        now = self.clock.monotonic()
        self.store.settle(self.slots, changes, now, now - age_s)

    def start(self):
        self._thread.start()

    def stop(self):
        self._ended.set()
        self._thread.join()

    def _run(self):
        try:
            while not self._ended.is_set():
                self._one()
        except Exception as error:
            self.errors.append(error)

    def _one(self):
        size = self._random.randint(2, 12)
        begin = time.monotonic()
        wait = self.take(size)
        now = time.monotonic()
        self.slowest_s = max(self.slowest_s, now - begin)
        if wait == 0.0:
            self.taken.append((now, size))
            if self._random.random() < 0.3:
                back = self._random.randint(0, size)
                self.taken[-1] = (now, size - back)
                self.settle(float(-back))
        time.sleep(min(max(wait, 0.001), 0.02))


def most_in_a_window(taken, period_s):
    """The largest sum that any window of a period holds."""
    taken, best, total, first = sorted(taken), 0.0, 0.0, 0
    for last, amount in taken:
        total += amount
        while taken[first][0] <= last - period_s:
            total -= taken[first][1]
            first += 1
        best = max(best, total)
    return best


def tokens(amount, period_s=60.0, key="a/m"):
    return Limit(key, "tokens", amount, period_s)


def requests(amount, period_s=60.0, key="a"):
    return Limit(key, "requests", amount, period_s)


def concurrency(amount, key="a"):
    return Limit(key, "concurrency", amount, 0.0)


def until(condition, seconds=5.0):
    """Wait for it, or say that it did not come."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False
