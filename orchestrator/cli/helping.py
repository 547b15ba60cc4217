"""Commands that load when they are run, and help that is quick, aligned and coloured where somebody looks."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

__all__ = ["SECTIONS", "SETTINGS", "Command", "Commands", "Entry", "Group", "plain"]


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is (`module:name` under `orchestrator.cli`), and what it does in a few words."""

    place: str
    about: str


SECTIONS: Mapping[str, Mapping[str, Entry]] = {
    "Begin": {
        "init": Entry("init:init", "Write a file, from the keys and model servers that this machine has."),
        "demo": Entry("demo:demo", "Watch a rate limit, an outage and a model swap; no key, no network."),
        "import-litellm": Entry("litellm_import:import_litellm", "Turn a LiteLLM configuration into ours."),
    },
    "The file": {
        "check": Entry("check:check", "Find mistakes in the file; --live asks every deployment."),
        "routes": Entry("routes:routes", "Show which deployments would serve a call, in which order."),
        "diff": Entry("diff:diff", "Compare two models: features, limits, terms and price."),
        "schema": Entry("schema:schema", "Print the JSON Schema of the file, for editors and CI."),
    },
    "Calls": {
        "chat": Entry("chat:chat", "Ask a route, or talk to it."),
        "embed": Entry("embed:embed", "Turn texts into vectors."),
        "rerank": Entry("rerank:rerank", "Order documents by how well they answer a query."),
    },
    "Money": {
        "price": Entry("price:price", "What a call of a route would cost, at each of its deployments."),
        "costs": Entry("costs:costs", "What calls cost, from the log: by model, route, tenant, tag or day."),
        "dashboard": Entry("dashboard:dashboard", "The log as one page: costs, latency, errors, budgets."),
        "prices": Entry("prices:prices", "What models cost by the price book; a newer book."),
    },
}
"""All commands. Their modules load when they are run."""

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Of every command."""

_ENTRIES = {name: entry for section in SECTIONS.values() for name, entry in section.items()}
_TYPES = ((re.compile(r"<list\[(\w+)\]>"), r"<\1>..."), (re.compile(r"<(int|float) range>"), r"<\1>"))


class _Helpful:
    """Help as click aligns it, with colours. Rich's own would take as long to load as the rest of the help."""

    def format_usage(self: Any, ctx: Any, formatter: Any) -> None:
        """Write the line of usage."""
        pieces = " ".join(self.collect_usage_pieces(ctx))
        formatter.write_usage(ctx.command_path, pieces, prefix=_heading("Usage:") + " ")

    def format_options(self: Any, ctx: Any, formatter: Any) -> None:
        """Write arguments and options."""
        params = self.get_params(ctx)
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            records = [one.get_help_record(ctx) for one in params if one.param_type_name == kind]
            rows = [(_name(record[0], kind), record[1]) for record in records if record]
            if rows:
                with formatter.section(_heading(title)):
                    formatter.write_dl(rows)


def _name(text: str, kind: str) -> str:
    """The first column: options with the form of their value, arguments by name alone."""
    if kind == "argument":
        text = text.partition(" ")[0]
    for pattern, plain in _TYPES:
        text = pattern.sub(plain, text)
    return _styled(text, fg="cyan")


def _heading(text: str) -> str:
    return _styled(text, fg="green", bold=True)


def _styled(text: str, **style: Any) -> str:
    """In colour; typer takes it out again where the output is no terminal."""
    return text if plain() else typer.style(text, **style)


def plain() -> bool:
    """Whether the user, or the terminal, wants no colours."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


class Command(_Helpful, TyperCommand):
    """One command."""


class Group(_Helpful, TyperGroup):
    """Some commands under one name."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, then the options."""
        for title, rows in self.sections(ctx):
            with formatter.section(_heading(title)):
                formatter.write_dl([(_styled(name, fg="cyan"), about) for name, about in rows])
        super().format_options(ctx, formatter)

    def sections(self, ctx: Any) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Commands with what they do, under headings."""
        yield "Commands", [(name, command.get_short_help_str(200)) for name, command in self.commands.items()]


class Commands(Group):
    """All commands. They are listed without being loaded."""

    def sections(self, ctx: Any) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Every section, in one column."""
        longest = max(map(len, _ENTRIES))
        for title, entries in SECTIONS.items():
            yield title, [(name.ljust(longest), entry.about) for name, entry in entries.items()]

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names, in the order of the sections."""
        return list(_ENTRIES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command's name and what it does; `resolve_command` gives the command itself."""
        entry = _ENTRIES.get(cmd_name)
        return entry and Command(name=cmd_name, help=entry.about, rich_markup_mode=None)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command of these arguments and load it."""
        self.commands = {name: self.get_command(ctx, name) for name in _ENTRIES}  # near names are sought there
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and _loaded(name or ""), rest


def _loaded(name: str) -> Any:
    module, _, attribute = _ENTRIES[name].place.partition(":")
    found = getattr(import_module(f"orchestrator.cli.{module}"), attribute)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    if not isinstance(found, typer.Typer):
        app.command(name, cls=Command, context_settings=SETTINGS)(found)
        return get_command(app)
    for command in found.registered_commands:
        command.cls = Command
    app.add_typer(found, name=name, cls=Group, context_settings=SETTINGS)
    group: Any = get_command(app)
    return group.commands[name]
