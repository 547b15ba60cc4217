"""What only shows when routes, deployments and providers are seen together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.config.features import RequireConfig, model_profile
from orchestrator.config.providers import Definition
from orchestrator.config.requirements import Served, check_requirements
from orchestrator.config.schema import DefaultsConfig, DeploymentConfig, ProviderConfig, RouteConfig
from orchestrator.config.tree import KeyPath, Problems, shown
from orchestrator.config.validating import report_unknown
from orchestrator.spec.models import ModelProfile
from orchestrator.spec.provider import Profile
from orchestrator.types.call import Task

__all__ = ["PRICE_KEYS", "check_deployment", "check_price_keys", "check_route", "vector_space"]

PRICE_KEYS = (
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "reasoning",
    "input_audio",
    "input_image",
    "cache_read_audio",
    "output_audio",
    "output_image",
    "output_video",
    "search_unit",
    "request",
    "web_search",
    "map_search",
    "file_search",
)
"""What a `price` may name: USD per million tokens, and each for the last five."""

_OPTIONS: Mapping[str, tuple[Task, ...]] = {
    **dict.fromkeys(
        ("temperature", "top_p", "max_output_tokens", "stop", "seed", "reasoning_effort", "parallel_tool_calls"),
        ("chat",),
    ),
    "dimensions": ("embed",),
    "input_type": ("embed",),
    "top_n": ("rerank",),
}


def check_deployment(
    deployment: DeploymentConfig, definition: Definition, tasks: frozenset[Task], profile: Profile, problems: Problems
) -> None:
    """Keys that can have no effect, given the tasks of the routes that use the deployment."""
    if definition.one_line:
        return
    path = definition.path
    _check_options(deployment.defaults, (*path, "defaults"), tasks, {profile.kind}, problems)
    if deployment.dimensions and "embed" not in tasks:
        problems.add((*path, "dimensions"), f"no effect: only {_listed(tasks)} routes use this deployment")
    if deployment.dimensions and deployment.defaults.dimensions:
        problems.add((*path, "defaults", "dimensions"), "given twice; `dimensions` of the deployment is enough")
    if deployment.limits and deployment.limits.output_tpm and "chat" not in tasks:
        problems.add((*path, "limits", "output_tpm"), f"no effect: {_listed(tasks)} has no output tokens")
    if deployment.price is not None and deployment.priced_as:
        problems.add((*path, "priced_as"), "no effect beside `price`; give one of them")
    if deployment.price is not None and deployment.discount is not None:
        problems.add((*path, "discount"), "no effect beside `price`, which is what you pay; give one of them")


def check_price_keys(raw: dict[str, Any], path: KeyPath, problems: Problems) -> None:
    """Unknown names of prices, also of deployments that no route uses."""
    if isinstance(price := raw.get("price"), dict):
        if not price:
            problems.add((*path, "price"), "no price is given")
        for key in price:
            if key not in PRICE_KEYS:
                report_unknown((*path, "price", key), PRICE_KEYS, problems)


def check_route(
    route: RouteConfig,
    path: KeyPath,
    names: Mapping[str, KeyPath],
    ready: Mapping[str, tuple[DeploymentConfig, ProviderConfig, Profile]],
    problems: Problems,
) -> None:
    """Whether every deployment of the route can do its task and has what it requires; for embeddings, alike.

    Args:
        route: the route.
        path: of the route.
        names: where it names each deployment.
        ready: deployments without mistakes, with their providers and kinds.
        problems: where mistakes go.
    """
    reached = {name: ready[name] for name in names if name in ready}
    for name, (_, _, profile) in reached.items():
        if route.task not in profile.tasks:
            has = ", ".join(sorted(profile.tasks))
            problems.add(names[name], f"{shown(name)} cannot {route.task}: kind {profile.kind!r} has {has}")
    kinds = {profile.kind for _, _, profile in reached.values()}
    _check_options(route.defaults, (*path, "defaults"), frozenset({route.task}), kinds, problems)
    if route.task == "embed":
        embedding = {name: (deployment, _known(deployment, kind)) for name, (deployment, _, kind) in reached.items()}
        _check_sizes(route, names, embedding, problems)
        _check_space(route, names, embedding, problems)
    if route.require != RequireConfig():
        served = {name: _served(*found) for name, found in reached.items()}
        check_requirements(route.require, path, names, served, problems)


def _known(deployment: DeploymentConfig, kind: Profile) -> ModelProfile:
    return model_profile(deployment.model, deployment.priced_as, deployment.profile, kind)


def _served(deployment: DeploymentConfig, provider: ProviderConfig, kind: Profile) -> Served:
    known = _known(deployment, kind)
    return Served(deployment.model, known, kind, deployment.provider, provider.region)


def _check_options(
    options: DefaultsConfig, path: KeyPath, tasks: frozenset[Task], kinds: set[str], problems: Problems
) -> None:
    for key, for_tasks in _OPTIONS.items():
        if getattr(options, key) is not None and tasks.isdisjoint(for_tasks):
            problems.add((*path, key), f"no effect on {_listed(tasks)}; it is an option of {_listed(for_tasks)}")
    for kind in options.provider_options or ():
        if kinds and kind not in kinds:
            problems.add(
                (*path, "provider_options", kind), f"no effect: the kinds reached from here are {_listed(kinds)}"
            )


def vector_space(
    deployment: DeploymentConfig, route: RouteConfig | None = None, known: ModelProfile | None = None
) -> tuple[str, int | None]:
    """Model and dimensions (None: the model's own, unknown) of the vectors that this deployment gives on this route.

    The model is the space that is `known` of it, else what `priced_as: vendor/model` says, else `model` without the
    path, revision and tag that hosts add.
    """
    told = deployment.priced_as if deployment.priced_as and "/" in deployment.priced_as else deployment.model
    model = told.rsplit("/", 1)[-1].split("@", 1)[0].removesuffix(":latest").lower()
    on_route = route.defaults.dimensions if route else None
    asked = on_route or deployment.dimensions or deployment.defaults.dimensions
    if known is None:
        return model, asked
    return known.space or model, asked or known.dimensions


def _check_sizes(
    route: RouteConfig,
    names: Mapping[str, KeyPath],
    embedding: Mapping[str, tuple[DeploymentConfig, ModelProfile]],
    problems: Problems,
) -> None:
    for name, (deployment, known) in embedding.items():
        size = vector_space(deployment, route)[1]
        if size is not None and not known.gives_dimensions(size):
            sizes = ", ".join(map(str, known.dimension_choices)) or f"up to {known.dimensions}"
            problems.add(names[name], f"{shown(name)} cannot give {size} dimensions: {deployment.model} gives {sizes}")


def _check_space(
    route: RouteConfig,
    names: Mapping[str, KeyPath],
    embedding: Mapping[str, tuple[DeploymentConfig, ModelProfile]],
    problems: Problems,
) -> None:
    spaces = {name: vector_space(deployment, route, known) for name, (deployment, known) in embedding.items()}
    if len(set(spaces.values())) < 2:
        return
    (first, space), *others = spaces.items()
    other = next(name for name, found in others if found != space)
    problems.add(
        names[other],
        f"{shown(other)} ({_space(spaces[other])}) and {shown(first)} ({_space(space)}) give different vector spaces:"
        " vectors of both in one index cannot be compared, and nobody would notice",
    )


def _space(space: tuple[str, int | None]) -> str:
    model, dimensions = space
    return f"{model}, {f'{dimensions} dimensions' if dimensions else 'its own dimensions'}"


def _listed(names: Iterable[str]) -> str:
    return " and ".join(sorted(names)) or "no"
