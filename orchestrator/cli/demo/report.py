"""The end of the demo: what happened, from the log, in tables for 80 columns and more."""

from __future__ import annotations

import shlex
import shutil
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.cli.demo.audit import Audit, Line
from orchestrator.cli.demo.stage import CHATTING
from orchestrator.cli.demo.story import Act
from orchestrator.cli.demo.sums import Share, by_act, by_model, by_tenant, detours, swap
from orchestrator.cli.demo.traffic import Traffic

__all__ = ["report", "way_on"]

_DETOURS = "jq -c 'select(.attempts) | [.tenant, .duration_ms, .cost_usd, (.attempts[] | .deployment, .error)]'"
_SUM = (
    "python3 -c 'import json, sys; from decimal import Decimal; "
    'print(sum(json.loads(line, parse_float=Decimal).get("cost_usd") or 0 for line in open(sys.argv[1])), "USD")\''
)
_PYTHON = """\
  from orchestrator import Orchestrator

  with Orchestrator({"version": 1, "routes": {"answer": "openai/gpt-4o-mini"}}) as llm:
      reply = llm.chat("answer", "Which plan includes SSO?", tenant="acme")
      print(reply.text, reply.cost.total)"""


def report(console: Console, traffic: Traffic, lines: Sequence[Line], acts: Sequence[Act], found: Audit) -> None:
    """Print everything but the way on."""
    console.print()
    console.print(_outcome(traffic, lines))
    console.print()
    console.print(_acts(lines, acts))
    console.print(_models(lines))
    console.print(_tenants(lines))
    console.print(_swap(lines))
    console.print(_check(found), soft_wrap=not console.is_terminal)


def _table(title: str, *columns: str) -> Table:
    """The first column is text, the others are numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, header_style="dim")
    for i, name in enumerate(columns):
        table.add_column(name, justify="right" if i else "left", no_wrap=True, overflow="ellipsis")
    return table


def _outcome(traffic: Traffic, lines: Sequence[Line]) -> Table:
    moved, again = detours(lines)
    lost = traffic.asked - traffic.answered
    why = Counter(type(error).__name__ for error in traffic.failures)
    reasons = f" ({', '.join(f'{count} {name}' for name, count in why.items())})" if why else ""
    table = Table.grid(padding=(0, 2))
    questions = f"{traffic.asked} asked, {traffic.answered} answered, {_marked(lost)} lost{reasons}"
    table.add_row("[bold]Questions[/]", questions)
    table.add_row("[bold]Calls[/]", f"{len(lines)} in the log, one line each")
    table.add_row("[bold]Failovers[/]", f"{moved} to another deployment, {again} retries at the same one")
    table.add_row("[bold]Streams[/]", f"{traffic.broken} broke off in mid-answer and were asked again")
    return table


def _marked(count: int) -> str:
    return f"[bold green]{count}[/]" if count == 0 else f"[bold red]{count}[/]"


def _acts(lines: Sequence[Line], acts: Sequence[Act]) -> Table:
    title = "Chats of route answer, by act and by the deployment that answered"
    table = _table(title, "act", *CHATTING, "failed tries", "p50 ms", "p95 ms")
    for name, share in by_act(lines, acts).items():
        answers = [_count(share.by_deployment.get(who, 0)) for who in CHATTING]
        table.add_row(name, *answers, _count(share.errors), _ms(share, 0.5), _ms(share, 0.95))
    return table


def _ms(share: Share, part: float) -> str:
    found = share.percentile_ms(part)
    return "-" if found is None else f"{found:,.0f}"


def _models(lines: Sequence[Line]) -> Table:
    table = _table("Cost by model", "vendor and model", "answers", "input", "output", "units", "USD")
    shares = by_model(lines)
    for name, share in sorted(shares.items()):
        units = _count(share.search_units)
        tokens = (_count(share.input_tokens), _count(share.output_tokens), units)
        table.add_row(name, str(share.calls), *tokens, _usd(share))
    _total(table, list(shares.values()), 4)
    return table


def _tenants(lines: Sequence[Line]) -> Table:
    table = _table("Cost by tenant", "tenant", "calls", "tokens", "p50 ms", "p95 ms", "USD")
    shares = by_tenant(lines)
    for name, share in sorted(shares.items()):
        tokens = _count(share.input_tokens + share.output_tokens)
        table.add_row(name, str(share.calls), tokens, _ms(share, 0.5), _ms(share, 0.95), _usd(share))
    _total(table, list(shares.values()), 4)
    return table


def _total(table: Table, shares: Sequence[Share], gap: int) -> None:
    total = Share(
        cost_usd=sum((share.cost_usd for share in shares), Decimal(0)), unpriced=sum(s.unpriced for s in shares)
    )
    table.add_section()
    table.add_row("all", *[""] * gap, _usd(total), style="bold")


def _swap(lines: Sequence[Line]) -> Table:
    columns = ("model", "answers", "p50 ms", "p95 ms", "USD per 1,000 answers")
    table = _table(f"Deployment {CHATTING[0]}, before and after the edit", *columns)
    for model, share in swap(lines, CHATTING[0]).items():
        each = share.cost_usd * 1000 / share.calls
        table.add_row(model, str(share.calls), _ms(share, 0.5), _ms(share, 0.95), f"{each:.4f}")
    return table


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


def way_on(console: Console, file: Path, log: Path) -> None:
    """Where everything is, and what to try next. Commands are printed as they are, to be copied."""

    def plain(text: str) -> None:
        console.print(text, markup=False, soft_wrap=True)

    console.print("\n[bold]The file[/] that decided all this, and [bold]the log[/] that the tables were made of:")
    plain(f"  {file}\n  {log}")
    quoted = shlex.quote(str(log))
    console.print("\n[bold]Next:[/] add up the log yourself, to the last digit.")
    plain(f"  {_SUM} {quoted}")
    if shutil.which("jq"):
        console.print("\n[bold]Next:[/] see which calls took a detour.")
        plain(f"  {_DETOURS} {quoted}")
    console.print(
        "\n[bold]Next:[/] call a real vendor, with OPENAI_API_KEY set. Then move the mapping into a file of your own,"
        " and edit that while your application runs."
    )
    plain(_PYTHON)
