"""`orchestrator embed`: the vectors of texts."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.ambient import context
from orchestrator.cli.calling import described, json_text, printable, session, texts, warn
from orchestrator.cli.options import USUAL_FILE, AsJson, ConfigFile, EmbedRoute, Tags, Tenant, User, tags_of
from orchestrator.types.retrieval import EmbedReply

if TYPE_CHECKING:
    from orchestrator.arguments import EmbedArguments

__all__ = ["embed"]

_SHOWN_NUMBERS = 4
_SHOWN_CHARACTERS = 40


def embed(
    route: EmbedRoute,
    text: Annotated[
        list[str] | None, typer.Argument(help="Texts; - or nothing reads standard input, one per line.")
    ] = None,
    *,
    file: ConfigFile = USUAL_FILE,
    dimensions: Annotated[int | None, typer.Option("--dimensions", min=1, help="Numbers per vector.")] = None,
    tenant: Tenant = None,
    user: User = None,
    tag: Tags = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print one row of numbers per text.")] = False,
) -> None:
    """Embed texts. Without --json or --csv only the first numbers of each vector are shown."""
    if as_json and as_csv:
        raise typer.BadParameter("give --json or --csv, not both")
    given = texts(text, "texts")
    with session(file) as opened, context(tenant=tenant, user=user, tags=tags_of(tag)):
        options: EmbedArguments = {} if dimensions is None else {"dimensions": dimensions}
        reply = opened.llm.embed(route, given, **options)
        if as_json:
            common = {"space": reply.space, "dimensions": reply.dimensions, **described(reply)}
            typer.echo(json_text({"vectors": reply.vectors, **common}))
            return
        (_rows if as_csv else _preview)(reply, given)
        warn(reply.warnings)
        vectors = "1 vector" if len(reply.vectors) == 1 else f"{len(reply.vectors):,} vectors"
        opened.meter.tell(f", {vectors} of {reply.dimensions:,} numbers, space {reply.space}")


def _rows(reply: EmbedReply, given: list[str]) -> None:
    csv.writer(sys.stdout, lineterminator="\n").writerows(reply.vectors)


def _preview(reply: EmbedReply, given: list[str]) -> None:
    for text, vector in zip(given, reply.vectors, strict=True):
        numbers = " ".join([f"{number:8.4f}" for number in vector[:_SHOWN_NUMBERS]])
        shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
        typer.echo(f"{numbers}  …  {printable(shown)}")
