"""Makes a configuration ready to run: reads secrets, binds wires and engines, finds prices, builds routes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.backends import Backend, EngineBackend, LimitReader, WireBackend, intercepted
from orchestrator.config import Config, model_profile, vector_space
from orchestrator.config.resilience import BreakerConfig
from orchestrator.config.schema import DeploymentConfig, LimitsConfig, ProviderConfig
from orchestrator.config.secrets import SecretRef
from orchestrator.errors import ConfigError
from orchestrator.policies.breaker import Breaker, BreakerPolicy
from orchestrator.policies.learning import Learner
from orchestrator.policies.limits import Gate
from orchestrator.policies.needs import Forecast
from orchestrator.registry import find
from orchestrator.routes import build_route
from orchestrator.sizing import frame_for
from orchestrator.snapshot import Deployment, FileCredential, Learning, Shared, Snapshot
from orchestrator.spec.auth import Grant, HeaderSigner, Secret, Signer
from orchestrator.spec.models import ModelProfile
from orchestrator.spec.provider import Engine, EngineFactory, Profile, Target, Wire
from orchestrator.spec.routing import Health
from orchestrator.spec.stores import Dimension, Limit
from orchestrator.spec.transport import Endpoint
from orchestrator.tariffs import tariff

__all__ = ["build"]

_PERIODS: Mapping[str, tuple[Dimension, float]] = {
    "rpm": ("requests", 60.0),
    "tpm": ("tokens", 60.0),
    "input_tpm": ("input_tokens", 60.0),
    "output_tpm": ("output_tokens", 60.0),
    "rpd": ("requests", 86_400.0),
    "tpd": ("tokens", 86_400.0),
    "concurrency": ("concurrency", 0.0),
}


def build(config: Config, shared: Shared) -> Snapshot:
    """Make a configuration ready: secrets read, wires bound, prices found.

    Raises:
        ConfigError: a secret is missing, a package is not installed.
    """
    limits = _Limits(config, shared)
    accounts = {name: _provider(name, config, shared) for name in config.providers}
    gates = shared.limiter.gates(config.deployments)
    deployments = {
        name: accounts[deployment.provider].deployment(
            name,
            deployment,
            _State(
                gate=gates[name],
                health=shared.health.setdefault(name, Health()),
                breaker=_breaker(name, config.breaker, shared),
                learning=limits.learning(name),
            ),
        )
        for name, deployment in config.deployments.items()
    }
    routes = {name: build_route(name, config, deployments, shared) for name in config.routes}
    limits.adopt()  # last: a configuration that is refused changes nothing
    return Snapshot(
        config=config,
        config_hash=config.config_hash,
        routes=routes,
        deployments=deployments,
        credentials=tuple([one for account in accounts.values() for one in account.credentials()]),
    )


def _provider(name: str, config: Config, shared: Shared) -> _Provider:
    with _blaming(f"providers.{name}"):
        return _Provider(name, config.providers[name], config, shared)


@contextmanager
def _blaming(key: str) -> Iterator[None]:
    """A `ConfigError` within says which key it is about."""
    try:
        yield
    except ConfigError as error:
        error.key = error.key or key
        raise


def _breaker(name: str, config: BreakerConfig | None, shared: Shared) -> Breaker | None:
    if config is None:
        return None
    breaker = shared.breakers.setdefault(name, Breaker())
    breaker.policy = BreakerPolicy(
        failures=config.failures,
        ratio=config.ratio,
        least_calls=config.calls,
        window_s=config.window,
        open_s=config.open,
        longest_open_s=config.longest,
        probes=config.probes,
        ramp_s=config.ramp,
    )
    return breaker


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What of one deployment outlives a reload."""

    gate: Gate
    health: Health
    breaker: Breaker | None
    learning: Learning | None


class _Limits:
    """The limits of all deployments: as the file says, or as learnt since where it says `learn: true`.

    Their state is keyed by account, and by account and model.
    """

    def __init__(self, config: Config, shared: Shared) -> None:
        self._config = config
        self._shared = shared
        self._learners = {name: self._learner(one) for name, one in config.deployments.items() if self._learns(one)}

    def _learns(self, deployment: DeploymentConfig) -> bool:
        both = (deployment.limits, self._config.providers[deployment.provider].limits)
        return any(limits is not None and limits.learn for limits in both)

    def _learner(self, deployment: DeploymentConfig) -> Learner:
        learners, store = self._shared.learners, self._shared.store
        account = learners.setdefault(deployment.provider, Learner(store, deployment.provider))
        model = f"{deployment.provider}/{deployment.model}"
        return learners.setdefault(model, Learner(store, model, account))

    def learning(self, name: str) -> Learning | None:
        """What listens to this deployment's answers, if anything does."""
        learner = self._learners.get(name)
        if learner is None:
            return None
        same = [other for other, its in self._learners.items() if its is learner]
        return Learning(learner, lambda: self._readopt(same))

    def _readopt(self, names: Sequence[str]) -> None:
        self._shared.limiter.adopt({name: self._in_force(name) for name in names})

    def _in_force(self, name: str) -> list[Limit]:
        account = self._shared.learners[self._config.deployments[name].provider]
        return [*self._learners[name].limits, *account.limits]

    def adopt(self) -> None:
        """Put them in force at the gates."""
        now = self._shared.clock.monotonic()
        limits = {}
        for name, deployment in self._config.deployments.items():
            limits[name] = self._as_written(deployment)
            if name in self._learners:
                account = self._shared.learners[deployment.provider]
                limits[name] = [
                    *self._learners[name].configure(limits[name], now),
                    *account.configure(limits[name], now),
                ]
        self._shared.limiter.adopt(limits)

    def _as_written(self, deployment: DeploymentConfig) -> list[Limit]:
        own = _as_limits(f"{deployment.provider}/{deployment.model}", deployment.limits)
        return own + _as_limits(deployment.provider, self._config.providers[deployment.provider].limits)


def _as_limits(key: str, limits: LimitsConfig | None) -> list[Limit]:
    amounts = {name: getattr(limits, name) for name in _PERIODS} if limits else {}
    return [Limit(key, *_limit(name, amount)) for name, amount in amounts.items() if amount is not None]


def _limit(name: str, amount: float) -> tuple[Dimension, float, float]:
    dimension, period_s = _PERIODS[name]
    return dimension, amount, period_s


class _Provider:
    """What a provider's deployments share: kind, credential, endpoint, headers."""

    def __init__(self, name: str, config: ProviderConfig, whole: Config, shared: Shared) -> None:
        self._name = name
        self._connect_s = whole.timeouts.connect
        self._prices = whole.prices
        self._config = config
        self._shared = shared
        self._transport = shared.transport
        self._account = shared.account(name, f"{config.base_url} {_secrets(config)!r}")
        self._kind = find(config.kind)
        self._profile: Profile = self._kind.profile
        self._settings = _open_settings(config)
        self._base_url = config.base_url or self._located() or self._profile.base_url or ""
        self._secret = _open_secret(config.api_key) if config.api_key else None
        self._signer = self._make_signer()

    def deployment(self, name: str, config: DeploymentConfig, state: _State) -> Deployment:
        """Bind one model."""
        known = model_profile(config.model, config.priced_as, config.profile, self._profile)
        with _blaming(f"providers.{self._name}"):
            backend, engine = self._backend(name, config.model, known, learns=state.learning is not None)
        return Deployment(
            name=name,
            provider=self._name,
            kind=self._profile.kind,
            model=config.model,
            frame=frame_for(f"{config.priced_as or ''} {config.model}"),
            known=known,
            space=vector_space(config, known=known)[0],
            region=self._config.region,
            otel_name=self._profile.otel_name or self._config.kind,
            backend=backend,
            account=self._account,
            forecast=self._forecast(name),
            cost=tariff(self._config, config, self._kind, self._prices),
            gate=state.gate,
            health=state.health,
            breaker=state.breaker,
            learning=state.learning,
            engine=engine,
        )

    def _forecast(self, name: str) -> Forecast:
        charged = self._profile.charges_output_cap
        return self._shared.forecasts.setdefault(name, Forecast(charges_output_cap=charged))

    def _backend(self, name: str, model: str, known: ModelProfile, *, learns: bool) -> tuple[Backend, Engine | None]:
        target = Target(
            profile=self._profile,
            provider=self._name,
            deployment=name,
            model=model,
            base_url=self._base_url.rstrip("/"),
            settings=self._settings,
            secret=self._secret,
            model_profile=known,
        )
        if isinstance(self._kind, EngineFactory):
            engine = self._kind.open(target)
            return EngineBackend(engine), engine
        return self._wire(self._kind, target, self._limit_reader() if learns else None), None

    def _limit_reader(self) -> LimitReader | None:
        style = self._profile.limit_headers
        if not style:
            return None
        from orchestrator_providers.shared.limit_headers import read_limits  # noqa: PLC0415 - only who learns needs it

        clock = self._shared.clock
        return lambda headers: read_limits(headers, style=style, now=datetime.fromtimestamp(clock.time(), UTC))

    def _wire(self, wire: Wire, target: Target, read_limits: LimitReader | None) -> WireBackend:
        endpoint = Endpoint(proxy=self._config.proxy, ca_file=self._config.ca_file, connect_s=self._connect_s)
        return WireBackend(wire.bind(target), self._transport, endpoint, self._signer, read_limits=read_limits)

    def credentials(self) -> list[FileCredential]:
        """What has to be watched."""
        references = [one for one in _secrets(self._config) if one.kind == "file"]
        return [FileCredential(one.path, self._signer, self._account.quarantine) for one in references]

    def _located(self) -> str | None:
        kind = self._kind
        return kind.locate(self._settings) if isinstance(kind, Wire) and kind.locate else None

    def _make_signer(self) -> Signer:
        base = {"content-type": "application/json", "accept": "application/json", **self._profile.headers}
        for name, value in self._config.headers.items():
            base[name.lower()] = value if isinstance(value, str) else value.open().reveal()
        if isinstance(self._kind, Wire) and self._kind.signer is not None:
            time = self._shared.clock.time
            grant = Grant(headers=base, secret=self._secret, settings=self._settings, time=time)
            return self._kind.signer(grant)
        header, prefix = self._profile.auth_header, self._profile.auth_prefix
        return HeaderSigner(base, secret=self._secret, header=header, prefix=prefix)


def _open_settings(config: ProviderConfig) -> dict[str, Any]:
    opened = {
        name: _open_secret(value) if isinstance(value, SecretRef) else value for name, value in config.settings.items()
    }
    return opened | ({"region": config.region} if config.region else {})


def _secrets(config: ProviderConfig) -> list[SecretRef]:
    """All that the provider's credential is made of."""
    settings = [value for value in config.settings.values() if isinstance(value, SecretRef)]
    return settings if config.api_key is None else [config.api_key, *settings]


def _open_secret(reference: SecretRef) -> Secret:
    try:
        return reference.open()
    except ConfigError:
        if intercepted():  # an application under test needs no credentials
            return Secret(lambda: "none", source="scripted")
        raise
