"""What calls of a deployment cost: by the file's prices, the vendor's own statement, or a book's where they hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias
from urllib.parse import urlsplit

from orchestrator.config import DeploymentConfig, ProviderConfig
from orchestrator.config.schema import PricesConfig
from orchestrator.errors import ConfigError
from orchestrator.pricing import Book, PriceRow, bundled, config_row, stated_cost
from orchestrator.pricing.stated import states_cost
from orchestrator.registry import find
from orchestrator.spec.provider import EngineFactory, Profile, Wire
from orchestrator.types.usage import Cost, Usage

__all__ = ["Tariff", "tariff"]

Tariff: TypeAlias = Callable[[Usage, str | None, datetime], Cost]
"""What usage costs, of the model that is said to have served it (None: the one asked for), at a time."""

_DEFAULT = PricesConfig()
_FREE = Cost(total=Decimal(0))


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
        row = config_row(deployment.price)
        return lambda usage, _model, at: row.cost(usage, at=at)
    if profile.free and not (deployment.priced_as or provider.priced_as):
        return lambda _usage, _model, _at: _FREE
    vendor, model = _price_name(provider, deployment, kind)
    if vendor is None:
        why = "base_url is not the vendor's own: set priced_as or price"
        return lambda _usage, _model, _at: Cost(unknown=why)
    factor = provider.discount if deployment.discount is None else deployment.discount
    chosen = Book.read(prices.file) if prices.file else None
    by_book = _BookPrices(vendor, model, chosen, factor).cost
    told = deployment.priced_as or provider.priced_as
    return by_book if told or not prices.vendor_cost else _stated_first(vendor, by_book)


def _stated_first(vendor: str, by_book: Tariff) -> Tariff:
    def cost(usage: Usage, served: str | None, at: datetime) -> Cost:
        return stated_cost(vendor, usage) or by_book(usage, served, at)

    return cost if states_cost(vendor) else by_book


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


def _vendor(name: str) -> str:
    try:
        return find(name).profile.prices or name
    except ConfigError:
        return name  # a vendor of the price book that has no kind of its own


class _BookPrices:
    """Prices of one model by a book: of the model served, if the book knows it, else of the one asked for."""

    def __init__(self, vendor: str, model: str, book: Book | None, factor: Decimal | None) -> None:
        self._book = book
        self._factor = factor
        self._vendor = vendor
        self._model = model
        self._asked = f"{vendor}/{model}"
        self._rows: dict[str | None, PriceRow | None] = {}

    def cost(self, usage: Usage, served: str | None, at: datetime) -> Cost:
        """What that usage costs at that time."""
        try:
            row = self._rows[served]
        except KeyError:
            row = self._rows[served] = self._find(served)
        if row is None:
            why = f"the price book has no row for {self._asked}"
            return Cost(unknown=why, asked=self._asked, factor=self._factor)
        return replace(row.cost(usage, at=at), asked=self._asked)

    def _find(self, served: str | None) -> PriceRow | None:
        book = self._book or bundled()
        row = (book.find(self._vendor, served) if served else None) or book.find(self._vendor, self._model)
        return row.scaled(self._factor) if row is not None and self._factor is not None else row
