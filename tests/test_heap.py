"""Building without garbage collections leaves the application's own settings of the collector alone."""

from __future__ import annotations

import gc
import os
import threading

import pytest

from orchestrator.heap import uncollected


@pytest.fixture(autouse=True)
def _collector():
    assert gc.isenabled()
    yield
    gc.unfreeze()
    gc.enable()


def test_nothing_is_collected_meanwhile():
    """However much is made, no collection runs inside, and the next small one does not go through what was made."""
    seen = []
    gc.collect()
    gc.callbacks.append(lambda phase, info: seen.append(info["generation"]))
    try:
        with uncollected():
            kept = [[number] for number in range(50_000)]
        assert not seen
        assert sum(gc.get_count()) < 5_000
    finally:
        gc.callbacks.pop()
    assert len(kept) == 50_000
    assert gc.isenabled()


def test_errors_pass_and_the_collector_returns():
    """A configuration that is refused leaves the collector on."""
    with pytest.raises(KeyError), uncollected():
        raise KeyError
    assert gc.isenabled()


def test_an_application_without_collections_keeps_it_so():
    """Where the application has turned the collector off it stays off, and one block within another ends nothing."""
    gc.disable()
    with uncollected():
        pass
    assert not gc.isenabled()
    gc.enable()
    with uncollected():
        with uncollected():
            pass
        assert not gc.isenabled()


def test_frozen_objects_stay_frozen():
    """What an application froze before it forked is not thawed."""
    gc.freeze()
    frozen = gc.get_freeze_count()
    with uncollected():
        pass
    assert gc.get_freeze_count() == frozen > 0


def test_a_child_that_was_forked_meanwhile_collects():
    """Forked while another thread builds, a child has its collector on: nobody else would turn it on there."""
    inside, leave = threading.Event(), threading.Event()

    def build() -> None:
        with uncollected():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=build)
    thread.start()
    inside.wait()
    child = os.fork()
    if child == 0:
        os._exit(0 if gc.isenabled() else 1)
    leave.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert gc.isenabled()
