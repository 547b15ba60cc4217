"""Budgets of a process that forks."""

from __future__ import annotations

import os
import signal
import warnings

from orchestrator.spec.budgets import Charge, Hold
from orchestrator.stores.budgets import MemoryBudgets

LIMIT = 1_000
BUDGET = Charge("b", "name", "", LIMIT, True, 2e9)


def in_child(act) -> int:
    """What a forked child, which has ten seconds, makes of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads that other tests have left
        child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            os._exit(act())
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_child_holds_nothing_of_its_parent():
    """What the parent's attempts hold and settle is the parent's; what was spent before the fork both know."""
    store = MemoryBudgets()
    spent, held = Hold([BUDGET], 300, 60.0), Hold([BUDGET], 700, 60.0)
    assert store.reserve(spent, 0.0) is None
    store.settle(spent, 300)
    assert store.reserve(held, 0.0) is None

    def child() -> int:
        fits = store.reserve(Hold([BUDGET], 700, 60.0), 0.0) is None
        store.settle(held, 700)  # by a finalizer, say
        return 0 if (fits, store.held("b"), store.spent("b")) == (True, 700, 300) else 1

    assert in_child(child) == 0
    store.settle(held, 1)
    assert (store.held("b"), store.spent("b")) == (0, 301)


def test_a_fork_while_another_thread_reserves():
    """A lock that was held at the fork hangs nobody in the child."""
    store = MemoryBudgets()
    with store._lock:
        assert in_child(lambda: 0 if store.reserve(Hold([BUDGET], 1, 60.0), 0.0) is None else 1) == 0
