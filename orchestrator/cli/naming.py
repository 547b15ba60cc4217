"""Which deployments a route names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.config import RouteConfig

__all__ = ["named"]


def named(route: RouteConfig) -> Iterator[str]:
    """All of them, each once, in the order of the file."""
    names = [*route.pick.names, *route.then]
    for case in route.when:
        names += [*case.pick.names, *case.then]
    yield from dict.fromkeys(names)
