"""`orchestrator prices`: what a price book says, and where its two sources disagree. Asks nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from orchestrator.cli.refreshing import refresh

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from orchestrator.pricing import Book

__all__ = ["prices", "rich_table"]

prices = typer.Typer(
    help="The price book: one model's prices, where its sources disagree, and a newer book.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Price: TypeAlias = str | list[Any] | None
"""Dollars as the book writes them, or the first of them followed by pairs of a prompt size and the price above it."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON; prices are text with all their digits.")]

BookFile = Annotated[
    Path | None, typer.Option("--book", help="A book that `prices refresh` made.", show_default="the bundled one")
]

_NOT_PRICES = frozenset({"at", "ids", "periods", "places", "rules", "source", "unpriced", "variants"})
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


prices.command("refresh")(refresh)


@prices.command("check")
def check(
    vendor: Annotated[str | None, typer.Option("--vendor", help="Only this vendor, by its kind or its name.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Only models with this in their name.")] = None,
    book: BookFile = None,
    as_json: AsJson = False,
) -> None:
    """Where the two sources of the price book disagree, and which row is used.

    The prices are those of the day the book was built, outside daily windows. Ends with 0 whether some disagree or not.
    """
    with _mistakes("check"):
        library = _Library(book)
        if vendor is not None:
            vendor = library.vendor(vendor)
    found = [one for one in library.disagreements() if _wanted(one, vendor, model)]
    (_check_json if as_json else _check_table)(library, found)


@prices.command("show")
def show(
    model: Annotated[str, typer.Argument(help="vendor/model, as the vendor is sent it.")],
    book: BookFile = None,
    as_json: AsJson = False,
) -> None:
    """The row that prices a model: every bucket, by prompt size, over time, by service tier."""
    with _mistakes("show"):
        entry = _Library(book).entry(model, datetime.now(UTC))
    (_show_json if as_json else _show_table)(entry)


@contextmanager
def _mistakes(command: str) -> Iterator[None]:
    """Turns a mistake in what was asked into one line and exit code 2."""
    from orchestrator.errors import ConfigError  # noqa: PLC0415

    try:
        yield
    except ConfigError as error:
        typer.echo(f"orchestrator prices {command}: {error}", err=True)
        raise typer.Exit(2) from None


@dataclass(frozen=True, slots=True)
class _Disagreement:
    """A model that both sources price, differently: by bucket the price used, and the other one."""

    name: str
    row: str
    source: str
    pairs: Mapping[str, tuple[Price, Price]]


@dataclass(frozen=True, slots=True)
class _Section:
    """Prices of one service tier (None: standard) in one period (`when` is None: at all other times)."""

    tier: str | None
    when: str | None
    in_force: bool
    prices: Mapping[str, Price]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row of the book, as it is asked for and as it is found."""

    asked: str
    name: str
    book: str
    source: Mapping[str, str]
    sections: tuple[_Section, ...]
    places: Mapping[str, str]
    ids: tuple[str, ...]


class _Library:
    """A book with its rows as they are written, which a `Book` keeps to itself."""

    def __init__(self, file: Path | None) -> None:
        from orchestrator import pricing  # noqa: PLC0415

        path = file or Path(pricing.__file__).with_name("book.json")
        self.book: Book = pricing.Book.read(path)
        data = json.loads(path.read_bytes())
        self._rows: Mapping[str, Mapping[str, Any]] = data["rows"]
        self._names: Mapping[str, str] = data["vendors"]
        if file is None:
            self._disagreements = json.loads(path.with_name("disagreements.json").read_bytes())["rows"]
        else:
            self._disagreements = data.get("disagreements", {})

    def vendor(self, name: str) -> str:
        """The book's name of a vendor.

        Raises:
            ConfigError: the book has no such vendor; tells the nearest.
        """
        from orchestrator.errors import ConfigError  # noqa: PLC0415
        from orchestrator.registry import find  # noqa: PLC0415

        try:
            found = find(name).profile.prices or name
        except ConfigError:
            found = name  # a vendor of the book that has no kind of its own
        found = self._names.get(found.lower(), found.lower())
        known = sorted({row.partition("/")[0] for row in self._rows} | {*self._names})
        if found not in known:
            raise ConfigError(f"the price book has no vendor {name!r}{_nearest(name, known)}")
        return found

    def disagreements(self) -> list[_Disagreement]:
        """All of them, by model."""
        rows = self._disagreements
        return [self._disagreement(name, rows[name]) for name in sorted(rows)]

    def _disagreement(self, name: str, found: Mapping[str, Any]) -> _Disagreement:
        pairs = {bucket: (pair[0], pair[1]) for bucket, pair in found.items() if bucket != "row"}
        return _Disagreement(name, found["row"], self._source(found["row"])["package"], pairs)

    def _source(self, row: str) -> Mapping[str, str]:
        package = self._rows[row].get("source", "genai-prices")
        return next((one for one in self.book.sources if one["package"] == package), {"package": package})

    def entry(self, asked: str, now: datetime) -> _Entry:
        """The row that prices `vendor/model`.

        Raises:
            ConfigError: that is no such name, or the book has no price for it.
        """
        from orchestrator.errors import ConfigError  # noqa: PLC0415

        vendor, slash, model = asked.partition("/")
        if not slash or not model:
            raise ConfigError(f"write {asked!r} as vendor/model, such as openai/gpt-4o-mini")
        vendor = self.vendor(vendor)
        name = self.book.resolve(vendor, model)
        if name is None:
            near = [row for row in self.book if row.startswith(f"{vendor}/")]
            raise ConfigError(f"the price book has no row for {asked}{_nearest(f'{vendor}/{model}', near)}")
        row = self._rows[name]
        if row.get("unpriced"):
            raise ConfigError(f"the price book has a row for {asked}, {name}, but no price in it")
        sections = tuple(_sections(row, now))
        places, ids = row.get("places", {}), tuple(row.get("ids", ()))
        return _Entry(asked, name, self.book.version, self._source(name), sections, places, ids)


def _nearest(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name.lower(), known, n=3)
    return f"; nearest: {', '.join(near)}" if near else ""


def _wanted(one: _Disagreement, vendor: str | None, model: str | None) -> bool:
    part = (model or "").lower()
    at_vendor = vendor is None or one.name.startswith(f"{vendor}/")
    return at_vendor and (part in one.name.lower() or part in one.row.lower())


def _sections(row: Mapping[str, Any], now: datetime) -> Iterator[_Section]:
    own = {bucket: price for bucket, price in row.items() if bucket not in _NOT_PRICES}
    yield from _periods(None, row.get("periods") or [[None, own]], now)
    for tier, periods in row.get("variants", {}).items():
        yield from _periods(tier, periods, now)


def _periods(tier: str | None, periods: Sequence[Any], now: datetime) -> Iterator[_Section]:
    from orchestrator.pricing.periods import parse_periods, price_set_at  # noqa: PLC0415

    parsed = parse_periods(periods)
    current = price_set_at(parsed, now)
    for (when, written), (_, read) in zip(periods, parsed, strict=True):
        yield _Section(tier, when, read is current, written)


def rich_table(console: Console, *columns: str) -> Table:
    """A table as the house makes them, names to the left and numbers to the right; plain where nobody looks."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=SIMPLE_HEAD if console.is_terminal else None, pad_edge=False, header_style="dim")
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index else "left", overflow="fold")
    return table


def _console() -> Console:
    from rich.console import Console  # noqa: PLC0415

    return Console(highlight=False)


def _check_table(library: _Library, found: Sequence[_Disagreement]) -> None:
    console = _console()
    if found:
        table = rich_table(console, "USD per million tokens", "used", "other source")
        for one in found:
            _add_disagreement(table, one)
        console.print(table)
    count = "1 model" if len(found) == 1 else f"{len(found)} models"
    versions = " and ".join(f"{one['package']} {one['version']}" for one in library.book.sources)
    console.print(f"{count} on which {versions} disagree; book {library.book.version}.", style="dim")


def _add_disagreement(table: Table, one: _Disagreement) -> None:
    from rich.markup import escape  # noqa: PLC0415

    table.add_row(f"[bold]{escape(one.name)}[/bold]")
    row = "its own row" if one.row == one.name else escape(one.row)
    table.add_row(f"  [dim]uses {row}, from {escape(one.source)}[/dim]")
    for bucket, (used, other) in one.pairs.items():
        table.add_row(f"  {bucket.replace('_', ' ')}", _worded(used), f"[yellow]{_worded(other)}[/yellow]")


def _check_json(library: _Library, found: Sequence[_Disagreement]) -> None:
    rows = [
        {
            "model": one.name,
            "row": one.row,
            "source": one.source,
            "prices": {
                bucket: {"unit": _unit(bucket), "used": _tiers(used), "other": _tiers(other)}
                for bucket, (used, other) in one.pairs.items()
            },
        }
        for one in found
    ]
    head = {"book": library.book.version, "sources": [dict(one) for one in library.book.sources]}
    typer.echo(json.dumps(head | {"disagreements": rows}, indent=2))


def _show_table(entry: _Entry) -> None:
    from rich.markup import escape  # noqa: PLC0415

    console = _console()
    found = "" if entry.asked == entry.name else f", which prices {escape(entry.asked)}"
    console.print(f"[bold]{escape(entry.name)}[/bold]{found}")
    table = rich_table(console, "", "price", "unit")
    for section in entry.sections:
        table.add_row(f"[bold]{escape(_title(section, entry.sections))}[/bold]")
        for bucket, price in section.prices.items():
            unit = _unit(bucket).replace("per million", "/ million")
            table.add_row(f"  {bucket.replace('_', ' ')}", _worded(price), unit)
    console.print(table)
    for place, times in entry.places.items():
        where = "any place but the global one" if place == "*" else place
        console.print(f"Tokens cost {times} times as much when processed in {where}.")
    console.print(f"From {' '.join(entry.source.values())}; book {entry.book}.", style="dim")


def _title(section: _Section, all_sections: Sequence[_Section]) -> str:
    others = [one.when for one in all_sections if one.tier == section.tier and one is not section]
    tier = section.tier or "standard"
    if section.when is not None:
        tier += f", {_when(section.when)}"
    elif others:
        dates = sorted(when for when in others if when and _is_date(when))
        tier += f", before {_day(dates[0])}" if dates else ", at other times"
    return f"{tier} (in force)" if others and section.in_force else tier


def _is_date(when: str) -> bool:
    return when[4:5] == "-"


def _when(when: str) -> str:
    if _is_date(when):
        return f"since {_day(when)}"
    hours, _, days = when.partition(" ")
    return f"{hours} UTC{f' {_days(days)}' if days else ''}"


def _day(when: str) -> str:
    day, _, hour = when.partition("T")
    return f"{day} {hour} UTC" if hour else day


def _days(digits: str) -> str:
    """`Mon-Fri` for `12345`, `Sat, Sun` for `67`."""
    names = [_DAYS[int(day) - 1] for day in digits]
    in_a_row = len(names) > 2 and digits in "1234567"
    return f"{names[0]}-{names[-1]}" if in_a_row else ", ".join(names)


def _show_json(entry: _Entry) -> None:
    value = {
        "asked": entry.asked,
        "row": entry.name,
        "book": entry.book,
        "source": dict(entry.source),
        "ids": list(entry.ids),
        "places": dict(entry.places),
        "periods": [_period_json(one) for one in entry.sections if one.tier is None],
        "variants": {
            tier: [_period_json(one) for one in entry.sections if one.tier == tier]
            for tier in dict.fromkeys(one.tier for one in entry.sections if one.tier is not None)
        },
    }
    typer.echo(json.dumps(value, indent=2))


def _period_json(section: _Section) -> dict[str, Any]:
    found = {bucket: {"unit": _unit(bucket), **_tiers(price)} for bucket, price in section.prices.items()}
    return {"when": section.when, "in_force": section.in_force, "prices": found}


def _unit(bucket: str) -> str:
    from orchestrator.pricing.rates import TOKEN_BUCKETS  # noqa: PLC0415

    return "USD per million tokens" if bucket in TOKEN_BUCKETS else "USD each"


def _tiers(price: Price) -> dict[str, Any]:
    first, *rest = price if isinstance(price, list) else [price]
    above = [{"above_input_tokens": size, "price": then} for size, then in zip(rest[::2], rest[1::2], strict=True)]
    return {"price": first, "tiers": above}


def _worded(price: Price) -> str:
    tiers = _tiers(price)
    more = [f"{one['price'] or '?'} above {one['above_input_tokens']:,}" for one in tiers["tiers"]]
    return "; ".join([tiers["price"] or "?", *more])
