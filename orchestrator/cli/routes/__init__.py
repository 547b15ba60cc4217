"""`orchestrator routes`: what would serve a route, in which order, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.options import USUAL_FILE, AsJson, ConfigFile, WhichRoute

__all__ = ["routes"]


def routes(
    route: WhichRoute = None,
    *,
    tenant: Annotated[str | None, typer.Option(help="As if this tenant called.")] = None,
    user: Annotated[str | None, typer.Option(help="As if this user called.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="As if the call had this tag: name=value.")] = None,
    file: ConfigFile = USUAL_FILE,
    as_json: AsJson = False,
) -> None:
    """Show which deployments would serve a call, in which order and why, and which would not. Asks nobody."""
    from orchestrator.cli.findings import refusing  # noqa: PLC0415
    from orchestrator.cli.routes.planning import Caller, plans  # noqa: PLC0415
    from orchestrator.cli.routes.show import show_json, show_one, show_plans  # noqa: PLC0415
    from orchestrator.config import load_file  # noqa: PLC0415

    caller = Caller(tenant=tenant, user=user, tags=_tags(tag or []))
    with refusing():
        config = load_file(file, check_secrets=False)
        found = plans(config, caller, route)
    if as_json:
        show_json(found)
    elif len(found) == 1:
        show_one(found[0])
    else:
        show_plans(found)


def _tags(given: list[str]) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise typer.BadParameter(f"{name!r} is no tag; write --tag name=value")
    return {name: value for name, _, value in pairs}
