"""Builds routes: who may answer, by which rule, with which options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

from orchestrator.config import Config, DeploymentConfig, PickConfig, RouteConfig
from orchestrator.config.resilience import RetryConfig
from orchestrator.policies.attempts import RetryPolicy
from orchestrator.policies.capabilities import Fit, fit_for
from orchestrator.policies.pick import Case, Cheapest, Conditional, Fastest, LeastBusy, Sticky
from orchestrator.policies.route import Ordered, Weighted
from orchestrator.snapshot import Candidate, Deployment, Route, Shared, Timeouts
from orchestrator.spec.clock import Clock
from orchestrator.spec.routing import Candidate as AnyCandidate
from orchestrator.spec.routing import Chooser, Pace, TokenMix
from orchestrator.tasks import TASKS, merge
from orchestrator.types.call import Task

__all__ = ["build_route"]


def build_route(name: str, whole: Config, deployments: Mapping[str, Deployment], shared: Shared) -> Route:
    """One route of the configuration, ready to choose."""
    config = whole.routes[name]
    mix = shared.mixes.setdefault(name, TokenMix())
    builder = _Choosers(config, whole, deployments, mix, shared.clock)
    return Route(
        name=name,
        task=config.task,
        chooser=builder.build(),
        deadline_s=config.deadline,
        strict=config.unsupported == "error",
        repair=config.repair,
        log_content=config.log_content,
        mix=mix,
        pace=shared.paces.setdefault(name, Pace()),
        retry=_retry_policy(config.retry),
        timeouts=Timeouts(first_token_s=config.timeouts.first_token, stall_s=config.timeouts.stall),
    )


def _retry_policy(config: RetryConfig) -> RetryPolicy:
    return RetryPolicy(
        attempts=config.attempts,
        per_deployment=config.per_deployment,
        throttled_base_s=config.throttled_base,
        transient_base_s=config.base,
        cap_s=config.cap,
        max_wait_s=config.max_wait,
    )


class _Choosers:
    """The choosers of one route, over one candidate per deployment whatever the number of its cases."""

    def __init__(
        self,
        config: RouteConfig,
        whole: Config,
        deployments: Mapping[str, Deployment],
        mix: TokenMix,
        clock: Clock,
    ) -> None:
        self._config = config
        self._whole = whole
        self._deployments = deployments
        self._mix = mix
        self._clock = clock
        self._candidates: dict[str, Candidate] = {}

    def build(self) -> Chooser:
        config = self._config
        otherwise = self._chooser(config.pick, config.then)
        if not config.when:
            return otherwise
        cases = [
            Case(
                tenants=frozenset(case.tenant),
                tags={name: frozenset(values) for name, values in case.tags.items()},
                chooser=self._chooser(case.pick, case.then),
            )
            for case in config.when
        ]
        return Conditional(cases, otherwise)

    def _chooser(self, pick: PickConfig, then: Sequence[str]) -> Chooser:
        picks = [self._candidate(name) for name in pick.names]
        last = [self._candidate(name) for name in then]
        rule = self._rule(pick, picks, last)
        if self._config.sticky is None:
            return rule
        return Sticky(rule, self._config.sticky, picks, pick.weights, last)

    def _rule(self, pick: PickConfig, picks: Sequence[Candidate], then: Sequence[Candidate]) -> Chooser:
        match pick.rule:
            case "weighted":
                return Weighted(picks, pick.weights, then)
            case "fastest":
                return Fastest(picks, then)
            case "least_busy":
                return LeastBusy(picks, then)
            case "cheapest":
                return Cheapest(picks, then, self._mix, self._price)
            case "ordered":
                return Ordered(picks, then)

    def _price(self, candidate: AnyCandidate, mix: TokenMix) -> Decimal | None:
        deployment = cast("Candidate", candidate).deployment
        return deployment.cost(mix.usage(), None, datetime.fromtimestamp(self._clock.time(), UTC)).total

    def _candidate(self, name: str) -> Candidate:
        known = self._candidates.get(name)
        if known is None:
            deployment = self._deployments[name]
            defaults = merge(
                _options(self._config.task, self._config.defaults.model_dump(exclude_none=True)),
                _options(self._config.task, _deployment_defaults(self._whole.deployments[name])),
            )
            nothing = TASKS[self._config.task].no_options
            if defaults == nothing:
                defaults = nothing  # so that calls need not compare
            known = self._candidates[name] = Candidate(
                name, deployment.health, deployment, defaults, self._fit(deployment)
            )
        return known

    def _fit(self, deployment: Deployment) -> Fit | None:
        task = self._config.task
        need = TASKS[task].need
        return fit_for(
            task,
            deployment.known,
            model=deployment.model,
            strict=self._config.unsupported == "error",
            estimate=lambda request: need(request, deployment.frame).input_tokens,
        )


def _deployment_defaults(config: DeploymentConfig) -> dict[str, Any]:
    defaults = config.defaults.model_dump(exclude_none=True)
    if config.dimensions is not None:
        defaults["dimensions"] = config.dimensions
    return defaults


def _options(task: Task, values: Mapping[str, Any]) -> Any:
    """The task's options from a mapping; keys of other tasks are left out (the loader has checked the route's)."""
    empty = TASKS[task].no_options
    return type(empty)(**{key: value for key, value in values.items() if hasattr(empty, key)})
