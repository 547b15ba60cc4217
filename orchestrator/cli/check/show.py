"""Prints what `check` found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from orchestrator.cli.calling import dollars, json_text
from orchestrator.cli.check.inspecting import Report
from orchestrator.cli.findings import as_json, show_findings

if TYPE_CHECKING:
    from orchestrator.cli.check.live import Answered

__all__ = ["show_json", "show_report"]

_WIDE = 110
"""Columns from which there is room for the model that answered."""


def show_json(report: Report, *, strict: bool) -> None:
    """One JSON object."""
    found = [
        *(as_json(one, "error") for one in report.errors),
        *(as_json(one, "error" if strict else "warning") for one in report.warnings),
    ]
    whole = {"file": str(report.file), "ok": not report.failed(strict=strict), "findings": found}
    if report.config is not None:
        names = ("routes", "deployments", "providers")
        whole |= {name: sorted(getattr(report.config, name)) for name in names}
        whole["config_hash"] = report.config.config_hash
        whole["terms"] = [{"deployment": name, "terms": told} for name, told in report.terms]
    if report.live is not None:
        whole["live"] = [asdict(one) for one in report.live]
    typer.echo(json_text(whole))


def show_report(report: Report, *, strict: bool, console: Console | None = None) -> None:
    """For people: the findings, the answers, and one line that sums up."""
    console = console or Console(highlight=False)
    show_findings(console, report.errors, "error")
    show_findings(console, report.warnings, "error" if strict else "warning")
    for name, told in report.terms:
        console.print(f"[dim]{escape(name)}: {escape(told)}[/dim]")
    if report.live is not None:
        console.print(_answers(report.live, console.width))
        console.print()
        for line in _notes(report.live):
            console.print(line)
    console.print(_summary(report, strict=strict))


def _answers(live: Sequence[Answered], width: int) -> Table:
    """What each answered, and what is known of its model; with room for it, the model that served too."""
    wide = width >= _WIDE
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", width=1)
    table.add_column("", overflow="fold", min_width=12)
    for title in ("ms", "tokens", "USD", "context"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("what it can", overflow="fold")
    noted = wide and any(one.note for one in live if one.task == "chat")
    for title in ("answered by", *(["note"] if noted else [])) if wide else ():
        table.add_column(title, overflow="fold")
    for one in live:
        ok = one.error is None
        mark, name = "[green]✓[/]" if ok else "[bold red]✗[/]", Text(one.deployment, "bold")
        numbers = (_ms(one), _tokens(one), _cost(one), _size(one.context_tokens))
        more = [escape(one.served or "")] if wide else []
        more += [escape(one.note)] if noted and one.task == "chat" else []
        table.add_row(mark, name, *numbers, escape(_can(one)) if ok else "[red]no answer[/]", *more)
    return table


def _can(one: Answered) -> str:
    return " ".join(one.can) if one.task == "chat" else one.note


def _size(tokens: int | None) -> str:
    if tokens is None:
        return ""
    return f"{tokens / 1e6:.2g}M" if tokens >= 1_000_000 else f"{tokens // 1000}k" if tokens >= 1000 else str(tokens)


def _ms(one: Answered) -> str:
    return "" if one.duration_ms is None else f"{one.duration_ms:,.0f}"


def _tokens(one: Answered) -> str:
    counts = [count for count in (one.input_tokens, one.output_tokens) if count is not None]
    return " + ".join(map(str, counts))


def _cost(one: Answered) -> str:
    if one.error is not None:
        return ""
    return "?" if one.cost_usd is None else dollars(one.cost_usd).removeprefix("$")


def _notes(live: Sequence[Answered]) -> Iterator[Text]:
    """What went wrong and what to look at, what has no price, and the sum."""
    for one in live:
        if one.error is not None:
            yield Text.assemble(("error", "bold red"), ": ", (one.deployment, "bold"), f": {one.error}")
            if one.advice:
                yield Text(f"  {one.advice}")
        elif one.cost_unknown is not None:
            yield Text.assemble(("?", "yellow"), f" {one.deployment}: {one.cost_unknown}")
    total = sum((one.cost_usd for one in live if one.cost_usd is not None), Decimal(0))
    answered = sum(one.error is None for one in live)
    yield Text(f"{answered} of {len(live)} answered, {dollars(total)} in all", "dim")


def _summary(report: Report, *, strict: bool) -> str:
    errors = len(report.errors) + sum(one.error is not None for one in report.live or ())
    warnings = len(report.warnings)
    if strict:
        errors, warnings = errors + warnings, 0
    counts = [_count(number, word) for number, word in ((errors, "error"), (warnings, "warning")) if number]
    colour, verdict = _verdict(report, errors)
    inside = ""
    if report.config is not None:
        config = report.config
        sizes = ((len(config.routes), "route"), (len(config.deployments), "deployment"))
        inside = f": {', '.join(_count(number, word) for number, word in sizes)}"
    name = escape(str(report.file))
    return f"[bold {colour}]{name} {verdict}[/]{inside}{'; ' if counts else ''}{', '.join(counts)}"


def _verdict(report: Report, errors: int) -> tuple[str, str]:
    if not errors:
        return "green", "is right"
    if not report.readable:
        return "red", "cannot be read"
    only_silent = not report.errors and any(one.error is not None for one in report.live or ())
    return "red", "is right, but not every deployment answers" if only_silent else "is wrong"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
