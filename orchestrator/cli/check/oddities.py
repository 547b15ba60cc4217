"""What is no mistake by the rules and looks like one: prices in other units, models of others, missing packages."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from importlib.util import find_spec

from orchestrator.bounds import costs_nothing
from orchestrator.cli.naming import named
from orchestrator.config import Config, DeploymentConfig
from orchestrator.config.budgets import BudgetConfig
from orchestrator.config.tree import Place, Problem, dotted
from orchestrator.pricing import bundled
from orchestrator.pricing.rates import Unpriced
from orchestrator.registry import find
from orchestrator.snapshot import Deployment, Snapshot
from orchestrator.spec.budgets import NANO
from orchestrator.tariffs import Tariff, tariff
from orchestrator.types.usage import Usage

__all__ = ["answers_beyond_budgets", "missing_packages", "model_hint", "odd_prices", "unbounded_answers"]

_FAR = 50
"""How many times a price of the book a contract's own is never."""

_LEAST = Decimal("0.001")
"""USD per million tokens: less than any model costs."""

_TOKENS = 1000
_USAGE = {
    "input": Usage(input_tokens=_TOKENS, output_tokens=0),
    "output": Usage(input_tokens=0, output_tokens=_TOKENS),
}
_MAKERS = ("openai", "anthropic", "google", "mistral", "cohere", "x-ai", "deepseek", "voyageai", "jina_ai")


def odd_prices(config: Config, places: Mapping[str, Place]) -> Iterator[Problem]:
    """Prices that are far from the book's, or lower than any: they are per thousand tokens, per token or in cents."""
    for name, deployment in config.deployments.items():
        for key in ("input", "output"):
            price = (deployment.price or {}).get(key)
            if price:
                listed = _listed(config, deployment, key)
                path = dotted(("deployments", name, "price", key))
                if message := _odd(price, listed):
                    yield Problem(places.get(path, Place()), path, message)


def _listed(config: Config, deployment: DeploymentConfig, key: str) -> Decimal | None:
    provider = config.providers[deployment.provider]
    unpriced = deployment.model_copy(update={"price": None})
    book: Tariff = tariff(provider, unpriced, find(provider.kind), config.prices)
    cost = book(_USAGE[key], None, datetime.now(UTC)).total
    return cost * (1_000_000 // _TOKENS) if cost else None


def _odd(price: Decimal, listed: Decimal | None) -> str | None:
    unit = "prices are in USD per million tokens"
    if listed is not None and not listed / _FAR < price < listed * _FAR:
        return f"the price book has {listed.normalize():f}, and this is {price.normalize():f}; {unit}"
    return f"no model costs so little; {unit}" if listed is None and price < _LEAST else None


def model_hint(asked: str) -> str:
    """What may have been meant by `vendor/model` that the price book does not know; empty if nothing is near."""
    book = bundled()
    vendor, _, model = asked.partition("#")[0].partition("/")
    bare = model.rpartition("/")[2]
    if bare != model and book.find(vendor, bare):
        return f"; did you mean {bare!r}, without the vendor before it?"
    maker = next((one for one in _MAKERS if one != vendor and book.find(one, bare)), None)
    if maker is not None:
        return f"; {bare!r} is a model of {maker}"
    written = f"{vendor}/{model.lower().replace(' ', '-')}"
    near = get_close_matches(written, [row for row in book if row.startswith(f"{vendor}/")], n=1, cutoff=0.85)
    return f"; did you mean {near[0].partition('/')[2]!r}?" if near else ""


def missing_packages(config: Config, places: Mapping[str, Place]) -> Iterator[Problem]:
    """Packages that the sections `store` and `otel` need and that are not installed."""
    wanted = {"store": ("redis", config.store.kind == "redis"), "otel": ("opentelemetry", config.otel is not None)}
    for key, (package, needed) in wanted.items():
        if needed and find_spec(package) is None:
            extra = "redis" if key == "store" else key
            message = f"{package} is not installed: pip install 'model-orchestrator[{extra}]'"
            yield Problem(places.get(key, Place()), key, message)


def unbounded_answers(config: Config, built: Snapshot, places: Mapping[str, Place]) -> Iterator[Problem]:
    """Chat routes whose calls a budget would refuse, because nothing bounds the answer and so what it can cost."""
    for name, route in config.routes.items():
        if route.task != "chat" or route.defaults.max_output_tokens:
            continue
        endless = [one for one in dict.fromkeys(named(route)) if _is_endless(config.deployments[one], built, one)]
        for deployment in endless:
            budget = next(_denying(config, name, config.deployments[deployment].provider), None)
            if budget is not None:
                path = dotted(("routes", name))
                message = (
                    f"budget {budget.name!r} refuses calls of {deployment} that give no max_output_tokens, as it must"
                    " know the most they can cost; add defaults: {max_output_tokens: 2000}"
                )
                yield Problem(places.get(path, Place()), path, message)
                break


def _is_endless(deployment: DeploymentConfig, built: Snapshot, name: str) -> bool:
    made = built.deployments[name]
    bounded = deployment.defaults.max_output_tokens or made.known.max_output_tokens
    return not (bounded or costs_nothing(made, time.time()))


def answers_beyond_budgets(config: Config, built: Snapshot, places: Mapping[str, Place]) -> Iterator[Problem]:
    """Chat routes whose calls a budget would refuse even unspent, because the longest answer costs more."""
    for name, route in config.routes.items():
        for one in dict.fromkeys(named(route)) if route.task == "chat" else ():
            made, written = built.deployments[one], config.deployments[one]
            cap = route.defaults.max_output_tokens or written.defaults.max_output_tokens or made.known.max_output_tokens
            dollars = _dollars(made, cap or 0)
            too_small = (budget for budget in _denying(config, name, written.provider) if dollars > budget.usd)
            if budget := next(too_small, None):
                path = dotted(("routes", name))
                message = (
                    f"budget {budget.name!r} of ${budget.usd:f} refuses calls of {one} that give no lower"
                    f" max_output_tokens: an answer of {cap:,} could cost ${dollars:f}"
                )
                yield Problem(places.get(path, Place()), path, message)
                break


def _dollars(deployment: Deployment, output_tokens: int) -> Decimal:
    """What so long an answer can cost at most; 0 where nobody knows."""
    try:
        nano = deployment.cost.ceiling(0, time.time()).nano_dollars(0, output_tokens)
    except Unpriced:
        return Decimal(0)
    return (Decimal(nano) / NANO).normalize()


def _denying(config: Config, route: str, provider: str) -> Iterator[BudgetConfig]:
    """The budgets that may refuse a call of that route at that provider."""
    for budget in config.budgets:
        routes, providers = budget.only.route, budget.only.provider
        if budget.on_exceed == "deny" and route in (routes or (route,)) and provider in (providers or (provider,)):
            yield budget
