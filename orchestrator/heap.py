"""Keeps the garbage collector away while something large is built that will stay."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected"]

_paused = False
"""The collector is off because of a block here."""


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection meanwhile.

    A full collection goes through the whole heap with every thread stopped: 15 ms in an application of this library
    alone, 40 and more while a configuration of 500 deployments is replaced. Nothing that is built here is garbage.
    """
    global _paused
    if not gc.isenabled():  # the application's choice, or another thread is here
        yield
        return
    try:
        _paused = True
        gc.disable()
        yield
    finally:
        try:
            if not gc.get_freeze_count():  # what an application froze before it forked must stay so
                # To the oldest objects with what was made, or the next collection of young ones goes through all of it.
                gc.freeze()
                gc.unfreeze()
        finally:  # also when Ctrl-C comes right here
            gc.enable()
            _paused = False


def _after_fork_in_child() -> None:
    # The thread that would turn the collector on again is not in this process.
    global _paused
    if _paused:
        _paused = False
        gc.enable()


os.register_at_fork(after_in_child=_after_fork_in_child)
