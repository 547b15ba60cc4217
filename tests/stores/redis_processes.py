"""What the tests run in processes of their own."""

from __future__ import annotations

import time

from redis_server import Member, concurrency


def hammer(url, limit, seconds, seed, pipe):
    """Reserve as fast as allowed; send what was taken and when."""
    member = Member(url, limit, seed=seed, timeout_s=1.0)
    member.take(0)
    pipe.send("ready")
    pipe.recv()
    member.start()
    time.sleep(seconds)
    member.stop()
    pipe.send((member.taken, member.errors, member.notices))
    member.store.close()


def hold(url, slots, pipe):
    """Take as many slots as there are, and keep them until killed."""
    member = Member(url, concurrency(slots), timeout_s=1.0)
    pipe.send([member.take(1) for _ in range(slots)])
    pipe.recv()
