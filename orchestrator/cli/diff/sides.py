"""Reads what is known of the two models that are compared, from the file or from the bundled books alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.cli.naming import no_route
from orchestrator.config import (
    Config,
    DeploymentConfig,
    ProviderConfig,
    RouteConfig,
    load_mapping,
    model_profile,
    vector_space,
)
from orchestrator.config.files import FileReader
from orchestrator.errors import ConfigError
from orchestrator.registry import find
from orchestrator.spec.models import ModelProfile
from orchestrator.spec.provider import EngineFactory, Wire
from orchestrator.tariffs import Tariff, tariff
from orchestrator.types.call import Task

__all__ = ["Side", "Sides", "read_sides"]

_USUAL_FILE = "orchestrator.yaml"
_ROUTE = "diff of"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two: its deployment, and what is known of it."""

    name: str
    deployment: DeploymentConfig
    provider: ProviderConfig
    kind: Wire | EngineFactory
    known: ModelProfile
    space: tuple[str, int | None]
    cost: Tariff


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Both, and the route that may move, if one is named."""

    a: Side
    b: Side
    route_name: str | None
    route: RouteConfig | None


def read_sides(a: str, b: str, file: Path | None, route: str | None) -> Sides:
    """Both sides of a comparison.

    Args:
        a: a deployment of the file, or `vendor/model`.
        b: likewise.
        file: the configuration; None for `orchestrator.yaml` where there is one.
        route: a route of the file.

    Raises:
        ConfigError: the file is wrong, or a name is known neither there nor as `vendor/model`.
    """
    data, directory = _read(file)
    config = _load(data, directory, (a, b))
    if route is not None and route not in config.routes:
        raise no_route(route, set(config.routes) - {_route(a), _route(b)})
    chosen = config.routes[route] if route else None
    return Sides(a=_side(a, config), b=_side(b, config), route_name=route, route=chosen)


def _read(file: Path | None) -> tuple[dict[str, Any], Path]:
    path = file or Path(_USUAL_FILE)
    if file is None and not path.exists():
        return {"version": 1}, Path()
    value = FileReader().read(path).value
    return (value if isinstance(value, dict) else {"version": 1}), path.parent


def _load(data: dict[str, Any], directory: Path, names: tuple[str, ...]) -> Config:
    """The configuration with a route to each name: what no route reaches would not be in it.

    Its other mistakes are other commands' business as long as these two can be read.
    """
    routes = {_route(name): {"task": _task(name, data), "pick": name} for name in names}
    own = data.get("routes")
    try:
        whole = data | {"routes": {**(own if isinstance(own, dict) else {}), **routes}}
        return load_mapping(whole, directory=directory, check_secrets=False)
    except ConfigError as error:
        if len(error.message.splitlines()) == 1 and _ROUTE in (error.key or ""):
            raise ConfigError(error.message) from None
        raise


def _route(name: str) -> str:
    return f"{_ROUTE} {name}"


def _task(name: str, data: dict[str, Any]) -> Task:
    """A task that the deployment can do, by its kind and its model."""
    kind_name, model = _kind_and_model(name, data)
    try:
        kind = find(kind_name)
    except ConfigError:
        return "chat"  # the loader says what is wrong with it, better than this could
    known = model_profile(model, None, None, kind.profile)
    tasks = kind.profile.tasks
    if "embed" in tasks and (known.dimensions or "embed" in model):
        return "embed"
    if "rerank" in tasks and "rerank" in model:
        return "rerank"
    return next((task for task in ("chat", "embed", "rerank") if task in tasks), "chat")


def _kind_and_model(name: str, data: dict[str, Any]) -> tuple[str, str]:
    deployment = _section(data, "deployments").get(name)
    if not isinstance(deployment, dict):
        vendor, _, model = name.partition("/")
        return vendor, model
    provider = _section(data, "providers").get(str(deployment.get("provider")))
    kind = provider.get("kind") if isinstance(provider, dict) else None
    return str(kind), str(deployment.get("model"))


def _section(data: dict[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def _side(name: str, config: Config) -> Side:
    deployment = config.deployments[name]
    provider = config.providers[deployment.provider]
    kind = find(provider.kind)
    known = model_profile(deployment.model, deployment.priced_as, deployment.profile, kind.profile)
    return Side(
        name=name,
        deployment=deployment,
        provider=provider,
        kind=kind,
        known=known,
        space=vector_space(deployment, known=known),
        cost=tariff(provider, deployment, kind, config.prices),
    )
