"""Prints what `check` found."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.cli.calling import dollars, json_text
from orchestrator.cli.check.inspecting import Report
from orchestrator.cli.check.live import Answered
from orchestrator.cli.findings import as_json, show_findings

__all__ = ["show_json", "show_report"]


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
    if report.live is not None:
        whole["live"] = [asdict(one) for one in report.live]
    typer.echo(json_text(whole))


def show_report(report: Report, *, strict: bool) -> None:
    """For people: the findings, the answers, and one line that sums up."""
    console = Console(highlight=False)
    show_findings(console, report.errors, "error")
    show_findings(console, report.warnings, "error" if strict else "warning")
    if report.live is not None:
        console.print(_answers(report.live))
        for one in report.live:
            if one.error is not None:
                console.print(f"[bold red]error[/]: [bold]{escape(one.deployment)}[/]: {escape(one.error)}")
    console.print(_summary(report, strict=strict), soft_wrap=True)


def _answers(live: tuple[Answered, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("deployment", "task"):
        table.add_column(title, overflow="fold")
    for title in ("ms", "tokens", "cost"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("answer", overflow="fold")
    for one in live:
        mark = "[red]✗[/]" if one.error is not None else "[green]✓[/]"
        answer = "no answer" if one.error is not None else " ".join(filter(None, (one.served, f"({one.note})")))
        table.add_row(f"{mark} {escape(one.deployment)}", one.task, _ms(one), _tokens(one), _cost(one), escape(answer))
    return table


def _ms(one: Answered) -> str:
    return "" if one.duration_ms is None else f"{one.duration_ms:,.0f}"


def _tokens(one: Answered) -> str:
    counts = [count for count in (one.input_tokens, one.output_tokens) if count is not None]
    return " + ".join(map(str, counts))


def _cost(one: Answered) -> str:
    if one.error is not None:
        return ""
    return "unknown" if one.cost_usd is None else dollars(one.cost_usd)


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
