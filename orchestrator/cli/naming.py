"""Names of the configuration: which deployments a route names, and what to say of a route that is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigError

if TYPE_CHECKING:
    from orchestrator.config import RouteConfig

__all__ = ["named", "no_route"]


def named(route: RouteConfig) -> Iterator[str]:
    """All deployments of a route, each once, in the order of the file."""
    names = [*route.pick.names, *route.then]
    for case in route.when:
        names += [*case.pick.names, *case.then]
    yield from dict.fromkeys(names)


def no_route(name: str, routes: Iterable[str]) -> ConfigError:
    """The error that tells the nearest route, or all of a few."""
    from orchestrator.config.tree import nearest  # noqa: PLC0415

    return ConfigError(f"no route {name!r}{nearest(name, routes, what='routes')}")
