"""`orchestrator routes`: what would serve a route, in which order, and why."""

from __future__ import annotations

from orchestrator.cli.options import USUAL_FILE, AsJson, ConfigFile, Tags, Tenant, User, WhichRoute, tags_of

__all__ = ["routes"]


def routes(
    route: WhichRoute = None,
    *,
    tenant: Tenant = None,
    user: User = None,
    tag: Tags = None,
    file: ConfigFile = USUAL_FILE,
    as_json: AsJson = False,
) -> None:
    """Show which deployments would serve a call, in which order and why, and which would not. Asks nobody."""
    from orchestrator.cli.findings import refusing  # noqa: PLC0415
    from orchestrator.cli.routes.planning import Caller, plans  # noqa: PLC0415
    from orchestrator.cli.routes.show import show_json, show_one, show_plans  # noqa: PLC0415
    from orchestrator.config import load_file  # noqa: PLC0415

    caller = Caller(tenant=tenant, user=user, tags=tags_of(tag))
    with refusing():
        config = load_file(file, check_secrets=False)
        found = plans(config, caller, route)
    if as_json:
        show_json(found)
    elif len(found) == 1:
        show_one(found[0])
    else:
        show_plans(found)
