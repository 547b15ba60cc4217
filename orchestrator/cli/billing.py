"""On what terms a deployment is billed, as far as the file says: its tier, and where requests are processed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.pricing import Book, bundled

if TYPE_CHECKING:
    from orchestrator.config import Config
    from orchestrator.types.usage import Cost

__all__ = ["asked_terms", "told_terms"]

_NAMES = ("service_tier", "speed", "inference_geo")


def asked_terms(config: Config, name: str, route: str | None = None) -> dict[str, str]:
    """What the file's options ask of the vendor that has a price of its own, under the names that pricing knows.

    A route's own defaults win over those of the deployment.
    """
    deployment = config.deployments[name]
    kind = config.providers[deployment.provider].kind
    found: dict[str, str] = {}
    for options in (deployment.defaults, *([config.routes[route].defaults] if route else ())):
        found |= dict(_terms((options.provider_options or {}).get(kind, {})))
    return found


def _terms(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in _NAMES:
        if isinstance(value := options.get(name), str):
            yield name, value
    # Bedrock's own form.
    for name, key, inner in (("service_tier", "serviceTier", "type"), ("speed", "performanceConfig", "latency")):
        value = options.get(key)
        if isinstance(value, Mapping) and isinstance(value.get(inner), str):
            yield name, value[inner]


def told_terms(config: Config, cost: Cost, asked: Mapping[str, str]) -> tuple[str, ...]:
    """In words: the tier, and what a place adds to the price."""
    words = [f"{name.replace('_', ' ')} {value}" for name, value in asked.items()]
    return (*words, *_place(config, cost))


def _place(config: Config, cost: Cost) -> Iterator[str]:
    vendor, _, rest = (cost.asked or "").partition("/")
    model, _, place = rest.partition("#")
    if not place:
        return
    book = Book.read(config.prices.file) if config.prices.file else bundled()
    row = book.find(vendor, model, place)
    if row is not None and row.uplift is not None:
        yield f"tokens cost {row.uplift} times as much in {place}"
    elif f"/{place}/" in (cost.price_row or ""):
        yield f"prices of {place}"
