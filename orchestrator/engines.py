"""The life of engines: loaded ahead of the first call, closed with the client or when a reload has dropped them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from threading import Thread
from weakref import finalize

from orchestrator.backends import Backend
from orchestrator.snapshot import Deployment
from orchestrator.spec.provider import Engine

__all__ = ["Engines"]

_report = logging.getLogger("orchestrator")


class Engines:
    """Those of one client. `defer` has something done on another thread, and may be called from a finalizer."""

    def __init__(self, defer: Callable[[Callable[[], None]], None]) -> None:
        self._defer = defer
        self._retired: list[finalize[..., Backend]] = []

    def warm_up(self, deployments: Mapping[str, Deployment]) -> None:
        """Have them load what is slow to load, in a thread."""
        engines = _engines(deployments.values())
        if engines:
            Thread(target=_warm_up, args=(engines,), name="orchestrator-warm-up", daemon=True).start()

    def retire(self, deployments: Mapping[str, Deployment]) -> bool:
        """Close the engines of a configuration that has been replaced, each when its last call has ended.

        True if there is one.
        """
        self._retired = [one for one in self._retired if one.alive]
        for deployment in deployments.values():
            if deployment.engine is not None:
                # Only calls under way still hold the deployment: when the last one lets go, this runs.
                retirement = finalize(deployment.backend, self._close_later, deployment.engine)
                retirement.atexit = False
                self._retired.append(retirement)
        return bool(self._retired)

    def _close_later(self, engine: Engine) -> None:
        self._defer(Thread(target=_close_alone, args=(engine,), name="orchestrator-close", daemon=True).start)

    async def close(self, deployments: Mapping[str, Deployment]) -> None:
        """Close them all, and those that are still to be closed of earlier configurations. Raises nothing."""
        pending, self._retired = self._retired, []
        found = [detached for one in pending if (detached := one.detach()) is not None]
        for engine in [*_engines(deployments.values()), *[arguments[0] for _, _, arguments, _ in found]]:
            await _close(engine)


def _engines(deployments: Iterable[Deployment]) -> list[Engine]:
    # By identity: two deployments may share an engine, and one that is a dataclass may be no key.
    return list({id(one.engine): one.engine for one in deployments if one.engine is not None}.values())


def _warm_up(engines: Iterable[Engine]) -> None:
    for engine in engines:
        try:
            engine.warm_up()
        except Exception as error:  # noqa: BLE001 - the first call meets the same error, and can raise it
            _report.error("an engine could not load: %s", type(error).__name__)


def _close_alone(engine: Engine) -> None:
    asyncio.run(_close(engine))


async def _close(engine: Engine) -> None:
    try:
        await engine.close()
    except Exception as error:  # noqa: BLE001 - whatever an engine raises, the others are closed
        _report.error("an engine could not close: %s", type(error).__name__)
