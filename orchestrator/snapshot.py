"""The configuration made ready to run: one immutable object per version of the file.

Everything that does not depend on the call itself is worked out once, by `assembly.build`. State that must outlive a
reload (limits, lines, health, breakers, connection pools) is kept in `Shared` and only referred to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.backends import Backend
from orchestrator.config import Config
from orchestrator.errors import CallTimeout, InvalidRequest, OrchestratorError, Overloaded, RateLimited
from orchestrator.policies.attempts import RetryPolicy
from orchestrator.policies.breaker import Breaker
from orchestrator.policies.capabilities import Fit
from orchestrator.policies.learning import Learner
from orchestrator.policies.limits import Gate, Limiter
from orchestrator.policies.needs import Forecast
from orchestrator.policies.quarantine import Quarantine
from orchestrator.policies.retry_budget import RetryBudget
from orchestrator.sizing import PLAIN, Frame
from orchestrator.spec.auth import Signer
from orchestrator.spec.clock import Clock
from orchestrator.spec.models import ModelProfile
from orchestrator.spec.provider import Engine
from orchestrator.spec.routing import Chooser, Health, Pace, TokenMix
from orchestrator.spec.stores import LimitStore, SeenLimit
from orchestrator.spec.transport import Transport
from orchestrator.tariffs import Tariff
from orchestrator.types.call import Task

__all__ = [
    "Account",
    "Candidate",
    "Deployment",
    "FileCredential",
    "Learning",
    "Route",
    "Shared",
    "Snapshot",
    "Timeouts",
    "looks_like_a_name",
]

_DEADLINES_S: Mapping[str, float] = {"chat": 120.0, "stream": 600.0, "embed": 30.0, "rerank": 30.0}
"""For routes that do not say. A stream is read at the caller's pace, so it gets longer."""


_NAME = re.compile(r"[\w./:@+-]{1,80}")


def looks_like_a_name(route: Any) -> bool:
    """Whether it may be repeated in a message or a log line: what does not look like a name may be a prompt."""
    return isinstance(route, str) and _NAME.fullmatch(route) is not None


@dataclass(frozen=True, slots=True)
class Account:
    """What all deployments of a provider share: its credential's standing, and what it may spend on retries."""

    name: str
    quarantine: Quarantine = field(default_factory=Quarantine)
    budget: RetryBudget = field(default_factory=RetryBudget)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Of streams, in seconds: until the first payload event, and between two of them."""

    first_token_s: float = 60.0
    stall_s: float = 30.0


class Learning:
    """What a deployment's answers say of its limits, put into force at the gates of all deployments they hold for."""

    def __init__(self, learner: Learner, adopt: Callable[[], None]) -> None:
        self._learner = learner
        self._adopt = adopt

    def answered(self, limits: Sequence[SeenLimit], now: float) -> None:
        """An answer came, with these limits in its headers."""
        if limits and self._learner.seen(limits, now):
            self._adopt()

    def failed(self, error: OrchestratorError, now: float) -> None:
        """An attempt failed."""
        if isinstance(error, RateLimited):
            if self._learner.throttled(error.seen_limits, now):
                self._adopt()
        elif isinstance(error, CallTimeout | Overloaded):
            self._learner.overloaded(now)

    def refresh(self, now: float) -> bool:
        """Let what was lowered recover; True while something is still lowered, so that who waits should look again."""
        self._learner.refresh(now)
        return self._learner.recovering


@dataclass(slots=True)
class Shared:
    """What outlives a snapshot."""

    transport: Transport
    store: LimitStore
    limiter: Limiter
    clock: Clock
    health: dict[str, Health] = field(default_factory=dict)
    breakers: dict[str, Breaker] = field(default_factory=dict)
    accounts: dict[tuple[str, str], Account] = field(default_factory=dict)
    mixes: dict[str, TokenMix] = field(default_factory=dict)
    paces: dict[str, Pace] = field(default_factory=dict)
    learners: dict[str, Learner] = field(default_factory=dict)
    forecasts: dict[str, Forecast] = field(default_factory=dict)

    def account(self, name: str, credential: str) -> Account:
        """State of a provider's account; another credential is another account."""
        return self.accounts.setdefault((name, credential), Account(name))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Deployment:
    """One model at one provider, bound to what speaks to it."""

    name: str
    provider: str
    kind: str
    model: str
    known: ModelProfile
    space: str
    region: str | None
    backend: Backend
    gate: Gate
    health: Health
    account: Account
    breaker: Breaker | None
    forecast: Forecast
    learning: Learning | None
    cost: Tariff
    frame: Frame = PLAIN
    engine: Engine | None = None
    otel_name: str | None = None
    """`gen_ai.provider.name` of what is asked."""

    def __repr__(self) -> str:
        return f"<Deployment {self.name}: {self.model} at {self.provider}>"


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A deployment as one route sees it: with the options that hold there when a call gives none.

    `fit` brings a request to what the model takes; None where nothing is known of it.
    """

    name: str
    health: Health
    deployment: Deployment
    defaults: Any
    fit: Fit | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Route:
    """A task name of the application."""

    name: str
    task: Task
    chooser: Chooser
    deadline_s: float | None
    strict: bool
    repair: bool
    log_content: bool = False
    mix: TokenMix
    pace: Pace
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    timeouts: Timeouts = field(default_factory=Timeouts)

    def __repr__(self) -> str:
        return f"<Route {self.name}: {self.task}>"

    def time_s(self, *, stream: bool) -> float:
        """Seconds a call may take when it does not say."""
        return self.deadline_s or _DEADLINES_S["stream" if stream else self.task]


class FileCredential:
    """A credential in a file, read again when the file changes."""

    def __init__(self, path: Path, signer: Signer, quarantine: Quarantine) -> None:
        self._path = path
        self._signer = signer
        self._quarantine = quarantine
        self._seen = self._look()

    def _look(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None  # being replaced; what is in use goes on
        return status.st_mtime_ns, status.st_ino

    def changed(self) -> bool:
        """Look at the file; True if another credential is in force now.

        Raises:
            ConfigError: the file's new content is no credential; the one in use stays. Once per change.
        """
        look = self._look()
        if look is None or look == self._seen:
            return False
        self._seen = look
        if not self._signer.refresh():
            return False
        self._quarantine.lift()
        return True

    def __str__(self) -> str:
        return f"the credential in {self._path}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """One version of the configuration, ready to run."""

    config: Config
    config_hash: str
    routes: Mapping[str, Route]
    deployments: Mapping[str, Deployment]
    credentials: tuple[FileCredential, ...] = ()

    def route(self, name: str, task: Task) -> Route:
        """The route of that name.

        Raises:
            InvalidRequest: there is none, or it is for another task; names the nearest.
        """
        route = self.routes.get(name) if isinstance(name, str) else None
        if route is None:
            raise InvalidRequest(self._no_route(name))
        if route.task != task:
            fitting = sorted(other.name for other in self.routes.values() if other.task == task)
            raise InvalidRequest(
                f"route {name!r} is for {route.task}, not for {task}; {task} routes: {', '.join(fitting) or 'none'}"
            )
        return route

    def _no_route(self, name: Any) -> str:
        from difflib import get_close_matches  # noqa: PLC0415

        known = f"known routes: {', '.join(sorted(self.routes))}"
        if not looks_like_a_name(name):
            found = f"text of {len(name)} characters" if isinstance(name, str) else type(name).__name__
            return f"the first argument is a route of the configuration, found {found}; {known}"
        near = get_close_matches(name, self.routes, n=1)
        if near:
            return f"unknown route {name!r}; did you mean {near[0]!r}?"
        serving = sorted(route for route, config in self.config.routes.items() if name in config.pick.names)
        if serving:
            return f"{name!r} is a deployment; calls name a route, such as {serving[0]!r}"
        vendor = "; which model answers is said in the file" if "/" in name else ""
        return f"unknown route {name!r}; {known}{vendor}"
