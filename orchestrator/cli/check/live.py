"""Sends one tiny call to each deployment and tells what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from orchestrator.cli.calling import advice
from orchestrator.cli.naming import named
from orchestrator.client import AsyncOrchestrator
from orchestrator.config import (
    Config,
    DefaultsConfig,
    LogConfig,
    PickConfig,
    RequireConfig,
    RetryConfig,
    RouteConfig,
    model_profile,
)
from orchestrator.errors import OrchestratorError
from orchestrator.registry import find
from orchestrator.tariffs import tariff
from orchestrator.types.call import Reply, Task
from orchestrator.types.usage import Usage

__all__ = ["Answered", "Bound", "ask_all", "bound"]

_DEADLINE_S = 30.0
_AT_ONCE = 8
_OUTPUT_TOKENS = 16
"""The least that every vendor admits."""

_MOST: Mapping[Task, Usage] = {
    "chat": Usage(input_tokens=200, output_tokens=_OUTPUT_TOKENS),
    "embed": Usage(input_tokens=10),
    "rerank": Usage(input_tokens=50, search_units=1),
}
"""More than a call here is billed for: vendors add tokens of their own to a question of three."""

_MEDIA = {"image": "images", "application": "PDF", "audio": "audio", "video": "video"}
_LONGEST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one deployment did with one tiny call; `error` if it did not answer, with `advice` on what to look at.

    `can` and `context_tokens` are what is known of its model; they were not tried.
    """

    deployment: str
    task: Task
    model: str
    served: str | None = None
    can: tuple[str, ...] = ()
    context_tokens: int | None = None
    duration_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None
    cost_unknown: str | None = None
    note: str = ""
    error: str | None = None
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """How many calls there would be, what they cost at the most, and how many of them have no known price."""

    calls: int
    usd: Decimal
    unpriced: int


def bound(config: Config) -> Bound:
    """What the calls cost at the most: one attempt each, with little to read and a cap on what is written."""
    asked = _asked(config)
    totals = [_most(config, name, task) for name, task in asked]
    return Bound(len(asked), sum((one for one in totals if one is not None), Decimal(0)), totals.count(None))


def _most(config: Config, name: str, task: Task) -> Decimal | None:
    deployment = config.deployments[name]
    provider = config.providers[deployment.provider]
    price = tariff(provider, deployment, find(provider.kind), config.prices)
    return price(_MOST[task], None, datetime.now(UTC)).total


def ask_all(config: Config) -> tuple[Answered, ...]:
    """One call per deployment and task it is used for, with one attempt; eight at a time, each with 30 seconds."""
    return asyncio.run(_ask_all(config))


def _asked(config: Config) -> list[tuple[str, Task]]:
    """Each deployment with each task that routes use it for, in the order of the file."""
    used = {(name, route.task): None for route in config.routes.values() for name in named(route)}
    places = {name: place for place, name in enumerate(config.deployments)}
    return sorted(used, key=lambda one: places[one[0]])


async def _ask_all(config: Config) -> tuple[Answered, ...]:
    asked = _asked(config)
    rehearsal = {
        "routes": {_route(name, task): _alone(name, task) for name, task in asked},
        # What the rehearsal may spend is decided before it, and its calls belong in no log of an application.
        "budgets": (),
        "log": LogConfig(to="none"),
        "otel": None,
    }
    slots = asyncio.Semaphore(_AT_ONCE)
    async with AsyncOrchestrator(config.model_copy(update=rehearsal)) as llm:
        return tuple(await asyncio.gather(*(_ask(llm, config, name, task, slots) for name, task in asked)))


def _route(name: str, task: Task) -> str:
    return f"{task} by {name}"


def _alone(name: str, task: Task) -> RouteConfig:
    """A route that only this deployment answers, with one attempt."""
    return RouteConfig.model_construct(
        **{key: field.get_default(call_default_factory=True) for key, field in RouteConfig.model_fields.items()}
        | {
            "task": task,
            "pick": PickConfig(names=(name,)),
            "require": RequireConfig(),
            "defaults": DefaultsConfig(),
            "retry": RetryConfig(attempts=1, per_deployment=1),
            "deadline": _DEADLINE_S,
        }
    )


async def _ask(llm: AsyncOrchestrator, config: Config, name: str, task: Task, slots: asyncio.Semaphore) -> Answered:
    known = _known(config, name, task)
    try:
        async with slots:
            reply, note = await _call(llm, _route(name, task), task)
    except OrchestratorError as error:
        message = f"{type(error).__name__}: {error}"
        return Answered(**known, error=message[:_LONGEST], advice=advice(error))
    return Answered(
        **known,
        served=reply.model,
        duration_ms=reply.timings.duration_ms,
        input_tokens=reply.usage.input_tokens,
        output_tokens=reply.usage.output_tokens,
        cost_usd=reply.cost.total,
        cost_unknown=reply.cost.unknown,
        note="; ".join([*filter(None, [note]), *(f"{one.setting}: {one.message}" for one in reply.warnings)]),
    )


def _known(config: Config, name: str, task: Task) -> dict[str, Any]:
    deployment = config.deployments[name]
    kind = find(config.providers[deployment.provider].kind).profile
    profile = model_profile(deployment.model, deployment.priced_as, deployment.profile, kind)
    return {
        "deployment": name,
        "task": task,
        "model": deployment.model,
        "context_tokens": profile.context_tokens or profile.max_input_tokens,
        "can": tuple(_can(profile)) if task == "chat" else (),
    }


def _can(profile: Any) -> Iterator[str]:
    if profile.tools:
        yield "tools"
    if profile.json_schema:
        yield "schema"
    kinds = {one.partition("/")[0] for one in profile.media or ()}
    yield from (word for kind, word in _MEDIA.items() if kind in kinds)
    if profile.reasoning not in (None, "none"):
        yield "reasoning"


async def _call(llm: AsyncOrchestrator, route: str, task: Task) -> tuple[Reply, str]:
    if task == "chat":
        chat = await llm.chat(route, "Say: ok", max_output_tokens=_OUTPUT_TOKENS)
        finish = chat.finish_reason.unified
        return chat, "" if finish in {"stop", "length"} else finish
    if task == "embed":
        embed = await llm.embed(route, "ok")
        return embed, f"{len(embed.vectors[0]):,} numbers per vector"
    rerank: Any = await llm.rerank(route, query="ok", documents=["ok", "no"])
    return rerank, f"{len(rerank.results)} documents ordered"
