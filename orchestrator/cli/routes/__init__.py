"""`orchestrator routes`: what would serve a route, in which order, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["routes"]


def routes(
    route: Annotated[str | None, typer.Option("--route", "-r", help="Only this route.")] = None,
    *,
    tenant: Annotated[str | None, typer.Option(help="As if this tenant called.")] = None,
    user: Annotated[str | None, typer.Option(help="As if this user called.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="As if the call had this tag: name=value.")] = None,
    file: Annotated[Path, typer.Option("--file", "-f", help="The configuration.")] = Path("orchestrator.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show which deployments would serve a call, in which order and why, and which would not. Asks nobody."""
    from orchestrator.cli.findings import refusing  # noqa: PLC0415
    from orchestrator.cli.routes.planning import Caller, plans  # noqa: PLC0415
    from orchestrator.cli.routes.show import show_json, show_plans  # noqa: PLC0415
    from orchestrator.config import load_file  # noqa: PLC0415

    caller = Caller(tenant=tenant, user=user, tags=_tags(tag or []))
    with refusing():
        config = load_file(file, check_secrets=False)
        found = plans(config, caller, route)
    (show_json if as_json else show_plans)(found)


def _tags(given: list[str]) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise typer.BadParameter(f"{name!r} is no tag; write --tag name=value")
    return {name: value for name, _, value in pairs}
