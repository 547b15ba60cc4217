"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli import completing

__all__ = [
    "USUAL_FILE",
    "AsJson",
    "ChatRoute",
    "ConfigFile",
    "EmbedRoute",
    "OneRoute",
    "RerankRoute",
    "Tags",
    "Tenant",
    "User",
    "WhichRoute",
    "tags_of",
]

USUAL_FILE = Path("orchestrator.yaml")

ConfigFile = Annotated[Path, typer.Option("--file", "-f", help="The configuration.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ChatRoute = Annotated[
    str, typer.Argument(help="A chat route of the configuration.", autocompletion=completing.chat_routes)
]
EmbedRoute = Annotated[
    str, typer.Argument(help="An embed route of the configuration.", autocompletion=completing.embed_routes)
]
RerankRoute = Annotated[
    str, typer.Argument(help="A rerank route of the configuration.", autocompletion=completing.rerank_routes)
]
OneRoute = Annotated[str, typer.Argument(help="A route of the configuration.", autocompletion=completing.routes)]
WhichRoute = Annotated[
    str | None, typer.Option("--route", "-r", help="Only this route.", autocompletion=completing.routes)
]
Tenant = Annotated[str | None, typer.Option("--tenant", help="The tenant that calls.")]
User = Annotated[str | None, typer.Option("--user", help="The user that calls.")]
Tags = Annotated[list[str] | None, typer.Option("--tag", help="A tag of the call: name=value. May be repeated.")]


def tags_of(given: list[str] | None) -> dict[str, str]:
    """Tags by name.

    Raises:
        BadParameter: one is not written name=value.
    """
    pairs = [one.partition("=") for one in given or ()]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise typer.BadParameter(f"{name!r} is no tag; write --tag name=value")
    return {name: value for name, _, value in pairs}
