"""Limits shared by several processes through Redis. The only module that imports the `redis` package."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Awaitable, Callable, Sequence
from importlib import resources
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from orchestrator.errors import ConfigError
from orchestrator.spec.budgets import Listener
from orchestrator.spec.clock import Clock, SystemClock
from orchestrator.spec.stores import Dimension, Limit, Slot
from orchestrator.stores.redis_asks import BlockingAsk, LimitClaim, LoopAsk
from orchestrator.stores.redis_budgets import RedisBudgets
from orchestrator.stores.redis_slots import Command, Connection, LinkFailed, SharedSlot
from orchestrator.stores.redis_worker import Change, LocalShare, Passenger, Stop, Worker, local_wait

if TYPE_CHECKING:
    import redis

__all__ = ["RedisLimits"]

_LEASE_S = 5.0
"""A process that has said nothing for so long holds nothing any more."""

_PATIENCE_S = 0.15
_CLOSE_S = 1.0
_SCRIPTS = ("limits", "budgets")


class RedisLimits:
    """A `LimitStore` for several processes: what one takes, none of the others can.

    The guarantee is that of the in-process store, over all processes together: no window of a period holds more than
    the limit. A process that reserves more than fifty times a second takes room for up to a second ahead (see
    `Leases`), which stays within the headroom. Concurrency is leased: what a killed process held is free after 5 s.

    When Redis fails, reservations are answered here and at once: each process keeps to 80 % of the limit divided by the
    number of processes last seen alive, counting its part of what was used before. A call waits at most 150 ms for
    Redis. What was used meanwhile is told when Redis answers again. If only some processes lose Redis, the others do
    not know: until then the total may reach the limit and the shares of those.

    Connects with the first reservation, in a thread of its own, made again after fork.

    Args:
        url: `redis://`, `rediss://` or `unix://`, with credentials if any. They are never shown.
        prefix: of all keys, for several applications on one Redis.
        expected_processes: how many share the limits, for as long as Redis has never answered.
        clock: read for the time that refunds and debts belong to; Redis's own clock decides everything else.
        notice: called with `llm.limits.local` or `llm.limits.shared` and a sentence, from the store's thread.
        timeout_s: of one round trip.

    Raises:
        ConfigError: the `redis` package is missing, or the URL is none.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "orchestrator",
        expected_processes: int = 1,
        clock: Clock | None = None,
        notice: Callable[[str, str], None] = lambda name, message: None,
        timeout_s: float = 0.05,
    ) -> None:
        _client(url, timeout_s, timeout_s)  # tells now if it can never work; connects to nothing
        self._url = url
        self._prefix = prefix
        self._expected = expected_processes
        self._clock = clock or SystemClock()
        self._notice = notice
        self._timeout_s = timeout_s
        self._lock = Lock()
        self._slots: dict[tuple[str, Dimension, float], SharedSlot] = {}
        self._refused: dict[tuple[SharedSlot, ...], tuple[float, Sequence[float]]] = {}
        self._worker: Worker | None = None
        self._passenger: Callable[[], Passenger] | None = None
        self._pid = os.getpid()

    def slot(self, limit: Limit) -> Slot:
        """See `LimitStore.slot`."""
        key = (limit.key, limit.dimension, limit.period_s)
        with self._lock:
            slot = self._slots.get(key)
            if slot is None:
                slot = self._slots[key] = SharedSlot(limit, self._prefix)
                if self._worker is not None:
                    self._worker.inbox.put(slot)
            elif slot.limit != limit:
                slot.adopt(limit)
                self._refused.clear()
        return slot

    def reserve(self, slots: Sequence[Slot], amounts: Sequence[float], now: float) -> float | Awaitable[float]:
        """See `LimitStore.reserve`. On an event loop it may give an awaitable; elsewhere it blocks, 150 ms at most.

        Never `inf`: another process may release at any time, so the caller is told when to look again.
        """
        claimed = cast("tuple[SharedSlot, ...]", tuple(slots))
        for slot, amount in zip(claimed, amounts, strict=True):
            if amount > slot.limit.ceiling and not slot.counts_in_flight:
                return float("nan")
        worker = self.running()
        local = worker.local
        if local is not None:
            return self._locally(worker, local, claimed, amounts, now)
        wait = self._still_refused(claimed, amounts, now, worker.tick_s)
        if wait > 0.0:
            return wait
        if worker.leases.take(claimed, amounts, now):
            return 0.0
        return self._ask(worker, claimed, amounts, now)

    def _still_refused(
        self, slots: tuple[SharedSlot, ...], amounts: Sequence[float], now: float, longest_s: float
    ) -> float:
        """Seconds left of a refusal, if asking again could bring nothing new: it spares a round trip per release."""
        refusal = self._refused.get(slots)
        if refusal is None:
            return 0.0
        left = refusal[0] - now
        if 0.0 < left <= longest_s and all(map(float.__ge__, map(float, amounts), map(float, refusal[1]))):
            return left
        return 0.0

    def _ask(
        self, worker: Worker, slots: tuple[SharedSlot, ...], amounts: Sequence[float], now: float
    ) -> float | Awaitable[float]:
        for held, left, since in worker.leases.surrender(slots):
            worker.inbox.put(Change(held, [-amount for amount in left], now, since, None))
        claim = LimitClaim(slots, amounts, worker.leases.wanted(slots))
        try:
            ask = LoopAsk(claim, self._give_back)
        except RuntimeError:
            blocking = BlockingAsk(claim, self._give_back)
            worker.inbox.put(blocking)
            return self._conclude(worker, claim, blocking.outcome(_PATIENCE_S), now)
        worker.inbox.put(ask)
        return self._outcome(worker, ask, now)

    async def _outcome(self, worker: Worker, ask: LoopAsk[LimitClaim], now: float) -> float:
        return self._conclude(worker, ask.claim, await ask.outcome(_PATIENCE_S), now)

    def _conclude(self, worker: Worker, claim: LimitClaim, wait: float | None, now: float) -> float:
        if wait is None:
            return self._locally(worker, worker.go_local(), claim.slots, claim.amounts, self._clock.monotonic())
        if wait > 0.0 and claim.rated:
            self._refused[claim.slots] = (now + wait, claim.amounts)
        return wait

    def _locally(
        self,
        worker: Worker,
        local: LocalShare,
        slots: tuple[SharedSlot, ...],
        amounts: Sequence[float],
        now: float,
    ) -> float:
        wait = local.store.reserve(local.slots(slots), amounts, now)
        if wait == 0.0:
            worker.inbox.put(Change(slots, amounts, now, now, local))
        return local_wait(wait)

    def _give_back(self, claim: LimitClaim) -> None:
        self.settle(claim.slots, [-amount for amount in claim.amounts], self._clock.monotonic())

    def settle(self, slots: Sequence[Slot], changes: Sequence[float], now: float, since: float | None = None) -> None:
        """See `LimitStore.settle`. Told with the next round trip."""
        worker = self._worker
        if worker is None or self._pid != os.getpid():
            return  # taken in another process, which has it on its own account
        shared = cast("Sequence[SharedSlot]", slots)
        taken = now if since is None else since
        local = worker.local
        if local is not None:
            local.settle(shared, changes, now, taken)
        worker.inbox.put(Change(shared, changes, now, taken, local))

    @property
    def round_trips(self) -> int:
        """How often Redis was asked by this process."""
        return self._worker.round_trips if self._worker is not None else 0

    def budgets(self, listener: Listener) -> RedisBudgets:
        """Budgets on the same server, over the same connection. To be asked for before anything is reserved."""
        made = RedisBudgets(self, prefix=self._prefix, clock=self._clock, listener=listener)
        self._passenger = made.teller
        return made

    @property
    def worker(self) -> Worker | None:
        """Who talks to Redis for this process, if anybody does yet."""
        return self._worker if self._pid == os.getpid() else None

    def running(self) -> Worker:
        """The same, started if need be."""
        worker = self._worker
        if worker is not None and self._pid == os.getpid():
            return worker
        if self._pid != os.getpid():
            self._lock = Lock()  # another thread may have held it at the fork
            self._pid, self._worker = os.getpid(), None
        with self._lock:
            if self._worker is None:
                self._worker = self._start()
            return self._worker

    def _start(self) -> Worker:
        return Worker(
            _RedisConnection(self._url, self._timeout_s),
            f"{self._prefix}:processes",
            self._slots.values(),
            expected_processes=self._expected,
            timeout_s=self._timeout_s,
            monotonic=self._clock.monotonic,
            notice=self._notice,
            passenger=self._passenger() if self._passenger is not None else None,
        )

    def close(self) -> None:
        """Tell Redis what is untold, give back what is held, and end the thread. A later reservation starts anew."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None and self._pid == os.getpid():
            stop = Stop()
            worker.inbox.put(stop)
            stop.done.wait(_CLOSE_S)


class _RedisConnection(Connection):
    """One connection, and the scripts that all commands are modes of."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._timeout_s = timeout_s
        self._process = secrets.token_hex(8)
        self._count = 0
        self._opening = False
        self._redis: redis.Redis | None = None
        folder = resources.files("orchestrator.stores")
        self._scripts = {name: folder.joinpath(f"redis_{name}.lua").read_text("utf-8") for name in _SCRIPTS}
        self._shas: dict[str, str] = {}
        self.server = ""

    def open(self, timeout_s: float) -> None:
        """See `Connection.open`."""
        self.close()
        self._opening = True
        try:
            self._redis = _client(self._url, timeout_s, self._timeout_s, self._connected)
            self._shas = {name: str(self._redis.script_load(text)) for name, text in self._scripts.items()}
            self.server = self._run_id(self._redis)
        except Exception as error:  # noqa: BLE001 - whatever it is, Redis is not to be had
            raise LinkFailed(type(error).__name__) from None
        finally:
            self._opening = False

    def _connected(self, connection: Any) -> None:
        """Called for every connection. One that broke is not made anew in passing: it may lead to another server, which
        has to be told first.
        """
        if not self._opening:
            from redis import ConnectionError as Broken  # noqa: PLC0415

            raise Broken
        connection.on_connect()

    def run(self, commands: Sequence[Command]) -> list[Any]:
        """See `Connection.run`."""
        full = [self._call(mode, keys, arguments) for mode, keys, arguments in commands]
        answers = self._send([("EVALSHA", self._shas[script], *rest) for script, rest in full])
        unknown = [i for i, answer in enumerate(answers) if _is_unknown_script(answer)]
        if unknown:  # somebody flushed the scripts, or it is another server by now
            again = self._send([("EVAL", self._scripts[script], *rest) for script, rest in (full[i] for i in unknown)])
            for i, answer in zip(unknown, again, strict=True):
                answers[i] = answer
        failed = next((answer for answer in answers if isinstance(answer, Exception)), None)
        if failed is not None:
            raise LinkFailed(type(failed).__name__)
        return answers

    def _run_id(self, client: redis.Redis) -> str:
        try:
            return str(client.info("server").get("run_id", ""))
        except Exception as error:
            if type(error).__name__ in {"NoPermissionError", "ResponseError"}:
                return ""  # a server that does not say
            raise

    def _call(self, mode: str, keys: Sequence[str], arguments: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
        """Name of the script, and all that it is given."""
        self._count += 1
        script, _, mode = mode.partition(".")
        name = f"{self._process}:{self._count}"
        return script, (len(keys), *keys, mode, self._process, _LEASE_S, name, *arguments)

    def _send(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        client = self._redis
        if client is None:
            raise LinkFailed("not connected")
        try:
            pipeline: Any = client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            answers: list[Any] = pipeline.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001 - whatever it is, Redis is not to be had
            raise LinkFailed(type(error).__name__) from None
        return answers

    def close(self) -> None:
        """See `Connection.close`."""
        client, self._redis = self._redis, None
        if client is not None:
            with contextlib.suppress(Exception):
                client.close()


def _is_unknown_script(answer: object) -> bool:
    return type(answer).__name__ == "NoScriptError"


def _client(
    url: str, connect_s: float, timeout_s: float, connected: Callable[[Any], None] | None = None
) -> redis.Redis:
    try:
        import redis  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415
    except ImportError:
        raise ConfigError("a store in Redis needs the redis package: pip install 'model-orchestrator[redis]'") from None
    try:
        return redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_connect_timeout=connect_s,
            socket_timeout=timeout_s,
            redis_connect_func=connected,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:
        raise ConfigError("the URL of the store is none of redis://, rediss:// and unix://") from None
