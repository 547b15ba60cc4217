"""Sends one tiny call to each deployment and tells what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from orchestrator.cli.naming import named
from orchestrator.client import AsyncOrchestrator
from orchestrator.config import Config, DefaultsConfig, LogConfig, PickConfig, RequireConfig, RetryConfig, RouteConfig
from orchestrator.errors import OrchestratorError
from orchestrator.types.call import Reply, Task

__all__ = ["Answered", "ask_all"]

_DEADLINE_S = 30.0
_AT_ONCE = 8
_OUTPUT_TOKENS = 5
_LONGEST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What one deployment did with one tiny call; `error` if it did not answer."""

    deployment: str
    task: Task
    model: str
    served: str | None = None
    duration_ms: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None
    cost_unknown: str | None = None
    note: str = ""
    error: str | None = None


def ask_all(config: Config) -> tuple[Answered, ...]:
    """One call per deployment and task it is used for, at most eight at a time, each with 30 seconds."""
    return asyncio.run(_ask_all(config))


async def _ask_all(config: Config) -> tuple[Answered, ...]:
    asked = sorted({(name, route.task) for route in config.routes.values() for name in named(route)})
    routes = {_route(name, task): _alone(name, task) for name, task in asked}
    # Calls of a rehearsal belong in no log of an application.
    alone = config.model_copy(update={"routes": routes, "log": LogConfig(to="none"), "otel": None})
    slots = asyncio.Semaphore(_AT_ONCE)
    async with AsyncOrchestrator(alone) as llm:
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
    model = config.deployments[name].model
    try:
        async with slots:
            reply, note = await _call(llm, _route(name, task), task)
    except OrchestratorError as error:
        message = f"{type(error).__name__}: {error}"
        return Answered(deployment=name, task=task, model=model, error=message[:_LONGEST])
    return Answered(
        deployment=name,
        task=task,
        model=model,
        served=reply.model,
        duration_ms=reply.timings.duration_ms,
        input_tokens=reply.usage.input_tokens,
        output_tokens=reply.usage.output_tokens,
        cost_usd=reply.cost.total,
        cost_unknown=reply.cost.unknown,
        note="; ".join([note, *(f"{one.setting}: {one.message}" for one in reply.warnings)]),
    )


async def _call(llm: AsyncOrchestrator, route: str, task: Task) -> tuple[Reply, str]:
    if task == "chat":
        chat = await llm.chat(route, "Say: ok", max_output_tokens=_OUTPUT_TOKENS)
        return chat, f"{chat.finish_reason.unified}"
    if task == "embed":
        embed = await llm.embed(route, "ok")
        return embed, f"{len(embed.vectors[0])} numbers per vector"
    rerank: Any = await llm.rerank(route, query="ok", documents=["ok", "no"])
    return rerank, f"{len(rerank.results)} documents ordered"
