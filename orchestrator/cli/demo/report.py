"""The end of the demo: what happened, from the log, in tables for 80 columns and more."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.cli.demo.audit import Audit, Line
from orchestrator.cli.demo.stage import CHATTING
from orchestrator.cli.demo.story import Act
from orchestrator.cli.demo.sums import Share, by_act, by_model, detours, swap
from orchestrator.cli.demo.traffic import Traffic

__all__ = ["report", "way_on"]


def report(console: Console, traffic: Traffic, lines: Sequence[Line], acts: Sequence[Act], found: Audit) -> None:
    """Print everything but the way on."""
    console.print()
    for line in _outcome(traffic, lines):
        console.print(line)
    console.print()
    console.print(_acts(lines, acts))
    console.print(_models(lines))
    for line in (_swap(lines), _check(found)):
        console.print(line, soft_wrap=not console.is_terminal)


def _table(title: str, *columns: str) -> Table:
    """The first column is text, the others are numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, header_style="dim")
    for i, name in enumerate(columns):
        table.add_column(name, justify="right" if i else "left", no_wrap=True, overflow="ellipsis")
    return table


def _outcome(traffic: Traffic, lines: Sequence[Line]) -> Iterator[str]:
    moved, again = detours(lines)
    lost = traffic.asked - traffic.answered
    why = Counter(type(error).__name__ for error in traffic.failures)
    reasons = f" ({', '.join(f'{count} {name}' for name, count in why.items())})" if why else ""
    yield f"[bold]{traffic.asked} questions asked, {traffic.answered} answered, {_marked(lost)} lost[/]{reasons}"
    yield f"{moved} calls moved to another deployment; {again} were tried again at the same one"
    streams = "1 stream" if traffic.broken == 1 else f"{traffic.broken} streams"
    yield f"{streams} broke off in mid-answer, and the application asked again"


def _marked(count: int) -> str:
    return f"[bold green]{count}[/]" if count == 0 else f"[bold red]{count}[/]"


def _acts(lines: Sequence[Line], acts: Sequence[Act]) -> Table:
    title = "Who answered the chats"
    table = _table(title, "act", *CHATTING, "failed tries", "p50 ms", "p95 ms")
    for name, share in by_act(lines, acts).items():
        answers = [_count(share.by_deployment.get(who, 0)) for who in CHATTING]
        table.add_row(name, *answers, _count(share.errors), _ms(share, 0.5), _ms(share, 0.95))
    return table


def _ms(share: Share, part: float) -> str:
    found = share.percentile_ms(part)
    return "-" if found is None else f"{found:,.0f}"


def _models(lines: Sequence[Line]) -> Table:
    table = _table("The bill", "vendor and model", "answers", "input", "output", "units", "USD")
    shares = by_model(lines)
    for name, share in sorted(shares.items()):
        units = _count(share.search_units)
        tokens = (_count(share.input_tokens), _count(share.output_tokens), units)
        table.add_row(name, str(share.calls), *tokens, _usd(share))
    _total(table, list(shares.values()), 4)
    return table


def _total(table: Table, shares: Sequence[Share], gap: int) -> None:
    total = Share(
        cost_usd=sum((share.cost_usd for share in shares), Decimal(0)), unpriced=sum(s.unpriced for s in shares)
    )
    table.add_section()
    table.add_row("all", *[""] * gap, _usd(total), style="bold")


def _swap(lines: Sequence[Line]) -> str:
    """What the new model costs, beside the old one."""
    parts = [f"{model} ${share.cost_usd * 1000 / share.calls:.4f}" for model, share in swap(lines, CHATTING[0]).items()]
    return f"[bold]Swap:[/] 1,000 answers of {CHATTING[0]}, before and after the edit: {', '.join(parts)}"


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _usd(share: Share) -> str:
    return f"{share.cost_usd:.6f}" + (f" + {share.unpriced} unpriced" if share.unpriced else "")


def _check(found: Audit) -> str:
    units = {name: sum(n for (_, what), n in found.ledger.items() if what == name) for _, name in found.ledger}
    if found.agrees:
        sums = ", ".join(f"{count:,} {name}" for name, count in units.items())
        text = f"[bold green]Check:[/] tokens in the log equal the vendors' own ledger: {sums}."
    else:
        listed = "\n".join(f"  {escape(one)}" for one in found.wrong[:5])
        text = f"[bold red]Check failed:[/] the log and the vendors' own ledger differ.\n{listed}"
    if found.unfinished or found.estimated:
        text += (
            f"\n  Apart from that, {found.unfinished} answers that the vendor began were cut off when it died;"
            f" {found.estimated} attempts are in the log as estimates, and marked so."
        )
    return text


def way_on(console: Console, file: Path) -> None:
    """What to try next. Commands are printed as they are, to be copied."""
    folder = shlex.quote(str(file.parent))
    named = f"--file {folder}/{file.name}"
    for about, command in (
        ("The same bill from the log, by whom you like:", f"orchestrator costs {named} --by tenant"),
        ("and as a page that opens offline:", f"orchestrator dashboard {named} -o {folder}/report.html"),
        ("Who answers what, by the file:", f"orchestrator routes {named}"),
        ("A file for your own vendors:", "orchestrator init"),
    ):
        console.print(f"{'' if about.startswith('and') else chr(10)}{about}", style="dim")
        console.print(f"  {command}", markup=False, soft_wrap=True)
