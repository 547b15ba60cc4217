"""What a blocking and an asyncio client share: the snapshot in force, the pipeline, limits, connections, the log."""

from __future__ import annotations

import asyncio
import logging
import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable
from zoneinfo import ZoneInfo

from orchestrator.assembly import build
from orchestrator.backends import intercepted
from orchestrator.config import Config, Watcher, load_file, load_mapping
from orchestrator.config.budgets import ForConfig
from orchestrator.config.secrets import SecretRef
from orchestrator.ending import closed
from orchestrator.engines import Engines
from orchestrator.errors import ConfigError, OrchestratorError
from orchestrator.heap import uncollected
from orchestrator.logs import Logs
from orchestrator.paying import Cashier
from orchestrator.pipeline import Pipeline
from orchestrator.policies.budgets import Budget, Budgets
from orchestrator.policies.limits import Limiter
from orchestrator.recollection import Recollection
from orchestrator.snapshot import Shared, Snapshot, looks_like_a_name
from orchestrator.spec.budgets import nano_dollars
from orchestrator.spec.clock import Clock, SystemClock
from orchestrator.spec.events import CallContext, CallEvent, Event, NoticeEvent, Sink
from orchestrator.spec.stores import LimitStore
from orchestrator.spec.transport import Transport
from orchestrator.stores.budgets import MemoryBudgets
from orchestrator.stores.memory import MemoryLimits
from orchestrator.telemetry.content import Redactor
from orchestrator.telemetry.jsonl import Processor
from orchestrator.types.call import Task, Timings
from orchestrator.types.usage import Cost

if TYPE_CHECKING:
    from orchestrator.stores.redis import RedisLimits

__all__ = ["Core"]

_report = logging.getLogger("orchestrator")

_LOOK_EVERY_S = 1.0
_DRAIN_LOOK_S = 0.02
_ENDING_S = 1.0
"""For calls that are ended to settle; those of an event loop that is gone never do."""


@runtime_checkable
class _Closeable(Protocol):
    """A store that holds a connection."""

    def close(self) -> None:
        """Let go of it."""
        ...


class Core:
    """One client's insides. Usable from any thread and event loop, before and after fork."""

    def __init__(
        self,
        config: Config,
        *,
        reread: Callable[[], Config] | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        sinks: Sequence[Sink] = (),
        log_processors: Sequence[Processor] = (),
        redactor: Redactor | None = None,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        if callable(sinks):
            raise TypeError("sinks: expected a list of callables, found one alone; write sinks=[…]")
        self._sinks = tuple(sinks)
        self._open_log = partial(Logs, processors=log_processors, redactor=redactor)
        self._store = store = _open_store(config, self.clock, self._notice)
        self._shared = Shared(transport or _default_transport(), store, Limiter(store), self.clock)
        with uncollected():
            self.snapshot = build(config, self._shared)
        self.log = self._open_log(config)
        self._budgets = Budgets(self.clock.time, self._notice)
        cashier = self._open_cashier(config)
        self.pipeline = Pipeline(clock=self.clock, random=random or _new_random(), emit=self.emit, cashier=cashier)
        self._budgets.adopt(_budgets(config))
        self._swap = Lock()
        _CORES.add(self)
        self._warned = False
        self.draining = self.closed = False
        self._watcher = self._watch(config, reread) if reread else None
        self._look_at = self.clock.monotonic() + _LOOK_EVERY_S
        self._engines = Engines(self._defer)
        self._engines.warm_up(self.snapshot.deployments)

    def forked(self) -> None:
        """In a child process: what is under way goes on in its parent, whose other threads do not exist here."""
        self._swap = Lock()
        self._shared.limiter.forked()
        if isinstance(self._store, MemoryLimits):
            self._store.forked()
        self.pipeline.under_way.forked()

    def _open_cashier(self, config: Config) -> Cashier:
        """Money is counted where limits are. Redis remembers it; else the log does."""
        if config.store.kind == "redis":
            shared = cast("RedisLimits", self._store).budgets(self._budgets.spent)
            self._budgets.now = shared.time
            return Cashier(self._budgets, shared, self.clock, shared)
        spent = MemoryBudgets(self._budgets.spent)
        path = config.log.path
        past = Recollection(Path(path), self._budgets, spent, self.clock) if path else None
        return Cashier(self._budgets, spent, self.clock, past)

    @classmethod
    def from_file(cls, path: str | Path, *, watch: bool, **seams: Any) -> Core:
        """Read a file and, with `watch`, keep up with it."""
        if not isinstance(path, str | os.PathLike):
            found = type(path).__name__
            raise TypeError(f"from_file takes a path, found {found}; a mapping goes to the constructor")

        def read() -> Config:
            with uncollected():
                return _loaded(partial(load_file, path, check_secrets=not intercepted()))

        return cls(read(), reread=read if watch else None, **seams)

    @classmethod
    def from_mapping(cls, config: Mapping[str, Any] | Config, **seams: Any) -> Core:
        """From a mapping with the file's keys, or a `Config` that was loaded before."""
        return cls(_config(config), **seams)

    def _watch(self, config: Config, reread: Callable[[], Config]) -> Watcher:
        return Watcher(config.files, reread, content_hash=config.content_hash, monotonic=self.clock.monotonic)

    def current(self) -> Snapshot:
        """The snapshot in force. At most once a second it has the files looked at, in a thread of its own: reading a
        large configuration would hold up the event loop. What changed is for the calls after.
        """
        if self.closed:
            raise closed()
        if self.draining:
            raise OrchestratorError("the client is closing and takes no more calls", retryable=True)
        if self.log.required is not None:
            self.log.required.check()
        if (self._watcher is not None or self.snapshot.credentials) and self.clock.monotonic() >= self._look_at:
            self._look_at = self.clock.monotonic() + _LOOK_EVERY_S
            Thread(target=self.look, name="orchestrator-look", daemon=True).start()
        return self.snapshot

    def look(self) -> None:
        """See whether the configuration or a credential's file has changed, and take over what has."""
        found = self._watcher.poll() if self._watcher is not None else None
        if found is not None:
            self._adopt(found)
        for credential in self.snapshot.credentials:
            try:
                if credential.changed():
                    self._notice("llm.credential.reloaded", f"{credential} has changed")
            except ConfigError as error:
                self._notice("llm.credential.refused", str(error))

    def _adopt(self, found: Config | ConfigError) -> None:
        try:
            if isinstance(found, ConfigError):
                raise found
            self.reload(found)
        except ConfigError as error:
            self._notice("llm.config.refused", str(error))

    def reload(self, config: Mapping[str, Any] | Config) -> None:
        """Put another configuration in force. Calls in flight finish on theirs; limits and health carry over.

        Raises:
            ConfigError: it is wrong; nothing has changed.
        """
        config = _config(config)
        with self._swap:
            old = self.snapshot
            if config.store != old.config.store:
                raise ConfigError("limits cannot move to another store in a running process: restart it", key="store")
            with uncollected():
                self.snapshot = build(config, self._shared)
            self._budgets.adopt(_budgets(config))
            if Logs.differ(config, old.config):
                retired, self.log = self.log, self._open_log(config)
                retired.close()
            if self._engines.retire(old.deployments):
                self.log.start()  # so that a finalizer never has to
        self._engines.warm_up(self.snapshot.deployments)
        self._notice("llm.config.reloaded", "configuration in force", config_hash=config.config_hash)

    def _defer(self, action: Callable[[], None]) -> None:
        self.log.defer(action)  # of the log in force then: a reload may change it

    def _notice(self, name: str, message: str, **details: Any) -> None:
        self.emit(NoticeEvent(time=self.clock.time(), name=name, message=message, details=details))

    def emit(self, event: Event) -> None:
        """Hand an event to the log and everyone who listens."""
        self.log.emit(event)
        for sink in self._sinks:
            try:
                sink(event)
            except Exception as error:  # noqa: BLE001 - whoever listens must not decide over the call
                self._sink_failed(error)

    def _sink_failed(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            _report.error("a sink failed, calls go on without it: %s", type(error).__name__)

    def refuse(self, route: str, task: Task, context: CallContext, error: OrchestratorError) -> None:
        """Leave the line of a call that was refused before it began."""
        self.emit(
            CallEvent(
                time=self.clock.time(),
                call_id="",
                config_hash=self.snapshot.config_hash,
                # Who swaps the arguments gives the prompt here, which is for no log.
                route=route if looks_like_a_name(route) or self._has(route) else "(none)",
                task=task,
                context=context,
                stream=False,
                timings=Timings(duration_ms=0.0),
                attempts=(),
                usage=None,
                cost=Cost(unknown="not sent"),
                error=error,
                status="error",
            )
        )

    def _has(self, route: Any) -> bool:
        return isinstance(route, str) and route in self.snapshot.routes

    async def drain(self, grace_s: float) -> None:
        """Take no more calls, and wait for those under way, for so long at most."""
        self.draining = True
        until = self.clock.monotonic() + grace_s
        while self.pipeline.in_flight and self.clock.monotonic() < until:
            await asyncio.sleep(min(_DRAIN_LOOK_S, grace_s))

    async def close(self, grace_s: float = 0.0) -> None:
        """Let calls finish for so long, end the others, close this loop's connections and write the log out."""
        try:
            if grace_s:
                await self.drain(grace_s)
        finally:
            self.draining = False
        self.closed = True
        self.pipeline.under_way.end()
        until = self.clock.monotonic() + _ENDING_S
        while self.pipeline.in_flight and self.clock.monotonic() < until:
            await asyncio.sleep(_DRAIN_LOOK_S)  # each leaves its line before the log is closed
        await self._shared.transport.close()
        await self._engines.close(self.snapshot.deployments)
        if isinstance(self._store, _Closeable):
            await asyncio.to_thread(self._store.close)
        self.log.close()


def _config(given: Mapping[str, Any] | Config) -> Config:
    if isinstance(given, str | os.PathLike):
        raise ConfigError("a path is read by from_file(path); the constructor takes a mapping")
    if isinstance(given, Config):
        return given
    return _loaded(partial(load_mapping, given, check_secrets=not intercepted()))


def _loaded(load: Callable[[], Config]) -> Config:
    """What it gives. The loader's own frames are left out of a mistake's traceback, which is then one screen."""
    try:
        return load()
    except ConfigError as error:
        mistake = error.with_traceback(None)
    raise mistake


def _budgets(config: Config) -> list[Budget]:
    return [
        Budget(
            name=budget.name,
            per=budget.per,
            limit=nano_dollars(budget.usd),
            window=budget.window,
            on_exceed=budget.on_exceed,
            alert_at=budget.alert_at,
            zone=ZoneInfo(budget.timezone),
            only={scope: frozenset(values) for scope, values in _selector(budget.only) if values},
        )
        for budget in config.budgets
    ]


def _selector(only: ForConfig) -> Iterator[tuple[str, tuple[str, ...]]]:
    for scope in ("tenant", "user", "route", "provider"):
        yield scope, getattr(only, scope)
    for name, values in only.tags.items():
        yield f"tags.{name}", values


def _new_random() -> Random:
    # An instance of our own: an application that seeds the global one must not make call ids repeat.
    random = Random()
    _RANDOMS.add(random)
    return random


_RANDOMS: weakref.WeakSet[Random] = weakref.WeakSet()
_CORES: weakref.WeakSet[Core] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for random in list(_RANDOMS):
        random.seed()
    for core in list(_CORES):
        core.forked()


os.register_at_fork(after_in_child=_after_fork_in_child)


def _open_store(config: Config, clock: Clock, notice: Callable[[str, str], None]) -> LimitStore:
    store = config.store
    if store.kind == "memory":
        return MemoryLimits()
    from orchestrator.stores.redis import RedisLimits  # noqa: PLC0415 - only who shares limits needs it

    url = store.url.open().reveal() if isinstance(store.url, SecretRef) else str(store.url)
    return RedisLimits(
        url, prefix=store.prefix, expected_processes=store.expected_processes, clock=clock, notice=notice
    )


def _default_transport() -> Transport:
    # Loaded with the client, neither at import (150 ms that not every user of the types needs) nor in the first call.
    with uncollected():
        from orchestrator.transport.aiohttp import AiohttpTransport  # noqa: PLC0415

    return AiohttpTransport()
