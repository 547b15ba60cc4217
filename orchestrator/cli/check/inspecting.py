"""Finds the mistakes and the oddities of a file. Asks nobody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from orchestrator.cli.billing import asked_terms, told_terms
from orchestrator.cli.check.oddities import (
    answers_beyond_budgets,
    missing_packages,
    model_hint,
    odd_prices,
    unbounded_answers,
)
from orchestrator.cli.findings import problems_of
from orchestrator.cli.naming import named
from orchestrator.config import Config, load_file
from orchestrator.config.files import FileReader
from orchestrator.config.tree import Place, Problem, dotted
from orchestrator.errors import ConfigError
from orchestrator.registry import find
from orchestrator.snapshot import Shared, Snapshot
from orchestrator.tariffs import tariff
from orchestrator.types.usage import Usage

if TYPE_CHECKING:
    from orchestrator.cli.check.live import Answered

__all__ = ["Report", "inspect"]

_USAGE: Mapping[str, Usage] = {
    "chat": Usage(input_tokens=1000, output_tokens=1000),
    "embed": Usage(input_tokens=1000),
    "rerank": Usage(input_tokens=1000, search_units=1),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found. `terms`: deployments whose price is not the list's, and why. `readable`: there is a file, and it
    is YAML as far as one can tell from its bytes.
    """

    file: Path
    config: Config | None = None
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    terms: tuple[tuple[str, str], ...] = ()
    readable: bool = True
    live: tuple[Answered, ...] | None = None

    def answered(self, live: tuple[Answered, ...]) -> Report:
        """The same with what deployments answered."""
        return replace(self, live=live)

    def failed(self, *, strict: bool) -> bool:
        """Whether it is not right."""
        silent = any(one.error is not None for one in self.live or ())
        return bool(self.errors) or silent or (strict and bool(self.warnings))


def inspect(file: Path, *, secrets: bool) -> Report:
    """Load the file and build what a client would build."""
    try:
        reader = FileReader()
        config = load_file(file, check_secrets=secrets, reader=reader)
        places = {dotted(path): place for path, place in reader.places.items() if path}
        warnings = [*_noticed(config, places), *_unpriced(config, places), *odd_prices(config, places)]
        errors = tuple(missing_packages(config, places)) if secrets else ()
        if secrets:
            built = _built(config, places)
            if isinstance(built, Snapshot):
                warnings += unbounded_answers(config, built, places)
                warnings += answers_beyond_budgets(config, built, places)
            else:
                errors += built
    except ConfigError as error:
        return Report(file=file, errors=problems_of(error), readable=file.is_file())
    return Report(file=file, config=config, errors=errors, warnings=_in_order(warnings), terms=_terms(config))


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda one: (one.place.file or "", one.place.line or 0)))


def _noticed(config: Config, places: Mapping[str, Place]) -> Iterator[Problem]:
    """What the loader warned of, with the columns that its lines do not have."""
    for line in config.warnings:
        key = max((key for key in places if f": {key}: " in line or line.startswith(f"{key}: ")), key=len, default="")
        message = line.partition(f"{key}: ")[2] if key else line
        yield Problem(places.get(key, Place()), key, message)


def _unpriced(config: Config, places: Mapping[str, Place]) -> Iterator[Problem]:
    now = datetime.now(UTC)
    tasks = {name: route.task for route in config.routes.values() for name in named(route)}
    for name, deployment in config.deployments.items():
        provider = config.providers[deployment.provider]
        usage = replace(_USAGE[tasks.get(name, "chat")], raw=asked_terms(config, name) or None)
        cost = tariff(provider, deployment, find(provider.kind), config.prices)(usage, None, now)
        if cost.unknown:
            key = dotted(("deployments", name))
            hint = model_hint(cost.asked) if cost.asked and "no row" in cost.unknown else ""
            message = f"its calls have no price: {cost.unknown}{hint}"
            yield Problem(places.get(key) or _used(name, config, places), key if key in places else name, message)


def _terms(config: Config) -> tuple[tuple[str, str], ...]:
    now = datetime.now(UTC)
    found: list[tuple[str, str]] = []
    for name, deployment in config.deployments.items():
        provider = config.providers[deployment.provider]
        cost = tariff(provider, deployment, find(provider.kind), config.prices)(_USAGE["chat"], None, now)
        found += [(name, told) for told in told_terms(config, cost, asked_terms(config, name))]
    return tuple(found)


def _used(name: str, config: Config, places: Mapping[str, Place]) -> Place:
    """Where a one-line form is written: at the first route that names it."""
    route = next(route for route, its in config.routes.items() if name in set(named(its)))
    key = dotted(("routes", route))
    return places.get(f"{key}.pick") or places.get(key) or Place()


def _built(config: Config, places: Mapping[str, Place]) -> Snapshot | tuple[Problem, ...]:
    """What a client would run, or what would stop it: a package that is not installed, mostly."""
    from orchestrator.assembly import build  # noqa: PLC0415
    from orchestrator.policies.limits import Limiter  # noqa: PLC0415
    from orchestrator.spec.clock import SystemClock  # noqa: PLC0415
    from orchestrator.stores.memory import MemoryLimits  # noqa: PLC0415

    store = MemoryLimits()
    try:
        # Nothing is sent, so it needs no transport.
        return build(config, Shared(cast("Any", None), store, Limiter(store), SystemClock()))
    except ConfigError as error:
        return tuple(replace(problem, place=places.get(problem.key, problem.place)) for problem in problems_of(error))
