"""`orchestrator price ROUTE`: what a call of a route would cost at each deployment that may answer it. Asks nobody."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.options import USUAL_FILE, AsJson, ConfigFile, OneRoute

if TYPE_CHECKING:
    from orchestrator.config import Config, RouteConfig
    from orchestrator.types.usage import Cost, Usage

__all__ = ["price"]


def price(
    route: OneRoute,
    *,
    input_tokens: Annotated[
        int | None, typer.Option("--input-tokens", min=0, help="Tokens of one call's input, cached ones included.")
    ] = None,
    output_tokens: Annotated[
        int | None, typer.Option("--output-tokens", min=0, help="Tokens of one call's answer; chats only.")
    ] = None,
    cached: Annotated[int, typer.Option("--cached", min=0, help="Input tokens that the vendor has in its cache.")] = 0,
    search_units: Annotated[
        int | None,
        typer.Option("--search-units", min=0, help="Search units of one rerank call, where they are billed."),
    ] = None,
    calls: Annotated[int | None, typer.Option("--calls", min=1, help="Calls in a month, to see its volume.")] = None,
    file: ConfigFile = USUAL_FILE,
    as_json: AsJson = False,
) -> None:
    """What a call would cost at each deployment that may answer a route, at the prices in force now. Needs no key."""
    from orchestrator.cli.findings import refusing  # noqa: PLC0415
    from orchestrator.cli.naming import named  # noqa: PLC0415
    from orchestrator.config import load_file  # noqa: PLC0415

    now = datetime.now(UTC)
    with refusing():
        config = load_file(file, check_secrets=False)
        chosen = _route(config, route)
        usage = _usage(chosen.task, input_tokens, output_tokens, cached, search_units)
        quotes = [_quote(config, route, name, usage, now) for name in named(chosen)]
    (_print_json if as_json else _print_table)(_Answer(route, chosen.task, usage, calls, now, quotes))


@dataclass(frozen=True, slots=True)
class _Quote:
    """What one call costs at one deployment."""

    deployment: str
    model: str
    provider: str
    cost: Cost
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    """All quotes, and what was asked."""

    route: str
    task: str
    usage: Usage
    calls: int | None
    at: datetime
    quotes: Sequence[_Quote]


def _route(config: Config, name: str) -> RouteConfig:
    from orchestrator.cli.naming import no_route  # noqa: PLC0415

    found = config.routes.get(name)
    if found is None:
        raise no_route(name, config.routes)
    return found


def _usage(task: str, input_tokens: int | None, output_tokens: int | None, cached: int, units: int | None) -> Usage:
    from orchestrator.errors import ConfigError  # noqa: PLC0415
    from orchestrator.types.usage import Usage  # noqa: PLC0415

    if task == "chat" and (input_tokens is None or output_tokens is None):
        raise ConfigError("a chat needs --input-tokens and --output-tokens")
    if task != "chat" and output_tokens:
        raise ConfigError(f"--output-tokens: {task} has no output that is billed by token")
    if task != "rerank" and units is not None:
        raise ConfigError(f"--search-units: only rerank is billed by them, and this route is for {task}")
    if input_tokens is None and units is None:
        raise ConfigError("give --input-tokens" + (" or --search-units" if task == "rerank" else ""))
    if cached > (input_tokens or 0):
        raise ConfigError("--cached is part of --input-tokens, and cannot exceed it")
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens or 0,
        cache_read_tokens=cached,
        search_units=units,
        extras={"output_image": 0, "output_video": 0},  # not told apart, they would have no price on special terms
    )


def _quote(config: Config, route: str, name: str, usage: Usage, now: datetime) -> _Quote:
    from orchestrator.cli.billing import asked_terms, told_terms  # noqa: PLC0415
    from orchestrator.registry import find  # noqa: PLC0415
    from orchestrator.tariffs import tariff  # noqa: PLC0415

    deployment = config.deployments[name]
    provider = config.providers[deployment.provider]
    price_of = tariff(provider, deployment, find(provider.kind), config.prices)
    terms = asked_terms(config, name, route)
    usage = replace(usage, raw=terms or None)
    cost = price_of(usage, None, now)
    if cost.total is None and None not in (usage.search_units, usage.input_tokens):
        # Vendors that bill rerankers by token report no search units.
        by_token = price_of(replace(usage, search_units=None), None, now)
        cost = cost if by_token.total is None else by_token
    return _Quote(name, deployment.model, deployment.provider, cost, told_terms(config, cost, terms))


def _times(amount: Decimal, calls: int) -> Decimal:
    from orchestrator.pricing.charging import EXACT  # noqa: PLC0415

    return EXACT.multiply(amount, calls)


def _print_table(answer: _Answer) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415

    from orchestrator.cli.prices import rich_table  # noqa: PLC0415

    console = Console(highlight=False)
    volume = (f"{answer.calls:,} calls",) if answer.calls else ()
    table = rich_table(console, "", "a call", *volume)
    amounts = [amount for quote in answer.quotes for amount in (*quote.cost.buckets.values(), quote.cost.total)]
    one, many = _decimals(amounts, 1), _decimals(amounts, answer.calls or 1)
    for quote in answer.quotes:
        model = "" if quote.deployment.endswith(quote.model) else f" [dim]{escape(quote.model)}[/dim]"
        table.add_row(f"[bold]{escape(quote.deployment)}[/bold]{model}")
        for terms in quote.terms:
            table.add_row(f"  [dim]{escape(terms)}[/dim]")
        for bucket, amount in quote.cost.buckets.items():
            table.add_row(f"  {bucket.replace('_', ' ')}", *_amounts(amount, answer.calls, one, many))
        table.add_row("  total", *_amounts(quote.cost.total, answer.calls, one, many), style="bold")
    console.print(table)
    for quote in answer.quotes:
        if quote.cost.unknown:
            console.print(f"[yellow]unknown[/yellow]: {escape(quote.deployment)}: {escape(quote.cost.unknown)}")
    console.print(f"{_asked(answer.usage)}; prices in force at {answer.at:%Y-%m-%d %H:%M} UTC.", style="dim")


def _asked(usage: Usage) -> str:
    cached = f" ({usage.cache_read_tokens:,} cached)" if usage.cache_read_tokens else ""
    counts = [f"{usage.input_tokens:,} tokens in{cached}"] if usage.input_tokens is not None else []
    counts += [f"{usage.output_tokens:,} out"] if usage.output_tokens else []
    counts += [f"{usage.search_units:g} search units"] if usage.search_units is not None else []
    return "For " + ", ".join(counts)


def _decimals(amounts: Sequence[Decimal | None], calls: int) -> int:
    """Digits after the point that show all of them exactly, so that a column can be read down."""
    exponents = [_times(amount, calls).normalize().as_tuple().exponent for amount in amounts if amount]
    most = max((-exponent for exponent in exponents if isinstance(exponent, int)), default=0)
    return max(2, most) if most > 0 else 0


def _amounts(amount: Decimal | None, calls: int | None, one: int, many: int) -> list[str]:
    if amount is None:
        return ["?"] * (2 if calls else 1)
    return [f"${amount:,.{one}f}", *([f"${_times(amount, calls):,.{many}f}"] if calls else [])]


def _print_json(answer: _Answer) -> None:
    usage = answer.usage
    value = {
        "route": answer.route,
        "task": answer.task,
        "at": answer.at.isoformat(timespec="seconds"),
        "usage": {
            "input_tokens": usage.input_tokens,
            "cache_read_tokens": usage.cache_read_tokens,
            "output_tokens": usage.output_tokens,
            "search_units": usage.search_units,
        },
        "calls": answer.calls,
        "deployments": [_described(quote, answer.calls) for quote in answer.quotes],
    }
    typer.echo(json.dumps(value, indent=2))


def _described(quote: _Quote, calls: int | None) -> dict[str, Any]:
    cost = quote.cost
    return {
        "deployment": quote.deployment,
        "model": quote.model,
        "provider": quote.provider,
        "terms": list(quote.terms),
        "call": _dollars(cost.total, cost.buckets, 1),
        "month": _dollars(cost.total, cost.buckets, calls) if calls else None,
        "unknown": cost.unknown,
        "price_row": cost.price_row,
        "price_book": cost.price_book,
    }


def _dollars(total: Decimal | None, buckets: Mapping[str, Decimal], calls: int) -> dict[str, Any]:
    return {
        "buckets_usd": {bucket: _digits(_times(amount, calls)) for bucket, amount in buckets.items()},
        "total_usd": None if total is None else _digits(_times(total, calls)),
    }


def _digits(amount: Decimal) -> str:
    from orchestrator.pricing.charging import EXACT  # noqa: PLC0415

    return format(EXACT.normalize(amount), "f")
