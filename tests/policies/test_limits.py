"""Lines before deployments: first come first served, nobody forgotten, nobody in the way."""

from __future__ import annotations

import asyncio
import math
import time
from threading import Barrier, Thread

from limit_store import NEED, concurrency, enter, limiter, requests, tokens

from orchestrator.policies.limits import Need, Reservation, Ticket
from orchestrator.spec.clock import SystemClock
from orchestrator.spec.stores import Limit
from orchestrator.testing import VirtualClock
from orchestrator.types.usage import Usage

CLOCK = SystemClock()


def reserve(gate, need=NEED, clock=CLOCK):
    claim = gate.claim(need)
    assert gate.enter(claim, clock.monotonic()) == 0.0
    return Reservation(gate, claim, clock.monotonic)


def levels(gate):
    return {slot.limit.dimension: slot.window.total if hasattr(slot, "window") else None for slot in gate.slots}


def test_no_limits_cost_nothing():
    """A deployment without limits lets everything in, and settling it does nothing."""
    _, gates = limiter(a=[])
    reservation = reserve(gates["a"], None)
    reservation.settle(None)
    assert gates["a"].claim(None).slots == ()
    assert not gates["a"].counts_tokens


def test_claims_by_dimension():
    """One request, one slot, and tokens as each limit counts them; nothing where the need is unknown."""
    dimensions = ["requests", "tokens", "input_tokens", "output_tokens"]
    _, gates = limiter(a=[*(Limit("k", one, 1000, 60.0) for one in dimensions), concurrency(3)])
    assert gates["a"].claim(Need(20, 7)).amounts == (1.0, 27.0, 20.0, 7.0, 1.0)
    assert gates["a"].claim(None).amounts == (1.0, 0.0, 0.0, 0.0, 1.0)
    assert gates["a"].counts_tokens


def test_settle_corrects_by_usage():
    """What was used replaces what was reserved; without usage the estimate stands; unused tokens come back whole."""
    for usage, used, expected in [
        (Usage(input_tokens=30, output_tokens=5), True, 35),
        (Usage(input_tokens=200, output_tokens=5), True, 205),
        (Usage(input_tokens=30), True, 30),
        (Usage(output_tokens=5), True, 120),
        (None, True, 120),
        (None, False, 0),
    ]:
        _, gates = limiter(a=tokens(10_000))
        reserve(gates["a"], Need(100, 20)).settle(usage, used=used)
        assert levels(gates["a"])["tokens"] == expected


def test_refused_requests_still_count():
    """A request that the vendor refused counts as a request; one that was never sent does not."""
    _, gates = limiter(a=[requests(1), concurrency(1)])
    reserve(gates["a"]).withdraw()
    reserve(gates["a"]).settle(None, used=False)
    assert gates["a"].enter(gates["a"].claim(NEED), CLOCK.monotonic()) > 50


def test_settle_counts_once():
    """The second settling, or a withdrawal after it, changes nothing."""
    _, gates = limiter(a=concurrency(2))
    first, _second = reserve(gates["a"]), reserve(gates["a"])
    first.settle(None)
    first.settle(None)
    first.withdraw()
    reserve(gates["a"])
    assert gates["a"].enter(gates["a"].claim(NEED), CLOCK.monotonic()) == math.inf


def test_reload_between_reserve_and_settle():
    """A reservation is settled against the limits it was made for, even if those are gone."""
    limits, gates = limiter(a=concurrency(1))
    held = reserve(gates["a"])
    limits.adopt({"a": [requests(10)]})
    held.settle(None)
    limits.adopt({"a": [concurrency(1)]})
    reserve(gates["a"])


def run(scenario):
    clock = VirtualClock()
    return clock.run(scenario(clock))


def test_first_come_first_served():
    """Waiting calls get in by the order in which they came, and a newcomer does not overtake."""

    async def scenario(clock):
        _, gates = limiter(a=concurrency(1))
        gate, order = gates["a"], []
        held = reserve(gate, clock=clock)

        async def caller(name):
            reservation = await enter(gate, clock)
            order.append(name)
            await asyncio.sleep(1)
            reservation.settle(None)

        tasks = [asyncio.create_task(caller(name)) for name in range(5)]
        await asyncio.sleep(1)
        assert gate.waiting == 5
        held.settle(None)
        assert gate.enter(gate.claim(NEED), clock.monotonic()) == math.inf  # free, but not for the newcomer
        await asyncio.gather(*tasks)
        return order, gate.waiting

    assert run(scenario) == ([0, 1, 2, 3, 4], 0)


def test_cancelled_and_timed_out_leave_the_line():
    """Who gives up stands in nobody's way: the next one gets the place at once."""

    async def scenario(clock):
        _, gates = limiter(a=concurrency(1))
        gate = gates["a"]
        held = reserve(gate, clock=clock)
        gone = asyncio.create_task(enter(gate, clock))
        impatient = asyncio.create_task(asyncio.wait_for(enter(gate, clock), 2))
        last = asyncio.create_task(enter(gate, clock))
        await asyncio.sleep(1)
        gone.cancel()
        await asyncio.sleep(2)
        assert gate.waiting == 1
        begin = clock.monotonic()
        held.settle(None)
        await last
        results = await asyncio.gather(gone, impatient, return_exceptions=True)
        return [type(one) for one in results], clock.monotonic() - begin, gate.waiting

    assert run(scenario) == ([asyncio.CancelledError, TimeoutError], 0.0, 0)


def test_head_gives_up_while_tokens_drain():
    """The head of a line waits by its own timer; when it leaves, the next one takes over the waiting."""

    async def scenario(clock):
        _, gates = limiter(a=tokens(60_000))
        gate = gates["a"]
        reserve(gate, Need(30_000, 0), clock)
        head = asyncio.create_task(enter(gate, clock, Need(20_000, 0)))
        small = asyncio.create_task(enter(gate, clock, Need(900, 0)))
        await asyncio.sleep(1)
        head.cancel()
        begin = clock.monotonic()
        await small
        return clock.monotonic() - begin

    assert 27 < run(scenario) < 31


def test_neighbours_wake():
    """A release at one deployment wakes a line at another that shares the account's limit."""

    async def scenario(clock):
        account = concurrency(1, "account")
        _, gates = limiter(a=account, b=[account, requests(600, "b")], c=concurrency(1, "other"))
        held = reserve(gates["a"], clock=clock)
        waiting = asyncio.create_task(enter(gates["b"], clock))
        await asyncio.sleep(5)
        held.settle(None)
        await waiting
        return clock.monotonic(), set(gates["a"].neighbours), set(gates["c"].neighbours) == {gates["c"]}, gates

    now, neighbours, alone, gates = run(scenario)
    assert (now, neighbours, alone) == (1005.0, {gates["a"], gates["b"]}, True)


def test_one_ticket_in_several_lines():
    """A call stands in the line of each candidate, takes the first place that comes free and leaves the others."""

    async def scenario(clock):
        _, gates = limiter(a=concurrency(1, "a"), b=concurrency(1, "b"))
        held = {name: reserve(gate, clock=clock) for name, gate in gates.items()}
        ticket = Ticket()
        assert ticket.join([*gates.values(), gates["a"]])
        assert not ticket.join(gates.values())
        behind = asyncio.create_task(enter(gates["a"], clock))
        await asyncio.sleep(0)
        held["b"].settle(None)
        await ticket.wait(math.inf)
        assert gates["b"].enter(gates["b"].claim(NEED), clock.monotonic(), ticket) == 0.0
        ticket.leave()
        held["a"].settle(None)
        await behind
        return [gate.waiting for gate in gates.values()]

    assert run(scenario) == [0, 0]


def test_reload_wakes_and_carries_over():
    """A raised limit lets waiting calls in at once; a lowered one holds with what is already under way."""

    async def scenario(clock):
        limits, gates = limiter(a=concurrency(1))
        gate = gates["a"]
        reserve(gate, clock=clock)
        waiting = [asyncio.create_task(enter(gate, clock)) for _ in range(3)]
        await asyncio.sleep(1)
        assert limits.adopt({"a": [concurrency(3)]})["a"] is gate
        await asyncio.sleep(1)
        assert [task.done() for task in waiting] == [True, True, False]
        limits.adopt({"a": [concurrency(2)]})
        waiting[0].result().settle(None)
        await asyncio.sleep(1)
        assert not waiting[2].done()
        limits.adopt({"a": []})
        await waiting[2]
        return clock.monotonic()

    assert run(scenario) == 1003.0


def test_unknown_gates_let_through_until_adopted():
    """Gates asked for by name exist before they have limits, and are the same ones afterwards."""
    limits, _ = limiter()
    gate = limits.gates(["a"])["a"]
    assert gate.enter(gate.claim(NEED), 0.0) == 0.0
    assert limits.adopt({"a": [concurrency(1)]})["a"] is gate


def strand(gates, *, joins=1):
    """Leave tickets of a closed event loop in these lines."""
    tickets = []

    async def join():
        for _ in range(joins):
            tickets.append(Ticket())
            tickets[-1].join(gates)

    thread = Thread(target=lambda: asyncio.run(join()))  # a loop cannot run inside another one
    thread.start()
    thread.join()
    return tickets


def test_closed_loop_does_not_block_newcomers():
    """A waiting call whose event loop was closed under it is passed by whoever comes next."""
    _, gates = limiter(a=concurrency(2))
    tickets = strand(gates.values())
    assert tickets[0].dead
    reserve(gates["a"])
    assert gates["a"].waiting == 0


def test_closed_loops_do_not_stop_a_wake():
    """A release passes thousands of dead waiters, in all their lines, and wakes the first living one of each."""

    async def scenario(clock):
        _, gates = limiter(a=concurrency(1, "a"), b=concurrency(1, "b"))
        held = [reserve(gate, clock=clock) for gate in gates.values()]
        strand(gates.values(), joins=3_000)
        living = [asyncio.create_task(enter(gate, clock)) for gate in gates.values()]
        await asyncio.sleep(1)
        held[1].settle(None)
        held[0].settle(None)
        await asyncio.wait_for(asyncio.gather(*living), 1)
        return [gate.waiting for gate in gates.values()]

    assert run(scenario) == [0, 0]


def test_no_wake_up_is_lost_under_threads():
    """Eight threads with an event loop each pass one slot around: all get through, and never two hold it."""
    _, gates = limiter(a=concurrency(1))
    gate, holding, seen, done, barrier = gates["a"], [], [], [], Barrier(8)

    async def caller():
        for _ in range(25):
            reservation = await asyncio.wait_for(enter(gate, CLOCK), 20)
            holding.append(1)
            seen.append(len(holding))
            await asyncio.sleep(0)
            holding.pop()
            reservation.settle(None)
            done.append(1)

    async def callers():
        await asyncio.gather(caller(), caller())

    def work():
        barrier.wait()
        asyncio.run(callers())

    threads = [Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(25)
    assert len(done) == 8 * 2 * 25
    assert max(seen) == 1
    assert gate.waiting == 0


def test_ten_thousand_in_one_line():
    """Ten thousand waiting calls get in one after the other, in order, at the limit's pace, in no time."""

    async def scenario(clock):
        _, gates = limiter(a=[requests(60_000), concurrency(50)])
        order = []

        async def caller(name):
            reservation = await enter(gates["a"], clock)
            order.append(name)
            await asyncio.sleep(0.01)
            reservation.settle(None)

        await asyncio.gather(*(caller(name) for name in range(10_000)))
        return order, clock.monotonic() - 1000.0

    begin = time.perf_counter()
    order, virtual_s = run(scenario)
    assert order == list(range(10_000))
    assert 7.7 < virtual_s < 9  # (10,000 - burst) at 900 a second
    assert time.perf_counter() - begin < 20
