"""Works out who would serve a route: from the file alone, since health and limits are known only to the process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from orchestrator.cli.naming import no_route
from orchestrator.config import Config, PickConfig, RouteConfig, WhenConfig, model_profile
from orchestrator.config.schema import LimitsConfig
from orchestrator.policies.pick import Sticky
from orchestrator.policies.route import Ordered
from orchestrator.registry import find
from orchestrator.spec.events import CallContext
from orchestrator.spec.models import ModelProfile
from orchestrator.spec.routing import Health, TokenMix
from orchestrator.tariffs import tariff
from orchestrator.types.call import Task
from orchestrator.types.usage import Usage

__all__ = ["Aside", "Caller", "Plan", "Seat", "plans"]

_MILLION = Decimal(1000)
"""Prices are asked for a thousand tokens, so that no tier for long inputs is reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls, as far as routes care."""

    tenant: str | None = None
    user: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A deployment that may serve, and why it stands where it does. Prices in USD per million tokens."""

    deployment: str
    why: str
    provider: str
    kind: str
    model: str
    input_price: Decimal | None
    output_price: Decimal | None
    search_price: Decimal | None
    unpriced: str | None
    limits: tuple[str, ...]
    context_tokens: int | None
    region: str | None
    retention: str | None
    trains: bool | None


@dataclass(frozen=True, slots=True)
class Aside:
    """A deployment of the route that this call would not reach, and why."""

    deployment: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One route for one caller. `case` names the `when` that takes the call, if one does."""

    route: str
    task: Task
    case: str
    seats: tuple[Seat, ...]
    asides: tuple[Aside, ...]
    require: tuple[str, ...]


def plans(config: Config, caller: Caller, route: str | None) -> tuple[Plan, ...]:
    """Of one route, or of all.

    Raises:
        ConfigError: there is no such route.
    """
    if route is not None and route not in config.routes:
        raise no_route(route, config.routes)
    names = [route] if route is not None else list(config.routes)
    return tuple(_plan(name, config, caller) for name in names)


def _plan(name: str, config: Config, caller: Caller) -> Plan:
    route = config.routes[name]
    case, index = _case(route, caller)
    chosen: RouteConfig | WhenConfig = route if case is None else case
    order = _ordered(chosen.pick, chosen.then, route, config, caller)
    seats = tuple(_seat(deployment, why, route.task, config) for deployment, why in order.items())
    label = "" if case is None else _named(case, index)
    return Plan(
        route=name,
        task=route.task,
        case=label,
        seats=seats,
        asides=tuple(_asides(route, case, order)),
        require=tuple(_required(route)),
    )


def _case(route: RouteConfig, caller: Caller) -> tuple[WhenConfig | None, int]:
    for index, case in enumerate(route.when):
        tags = all(caller.tags.get(name) in values for name, values in case.tags.items())
        if tags and (not case.tenant or caller.tenant in case.tenant):
            return case, index
    return None, -1


def _named(case: WhenConfig, index: int) -> str:
    tenants = [f"tenant {' or '.join(case.tenant)}"] if case.tenant else []
    tags = (f"tag {name}={'|'.join(values)}" for name, values in case.tags.items())
    return f"{' and '.join([*tenants, *tags])} (when[{index}])"


@dataclass(frozen=True, slots=True)
class _Candidate:
    name: str
    health: Health = field(default_factory=Health)


def _ordered(
    pick: PickConfig, then: Sequence[str], route: RouteConfig, config: Config, caller: Caller
) -> dict[str, str]:
    names, reasons = _by_rule(pick, config)
    own = _sticky_value(route, caller)
    if own is not None and route.sticky is not None:
        names = _stuck(route.sticky, names, pick, caller)
        reasons = dict.fromkeys(names, "if that fails") | {names[0]: f"sticky: {route.sticky} {own!r}"}
    last = dict.fromkeys(then, "if those fail")
    return {name: reasons[name] for name in names} | last


def _by_rule(pick: PickConfig, config: Config) -> tuple[list[str], dict[str, str]]:
    names = list(pick.names)
    if pick.rule == "weighted":
        total = sum(pick.weights)
        return names, {
            name: f"for {weight / total:.0%} of calls" for name, weight in zip(names, pick.weights, strict=True)
        }
    if pick.rule == "cheapest":
        costs = {name: _cost(name, TokenMix().usage(), config)[0] for name in names}
        names.sort(key=lambda name: (costs[name] is None, costs[name] or 0))
        return names, {name: "cheapest: no price known" if costs[name] is None else "cheapest first" for name in names}
    if pick.rule in {"fastest", "least_busy"}:
        words = "fastest of late" if pick.rule == "fastest" else "fewest calls in flight"
        return names, dict.fromkeys(names, f"{words}, known to the process")
    return names, dict.fromkeys(names, "if that fails") | {names[0]: "first"}


def _sticky_value(route: RouteConfig, caller: Caller) -> str | None:
    if route.sticky is None:
        return None
    known = {"tenant": caller.tenant, "user": caller.user}
    return known[route.sticky] if route.sticky in known else caller.tags.get(route.sticky.removeprefix("tags."))


def _stuck(key: str, names: Sequence[str], pick: PickConfig, caller: Caller) -> list[str]:
    """The order that the policy itself gives."""
    seats = {name: _Candidate(name) for name in names}
    picks = [seats[name] for name in pick.names]
    chooser = Sticky(Ordered(picks, ()), key, picks, pick.weights, ())
    context = CallContext(tenant=caller.tenant, user=caller.user, tags=caller.tags)
    return [candidate.name for candidate in chooser.order(lambda: 0.0, context, 0.0)]


def _asides(route: RouteConfig, case: WhenConfig | None, order: Mapping[str, str]) -> Iterator[Aside]:
    own = dict.fromkeys((*route.pick.names, *route.then), "for the other calls")
    for index, other in enumerate(route.when):
        if other is not case:
            for name in (*other.pick.names, *other.then):
                own.setdefault(name, f"only for {_named(other, index)}")
    for name, why in own.items():
        if name not in order:
            yield Aside(name, why)


def _required(route: RouteConfig) -> Iterator[str]:
    require = route.require
    yield from require.features
    for name in ("context_tokens", "max_output_tokens", "region"):
        if (value := getattr(require, name)) is not None:
            yield f"{name}: {value:,}" if isinstance(value, int) else f"{name}: {value}"


def _cost(name: str, usage: Usage, config: Config) -> tuple[Decimal | None, str | None]:
    deployment = config.deployments[name]
    provider = config.providers[deployment.provider]
    cost = tariff(provider, deployment, find(provider.kind), config.prices)(usage, None, datetime.now(UTC))
    return cost.total, cost.unknown


def _seat(name: str, why: str, task: Task, config: Config) -> Seat:
    deployment = config.deployments[name]
    provider = config.providers[deployment.provider]
    kind = find(provider.kind).profile
    known: ModelProfile = model_profile(deployment.model, deployment.priced_as, deployment.profile, kind)
    given, no_input = _cost(name, Usage(input_tokens=1000, output_tokens=0), config)
    written, no_output = _cost(name, Usage(input_tokens=0, output_tokens=1000), config)
    searched, no_search = _cost(name, Usage(search_units=1), config)
    unknown = no_search if task == "rerank" else no_input or (no_output if task == "chat" else None)
    return Seat(
        deployment=name,
        why=why,
        provider=deployment.provider,
        kind=kind.kind,
        model=deployment.model,
        input_price=None if given is None or task == "rerank" else given * _MILLION,
        output_price=None if written is None or task != "chat" else written * _MILLION,
        search_price=searched if task == "rerank" else None,
        unpriced=unknown,
        limits=(*_limits(deployment.limits, ""), *_limits(provider.limits, "account's ")),
        context_tokens=known.context_tokens or known.max_input_tokens,
        region=provider.region,
        retention=provider.retention,
        trains=provider.trains,
    )


def _limits(limits: LimitsConfig | None, whose: str) -> Iterator[str]:
    if limits is not None:
        for name, amount in limits.model_dump(exclude_none=True, exclude={"learn"}).items():
            yield f"{whose}{name} {_short(amount)}"
        if limits.learn:
            yield f"{whose}learnt"


def _short(amount: int) -> str:
    """As people write it in the file."""
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if amount >= unit and amount % (unit // 10) == 0:
            return f"{amount / unit:g}{letter}"
    return f"{amount:,}"
