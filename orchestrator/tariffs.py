"""What calls of a deployment cost: by the file's prices, the vendor's own statement, or a book's where they hold."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Protocol
from urllib.parse import urlsplit

from orchestrator.config import DeploymentConfig, ProviderConfig
from orchestrator.config.schema import PricesConfig
from orchestrator.errors import ConfigError
from orchestrator.pricing import Book, PriceRow, bundled, config_row, stated_cost
from orchestrator.pricing.ceilings import Ceiling
from orchestrator.pricing.rates import Unpriced
from orchestrator.pricing.stated import states_cost
from orchestrator.registry import find
from orchestrator.spec.provider import EngineFactory, Profile, Wire
from orchestrator.types.usage import Cost, Usage

__all__ = ["Tariff", "tariff"]


class Tariff(Protocol):
    """The prices of one deployment."""

    def __call__(self, usage: Usage, served: str | None, at: datetime, /) -> Cost:
        """What usage costs at a time, of the model that is said to have served it (None: the one asked for)."""
        ...

    def ceiling(self, input_tokens: int, at: float, /) -> Ceiling:
        """The dearest prices for a prompt of that size at that Unix time.

        Raises:
            Unpriced: it has none.
        """
        ...


_ZONES = ("eu/", "us/")
_DEFAULT = PricesConfig()
_FREE = Cost(total=Decimal(0))
_NOTHING = Ceiling(input=0, media=0, output=0, search_unit=0, request=0)


def tariff(
    provider: ProviderConfig,
    deployment: DeploymentConfig,
    kind: Wire | EngineFactory,
    prices: PricesConfig = _DEFAULT,
) -> Tariff:
    """The prices of one deployment. What the file says wins over what the vendor states, and that over the book.

    Raises:
        ConfigError: the file names a price book, and it cannot be read.
    """
    profile = kind.profile
    if deployment.price:
        return _OwnPrices(config_row(deployment.price))
    if profile.free and not (deployment.priced_as or provider.priced_as):
        return _Free()
    vendor, model = _price_name(provider, deployment, kind)
    if vendor is None:
        return _NoPrices("base_url is not the vendor's own: set priced_as or price")
    factor = provider.discount if deployment.discount is None else deployment.discount
    chosen = Book.read(prices.file) if prices.file else None
    told = deployment.priced_as or provider.priced_as
    stated = not told and prices.vendor_cost and states_cost(vendor)
    place = _place(provider, profile) if vendor == profile.prices else None
    if vendor == "azure" and model.startswith(_ZONES):  # priced_as: azure/eu/gpt-5.1
        place, _, model = model.partition("/")
    return (_StatedPrices if stated else _BookPrices)(vendor, model, place, chosen, factor)


def _price_name(
    provider: ProviderConfig, deployment: DeploymentConfig, kind: Wire | EngineFactory
) -> tuple[str | None, str]:
    priced_as = deployment.priced_as or provider.priced_as
    if priced_as:
        vendor, _, model = priced_as.partition("/")
        return _vendor(vendor), model or deployment.model
    profile = kind.profile
    if profile.prices is None and isinstance(kind, EngineFactory) and not provider.base_url:
        vendor, slash, model = deployment.model.partition("/")  # an engine's models name their vendor themselves
        return (vendor, model) if slash else (None, deployment.model)
    return (profile.prices if _at_home(provider, profile) else None), deployment.model


def _at_home(provider: ProviderConfig, profile: Profile) -> bool:
    if not provider.base_url:
        return True
    host = urlsplit(provider.base_url).hostname or ""
    return any(host.endswith(known) if known.startswith(".") else host == known for known in profile.hosts)


def _place(provider: ProviderConfig, profile: Profile) -> str | None:
    if profile.place is None:
        return None
    settings = provider.settings | ({"region": provider.region} if provider.region else {})
    return profile.place(settings, provider.base_url)


def _vendor(name: str) -> str:
    try:
        return find(name).profile.prices or name
    except ConfigError:
        return name  # a vendor of the price book that has no kind of its own


class _OwnPrices:
    """Prices written in the file."""

    def __init__(self, row: PriceRow) -> None:
        self._row = row

    def __call__(self, usage: Usage, _served: str | None, at: datetime, /) -> Cost:
        return self._row.cost(usage, at=at)

    def ceiling(self, input_tokens: int, at: float, /) -> Ceiling:
        return self._row.ceiling(input_tokens, at=at)


class _Free:
    """Nothing is ever billed."""

    def __call__(self, _usage: Usage, _served: str | None, _at: datetime, /) -> Cost:
        return _FREE

    def ceiling(self, _input_tokens: int, _at: float, /) -> Ceiling:
        return _NOTHING


class _NoPrices:
    """Nobody knows."""

    def __init__(self, why: str) -> None:
        self._why = why

    def __call__(self, _usage: Usage, _served: str | None, _at: datetime, /) -> Cost:
        return Cost(unknown=self._why)

    def ceiling(self, _input_tokens: int, _at: float, /) -> Ceiling:
        raise Unpriced(self._why)


class _BookPrices:
    """Prices of one model by a book: of the model served, if the book knows it, else of the one asked for."""

    def __init__(self, vendor: str, model: str, place: str | None, book: Book | None, factor: Decimal | None) -> None:
        self._book = book
        self._factor = factor
        self._vendor = vendor
        self._model = model
        self._place = place
        self._asked = f"{vendor}/{model}#{place}" if place else f"{vendor}/{model}"
        self._missing = f"the price book has no row for {self._asked}"
        self._rows: dict[str | None, PriceRow | None] = {}

    def __call__(self, usage: Usage, served: str | None, at: datetime, /) -> Cost:
        row = self._rows.get(served) or self._row(served)
        if row is None:
            return Cost(unknown=self._missing, asked=self._asked, factor=self._factor)
        return row.cost(usage, at=at, asked=self._asked)

    def ceiling(self, input_tokens: int, at: float, /) -> Ceiling:
        row = self._rows.get(None) or self._row(None)
        if row is None:
            raise Unpriced(self._missing)
        return row.ceiling(input_tokens, at=at)

    def _row(self, served: str | None) -> PriceRow | None:
        try:
            return self._rows[served]
        except KeyError:
            row = self._rows[served] = self._find(served)
            return row

    def _find(self, served: str | None) -> PriceRow | None:
        book = self._book or bundled()
        names = [served, self._model] if served else [self._model]
        rows = (book.find(self._vendor, name, self._place) for name in names)
        row = next((row for row in rows if row is not None), None)
        return row.scaled(self._factor) if row is not None and self._factor is not None else row


class _StatedPrices(_BookPrices):
    """What the vendor states, and a book's prices where it states nothing."""

    def __call__(self, usage: Usage, served: str | None, at: datetime, /) -> Cost:
        return stated_cost(self._vendor, usage) or super().__call__(usage, served, at)
