"""`orchestrator chat`: ask a route, or talk to it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.ambient import context
from orchestrator.cli.calling import Session, described, json_text, session, standard_input, warn
from orchestrator.cli.options import USUAL_FILE, AsJson, ChatRoute, ConfigFile, Tags, Tenant, User, tags_of
from orchestrator.types.chat import ChatReply, Message, Part, Text

__all__ = ["chat"]


def chat(
    route: ChatRoute,
    prompt: Annotated[str | None, typer.Argument(help="What to ask; - or nothing reads standard input.")] = None,
    *,
    file: ConfigFile = USUAL_FILE,
    system: Annotated[str | None, typer.Option("--system", "-s", help="Instructions for the model.")] = None,
    attach: Annotated[
        list[Path] | None,
        typer.Option("--attach", "-a", exists=True, dir_okay=False, help="An image, PDF, sound or text to send along."),
    ] = None,
    interactive: Annotated[bool, typer.Option("--interactive", "-i", help="A conversation.")] = False,
    model_info: Annotated[
        bool, typer.Option("--model-info", help="Show the route's models and what is known of them; ask nobody.")
    ] = False,
    stream: Annotated[bool, typer.Option("--stream/--no-stream", help="Show the answer as it comes.")] = True,
    tenant: Tenant = None,
    user: User = None,
    tag: Tags = None,
    as_json: AsJson = False,
) -> None:
    """Ask a route and see the answer as it comes. Who answered, tokens and cost are told on standard error.

    On a terminal, without a prompt, it is a conversation: /help there lists what else can be done.
    """
    with session(file) as opened, context(tenant=tenant, user=user, tags=tags_of(tag)):
        if model_info:
            from orchestrator.cli.facts import show_models  # noqa: PLC0415

            show_models(opened.llm, route, as_json=as_json)
        elif _talks(interactive, prompt, as_json=as_json):
            from orchestrator.cli.conversation import Conversation  # noqa: PLC0415

            Conversation(opened, route, file, system, stream=stream).run(_parts(prompt or "", attach or []))
        else:
            text = standard_input() if prompt in (None, "-") else prompt
            _answer(opened, route, _history(system, _parts(text or "", attach or [])), stream=stream, as_json=as_json)


def _talks(interactive: bool, prompt: str | None, *, as_json: bool) -> bool:
    if interactive and (as_json or prompt == "-"):
        raise typer.BadParameter("a conversation goes with neither --json nor a prompt from standard input")
    return interactive or (prompt is None and not as_json and sys.stdin.isatty())


def _history(system: str | None, parts: tuple[Part, ...]) -> list[Message]:
    if not parts:
        raise typer.BadParameter("the prompt is empty")
    instructions = [Message("system", (Text(system),))] if system else []
    return [*instructions, Message("user", parts)]


def _parts(text: str, attachments: list[Path]) -> tuple[Part, ...]:
    from orchestrator.cli.attachments import attached  # noqa: PLC0415

    said: tuple[Part, ...] = (Text(text),) if text.strip() else ()
    return (*(attached(path) for path in attachments), *said)


def _answer(opened: Session, route: str, history: list[Message], *, stream: bool, as_json: bool) -> None:
    from orchestrator.cli.conversation import Turn  # noqa: PLC0415

    if as_json:
        typer.echo(json_text(_whole(opened.llm.chat(route, history))))
        return
    try:
        warn(Turn(opened.llm, route, stream=stream).take(history).warnings)
    finally:
        opened.meter.tell()


def _whole(reply: ChatReply) -> dict[str, object]:
    return {
        "text": reply.text,
        "reasoning": reply.reasoning or None,
        "tool_calls": [{"id": c.id, "name": c.name, "arguments": c.arguments} for c in reply.tool_calls],
        "finish_reason": reply.finish_reason.unified,
        **described(reply),
    }
