"""`orchestrator rerank`: documents in the order in which they answer a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.ambient import context
from orchestrator.cli.calling import described, json_text, printable, session, texts, warn
from orchestrator.cli.options import USUAL_FILE, AsJson, ConfigFile, RerankRoute, Tags, Tenant, User, tags_of

if TYPE_CHECKING:
    from orchestrator.arguments import RerankArguments

__all__ = ["rerank"]


def rerank(
    route: RerankRoute,
    documents: Annotated[
        list[str] | None, typer.Argument(help="Documents; - or nothing reads standard input, one per line.")
    ] = None,
    *,
    query: Annotated[str, typer.Option("--query", "-q", help="What is asked.")],
    file: ConfigFile = USUAL_FILE,
    top_n: Annotated[int | None, typer.Option("--top-n", "-n", min=1, help="Only so many, the best.")] = None,
    tenant: Tenant = None,
    user: User = None,
    tag: Tags = None,
    as_json: AsJson = False,
) -> None:
    """Order documents, best first: score, place among those given (from 0), text; divided by tabs."""
    given = texts(documents, "documents")
    options: RerankArguments = {} if top_n is None else {"top_n": top_n}
    with session(file) as opened, context(tenant=tenant, user=user, tags=tags_of(tag)):
        reply = opened.llm.rerank(route, query=query, documents=given, **options)
        if as_json:
            found = [{"index": r.index, "score": r.score, "document": given[r.index]} for r in reply.results]
            typer.echo(json_text({"results": found, **described(reply)}))
            return
        for item in reply.results:
            typer.echo(f"{item.score:.4f}\t{item.index}\t{printable(given[item.index])}")
        warn(reply.warnings)
        opened.meter.tell()
