"""The forms of `budgets`: a list, or one alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from orchestrator.config.budgets import BudgetConfig
from orchestrator.config.references import MISSING, References
from orchestrator.config.tree import KeyPath, Problems, nearest, shown
from orchestrator.config.validating import validated

__all__ = ["check_budgets", "read_budgets"]

_EXAMPLE = "{per: tenant, usd: 5, window: day}"


def read_budgets(value: Any, path: KeyPath, references: References, problems: Problems) -> tuple[BudgetConfig, ...]:
    """A list of budgets, or one of them alone."""
    several = isinstance(value, list)
    if not several and not isinstance(value, dict):
        problems.add(path, f"expected a list of budgets such as {_EXAMPLE}, found {shown(value)}")
        return ()
    items = enumerate(value) if several else [(None, value)]
    found: list[tuple[KeyPath, BudgetConfig]] = []
    for index, raw in items:
        where = path if index is None else (*path, index)
        data = references.resolve(raw, where, reached=True)
        made = validated(BudgetConfig, data, where, problems) if data is not MISSING else None
        if made is not None:
            name = made.name or f"{made.per}-{made.window}"
            found.append((where, made.model_copy(update={"name": name})))
    counts = Counter(budget.name for _, budget in found)
    for where, budget in found:
        if counts[budget.name] > 1:
            problems.add(where, f"several budgets are called {shown(budget.name)}; give each a name")
    return tuple(budget for _, budget in found)


def check_budgets(
    budgets: Collection[BudgetConfig], routes: Collection[str], providers: Collection[str], problems: Problems
) -> None:
    """Names of routes and providers that are none."""
    for index, budget in enumerate(budgets):
        for key, names, known in (("route", budget.only.route, routes), ("provider", budget.only.provider, providers)):
            for name in names:
                if name not in known:
                    near = nearest(name, known, what=f"{key}s")
                    problems.add(("budgets", index, "for", key), f"no {key} {shown(name)}{near}")
